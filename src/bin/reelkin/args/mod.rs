//! Options that apply to every command, and option groups that several commands share.
//!
//! The options of a single command are next to that command in `commands/`. Option names follow ima2 where ima2 has the
//! option.

mod request;
mod values;

use std::path::PathBuf;

use clap::{Args, Parser};
use reelkin::{Budget, usd};

use crate::commands::Command;
use crate::output::CommandResult;

pub(crate) use request::{ContinueArgs, PlanningArgs, SourceArgs, WaitArgs, aspect_ratio, reject_ignored};
pub(crate) use values::{one_of, seconds};

/// Create, edit, extend and analyze AI video with Grok Imagine.
#[derive(Debug, Parser)]
#[command(
    name = "reelkin",
    version,
    arg_required_else_help = true,
    subcommand_required = true,
    after_help = "The API key is read from XAI_API_KEY. With --sandbox, no key is needed and nothing is charged.\n\n\
        Exit codes:\n  \
        0    success\n  \
        1    failure\n  \
        2    invalid arguments\n  \
        3    submission unknown: a request was sent, but no usable reply was received\n  \
        4    rejected by moderation\n  \
        5    over budget\n  \
        130, 143, 129    interrupted by SIGINT, SIGTERM or SIGHUP"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArgs {
    /// The library that stores the clips: a folder, or the URL of a bucket if this build supports buckets
    #[arg(
        long,
        global = true,
        value_name = "DIR|URL",
        env = "REELKIN_LIBRARY",
        default_value = "clips"
    )]
    pub(crate) library: PathBuf,
    /// Send requests to this base URL instead of the xAI API
    #[arg(long, global = true, value_name = "URL", conflicts_with = "sandbox")]
    pub(crate) base_url: Option<String>,
    /// Use a sandbox server in this process: no API key, no cost
    #[arg(long, global = true)]
    pub(crate) sandbox: bool,
    /// Print the result as one JSON object
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Log to standard error; repeat for more detail, up to three times
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    #[command(flatten)]
    pub(crate) budget: BudgetArgs,
}

// All processes that use a library share its ledger, so these limits count the requests of every process.
#[derive(Debug, Args)]
#[command(next_help_heading = "Budget options")]
pub(crate) struct BudgetArgs {
    /// Maximum cost of one request, in dollars
    #[arg(long, global = true, value_name = "USD", env = "REELKIN_BUDGET_REQUEST")]
    budget_request: Option<String>,
    /// Maximum cost of all requests in a day (UTC), in dollars
    #[arg(long, global = true, value_name = "USD", env = "REELKIN_BUDGET_DAY")]
    budget_day: Option<String>,
    /// Maximum cost of all requests of the library, in dollars
    #[arg(long, global = true, value_name = "USD", env = "REELKIN_BUDGET_LIBRARY")]
    budget_library: Option<String>,
    /// Allow requests with an unknown price when a budget is set
    #[arg(long, global = true)]
    unknown_prices: bool,
}

impl BudgetArgs {
    pub(crate) fn to_budget(&self) -> CommandResult<Budget> {
        let mut budget = Budget::new().unknown_prices(self.unknown_prices);
        if let Some(limit) = &self.budget_request {
            budget = budget.per_request(usd(limit)?);
        }
        if let Some(limit) = &self.budget_day {
            budget = budget.per_day(usd(limit)?);
        }
        if let Some(limit) = &self.budget_library {
            budget = budget.per_library(usd(limit)?);
        }
        Ok(budget)
    }
}

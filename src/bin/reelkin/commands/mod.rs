//! The commands of the program, each with its options and its output.

mod analyze;
mod chain;
mod continue_from;
mod doctor;
mod edit;
mod extend;
mod frame;
mod generate;
mod lineage;
mod ls;
mod models;
mod probe;
mod recover;
mod sandbox;
mod settle;

use clap::Subcommand;

use crate::args::GlobalArgs;
use crate::output::CommandResult;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Generate a clip from a prompt, images and voices
    Generate(Box<generate::GenerateArgs>),
    /// Edit a clip as a prompt describes
    Edit(edit::EditArgs),
    /// Extend a clip at its end
    Extend(extend::ExtendArgs),
    /// Create a clip that starts where another clip ends
    Continue(continue_from::ContinueFromArgs),
    /// Describe a clip with a language model
    Analyze(analyze::AnalyzeArgs),
    /// Show the ancestors and descendants of a clip
    Lineage(lineage::LineageArgs),
    /// Create a series of clips, each starting where the previous one ends
    ///
    /// Running the same command again resumes an interrupted chain. If all clips exist, nothing is created.
    Chain(chain::ChainArgs),
    /// Save a frame of a clip as a PNG or JPEG file
    Frame(frame::FrameArgs),
    /// Show the format and the streams of a clip
    Probe(probe::ProbeArgs),
    /// List the clips of the library, newest first
    Ls(ls::LsArgs),
    /// Resume interrupted jobs and save their clips
    Recover(recover::RecoverArgs),
    /// Record what happened to a request with an unknown outcome
    Settle(settle::SettleArgs),
    /// Show the limits and prices of the models
    Models(models::ModelsArgs),
    /// Check the API key, the service, libav and the library
    Doctor,
    /// Run a local server with the API of the service, at no cost
    ///
    /// Prints one line of JSON with `base_url` and `api_key`, then serves until it is stopped.
    Sandbox(sandbox::SandboxArgs),
}

impl Command {
    pub(crate) fn run(self, global: &GlobalArgs) -> CommandResult {
        match self {
            Self::Generate(args) => generate::run(global, &args),
            Self::Edit(args) => edit::run(global, args),
            Self::Extend(args) => extend::run(global, args),
            Self::Continue(args) => continue_from::run(global, args),
            Self::Analyze(args) => analyze::run(global, &args),
            Self::Lineage(args) => lineage::run(global, &args),
            Self::Chain(args) => chain::run(global, &args),
            Self::Frame(args) => frame::run(global, &args),
            Self::Probe(args) => probe::run(global, &args),
            Self::Ls(args) => ls::run(global, &args),
            Self::Recover(args) => recover::run(global, &args),
            Self::Settle(args) => settle::run(global, &args),
            Self::Models(args) => models::run(global, &args),
            Self::Doctor => doctor::run(global),
            Self::Sandbox(args) => sandbox::run(&args),
        }
    }
}

//! `reelkin settle`.

use clap::Args;
use reelkin::{JobId, Library, Settlement, usd};
use serde_json::json;

use crate::args::GlobalArgs;
use crate::output::{self, CommandResult, ExitCode};
use crate::session::block_on;

#[derive(Debug, Args)]
pub(crate) struct SettleArgs {
    /// The id of the record, as printed by `reelkin recover` and `reelkin ls --open`
    #[arg(value_name = "RECORD_ID")]
    record_id: String,
    #[command(flatten)]
    outcome: OutcomeArgs,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct OutcomeArgs {
    /// The service has no such job, and nothing was charged
    #[arg(long)]
    never_made: bool,
    /// This amount was charged, and there is no clip
    #[arg(long, value_name = "USD")]
    lost: Option<String>,
    /// The service has this job; the next `reelkin recover` saves its clip
    #[arg(long, value_name = "JOB_ID")]
    job: Option<String>,
    /// Accept the clip in quarantine, although its verification failed
    #[arg(long)]
    accept: bool,
    /// Delete the clip in quarantine; the job stays as it is
    #[arg(long)]
    discard: bool,
}

pub(crate) fn run(global: &GlobalArgs, args: &SettleArgs) -> CommandResult {
    let outcome = &args.outcome;
    let settlement = if outcome.discard {
        return discard(global, &args.record_id);
    } else if let Some(amount) = &outcome.lost {
        Settlement::Lost(usd(amount)?)
    } else if let Some(id) = &outcome.job {
        Settlement::Job(JobId::parse(id)?.to_string())
    } else if outcome.accept {
        Settlement::Accept
    } else {
        Settlement::NeverMade
    };
    let library = Library::open_to_read(&global.library)?;
    let (record, clip) = block_on(async {
        let record = library.settle(&args.record_id, settlement.clone()).await?;
        let clip = match (&settlement, &record.clip) {
            (Settlement::Accept, Some(clip)) => Some(library.clip(clip).await?),
            _ => None,
        };
        Ok((record, clip))
    })?;
    if global.json {
        let mut object = output::job_json(&record);
        if let Some(clip) = &clip {
            object["clip"] = output::clip_json(clip, None);
        }
        output::print_json(&object);
    } else {
        output::print_line(output::job_line(&record));
        if let Some(clip) = &clip {
            output::print_clip(clip, None);
        }
    }
    Ok(ExitCode::Success)
}

/// Deletes the clip of a record from quarantine.
fn discard(global: &GlobalArgs, record_id: &str) -> CommandResult {
    let library = Library::open_to_read(&global.library)?;
    let discarded = block_on(async { Ok(library.discard_quarantined(record_id).await?) })?;
    if global.json {
        output::print_json(&json!({ "record": record_id, "discarded": discarded }));
    } else if discarded {
        output::print_line(format_args!("{record_id}  discarded"));
    } else {
        output::note(format_args!("no clip of record {record_id} is in quarantine"));
    }
    Ok(ExitCode::Success)
}

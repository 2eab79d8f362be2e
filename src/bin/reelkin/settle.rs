//! `reelkin settle`.

use reelkin::{JobId, Library, Settlement, usd};
use serde_json::json;

use crate::args::{Global, Said, Settle};
use crate::output::{self, ExitCode, Outcome};
use crate::session::block_on;

pub(crate) fn run(global: &Global, command: &Settle) -> Outcome {
    let settlement = match &command.said {
        Said { discard: true, .. } => return discard(global, &command.record),
        Said {
            lost: Some(amount), ..
        } => Settlement::Lost(usd(amount)?),
        Said { job: Some(id), .. } => Settlement::Job(JobId::parse(id)?.to_string()),
        Said { accept: true, .. } => Settlement::Accept,
        Said { .. } => Settlement::NeverMade,
    };
    let library = Library::open_to_read(&global.library)?;
    let (record, clip) = block_on(async {
        let record = library.settle(&command.record, settlement.clone()).await?;
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
    Ok(ExitCode::SUCCESS)
}

/// Removes what is in quarantine of a record.
fn discard(global: &Global, record: &str) -> Outcome {
    let library = Library::open_to_read(&global.library)?;
    let discarded = block_on(async { Ok(library.discard_quarantined(record).await?) })?;
    if global.json {
        output::print_json(&json!({ "record": record, "discarded": discarded }));
    } else if discarded {
        output::print_line(format_args!("{record}  discarded"));
    } else {
        output::note(format_args!("nothing of {record} is in quarantine"));
    }
    Ok(ExitCode::SUCCESS)
}

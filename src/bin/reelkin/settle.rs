//! `reelkin settle`.

use reelkin::{JobId, Library, Settlement, usd};

use crate::args::{Global, Said, Settle};
use crate::output::{self, ExitCode, Outcome};
use crate::session::block_on;

pub(crate) fn run(global: &Global, command: &Settle) -> Outcome {
    let settlement = match &command.said {
        Said {
            lost: Some(amount), ..
        } => Settlement::Lost(usd(amount)?),
        Said { job: Some(id), .. } => Settlement::Job(JobId::parse(id)?.to_string()),
        Said { .. } => Settlement::NeverMade,
    };
    let library = Library::open_to_read(&global.library)?;
    let record = block_on(async { Ok(library.settle(&command.record, settlement).await?) })?;
    if global.json {
        output::print_json(&output::job_json(&record));
    } else {
        output::print_line(output::job_line(&record));
    }
    Ok(ExitCode::SUCCESS)
}

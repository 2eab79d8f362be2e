//! `reelkin recover`: jobs by their ids.

use std::process::ExitCode;

use reelkin::JobId;
use serde_json::json;

use crate::args::{Global, Recover};
use crate::output::{self, Failure, Outcome};
use crate::session::{Session, Settings, block_on, check_destination};

pub(crate) fn run(global: &Global, command: &Recover) -> Outcome {
    check_destination(&command.wait, &global.library)?;
    if command.wait.out.is_some() && command.jobs.len() > 1 {
        return Err(Failure::Arguments(
            "write copies of several clips: -o names one file; use -d".to_owned(),
        ));
    }
    // What is no id is a mistake in the arguments, and no job's own failure.
    for id in &command.jobs {
        JobId::parse(id)?;
    }
    let settings = Settings {
        timeout: Some(command.wait.timeout),
        ..Settings::default()
    };
    block_on(async {
        let session = Session::open(global, settings).await?;
        let mut recovered = Vec::new();
        let mut failed = None;
        for id in &command.jobs {
            let result = async {
                let job = session.client.job(id)?;
                let clip = session.wait(&job, global.json).await?;
                let copy = session.copy(&clip, &command.wait).await?;
                reelkin::Result::Ok((clip, copy))
            };
            match result.await {
                Ok((clip, copy)) if global.json => recovered.push(output::clip_json(&clip, copy.as_deref())),
                Ok((clip, copy)) => output::print_clip(&clip, copy.as_deref()),
                Err(error) if global.json => {
                    recovered.push(json!({ "error": output::error_json(&error) }));
                    failed = Some(Failure::Crate(error));
                }
                // Every job gets its try; the last failure is the exit code.
                Err(error) => {
                    failed = Some(Failure::Crate(error));
                    if let Some(failure) = &failed {
                        output::failure(failure, false);
                    }
                }
            }
        }
        session.close().await;
        if global.json {
            output::print_json(&json!({ "jobs": recovered }));
        }
        Ok(failed.as_ref().map_or(ExitCode::SUCCESS, output::code_of))
    })
}

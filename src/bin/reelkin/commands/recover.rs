//! `reelkin recover`: finishes all open jobs of the library, or jobs by id.

use clap::Args;
use reelkin::{ErrorKind, JobId, JobRecord, Recovered, RecoveryEvent, VideoClient};
use serde_json::{Value, json};

use crate::args::{GlobalArgs, WaitArgs};
use crate::copies::{check_destination, copy_clip};
use crate::output::{self, CliError, CommandResult, ExitCode, Progress, single_line};
use crate::session::{Session, wait_for_job, wait_with_progress, with_session};
use crate::signals;

#[derive(Debug, Args)]
pub(crate) struct RecoverArgs {
    /// The ids of the jobs, from an error message or a sidecar [default: all open jobs of the library]
    #[arg(value_name = "JOB_ID")]
    jobs: Vec<String>,
    #[command(flatten)]
    wait: WaitArgs,
}

pub(crate) fn run(global: &GlobalArgs, args: &RecoverArgs) -> CommandResult {
    check_destination(&args.wait, &global.library)?;
    if args.wait.out.is_some() && args.jobs.len() != 1 {
        return Err(CliError::Usage(
            "copy the clips: -o is for a single job; use -d to copy several clips into a folder".to_owned(),
        ));
    }
    // An invalid id is an invalid argument, not a failed job.
    for id in &args.jobs {
        JobId::parse(id)?;
    }
    let builder = VideoClient::builder();
    with_session(global, builder, Some(args.wait.timeout), async |session| {
        if args.jobs.is_empty() {
            recover_all(session, &args.wait, global.json).await
        } else {
            Ok(recover_jobs(session, args, global.json).await)
        }
    })
}

/// Recovers jobs by id, whether or not they are in the journal. The exit code is that of the last failure. A clip is
/// reported even if it cannot be copied.
async fn recover_jobs(session: &Session, args: &RecoverArgs, as_json: bool) -> ExitCode {
    let mut results = Vec::new();
    let mut code = ExitCode::Success;
    for id in &args.jobs {
        let result = async {
            let job = session.client.job(id)?;
            let clip = wait_for_job(&job, as_json).await?;
            let copy = copy_clip(session.client.library(), &clip, &args.wait).await;
            reelkin::Result::Ok((clip, copy))
        };
        match result.await {
            Ok((clip, copy)) => {
                if as_json {
                    results.push(output::saved_json(&clip, &copy));
                } else {
                    output::print_saved(&clip, &copy);
                }
                if copy.is_err() {
                    code = ExitCode::Failure;
                }
            }
            Err(error) => {
                let error = CliError::Library(error);
                if as_json {
                    results.push(json!({ "error": error.to_json() }));
                } else {
                    error.report(false);
                }
                code = error.exit_code();
            }
        }
        if signals::exit_code().is_some() {
            break;
        }
    }
    if as_json {
        output::print_json(&json!({ "jobs": results }));
    }
    code
}

/// Recovers all open jobs of the library. A clip is reported even if it cannot be copied, and the other jobs are
/// not affected.
async fn recover_all(session: &Session, wait: &WaitArgs, as_json: bool) -> CommandResult {
    let work = session.client.recover().start();
    let recovered = wait_with_progress(&work, as_json, |event| recovery_progress(&event)).await?;
    let mut is_every_copy_ok = true;
    let mut saved = Vec::new();
    for clip in &recovered.saved {
        let copy = copy_clip(session.client.library(), clip, wait).await;
        if as_json {
            saved.push(output::saved_json(clip, &copy));
        } else {
            output::print_saved(clip, &copy);
        }
        is_every_copy_ok &= copy.is_ok();
    }
    if as_json {
        output::print_json(&recovered_json(&recovered, &saved));
    } else {
        print_recovered(&recovered);
    }
    Ok(if !recovered.unsettled.is_empty() {
        ErrorKind::SubmissionUnknown.into()
    } else if is_every_copy_ok
        && recovered.open.is_empty()
        && recovered.failed.is_empty()
        && recovered.other_service.is_empty()
        && recovered.stuck.is_empty()
    {
        ExitCode::Success
    } else {
        ExitCode::Failure
    })
}

fn recovery_progress(event: &RecoveryEvent) -> Option<Progress> {
    match event {
        RecoveryEvent::Found { jobs } => Some((output::count(*jobs, "open job"), None)),
        RecoveryEvent::Looked { done, of } => {
            let percent = (done * 100).checked_div(*of).unwrap_or(100);
            Some((format!("{done} of {of} jobs"), Some(percent)))
        }
        _ => None,
    }
}

fn recovered_json(recovered: &Recovered, saved: &[Value]) -> Value {
    let jobs = |records: &[JobRecord]| records.iter().map(output::job_json).collect::<Vec<Value>>();
    json!({
        "saved": saved,
        "failed": jobs(&recovered.failed),
        "open": jobs(&recovered.open),
        "unsettled": jobs(&recovered.unsettled),
        "stuck": recovered.stuck.iter().map(output::stuck_json).collect::<Vec<Value>>(),
        "elsewhere": jobs(&recovered.held_by_others),
        "other_service": jobs(&recovered.other_service),
        "dropped": recovered.dropped,
    })
}

/// Prints the jobs that have no saved clip, each with its status, and the number of dropped requests.
fn print_recovered(recovered: &Recovered) {
    let groups = [
        ("ended without a clip", &recovered.failed),
        ("still open; run `reelkin recover` again later", &recovered.open),
        ("sent, but no usable reply was received", &recovered.unsettled),
        ("another process is working on it", &recovered.held_by_others),
    ];
    let mut is_empty = recovered.saved.is_empty() && recovered.dropped == 0;
    for (status, records) in groups {
        for record in records {
            is_empty = false;
            output::print_line(output::job_line(record));
            match record.failure() {
                Some(error) => output::note(format_args!("  {status}: {}", output::error_line(&error))),
                None => output::note(format_args!("  {status}")),
            }
        }
    }
    for record in &recovered.other_service {
        is_empty = false;
        output::print_line(output::job_line(record));
        output::note(format_args!(
            "  skipped: it was sent to {}; run again with that --base-url, or settle the record",
            single_line(record.service.as_deref().unwrap_or("another service"), 100)
        ));
    }
    for stuck in &recovered.stuck {
        is_empty = false;
        output::print_line(output::stuck_line(stuck));
    }
    for record in &recovered.unsettled {
        output::note(output::settle_hint(record.id.as_str()));
    }
    if recovered.dropped > 0 {
        output::note(format_args!(
            "dropped {}",
            output::count(recovered.dropped, "unsent request")
        ));
    }
    if is_empty {
        output::note("nothing to recover");
    }
}

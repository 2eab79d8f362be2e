//! `reelkin recover`.

use futures_util::StreamExt as _;
use reelkin::{ErrorKind, JobId, Recovered, RecoveryEvent, RecoveryHandle};
use serde_json::{Value, json};

use crate::args::{Global, Recover, Wait};
use crate::output::{self, ExitCode, Failure, Outcome};
use crate::session::{Session, Settings, check_destination, until_over, with_session};
use crate::signals;
use crate::terminal::shown;

pub(crate) fn run(global: &Global, command: &Recover) -> Outcome {
    check_destination(&command.wait, &global.library)?;
    if command.wait.out.is_some() && command.jobs.len() != 1 {
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
    with_session(global, settings, async |session| {
        if command.jobs.is_empty() {
            everything(session, &command.wait, global.json).await
        } else {
            Ok(named(session, command, global.json).await)
        }
    })
}

/// The jobs of these ids, whether the journal has them or not.
async fn named(session: &Session, command: &Recover, as_json: bool) -> ExitCode {
    let mut recovered = Vec::new();
    let mut failed = None;
    for id in &command.jobs {
        let result = async {
            let job = session.client.job(id)?;
            let clip = session.wait(&job, as_json).await?;
            let copy = session.copy(&clip, &command.wait).await?;
            reelkin::Result::Ok((clip, copy))
        };
        match result.await {
            Ok((clip, copy)) if as_json => recovered.push(output::clip_json(&clip, copy.as_deref())),
            Ok((clip, copy)) => output::print_clip(&clip, copy.as_deref()),
            // Every job gets its try; the last failure is the exit code.
            Err(error) => {
                recovered.push(json!({ "error": output::error_json(&error) }));
                let failure = Failure::Crate(error);
                if !as_json {
                    output::failure(&failure, false);
                }
                failed = Some(failure);
            }
        }
        if signals::exit_code().is_some() {
            break;
        }
    }
    if as_json {
        output::print_json(&json!({ "jobs": recovered }));
    }
    failed.as_ref().map_or(ExitCode::SUCCESS, output::code_of)
}

/// Everything that is open.
async fn everything(session: &Session, wait: &Wait, as_json: bool) -> Outcome {
    let work = session.client.recover().start();
    let recovered = follow(&work, as_json).await?;
    let mut failed = None;
    let mut saved = Vec::new();
    for clip in &recovered.saved {
        match session.copy(clip, wait).await {
            Ok(copy) if as_json => saved.push(output::clip_json(clip, copy.as_deref())),
            Ok(copy) => output::print_clip(clip, copy.as_deref()),
            Err(error) => {
                saved.push(output::clip_json(clip, None));
                failed = Some(Failure::Crate(error));
            }
        }
    }
    if as_json {
        let jobs =
            |records: &[reelkin::JobRecord]| records.iter().map(output::job_json).collect::<Vec<Value>>();
        output::print_json(&json!({
            "saved": saved,
            "failed": jobs(&recovered.failed),
            "open": jobs(&recovered.open),
            "unsettled": jobs(&recovered.unsettled),
            "stuck": recovered.stuck.iter().map(output::stuck_json).collect::<Vec<Value>>(),
            "elsewhere": jobs(&recovered.elsewhere),
            "other_service": jobs(&recovered.other_service),
            "dropped": recovered.dropped,
        }));
    } else {
        tell(&recovered);
    }
    if let Some(failure) = failed {
        return Ok(output::failure(&failure, false));
    }
    Ok(if !recovered.unsettled.is_empty() {
        output::code_of_kind(ErrorKind::SubmissionUnknown)
    } else if [&recovered.open, &recovered.failed, &recovered.other_service]
        .iter()
        .all(|records| records.is_empty())
        && recovered.stuck.is_empty()
    {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn tell(recovered: &Recovered) {
    let groups = [
        ("over without a clip", &recovered.failed),
        ("still open, recover again later", &recovered.open),
        ("sent, and no answer is known", &recovered.unsettled),
        ("another process is at work on it", &recovered.elsewhere),
    ];
    let mut nothing = recovered.saved.is_empty() && recovered.dropped == 0;
    for (what, records) in groups {
        for record in records {
            nothing = false;
            output::print_line(output::job_line(record));
            match record.failure() {
                Some(error) => output::note(format_args!("  {what}: {}", output::error_line(&error))),
                None => output::note(format_args!("  {what}")),
            }
        }
    }
    for record in &recovered.other_service {
        nothing = false;
        output::print_line(output::job_line(record));
        output::note(format_args!(
            "  skipped: it was sent to {}; run again with the --base-url that was used there, or settle the record",
            shown(record.service.as_deref().unwrap_or("another service"), 100)
        ));
    }
    for stuck in &recovered.stuck {
        nothing = false;
        output::print_line(output::stuck_line(stuck));
    }
    for record in &recovered.unsettled {
        output::note(output::settle_hint(record.id.as_str()));
    }
    if recovered.dropped > 0 {
        output::note(format_args!(
            "{} were prepared and never sent: dropped",
            recovered.dropped
        ));
    }
    if nothing {
        output::note("nothing is open");
    }
}

/// Waits, with a line for everything that is looked at.
async fn follow(work: &RecoveryHandle, as_json: bool) -> reelkin::Result<Recovered> {
    let watched = work.clone();
    let drawing = async move {
        if as_json {
            return;
        }
        let lines = watched.events().filter_map(|event| async move {
            match event {
                RecoveryEvent::Found { jobs } => Some((format!("{jobs} open"), None)),
                RecoveryEvent::Looked { done, of } => {
                    let percent = (done * 100).checked_div(of).unwrap_or(100);
                    Some((format!("{done} of {of}"), Some(percent)))
                }
                _ => None,
            }
        });
        output::draw(Box::pin(lines)).await;
    };
    until_over(work, drawing).await
}

//! The rows of the fault tables of creates, polls and downloads, and the check of a row.

#![cfg(feature = "cli")]

use futures_util::StreamExt as _;
use reelkin::request::PublicUrl;
use reelkin::{Charge, ErrorKind, RetryAdvice, StorageOptions};

use crate::download::faults::DOWNLOADS;
use crate::poll::faults::{OUTCOMES, POLLS};
use crate::submit::faults::CREATES;
use crate::support::bench::{Bench, ms, quick_creates, quick_downloads, quick_polls, request};
use crate::support::leaks::assert_outcome_clean;

/// How a row ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum End {
    Saved,
    /// Fails with the job's id and the advice to resume or to check the account. The record stays open, and a later
    /// recovery saves the clip.
    StaysOpen,
    Fails {
        kind: ErrorKind,
        advice: RetryAdvice,
        charge: Charge,
        /// Whether the error has the job's id.
        job: bool,
    },
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) fault: &'static str,
    pub(crate) end: End,
    /// Number of jobs that the sandbox made. Each would have been paid.
    pub(crate) creates: u64,
    /// Number of creates that arrived, including refused ones.
    pub(crate) requests: u64,
    /// Whether the row ends at a deadline, which is then short.
    pub(crate) hasty: bool,
    /// Whether the connection stalls, so that the timeout of an exchange is short.
    pub(crate) silent: bool,
}

pub(crate) const fn saved(fault: &'static str) -> Row {
    Row {
        fault,
        end: End::Saved,
        creates: 1,
        requests: 1,
        hasty: false,
        silent: false,
    }
}

pub(crate) const fn fails(
    fault: &'static str,
    kind: ErrorKind,
    advice: RetryAdvice,
    charge: Charge,
    job: bool,
) -> Row {
    Row {
        fault,
        end: End::Fails {
            kind,
            advice,
            charge,
            job,
        },
        creates: job as u64,
        requests: 1,
        hasty: false,
        silent: false,
    }
}

/// The create was sent, and its result is unknown.
pub(crate) const fn unknown(fault: &'static str, creates: u64) -> Row {
    let row = fails(
        fault,
        ErrorKind::SubmissionUnknown,
        RetryAdvice::CheckAccount,
        Charge::Unknown,
        false,
    );
    Row { creates, ..row }
}

/// The service refused the create.
pub(crate) const fn refused(fault: &'static str, kind: ErrorKind, advice: RetryAdvice, requests: u64) -> Row {
    let row = fails(fault, kind, advice, Charge::No, false);
    Row { requests, ..row }
}

/// The job continues, and can be picked up by its id.
pub(crate) const fn resumes(fault: &'static str, kind: ErrorKind, charge: Charge) -> Row {
    fails(fault, kind, RetryAdvice::Resume, charge, true)
}

/// The deadline passes first.
pub(crate) const fn late(fault: &'static str) -> Row {
    Row {
        hasty: true,
        ..resumes(fault, ErrorKind::Timeout, Charge::Unknown)
    }
}

/// Denies the job, or access to it, on every poll. The answer may be wrong, so the record must stay open.
pub(crate) const fn stays_open(fault: &'static str) -> Row {
    Row {
        hasty: true,
        end: End::StaysOpen,
        ..saved(fault)
    }
}

/// The connection stalls, so the timeout of an exchange is short.
pub(crate) const fn slow(row: Row) -> Row {
    Row { silent: true, ..row }
}

/// The job is over without a clip.
pub(crate) const fn over(fault: &'static str, kind: ErrorKind, advice: RetryAdvice, charge: Charge) -> Row {
    fails(fault, kind, advice, charge, true)
}

/// Runs one row, and returns one line for each difference from it.
async fn run(row: Row) -> Vec<String> {
    let bench = Bench::start(&[row.fault]).await;
    let mut policy = quick_polls();
    if row.hasty {
        policy.deadline = ms(600);
    }
    // A square is the cheapest format to render.
    let mut asked = request().aspect_ratio("1:1");
    if row.fault.starts_with("storage") || row.fault.starts_with("public") {
        asked = asked.storage(StorageOptions::new("a.mp4").public_url(PublicUrl::LikeTheFile));
    }
    let mut builder = bench.builder().poll(policy);
    if row.silent {
        let mut timeouts = quick_creates();
        timeouts.read = ms(700);
        builder = builder.timeouts(timeouts);
    }
    if row.fault.contains("restart") {
        // On a loaded machine the server may be down for longer than one pause between attempts.
        let mut downloads = quick_downloads();
        downloads.attempts = 6;
        builder = builder.download(downloads);
    }
    let client = builder.build().unwrap();
    let outcome = client.generate(asked).await;
    assert_outcome_clean(row.fault, &outcome, bench.folder.path());
    let mut wrong = Vec::new();
    let mut check = |what: &str, have: String, want: String| {
        if have != want {
            wrong.push(format!("{}: {what} is {have}, not {want}", row.fault));
        }
    };

    let state = bench.state();
    check("creates", state.creates.to_string(), row.creates.to_string());
    check(
        "create requests",
        state.create_requests.to_string(),
        row.requests.to_string(),
    );
    let clips = bench.clips();
    let (end, job) = match &outcome {
        Ok(_) => (End::Saved, None),
        Err(error) if row.end == End::StaysOpen => {
            let advice = error.retry_advice();
            check(
                "charge denied",
                (error.may_have_been_charged() == Charge::No).to_string(),
                "false".to_owned(),
            );
            let right = matches!(advice, RetryAdvice::Resume | RetryAdvice::CheckAccount);
            check("advice", format!("{advice} {right}"), format!("{advice} true"));
            check("job", error.job_id().is_some().to_string(), "true".to_owned());
            (End::StaysOpen, error.job_id().map(str::to_owned))
        }
        Err(error) => {
            let end = End::Fails {
                kind: error.kind(),
                advice: error.retry_advice(),
                charge: error.may_have_been_charged(),
                job: error.job_id().is_some(),
            };
            (end, error.job_id().map(str::to_owned))
        }
    };
    let told = outcome
        .as_ref()
        .map_or_else(ToString::to_string, |_| String::new());
    check("end", format!("{end:?}"), format!("{:?}", row.end));
    if end != row.end {
        check("error", told, String::new());
    }
    check(
        "clips",
        clips.len().to_string(),
        u8::from(end == End::Saved).to_string(),
    );
    if let (Some(clip), Ok(saved)) = (clips.first(), &outcome) {
        check(
            "path",
            format!("{:?}", saved.path),
            format!("{:?}", Some(clip.path.canonicalize().unwrap())),
        );
        check("job", clip.job_id().to_owned(), state.jobs[0].id.clone());
    }
    if let Some(id) = &job {
        check("job id", id.clone(), state.jobs[0].id.clone());
    }

    if row.end == End::StaysOpen {
        let open = bench.client().library().jobs().await.unwrap();
        check("open records", open.len().to_string(), "1".to_owned());
        bench.sandbox.clear_faults();
        let found = bench.client().recover().await.unwrap();
        check("saved later", found.saved.len().to_string(), "1".to_owned());
        check("clips after", bench.clips().len().to_string(), "1".to_owned());
        check("creates after", bench.state().creates.to_string(), "1".to_owned());
    }

    // Once the fault is gone, a client that knows only the id can pick the job up.
    let resume = matches!(
        row.end,
        End::Fails {
            advice: RetryAdvice::Resume,
            ..
        }
    );
    if resume
        && row.fault != "stalled"
        && let Some(id) = job
    {
        bench.sandbox.clear_faults();
        let again = bench.client().job(&id).unwrap().wait().await;
        if let Err(error) = again {
            check("picked up", error.to_string(), "a clip".to_owned());
        } else {
            check("clips after", bench.clips().len().to_string(), "1".to_owned());
            check("creates after", bench.state().creates.to_string(), "1".to_owned());
        }
    }
    wrong
}

pub(crate) async fn run_all(rows: &[Row]) {
    let wrong: Vec<String> = futures_util::stream::iter(rows.iter().copied())
        .map(|row| tokio::spawn(run(row)))
        .buffer_unordered(6)
        .flat_map(|wrong| futures_util::stream::iter(wrong.unwrap()))
        .collect()
        .await;
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Returns the faults of all rows.
pub(crate) fn all_faults() -> impl Iterator<Item = &'static str> {
    [CREATES, POLLS, OUTCOMES, DOWNLOADS]
        .into_iter()
        .flatten()
        .map(|row| row.fault)
}

//! Every fault of the sandbox, one row and more each: what the caller is told, what was paid, and what
//! lies in the library afterwards.

#![cfg(feature = "cli")]

use std::collections::BTreeSet;

use futures_util::StreamExt as _;
use reelkin::request::PublicUrl;
use reelkin::sandbox::{Fault, Sandbox};
use reelkin::{Charge, EditRequest, ErrorKind, ExtendRequest, MediaInput, RetryAdvice, StorageOptions, secs};

use crate::support::bench::{Bench, ms, quick_creates, quick_downloads, quick_polls, request};
use crate::security::secrets::assert_outcome_clean;

/// How a row ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
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
struct Row {
    fault: &'static str,
    end: End,
    /// Jobs the sandbox made: each would have been paid.
    creates: u64,
    /// Creates that arrived, refused ones included.
    requests: u64,
    /// Ends at a deadline, so the deadline is short.
    hasty: bool,
    /// The line falls silent, so the time for an exchange is short.
    silent: bool,
}

const fn saved(fault: &'static str) -> Row {
    Row {
        fault,
        end: End::Saved,
        creates: 1,
        requests: 1,
        hasty: false,
        silent: false,
    }
}

const fn fails(fault: &'static str, kind: ErrorKind, advice: RetryAdvice, charge: Charge, job: bool) -> Row {
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

/// The create was sent, and nobody can say what became of it.
const fn unknown(fault: &'static str, creates: u64) -> Row {
    let row = fails(
        fault,
        ErrorKind::SubmissionUnknown,
        RetryAdvice::CheckAccount,
        Charge::Unknown,
        false,
    );
    Row { creates, ..row }
}

/// The service said no, in words.
const fn refused(fault: &'static str, kind: ErrorKind, advice: RetryAdvice, requests: u64) -> Row {
    let row = fails(fault, kind, advice, Charge::No, false);
    Row { requests, ..row }
}

/// The job goes on, and is to be picked up by its id.
const fn resumes(fault: &'static str, kind: ErrorKind, charge: Charge) -> Row {
    fails(fault, kind, RetryAdvice::Resume, charge, true)
}

/// The deadline passes first.
const fn late(fault: &'static str) -> Row {
    Row {
        hasty: true,
        ..resumes(fault, ErrorKind::Timeout, Charge::Unknown)
    }
}

/// Denies the job, or access to it, on every poll. The answer may be wrong, so the record must stay open.
const fn stays_open(fault: &'static str) -> Row {
    Row {
        hasty: true,
        end: End::StaysOpen,
        ..saved(fault)
    }
}

/// A line falls silent, so the time for an exchange is short.
const fn slow(row: Row) -> Row {
    Row { silent: true, ..row }
}

/// The job is over without a clip.
const fn over(fault: &'static str, kind: ErrorKind, advice: RetryAdvice, charge: Charge) -> Row {
    fails(fault, kind, advice, charge, true)
}

use Charge::{Unknown as Perhaps, Yes};
use ErrorKind::RateLimited;
use ErrorKind::{Auth, InvalidRequest, JobExpired, JobFailed, Media, Moderated, Network, NotFound, Protocol};
use RetryAdvice::{Change, Wait};

const CREATES: &[Row] = &[
    unknown("create:reset", 0),
    unknown("create:lost-reply", 1),
    saved("create:delay=0.1"),
    Row {
        requests: 2,
        ..saved("create:429=0,times=1")
    },
    Row {
        requests: 3,
        ..saved("create:429=0,times=2")
    },
    refused("create:429=0", RateLimited, Wait, 3),
    refused("create:429-capacity=0", RateLimited, Wait, 3),
    refused("create:429-credits=0", RateLimited, Change, 1),
    unknown("create:500", 0),
    unknown("create:502", 0),
    unknown("create:503", 0),
    unknown("create:529", 0),
    refused("create:status=400", InvalidRequest, Change, 1),
    refused("create:status=401", Auth, Change, 1),
    refused("create:status=403", Auth, Change, 1),
    refused("create:status=404", NotFound, Change, 1),
    unknown("create:status=408", 0),
    refused("create:status=422", InvalidRequest, Change, 1),
    unknown("create:html=522", 0),
    unknown("create:not-json", 0),
    unknown("create:empty-id", 1),
    saved("create:slow-body=200"),
    unknown("create:truncated", 1),
    unknown("create:truncated=0", 1),
    unknown("create:wrong-length=5", 1),
    unknown("create:wrong-length=5000", 1),
    saved("create:huge-body=100000"),
    unknown("create:cut@0", 1),
    unknown("create:cut@120", 1),
    unknown("create:reset@40", 1),
    slow(unknown("create:stall@60", 1)),
    saved("create:delay@60:50"),
    unknown("create:corrupt@0", 1),
    // Whether it was read to its end is not for the client to know.
    Row {
        requests: 0,
        ..unknown("create:cut-request@0", 0)
    },
    Row {
        requests: 0,
        ..unknown("create:cut-request@200", 0)
    },
    unknown("create:restart=0.1,times=1", 1),
];

const POLLS: &[Row] = &[
    saved("poll:reset,times=2"),
    late("poll:reset"),
    saved("poll:lost-reply,times=2"),
    saved("poll:delay=0.1,times=2"),
    saved("poll:429=0,times=2"),
    saved("poll:429-capacity=0,times=2"),
    saved("poll:429-credits=0,times=2"),
    saved("poll:500,times=2"),
    late("poll:503"),
    saved("poll:html=522,times=2"),
    saved("poll:not-json,times=2"),
    late("poll:not-json"),
    saved("poll:status=401,times=1"),
    saved("poll:status=404,times=2"),
    saved("poll:status=404,times=4"),
    stays_open("poll:status=404"),
    stays_open("poll:status=400"),
    stays_open("poll:status=401"),
    stays_open("poll:status=403"),
    stays_open("poll-400"),
    saved("poll:truncated,times=2"),
    saved("poll:wrong-length=5,times=2"),
    saved("poll:slow-body=2000,times=2"),
    saved("empty-202"),
    saved("pending-200"),
    saved("no-progress"),
    saved("status-word=simmering"),
    saved("backwards"),
    saved("poll-400,times=2"),
    saved("no-status"),
    saved("no-usage"),
    saved("no-url,times=1"),
    resumes("no-url", JobFailed, Yes),
    saved("relative-url"),
    resumes("url=https://10.0.0.1/clip.mp4", Protocol, Yes),
    resumes("url=https://169.254.169.254/latest", Protocol, Yes),
    resumes("url=http://clips.example/clip.mp4", Protocol, Yes),
    resumes("url=file:///etc/passwd", Protocol, Yes),
    saved("huge-body=500000"),
    saved("huge-body=3000000,times=2"),
    late("huge-body=3000000"),
    saved("poll:cut@30,times=2"),
    saved("poll:reset@200,times=2"),
    slow(saved("poll:stall@100,times=2")),
    saved("poll:delay@100:50"),
    saved("poll:corrupt@10,times=2"),
    saved("poll:cut-request@20,times=2"),
    saved("poll:restart=0.2,times=1"),
    saved("poll:expire-links,after=1,times=2"),
];

const OUTCOMES: &[Row] = &[
    late("stalled"),
    over("expired", JobExpired, Change, Perhaps),
    over("failed=invalid_argument", JobFailed, Change, Perhaps),
    over("failed=permission_denied", JobFailed, Change, Perhaps),
    over("failed=failed_precondition", JobFailed, Change, Perhaps),
    over("failed=service_unavailable", JobFailed, Wait, Perhaps),
    over("failed=internal_error", JobFailed, Wait, Perhaps),
    over("failed=gone_fishing", JobFailed, Change, Perhaps),
    over("moderated=400", Moderated, Change, Yes),
    over("moderated=400-billed", Moderated, Change, Yes),
    over("moderated=400-old", Moderated, Change, Yes),
    over("moderated=null", Moderated, Change, Yes),
    over("moderated=empty", Moderated, Change, Yes),
    over("moderated=missing", Moderated, Change, Yes),
    over("moderated=no-video", Moderated, Change, Yes),
    over("moderated=failed", Moderated, Change, Yes),
    saved("storage-error"),
    saved("public-url-error"),
    saved("pad=300000"),
    saved("render-size=640x360"),
    saved("render-seconds=2"),
];

const DOWNLOADS: &[Row] = &[
    saved("download:reset,times=1"),
    resumes("download:reset", Network, Yes),
    saved("download:lost-reply,times=1"),
    saved("download:delay=0.1"),
    saved("download:429=0,times=1"),
    saved("download:503,times=1"),
    resumes("download:503", Network, Yes),
    saved("download:html=522,times=1"),
    saved("download:not-json,times=1"),
    saved("download:status=404,times=1"),
    saved("slow-body=400000"),
    saved("truncated,times=1"),
    saved("truncated=100,times=1"),
    saved("wrong-length=1000,times=1"),
    saved("wrong-length=99999999,times=1"),
    resumes("wrong-length=99999999", Network, Yes),
    resumes("truncated=10", Network, Yes),
    resumes("truncated=0", Network, Yes),
    resumes("wrong-length=1000", Media, Yes),
    resumes("redirect", Protocol, Yes),
    resumes("redirect=https://192.168.0.1/a", Protocol, Yes),
    saved("content-type=text/html"),
    saved("link-expired=403,times=1"),
    saved("link-expired=404,times=2"),
    saved("download:cut@1000,times=1"),
    resumes("download:reset@20", Network, Yes),
    saved("download:delay@5000:50"),
    saved("download:corrupt@3,times=1"),
    saved("download:restart=0.2,times=1"),
    resumes("link-expired=403", JobExpired, Yes),
    saved("garbage,times=1"),
    resumes("garbage", Protocol, Yes),
    saved("half-clip,times=1"),
    resumes("half-clip", Media, Yes),
];

/// Runs one row; what is not as the row says is one line.
async fn run(row: Row) -> Vec<String> {
    let bench = Bench::start(&[row.fault]).await;
    let mut policy = quick_polls();
    if row.hasty {
        policy.deadline = ms(600);
    }
    // A square is the smallest picture to render.
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

    // What is to be picked up is there once the fault is gone, for a client that knows the id alone.
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

async fn run_all(rows: &[Row]) {
    let wrong: Vec<String> = futures_util::stream::iter(rows.iter().copied())
        .map(|row| tokio::spawn(run(row)))
        .buffer_unordered(6)
        .flat_map(|wrong| futures_util::stream::iter(wrong.unwrap()))
        .collect()
        .await;
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_of_a_create_ends_as_its_row_says() {
    run_all(CREATES).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_of_a_poll_ends_as_its_row_says() {
    run_all(POLLS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_end_of_a_job_ends_as_its_row_says() {
    run_all(OUTCOMES).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_of_a_download_ends_as_its_row_says() {
    run_all(DOWNLOADS).await;
}

/// All rows' faults, for the tests that want every one of them.
pub(crate) fn all_faults() -> impl Iterator<Item = &'static str> {
    [CREATES, POLLS, OUTCOMES, DOWNLOADS]
        .into_iter()
        .flatten()
        .map(|row| row.fault)
}

/// A new kind of fault without a row fails here.
#[test]
fn every_kind_of_fault_has_a_row() {
    let source = include_str!("../../../src/sandbox/faults/mod.rs");
    let body = source.split("pub enum FaultKind {").nth(1).unwrap();
    let body = body.split("\n}").next().unwrap();
    let kinds: BTreeSet<String> = body
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("//") && !line.starts_with('#'))
        .map(|line| line.chars().take_while(|c| c.is_alphanumeric()).collect())
        .collect();
    assert!(kinds.len() > 30 && kinds.contains("LostReply"), "{kinds:?}");
    let rows: BTreeSet<String> = all_faults()
        .map(|text| {
            let fault: Fault = text.parse().unwrap();
            let shown = format!("{fault:?}");
            let kind = shown.split("kind: ").nth(1).unwrap();
            kind.chars().take_while(|c| c.is_alphanumeric()).collect()
        })
        .collect();
    // Faults of what an answer says have a test of their own: no clip comes of an answer.
    let of_answers = [
        "Refusal",
        "SchemaBreak",
        "EmptyAnswer",
        "Incomplete",
        "ErrorWith200",
    ];
    let missing: Vec<_> = kinds
        .difference(&rows)
        .filter(|kind| !of_answers.contains(&kind.as_str()))
        .collect();
    assert!(missing.is_empty(), "no row for {missing:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clip_of_another_shape_is_saved_and_reported() {
    let bench = Bench::with(
        Sandbox::builder().seconds_per_job(0.1),
        &["render-size=320x320", "render-seconds=2"],
    )
    .await;
    let clip = bench
        .client()
        .generate(request().duration(secs(3)))
        .await
        .unwrap();
    let delivery = clip.record.unwrap().reelkin.unwrap().delivery.unwrap();
    let fields: Vec<_> = delivery
        .findings
        .iter()
        .map(|finding| finding.field.as_str())
        .collect();
    assert!(
        ["duration", "resolution"]
            .iter()
            .all(|field| fields.contains(field)),
        "{delivery:?}"
    );
    assert!(!delivery.is_as_asked());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partial_success_is_a_clip_with_a_warning() {
    for (fault, word) in [
        ("storage-error", "could not store"),
        ("public-url-error", "public link"),
    ] {
        let bench = Bench::start(&[fault]).await;
        let storage = StorageOptions::new("a.mp4").public_url(PublicUrl::LikeTheFile);
        let clip = bench.client().generate(request().storage(storage)).await.unwrap();
        let warnings = clip.record.unwrap().reelkin.unwrap().warnings.unwrap();
        assert!(
            warnings.iter().any(|line| line.contains(word)),
            "{fault}: {warnings:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_and_an_extension_without_an_answer_are_sent_once_too() {
    let bench = Bench::start(&[]).await;
    let clip = bench
        .client()
        .generate(request().duration(secs(2)))
        .await
        .unwrap();
    let video = || MediaInput::from(clip.path.clone().unwrap());
    for fault in ["create:lost-reply", "create:503", "create:reset"] {
        for extends in [false, true] {
            bench.sandbox.clear_faults();
            bench.sandbox.add_fault(fault.parse().unwrap());
            let before = bench.state();
            let client = bench.client();
            let outcome = if extends {
                client
                    .extend(ExtendRequest::new(video(), "on").duration(secs(2)))
                    .await
            } else {
                client.edit(EditRequest::new(video(), "red")).await
            };
            let error = outcome.unwrap_err();
            assert_eq!(
                (error.kind(), error.may_have_been_charged()),
                (ErrorKind::SubmissionUnknown, Charge::Unknown),
                "{fault}: {error}"
            );
            assert_eq!(
                bench.state().create_requests,
                before.create_requests + 1,
                "{fault}"
            );
        }
    }
    assert_eq!(bench.clips().len(), 1);
}

//! How a job ends without a clip: moderated, failed, expired, or done with nothing in it.

#![cfg(feature = "cli")]

use std::time::Instant;

use reelkin::{Charge, ErrorKind, JobOutcome, RetryAdvice};
use serde_json::{Value, json};

use crate::support::bench::{Bench, KEY, MAX_WAIT, PENDING, builder, ms, polls_until, real_clip, request};
use crate::support::http_server::{Answer, JOB, Run, Server, run};
use crate::support::journal::ledger;
use crate::support::outcomes::{counts, generate, open_jobs, summary};

// Requirement: wire contract, trap 3.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn done_without_a_link_ends_as_moderated() {
    for video in [
        json!({ "url": null, "respect_moderation": false }),
        json!({ "url": "", "respect_moderation": false }),
        json!({ "respect_moderation": false }),
        Value::Null,
    ] {
        let body = json!({ "status": "done", "video": video });
        let Run { outcome, server, .. } = run(move |seen, _| {
            seen.path
                .starts_with("/v1/videos/c")
                .then(|| Answer::new(200, body.to_string()))
        })
        .await;
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Moderated, "{error}");
        assert_eq!(error.retry_advice(), RetryAdvice::Change);
        assert_eq!(server.requests_to("/v1/videos/c").len(), 1);
    }
}

/// A cost that the service reports is what the ledger contains, also for a job without a clip.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reported_cost_of_a_job_without_a_clip_is_in_the_ledger() {
    let moderated = json!({ "code": "imagine:content-moderated", "error": "No." });
    for (status, body) in [
        (
            200,
            json!({ "status": "failed", "error": { "code": "internal_error", "message": "x" } }),
        ),
        (200, json!({ "status": "expired" })),
        (
            200,
            json!({ "status": "done", "video": { "url": null, "respect_moderation": false } }),
        ),
        (200, json!({ "status": "done", "video": null })),
        (400, moderated),
    ] {
        for ticks in [50_000_000_000_u64, 0] {
            let mut body = body.clone();
            body["usage"] = json!({ "cost_in_usd_ticks": ticks });
            let text = body.to_string();
            let Run { outcome, folder, .. } = run(move |seen, _| {
                let is_poll = seen.path.starts_with("/v1/videos/c");
                is_poll.then(|| Answer::new(status, text.clone()))
            })
            .await;
            let error = outcome.unwrap_err();
            let entry = &ledger(folder.path())[0];
            assert_eq!(entry["cost_usd_ticks"], ticks, "{body}: {error}");
            if ticks > 0 {
                assert_eq!(error.may_have_been_charged(), Charge::Yes, "{body}");
            }
        }
    }
}

/// A service or a proxy may repeat the key in any reply.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_in_a_reply_is_neither_shown_nor_stored() {
    for field in ["message", "code"] {
        let Run { outcome, folder, .. } = run(move |seen, _| {
            let key = seen.header("authorization").unwrap_or_default();
            let mut body =
                json!({ "status": "failed", "error": { "code": "internal_error", "message": "x" } });
            body["error"][field] = format!("wrong key {key}").into();
            let is_poll = seen.path.starts_with("/v1/videos/c");
            is_poll.then(|| Answer::new(200, body.to_string()))
        })
        .await;
        let error = outcome.unwrap_err();
        assert!(!format!("{error} {error:?}").contains(KEY), "{error:?}");
        let entry = &ledger(folder.path())[0];
        assert!(!entry.to_string().contains(KEY), "{entry}");
    }
}

// Requirement: wire contract, trap 29.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expired_ends_the_job_and_an_unknown_status_does_not() {
    let bench = Bench::start(&["expired"]).await;
    let error = bench.client().generate(request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::JobExpired);
    let bench = Bench::start(&["status-word=marinating"]).await;
    bench.client().generate(request()).await.unwrap();
}

// Requirement: field study of other clients, report 6.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_failure_is_reported_and_an_unknown_status_ends_at_the_deadline() {
    let bench = Bench::start(&["failed=internal_error", &format!("{PENDING},times=1")]).await;
    let outcome = generate(&bench).await;
    let JobOutcome::Failed { code, .. } = &outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(code.as_deref(), Some("internal_error"));
    assert!(bench.state().polls > 1);

    let server = Server::start(real_clip().await, |seen, _| {
        let poll = seen.path.starts_with("/v1/videos/c");
        poll.then(|| Answer::new(200, r#"{"status":"simmering"}"#))
    })
    .await;
    let policy = polls_until(ms(300));
    let client = builder(&server.base_url(), bench.folder.path().join("other").as_path());
    let outcome = JobOutcome::from(client.poll(policy).build().unwrap().generate(request()).await);
    let JobOutcome::TimedOut { job, .. } = &outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(job.as_ref().unwrap().as_str(), JOB);
}

// Requirement: field study of other clients, report 7.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_moderated_clip_is_a_charged_failure_that_is_not_retryable() {
    for shape in ["400", "null", "empty", "missing", "no-video", "failed"] {
        let bench = Bench::start(&[&format!("moderated={shape}")]).await;
        let outcome = generate(&bench).await;
        let want = ("moderated", Charge::Yes, Some(RetryAdvice::Change));
        assert_eq!(summary(&outcome), want, "{shape}");
        assert!(!outcome.error().unwrap().is_retryable(), "{shape}");
        assert_eq!(counts(&bench), (1, 1, 0), "{shape}");
        assert_eq!(ledger(&bench.library())[0]["state"], "failed", "{shape}");
    }
}

// Requirement: field study of other clients, report 22.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn done_without_a_link_does_not_poll_until_the_deadline() {
    let bench = Bench::start(&["no-url"]).await;
    let job = bench.client().generate(request()).start().await.unwrap();
    // Until then the job is pending, for as long as rendering takes.
    let done = bench
        .until("the end", |state| state.jobs[0].state == "done")
        .await;
    let started = Instant::now();
    let outcome = job.outcome().await;
    let want = ("interrupted", Charge::Yes, Some(RetryAdvice::Resume));
    assert_eq!(summary(&outcome), want, "{outcome:?}");
    assert_eq!(outcome.error().unwrap().service_code(), Some("done_without_url"));
    assert!(started.elapsed() < MAX_WAIT / 2);
    let polls = bench.state().polls - done.polls;
    assert!(polls < 40, "{polls}");
    // It was paid for, so it stays open until its clip can be downloaded.
    assert_eq!(open_jobs(&bench).await.len(), 1);
    bench.sandbox.clear_faults();
    assert_eq!(bench.client().recover().await.unwrap().saved.len(), 1);
    assert_eq!(counts(&bench), (1, 1, 1));
}

// Requirement: field study of other clients, report 39.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn done_without_a_video_is_a_failure_with_a_reason() {
    for body in [
        r#"{"status":"done"}"#,
        r#"{"status":"done","video":null}"#,
        r#"{"status":"done","video":{}}"#,
    ] {
        let ran = run(move |seen, _| {
            let poll = seen.path.starts_with("/v1/videos/c");
            poll.then(|| Answer::new(200, body))
        })
        .await;
        let error = ran.outcome.unwrap_err();
        assert!(
            error.job_id().is_some() && !error.to_string().is_empty(),
            "{body}"
        );
        let kind = error.kind();
        let named = matches!(kind, ErrorKind::JobFailed | ErrorKind::Moderated);
        assert!(named, "{body}: {kind}: {error}");
        assert_eq!(error.may_have_been_charged(), Charge::Yes, "{body}");
        assert!(!error.is_retryable(), "{body}: {error}");
        assert!(crate::support::bench::clips_in(ran.folder.path()).is_empty());
    }
}

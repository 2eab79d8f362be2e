//! A create whose reply does not arrive is sent once and reported as unknown.

#![cfg(feature = "cli")]

use std::sync::{Arc, Mutex};

use reelkin::{
    Charge, EditRequest, ErrorKind, ExtendRequest, JobOutcome, JobState, MediaInput, RetryAdvice, secs,
};
use serde_json::Value;

use crate::support::bench::{Bench, builder, quick_creates, real_clip, request};
use crate::support::http_server::{Answer, Server};
use crate::support::journal::open_records;
use crate::support::outcomes::{counts, generate, summary};

const UNKNOWN: (&str, Charge, Option<RetryAdvice>) = (
    "submission_unknown",
    Charge::Unknown,
    Some(RetryAdvice::CheckAccount),
);

// Requirement: field study of other clients, report 1.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_reply_creates_no_second_job() {
    let bench = Bench::start(&["create:lost-reply,times=1"]).await;
    assert_eq!(summary(&generate(&bench).await), UNKNOWN);
    assert_eq!(counts(&bench), (1, 1, 0));
    // Neither does a recovery, although the service would accept it now.
    let found = bench.client().recover().await.unwrap();
    assert_eq!((found.unsettled.len(), found.saved.len()), (1, 0), "{found:?}");
    assert_eq!(counts(&bench), (1, 1, 0));
}

// Requirement: field study of other clients, report 2.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_connection_is_charged_once() {
    for fault in ["create:cut@0", "create:reset@40", "create:truncated"] {
        let bench = Bench::start(&[fault]).await;
        let outcome = generate(&bench).await;
        assert_eq!(summary(&outcome), UNKNOWN, "{fault}");
        assert_eq!(counts(&bench), (1, 1, 0), "{fault}");
        // The caller gets what it needs to decide: which request it was, and when.
        let record_id = outcome.error().unwrap().record_id().unwrap().to_owned();
        let record = bench.client().library().job_record(&record_id).await.unwrap();
        assert_eq!(record.state, JobState::Unknown, "{fault}");
        assert_eq!(record.request_sha256.unwrap().len(), 64);
        assert!(record.created_at > reelkin::Timestamp::default() && record.changed_at >= record.created_at);
    }
}

// Requirement: field study of other clients, report 3.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_journal_has_the_intent_before_the_create_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("clips");
    let found: Arc<Mutex<Vec<Value>>> = Arc::default();
    let (all, journal) = (Arc::clone(&found), library.clone());
    let server = Server::start(real_clip().await, move |seen, _| {
        (seen.method == "POST").then(|| {
            let read = |path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
            all.lock()
                .unwrap()
                .extend(open_records(&journal).into_iter().map(read));
            Answer::new(200, r#"{"request_id":"lost"}"#).cut(0)
        })
    })
    .await;
    let client = builder(&server.base_url(), &library).build().unwrap();
    let outcome = JobOutcome::from(client.generate(request()).await);
    assert_eq!(summary(&outcome), UNKNOWN);
    let found = found.lock().unwrap();
    let [record] = &found[..] else { panic!("{found:?}") };
    assert_eq!(record["state"], "intended", "{record}");
    assert_eq!(record["prompt"], "a lighthouse at dusk");
    assert_eq!(
        Some(record["id"].as_str().unwrap()),
        outcome.error().unwrap().record_id()
    );
}

// Requirement: field study of other clients, report 12.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ambiguous_reply_to_a_create_is_never_retried() {
    for fault in [
        "500",
        "502",
        "503",
        "529",
        "status=408",
        "status=499",
        "html=522",
        "not-json",
        "empty-id",
    ] {
        let bench = Bench::start(&[&format!("create:{fault}")]).await;
        let outcome = generate(&bench).await;
        assert_eq!(summary(&outcome), UNKNOWN, "{fault}");
        assert_eq!(bench.state().create_requests, 1, "{fault}");
        let kind = outcome.error().unwrap().kind();
        assert_eq!(kind, ErrorKind::SubmissionUnknown, "{fault}");
    }
    // A timeout is ambiguous as well.
    let bench = Bench::start(&["create:delay=600"]).await;
    let client = bench.builder().timeouts(quick_creates()).build().unwrap();
    let outcome = JobOutcome::from(client.generate(request()).await);
    assert_eq!(summary(&outcome), UNKNOWN);
    assert_eq!(bench.state().create_requests, 1);
}

// Requirement: wire contract, trap 16.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_without_a_reply_is_sent_once_and_reported_as_unknown() {
    for fault in [
        "create:lost-reply",
        "create:reset",
        "create:503",
        "create:empty-id",
    ] {
        let bench = Bench::start(&[fault]).await;
        let error = bench.client().generate(request()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SubmissionUnknown, "{fault}");
        assert_eq!(error.retry_advice(), RetryAdvice::CheckAccount);
        assert_eq!(bench.state().create_requests, 1, "{fault}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_and_an_extension_without_a_reply_are_sent_once() {
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

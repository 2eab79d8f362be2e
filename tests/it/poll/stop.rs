//! A caller that stops waiting, and a client that is stopped.

#![cfg(feature = "cli")]

use std::time::Duration;

use reelkin::sandbox::Sandbox;
use reelkin::{Charge, ErrorKind, JobEvent, JobState, RateLimit, RetryAdvice, Settlement, UsdTicks};
use serde_json::Value;

use crate::support::bench::{Bench, PENDING, request, wait_until};
use crate::support::journal::ledger;
use crate::support::outcomes::{CLIP_PRICE, counts, open_jobs, summary};

/// Waits until the journal has a number of open records.
async fn wait_for_records(client: &reelkin::VideoClient, count: usize) {
    let describe = || format!("{count} records");
    let open = async || client.library().jobs().await.unwrap().len() == count;
    wait_until(describe, open).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_client_sends_nothing_more() {
    // The rate limit allows the second create in an hour.
    let bench = Bench::with(Sandbox::builder().min_job_duration(Duration::from_secs(60)), &[]).await;
    let rate = RateLimit::per_second(1000.0, 1.0 / 3600.0);
    let client = bench.builder().rate_limit(rate).build().unwrap();
    let first = client.generate(request()).start().await.unwrap();
    let waiting = tokio::spawn(client.generate(request()).start());
    wait_for_records(&client, 2).await;
    client.stop();
    for error in [
        waiting.await.unwrap().unwrap_err(),
        client.generate(request()).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Stopped, "{error}");
        assert_eq!(error.may_have_been_charged(), Charge::No, "{error}");
    }
    let error = first.wait().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.job_id()),
        (ErrorKind::Stopped, Some(first.id().as_str()))
    );
    assert!(!client.is_sending());
    // The reservations of the others are released.
    wait_for_records(&client, 1).await;
    assert_eq!(bench.state().create_requests, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rate_limited_create_is_not_sent_again_after_a_stop() {
    let bench = Bench::start(&["create:429=100,times=1"]).await;
    let client = bench.client();
    let waiting = tokio::spawn(client.generate(request()).start());
    bench
        .until("the refusal", |state| state.create_requests == 1)
        .await;
    client.stop();
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped, "{error}");
    assert_eq!(error.may_have_been_charged(), Charge::No, "{error}");
    wait_for_records(&client, 0).await;
    assert_eq!(bench.state().create_requests, 1);
}

// Requirement: field study of other clients, report 8.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_to_wait_does_not_report_the_job_as_canceled() {
    let bench = Bench::start(&[PENDING]).await;
    let job = bench.client().generate(request()).start().await.unwrap();
    job.stop_waiting();
    let outcome = job.outcome().await;
    let want = ("stopped", Charge::Unknown, Some(RetryAdvice::Resume));
    assert_eq!(summary(&outcome), want);
    // Its cost stays reserved, and its clip can be recovered.
    let spent = bench.client().spent(..).await.unwrap();
    assert_eq!((spent.reserved, spent.paid), (CLIP_PRICE, UsdTicks::ZERO));
    bench.end_pending();
    assert_eq!(bench.client().recover().await.unwrap().saved.len(), 1);
    assert_eq!(counts(&bench), (1, 1, 1));
}

// Requirement: field study of other clients, report 9.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_or_settled_job_is_not_recorded_as_saved_later() {
    let bench = Bench::start(&["slow-body=2000"]).await;
    let job = bench.client().generate(request()).start().await.unwrap();
    let mut events = job.events();
    while !matches!(events.next().await, Some(JobEvent::Downloading { .. })) {}
    job.stop_waiting();
    assert_eq!(job.outcome().await.code(), "stopped");
    let records = open_jobs(&bench).await;
    assert_eq!(
        (records.len(), records[0].state),
        (1, JobState::Done),
        "{records:?}"
    );
    assert_eq!((counts(&bench), ledger(&bench.library()).len()), ((1, 1, 0), 0));

    // A person gives the job up. A recovery must not change that.
    bench.sandbox.clear_faults();
    let client = bench.client();
    let lost = Settlement::Lost(CLIP_PRICE);
    client.library().settle(&records[0].id, lost).await.unwrap();
    assert_eq!(client.recover().await.unwrap().saved.len(), 0);
    let entries = ledger(&bench.library());
    assert_eq!(
        (entries.len(), &entries[0]["state"]),
        (1, &Value::from("settled"))
    );
    assert!(bench.clips().is_empty());
}

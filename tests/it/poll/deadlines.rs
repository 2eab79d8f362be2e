//! When waiting for a job ends.

#![cfg(feature = "cli")]

use std::time::Instant;

use reelkin::{ErrorKind, JobOutcome, PollPolicy, RetryAdvice, secs};

use crate::support::bench::{
    Bench, MAX_WAIT, builder, clips_in, ms, polls_until, quick_creates, quick_polls, real_clip, request,
};
use crate::support::http_server::{Answer, JOB, Server, answer};
use crate::support::outcomes::{client_with_deadline, open_jobs};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_deadline_one_last_poll_is_sent() {
    // The pause after the first poll would end long after the deadline.
    let server = Server::start(real_clip().await, |seen, before| {
        (seen.path.starts_with("/v1/videos/c") && before == 0).then(|| Answer::new(202, ""))
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let mut policy = quick_polls();
    (policy.shortest, policy.longest, policy.deadline) = (secs(30), secs(60), secs(5));
    let client = builder(&server.base_url(), folder.path())
        .poll(policy)
        .build()
        .unwrap();
    client.generate(request()).await.unwrap();
    assert_eq!(server.requests_to("/v1/videos/c").len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_ends_the_wait_with_the_job_id() {
    let bench = Bench::start(&["stalled"]).await;
    let policy = polls_until(ms(250));
    let client = bench.builder().poll(policy).build().unwrap();
    let error = client.generate(request()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry_advice()),
        (ErrorKind::Timeout, RetryAdvice::Resume)
    );
    assert_eq!(error.job_id(), Some(bench.state().jobs[0].id.as_str()));
    let message = error.to_string();
    assert!(
        message.contains("not ready after 0.25 s;") && message.contains("resumed by its id"),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_after_beyond_the_deadline_does_not_outlast_it() {
    let server = Server::start(real_clip().await, |seen, _| {
        seen.path
            .starts_with("/v1/videos/c")
            .then(|| answer("errors/429-rate.json").header("retry-after", 1000))
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let policy = polls_until(ms(400));
    let client = builder(&server.base_url(), folder.path())
        .poll(policy)
        .build()
        .unwrap();
    let started = std::time::Instant::now();
    let error = client.generate(request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(started.elapsed() < MAX_WAIT, "{:?}", started.elapsed());
    assert_eq!(error.job_id(), Some(JOB));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hanging_poll_does_not_outlast_the_deadline() {
    let server = Server::start(real_clip().await, |seen, _| {
        seen.path
            .starts_with("/v1/videos/c")
            .then(|| Answer::new(200, "{}").cut(0).silent())
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let policy = polls_until(ms(400));
    let client = builder(&server.base_url(), folder.path())
        .poll(policy)
        .build()
        .unwrap();
    let started = std::time::Instant::now();
    let error = client.generate(request()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.job_id()),
        (ErrorKind::Timeout, Some(JOB)),
        "{error}"
    );
    // The default timeout of a poll would end it later.
    assert!(started.elapsed() < secs(25), "{:?}", started.elapsed());
}

// Requirement: field study of other clients, report 18.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_done_at_the_deadline_is_saved() {
    let server = Server::start(real_clip().await, |seen, before| {
        let early = seen.path.starts_with("/v1/videos/c") && before == 0;
        early.then(|| Answer::new(202, ""))
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let mut policy = quick_polls();
    // The second poll would be due long after the deadline.
    (policy.shortest, policy.longest, policy.deadline) = (secs(30), secs(60), secs(5));
    let client = builder(&server.base_url(), folder.path()).poll(policy);
    let outcome = JobOutcome::from(client.build().unwrap().generate(request()).await);
    assert_eq!(outcome.code(), "done", "{outcome:?}");
    assert_eq!(server.requests_to("/v1/videos/c").len(), 2);
    assert_eq!(clips_in(folder.path()).len(), 1);
}

// Requirement: field study of other clients, report 24.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failing_polls_end_at_the_deadline() {
    for fault in ["poll:not-json", "poll:503", "poll:reset", "poll:429=0", "stalled"] {
        let bench = Bench::start(&[fault]).await;
        let started = Instant::now();
        let outcome = JobOutcome::from(client_with_deadline(&bench, ms(400)).generate(request()).await);
        assert_eq!(outcome.code(), "timed_out", "{fault}: {outcome:?}");
        assert!(
            started.elapsed() < MAX_WAIT / 2,
            "{fault}: {:?}",
            started.elapsed()
        );
        assert!(bench.state().polls < 60, "{fault}: {}", bench.state().polls);
        assert_eq!(open_jobs(&bench).await.len(), 1, "{fault}");
    }
}

// Requirement: field study of other clients, report 25.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_wait_has_a_time_limit() {
    // This holds without any setting of the caller.
    assert!(PollPolicy::default().deadline <= secs(3600));
    let bench = Bench::start(&["poll:stall@0"]).await;
    let started = Instant::now();
    let outcome = JobOutcome::from(client_with_deadline(&bench, ms(400)).generate(request()).await);
    assert_eq!(outcome.code(), "timed_out", "{outcome:?}");
    // The default timeout of a poll would end it later.
    assert!(started.elapsed() < secs(25), "{:?}", started.elapsed());
    let started = Instant::now();
    let bench = Bench::start(&["create:stall@0"]).await;
    let client = bench.builder().timeouts(quick_creates()).build().unwrap();
    let outcome = JobOutcome::from(client.generate(request()).await);
    assert_eq!(outcome.code(), "submission_unknown", "{outcome:?}");
    assert_eq!(bench.state().create_requests, 1);
    // The default timeout of a create would end it later.
    assert!(started.elapsed() < secs(50), "{:?}", started.elapsed());
}

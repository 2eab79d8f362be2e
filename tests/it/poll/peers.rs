//! B3: polling and progress.

#![cfg(feature = "cli")]

use std::time::Instant;

use reelkin::sandbox::Sandbox;
use reelkin::{Charge, ErrorKind, JobEvent, Outcome, PollPolicy, RetryAdvice, secs};

use crate::support::bench::{
    Bench, KEY, PATIENCE, all_events, builder, clips_in, ms, quick_creates, quick_polls, quick_reads,
    real_clip, request,
};
use crate::support::outcomes::{counts, generate, open, patient_for, told};
use crate::support::http_server::{Answer, Server, done};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b20_an_empty_202_is_pending_and_no_broken_json() {
    let server = Server::start(real_clip().await, |seen, before| {
        let early = seen.path.starts_with("/v1/videos/c") && before < 2;
        early.then(|| Answer::new(202, ""))
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let client = builder(&server.base_url(), folder.path()).build().unwrap();
    let outcome = Outcome::from(client.generate(request()).await);
    assert_eq!(outcome.code(), "done", "{outcome:?}");
    assert_eq!(server.seen_at("/v1/videos/c").len(), 3);
    assert_eq!(clips_in(folder.path()).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b21_a_pending_reply_whose_body_never_ends_does_not_hang_the_job() {
    let bench = Bench::with(
        Sandbox::builder().seconds_per_job(0.2),
        &["poll:stall@100,times=2"],
    )
    .await;
    let client = bench.builder().timeouts(quick_reads(ms(1000))).build().unwrap();
    let outcome = Outcome::from(client.generate(request()).await);
    assert_eq!(outcome.code(), "done", "{outcome:?}");
    assert!(bench.state().polls > 2);
    assert_eq!(counts(&bench), (1, 1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b22_done_without_a_link_does_not_spin_to_the_deadline() {
    let bench = Bench::start(&["no-url"]).await;
    let job = bench.client().generate(request()).start().await.unwrap();
    // Before that the job is pending, for as long as rendering takes.
    let done = bench
        .until("the end", |state| state.jobs[0].state == "done")
        .await;
    let started = Instant::now();
    let outcome = job.outcome().await;
    let want = ("interrupted", Charge::Yes, Some(RetryAdvice::Resume));
    assert_eq!(told(&outcome), want, "{outcome:?}");
    assert_eq!(outcome.error().unwrap().service_code(), Some("done_without_url"));
    assert!(started.elapsed() < PATIENCE / 2);
    let polls = bench.state().polls - done.polls;
    assert!(polls < 40, "{polls}");
    // It was paid for, so it stays open until its clip can be had.
    assert_eq!(open(&bench).await.len(), 1);
    bench.sandbox.clear_faults();
    assert_eq!(bench.client().recover().await.unwrap().saved.len(), 1);
    assert_eq!(counts(&bench), (1, 1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b23_a_relative_link_is_found_and_a_cdn_does_not_get_the_key() {
    let bench = Bench::start(&["relative-url"]).await;
    assert_eq!(generate(&bench).await.code(), "done");
    assert_eq!(counts(&bench), (1, 1, 1));

    let cdn = Server::start(real_clip().await, |_, _| None).await;
    let link = cdn.url("/clip.mp4?sig=SIGNED");
    let api = Server::start(real_clip().await, move |seen, _| {
        seen.path.starts_with("/v1/videos/c").then(|| done(&link))
    })
    .await;
    let library = bench.folder.path().join("other");
    let client = builder(&api.base_url(), &library).build().unwrap();
    client.generate(request()).await.unwrap();
    let has_key = |seen: &crate::support::http_server::Seen| format!("{seen:?}").contains(KEY);
    assert!(api.seen().iter().all(has_key));
    assert_eq!(
        (
            cdn.seen().len(),
            cdn.seen().iter().filter(|seen| has_key(seen)).count()
        ),
        (1, 0)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b24_no_loop_is_without_a_bound() {
    for fault in ["poll:not-json", "poll:503", "poll:reset", "poll:429=0", "stalled"] {
        let bench = Bench::start(&[fault]).await;
        let started = Instant::now();
        let outcome = Outcome::from(patient_for(&bench, ms(400)).generate(request()).await);
        assert_eq!(outcome.code(), "timed_out", "{fault}: {outcome:?}");
        assert!(
            started.elapsed() < PATIENCE / 2,
            "{fault}: {:?}",
            started.elapsed()
        );
        assert!(bench.state().polls < 60, "{fault}: {}", bench.state().polls);
        assert_eq!(open(&bench).await.len(), 1, "{fault}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b25_no_wait_is_without_a_time_limit() {
    // Without a word from the caller, too.
    assert!(PollPolicy::default().deadline <= secs(3600));
    let bench = Bench::start(&["poll:stall@0"]).await;
    let started = Instant::now();
    let outcome = Outcome::from(patient_for(&bench, ms(400)).generate(request()).await);
    assert_eq!(outcome.code(), "timed_out", "{outcome:?}");
    // The default timeout of a poll would end it later.
    assert!(started.elapsed() < secs(25), "{:?}", started.elapsed());
    let started = Instant::now();
    let bench = Bench::start(&["create:stall@0"]).await;
    let client = bench.builder().timeouts(quick_creates()).build().unwrap();
    let outcome = Outcome::from(client.generate(request()).await);
    assert_eq!(outcome.code(), "submission_unknown", "{outcome:?}");
    assert_eq!(bench.state().create_requests, 1);
    // The default timeout of a create would end it later.
    assert!(started.elapsed() < secs(50), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b26_without_progress_the_job_still_ends_and_a_stall_is_told() {
    let progress = |events: Vec<JobEvent>| -> Vec<(Option<f64>, bool)> {
        let told = events.into_iter().filter_map(|event| match event {
            JobEvent::Progress {
                fraction, stalled, ..
            } => Some((fraction, stalled)),
            _ => None,
        });
        told.collect()
    };
    let server = Server::start(real_clip().await, |seen, before| {
        let early = seen.path.starts_with("/v1/videos/c") && before < 3;
        early.then(|| Answer::new(202, r#"{"status":"pending"}"#))
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let client = builder(&server.base_url(), folder.path()).build().unwrap();
    let job = client.generate(request()).start().await.unwrap();
    let seen = progress(all_events(&job).await);
    assert!(
        !seen.is_empty() && seen.iter().all(|(fraction, _)| fraction.is_none()),
        "{seen:?}"
    );
    assert_eq!(job.outcome().await.code(), "done");

    let bench = Bench::start(&["stalled"]).await;
    let mut policy = quick_polls();
    policy.stalled_after = ms(100);
    let client = bench.builder().poll(policy).build().unwrap();
    let job = client.generate(request()).start().await.unwrap();
    let mut events = job.events();
    loop {
        let event = events.next().await.expect("it goes on until it is told");
        if let JobEvent::Progress { stalled: true, .. } = event {
            break;
        }
    }
    job.stop_waiting();
    assert_eq!(job.outcome().await.code(), "stopped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b27_a_429_is_waited_out_and_named_when_it_stays() {
    let bench = Bench::start(&["create:429=1,times=1"]).await;
    let started = Instant::now();
    assert_eq!(generate(&bench).await.code(), "done");
    assert!(started.elapsed() >= ms(900), "Retry-After was not kept");
    assert_eq!(counts(&bench), (2, 1, 1));

    let bench = Bench::start(&["create:429=0"]).await;
    let outcome = generate(&bench).await;
    let want = ("refused", Charge::No, Some(RetryAdvice::Wait));
    assert_eq!(told(&outcome), want);
    let error = outcome.error().unwrap();
    assert_eq!(
        (error.kind(), error.status()),
        (ErrorKind::RateLimited, Some(429))
    );
    assert!(
        error.to_string().contains("429") && error.attempts() > 1,
        "{error}"
    );
    assert_eq!(bench.state().creates, 0);
    assert!(bench.state().create_requests < 5, "bounded");
    assert_eq!(bench.client().spent(..).await.unwrap().total().ticks(), 0);
}

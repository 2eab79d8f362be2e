//! Jobs that are left and taken up again: stopped, dropped, timed out, from another process, twice.

#![cfg(feature = "cli")]

use std::future::IntoFuture as _;
use std::time::Instant;

use reelkin::sandbox::Sandbox;
use reelkin::{ErrorKind, RetryAdvice};

use crate::support::program::Program;
use crate::support::bench::{Bench, PATIENCE, PENDING, ms, quick_polls, request};

/// Waits until a sidecar is in the library: the last thing that a save writes.
async fn until_saved(bench: &Bench) {
    let started = Instant::now();
    loop {
        let entries = std::fs::read_dir(bench.library()).into_iter().flatten().flatten();
        let mut names = entries.map(|entry| entry.file_name().into_string().unwrap());
        if names.any(|name| name.ends_with(".mp4.json") && !name.starts_with('.')) {
            return;
        }
        assert!(
            started.elapsed() < PATIENCE,
            "nothing was saved: {:?}",
            bench.state()
        );
        tokio::time::sleep(ms(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_left_at_the_deadline_is_picked_up_by_another_process() {
    let bench = Bench::start(&[PENDING]).await;
    let mut policy = quick_polls();
    policy.deadline = ms(200);
    let client = bench.builder().poll(policy).build().unwrap();
    let error = client.generate(request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let id = error.job_id().unwrap().to_owned();
    assert!(bench.clips().is_empty());

    bench.end_pending();
    let ran = Program::at(&bench).args(["recover", &id, "--json"]).run().await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let clips = bench.clips();
    assert_eq!((clips.len(), clips[0].job_id()), (1, id.as_str()));
    assert_eq!(bench.state().creates, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_to_wait_keeps_the_job() {
    let bench = Bench::start(&[PENDING]).await;
    let job = bench.client().generate(request()).start().await.unwrap();
    job.stop_waiting();
    let error = job.wait().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry_advice()),
        (ErrorKind::Stopped, RetryAdvice::Resume)
    );
    assert_eq!(error.job_id(), Some(job.id().as_str()));
    assert!(bench.clips().is_empty());
    // Twice is as good as once.
    job.stop_waiting();
    bench.end_pending();
    let clip = bench
        .client()
        .job(job.id().as_str())
        .unwrap()
        .wait()
        .await
        .unwrap();
    assert_eq!((bench.state().creates, bench.clips().len()), (1, 1));
    // The journal knows what was asked for.
    let record = clip.record.unwrap();
    assert_eq!(record.prompt.as_deref(), Some("a lighthouse at dusk"));
    assert_eq!(record.reelkin.unwrap().warnings.unwrap(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_during_the_download_leaves_nothing_half() {
    let bench = Bench::start(&["slow-body=2000"]).await;
    let job = bench.client().generate(request()).start().await.unwrap();
    let mut events = job.events();
    while let Some(event) = events.next().await {
        if matches!(event, reelkin::JobEvent::Downloading { .. }) {
            break;
        }
    }
    job.stop_waiting();
    assert_eq!(job.wait().await.unwrap_err().kind(), ErrorKind::Stopped);
    assert!(bench.clips().is_empty());
    bench.sandbox.clear_faults();
    bench
        .client()
        .job(job.id().as_str())
        .unwrap()
        .wait()
        .await
        .unwrap();
    assert_eq!(bench.clips().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_the_future_after_the_submit_still_saves_the_clip() {
    let bench = Bench::start(&[]).await;
    let client = bench.client();
    let mut future = client.generate(request()).into_future();
    tokio::select! {
        _ = &mut future => {}
        _ = bench.until("a create", |state| state.creates == 1) => {}
    }
    drop((future, client));
    until_saved(&bench).await;
    assert_eq!((bench.state().creates, bench.clips().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_the_future_at_its_first_breath_still_saves_the_clip() {
    let bench = Bench::start(&[]).await;
    let client = bench.client();
    let mut future = client.generate(request()).into_future();
    assert!(futures_util::poll!(&mut future).is_pending());
    drop((future, client));
    until_saved(&bench).await;
    assert_eq!((bench.state().creates, bench.clips().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_future_that_was_never_polled_does_nothing() {
    let bench = Bench::start(&[]).await;
    let client = bench.client();
    drop(client.generate(request()));
    drop(client.generate(request()).into_future());
    drop(client.generate(request()).start());
    // One that runs comes after them in every queue.
    client.generate(request()).await.unwrap();
    assert_eq!(bench.state().create_requests, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_picked_up_twice_is_saved_once() {
    let bench = Bench::start(&[]).await;
    let clip = bench.client().generate(request()).await.unwrap();
    let id = bench.state().jobs[0].id.clone();
    let downloads = bench.state().downloads;
    for _ in 0..2 {
        let again = bench.client().job(&id).unwrap().wait().await.unwrap();
        assert_eq!(again, clip);
    }
    assert_eq!(bench.state().downloads, downloads, "it was there already");
    assert_eq!(bench.clips().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_picked_up_by_many_at_once_is_saved_once() {
    let bench = Bench::with(Sandbox::builder().seconds_per_job(0.3), &[]).await;
    let job = bench.client().generate(request()).start().await.unwrap();
    let id = job.id().to_string();
    let others = (0..6).map(|_| {
        let other = bench.client().job(&id).unwrap();
        async move { other.wait().await.unwrap().id }
    });
    let (mine, others) = tokio::join!(job.wait(), futures_util::future::join_all(others));
    let mine = mine.unwrap().id;
    assert!(others.iter().all(|other| *other == mine), "{mine}: {others:?}");
    assert_eq!((bench.state().creates, bench.clips().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_that_nobody_knows_is_told_with_the_id() {
    let bench = Bench::start(&[]).await;
    let id = "00000000-0000-4000-8000-000000000000";
    let error = bench.client().job(id).unwrap().wait().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.job_id()),
        (ErrorKind::NotFound, Some(id)),
        "{error}"
    );
    assert!(!error.is_retryable());
    assert!(bench.clips().is_empty());
    for wrong in ["", "../x", "a/b", "a b", "..", "x\n", "é", &"x".repeat(201)] {
        let error = bench.client().job(wrong).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{wrong:?}");
    }
    assert_eq!(bench.state().create_requests, 0);
}

//! What the watchers of a job see, and when waiting ends.

#![cfg(feature = "cli")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reelkin::sandbox::Sandbox;
use reelkin::{Charge, ErrorKind, JobEvent, RateLimit, RetryAdvice, secs};
use secrecy::SecretString;

use crate::support::bench::{
    Bench, PATIENCE, PENDING, all_events, builder, ms, quick_polls, real_clip, request,
};
use crate::submit::answers::answer;
use crate::support::http_server::{Answer, JOB, Server};

const fn rank(event: &JobEvent) -> u8 {
    match event {
        JobEvent::Planning => 0,
        JobEvent::Submitted { .. } => 1,
        JobEvent::Progress { .. } => 2,
        JobEvent::Downloading { .. } => 3,
        JobEvent::Saved { .. } => 4,
        _ => 5,
    }
}

fn fractions(events: &[JobEvent]) -> Vec<f64> {
    events
        .iter()
        .filter_map(|event| match event {
            JobEvent::Progress { fraction, .. } => *fraction,
            _ => None,
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_come_in_order_from_planning_to_saved() {
    let bench = Bench::start(&[&format!("{PENDING},times=2")]).await;
    let job = bench.client().generate(request()).start().await.unwrap();
    let events = all_events(&job).await;
    let clip = job.wait().await.unwrap();
    let ranks: Vec<_> = events.iter().map(rank).collect();
    assert!(ranks.is_sorted(), "{events:?}");
    for kind in 0..=4 {
        assert!(ranks.contains(&kind), "no {kind}: {events:?}");
    }
    let JobEvent::Submitted { job_id, model } = &events[1] else {
        panic!("{events:?}");
    };
    assert_eq!(
        (job_id, model.as_ref().unwrap().as_str()),
        (job.id(), "grok-imagine-video")
    );
    assert!(fractions(&events).is_sorted(), "{events:?}");
    let size = std::fs::metadata(clip.path.as_ref().unwrap()).unwrap().len();
    let last = events.iter().rfind(|event| rank(event) == 3).unwrap();
    assert_eq!(
        last,
        &JobEvent::Downloading {
            received: size,
            total: Some(size)
        }
    );
    let want = JobEvent::Saved {
        clip: clip.id.to_string(),
        path: clip.path.clone(),
    };
    assert_eq!(events.last(), Some(&want));
    assert!(job.is_over());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn progress_never_runs_backwards() {
    let told = [10, 60, 20, 59, 0];
    let server = Server::start(real_clip().await, move |seen, before| {
        let progress = told.get(before)?;
        let body = format!(r#"{{"status":"pending","progress":{progress}}}"#);
        let poll = seen.path.starts_with("/v1/videos/c");
        poll.then(|| Answer::new(202, body))
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let client = builder(&server.base_url(), folder.path()).build().unwrap();
    let job = client.generate(request()).start().await.unwrap();
    let fractions = fractions(&all_events(&job).await);
    assert_eq!(fractions, [0.1, 0.6, 0.6, 0.6, 0.6]);
    assert_eq!(server.seen_at("/v1/videos/c").len(), told.len() + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stall_is_marked_and_unmarked() {
    // Reports 10 % for four polls, then moves again. The log keeps 16 events: of more, a slow watcher misses the first.
    let server = Server::start(real_clip().await, |seen, before| {
        let progress = match before {
            0..=3 => 10,
            4 => 50,
            _ => return None,
        };
        let body = format!(r#"{{"status":"pending","progress":{progress}}}"#);
        seen.path
            .starts_with("/v1/videos/c")
            .then(|| Answer::new(202, body))
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let mut policy = quick_polls();
    policy.stalled_after = ms(50);
    let client = builder(&server.base_url(), folder.path())
        .poll(policy)
        .build()
        .unwrap();
    let job = client.generate(request()).start().await.unwrap();
    let marks: Vec<_> = all_events(&job)
        .await
        .into_iter()
        .filter_map(|event| match event {
            JobEvent::Progress {
                stalled, fraction, ..
            } => Some((stalled, fraction)),
            _ => None,
        })
        .collect();
    assert_eq!(marks[0], (false, Some(0.1)), "{marks:?}");
    assert_eq!(marks[3], (true, Some(0.1)), "{marks:?}");
    assert_eq!(marks[4], (false, Some(0.5)), "{marks:?}");
    job.wait().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_watcher_sees_everything() {
    let bench = Bench::start(&[]).await;
    let job = bench.client().generate(request()).start().await.unwrap();
    let other = job.clone();
    let (one, two) = tokio::join!(all_events(&job), all_events(&other));
    let late = all_events(&job).await;
    // A slow watcher may miss progress and nothing else. What the log still has at the end, every watcher has seen.
    let lasting = |events: &[JobEvent]| -> Vec<JobEvent> {
        let lasting = events.iter().filter(|event| ![2, 3].contains(&rank(event)));
        lasting.cloned().collect()
    };
    assert_eq!(lasting(&one).iter().map(rank).collect::<Vec<_>>(), [0, 1, 4]);
    for events in [&two, &late] {
        assert_eq!(lasting(events), lasting(&one));
    }
    assert!(
        late.iter()
            .all(|event| one.contains(event) && two.contains(event)),
        "{late:?}"
    );
    let (one, two) = tokio::join!(job.wait(), other.wait());
    assert_eq!(one.unwrap(), two.unwrap());
    assert_eq!((bench.state().creates, bench.clips().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_that_goes_away_changes_nothing() {
    let bench = Bench::start(&[]).await;
    let job = bench.client().generate(request()).start().await.unwrap();
    let mut events = job.events();
    events.next().await.unwrap();
    drop(events);
    let waiting = tokio::spawn({
        let job = job.clone();
        async move { job.wait().await }
    });
    waiting.abort();
    job.wait().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_deadline_one_last_look_is_taken() {
    // The pause after the first poll would reach far behind the deadline.
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
    assert_eq!(server.seen_at("/v1/videos/c").len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_ends_the_wait_with_the_id() {
    let bench = Bench::start(&["stalled"]).await;
    let mut policy = quick_polls();
    policy.deadline = ms(250);
    let client = bench.builder().poll(policy).build().unwrap();
    let error = client.generate(request()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry_advice()),
        (ErrorKind::Timeout, RetryAdvice::Resume)
    );
    assert_eq!(error.job_id(), Some(bench.state().jobs[0].id.as_str()));
    assert!(error.to_string().contains("picked up by its id"), "{error}");
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
    let mut policy = quick_polls();
    policy.deadline = ms(400);
    let client = builder(&server.base_url(), folder.path())
        .poll(policy)
        .build()
        .unwrap();
    let started = std::time::Instant::now();
    let error = client.generate(request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
    assert_eq!(error.job_id(), Some(JOB));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poll_that_hangs_does_not_outlast_the_deadline() {
    let server = Server::start(real_clip().await, |seen, _| {
        seen.path
            .starts_with("/v1/videos/c")
            .then(|| Answer::new(200, "{}").cut(0).silent())
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let mut policy = quick_polls();
    policy.deadline = ms(400);
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_may_change_during_a_job() {
    let server = Server::start(real_clip().await, |seen, before| {
        let stale = seen.path.starts_with("/v1/videos/c")
            && (before == 0 || seen.header("authorization") == Some("Bearer token-1"));
        stale.then(|| answer("errors/401-missing-key.json"))
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let client = builder(&server.base_url(), folder.path())
        .bearer(move || {
            let number = count.fetch_add(1, Ordering::Relaxed);
            async move { Ok(SecretString::from(format!("token-{number}"))) }
        })
        .build()
        .unwrap();
    client.generate(request()).await.unwrap();
    assert!(asked.load(Ordering::Relaxed) >= 3);
}

/// Waits until the journal has so many open records.
async fn until_open(client: &reelkin::VideoClient, count: usize) {
    for _ in 0..2000 {
        if client.library().jobs().await.unwrap().len() == count {
            return;
        }
        tokio::time::sleep(ms(5)).await;
    }
    panic!("never {count} records");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_is_stopped_sends_nothing_more() {
    // The second create has its turn in an hour.
    let bench = Bench::with(Sandbox::builder().seconds_per_job(60.0), &[]).await;
    let rate = RateLimit::per_second(1000.0, 1.0 / 3600.0);
    let client = bench.builder().rate_limit(rate).build().unwrap();
    let first = client.generate(request()).start().await.unwrap();
    let waiting = tokio::spawn(client.generate(request()).start());
    until_open(&client, 2).await;
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
    // What was reserved for the others is given back.
    until_open(&client, 1).await;
    assert_eq!(bench.state().create_requests, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_that_was_refused_is_not_sent_again_after_a_stop() {
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
    until_open(&client, 0).await;
    assert_eq!(bench.state().create_requests, 1);
}

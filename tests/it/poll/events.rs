//! The events that the watchers of a job receive.

#![cfg(feature = "cli")]

use reelkin::{GenerateRequest, JobEvent};

use crate::support::bench::{Bench, PENDING, all_events, builder, ms, quick_polls, real_clip, request};
use crate::support::http_server::{Answer, Server};

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
        clip: clip.id.clone(),
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
    assert_eq!(server.requests_to("/v1/videos/c").len(), told.len() + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stall_is_reported_and_cleared() {
    // Reports 10 % for four polls, then moves again. The log keeps 16 events. A slow watcher misses the oldest of
    // more.
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
async fn every_watcher_sees_all_lasting_events() {
    let bench = Bench::start(&[]).await;
    let job = bench.client().generate(request()).start().await.unwrap();
    let other = job.clone();
    let (one, two) = tokio::join!(all_events(&job), all_events(&other));
    let late = all_events(&job).await;
    // A slow watcher may miss progress and nothing else. Every watcher has seen what the log still has at the end.
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

// Requirement: field study of other clients, report 26.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_without_progress_ends_and_a_stall_is_reported() {
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
        let event = events
            .next()
            .await
            .expect("the events continue until the stall is reported");
        if let JobEvent::Progress { stalled: true, .. } = event {
            break;
        }
    }
    job.stop_waiting();
    assert_eq!(job.outcome().await.code(), "stopped");
}

// Requirement: ima2-gen 1.1.21, the events of a job.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_planning_submitted_progress_saved_or_an_error() {
    let bench = Bench::start(&[]).await;
    let job = bench.client().generate(request()).start().await.unwrap();
    let events = all_events(&job).await;
    assert_eq!(events[0], JobEvent::Planning);
    assert!(matches!(&events[1], JobEvent::Submitted { job_id, .. } if job_id == job.id()));
    assert!(
        events
            .iter()
            .any(|event| matches!(event, JobEvent::Progress { .. }))
    );
    assert!(matches!(events.last(), Some(JobEvent::Saved { .. })));
    // `error`: message, code, status and guidance.
    let error = bench
        .client()
        .generate(GenerateRequest::text(" "))
        .await
        .unwrap_err();
    assert_eq!(error.kind().code(), "invalid_request");
    assert!(error.guidance().unwrap().contains("ending frame"));
}

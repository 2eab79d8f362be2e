//! Durations that no clock can represent. None of them may break a job, least of all a paid one.

#![cfg(feature = "cli")]

use std::time::Duration;

use reelkin::{ErrorKind, PollPolicy};

use crate::support::bench::{Bench, quick_polls, request};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn maximum_durations_in_a_policy_still_save_the_clip() {
    let bench = Bench::start(&[]).await;
    let mut policy = quick_polls();
    policy.expected = Duration::MAX;
    policy.stalled_after = Duration::MAX;
    policy.deadline = Duration::MAX;
    let client = bench.builder().poll(policy).build().unwrap();
    client.generate(request()).await.unwrap();
    assert_eq!((bench.state().creates, bench.clips().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_maximum_duration_leaves_a_job_that_can_be_stopped() {
    let set: [fn(&mut PollPolicy) -> &mut Duration; 6] = [
        |policy| &mut policy.first,
        |policy| &mut policy.expected,
        |policy| &mut policy.shortest,
        |policy| &mut policy.longest,
        |policy| &mut policy.deadline,
        |policy| &mut policy.stalled_after,
    ];
    // The job reports no progress and some polls fail, so that every sum of durations is computed.
    let bench = Bench::start(&["stalled", "poll:503,times=1"]).await;
    for time in set {
        let mut policy = quick_polls();
        *time(&mut policy) = Duration::MAX;
        let client = bench.builder().poll(policy.clone()).build().unwrap();
        let polls = bench.state().polls;
        let job = client.generate(request()).start().await.unwrap();
        if policy.first < Duration::MAX {
            bench.until("a poll", |state| state.polls > polls).await;
        }
        assert!(!job.is_over());
        job.stop_waiting();
        let error = job.wait().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Stopped, "{error}");
        // A job that is picked up is polled at once.
        let polls = bench.state().polls;
        let again = client.job(job.id().as_str()).unwrap();
        bench.until("a poll", |state| state.polls > polls).await;
        again.stop_waiting();
        let error = again.wait().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Stopped, "{error}");
    }
}

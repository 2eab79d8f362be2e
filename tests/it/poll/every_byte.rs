//! Breaks every byte of the reply to a poll.
//!
//! A clip that is saved is equal to the one the service has, bit for bit. Any error names the job.

#![cfg(feature = "cli")]

use std::sync::Arc;

use reelkin::sandbox::ClipChecksum;
use reelkin::{Charge, JobEvent, RetryAdvice};

use crate::support::bench::{ms, quick_polls, quick_reads};
use crate::support::byte_faults::{
    ByteFaultRig, CONCURRENCY, FinishedJob, byte_faults, describe, reply, run_faults, small_request,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_at_any_byte_of_a_done_reply_still_saves_the_clip() {
    let rig = Arc::new(ByteFaultRig::start(ClipChecksum::Sha256, &[]).await);
    let places = FinishedJob::make(&rig).await;
    let replies = places[0].replies().await;
    let whole = reply(&replies, "GET /v1/videos/").whole;
    let byte_faults = byte_faults(whole + 2, std::iter::empty());
    FinishedJob::pick_all_up("poll, done", &rig, places, byte_faults, ("poll", false)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_at_any_byte_of_a_pending_reply_keeps_the_job_open() {
    let rig = Arc::new(ByteFaultRig::start(ClipChecksum::None, &["stalled"]).await);
    let mut polls = quick_polls();
    (polls.first, polls.deadline) = (ms(1), ms(150));
    let builder = rig.bench.builder().poll(polls);
    let client = builder.timeouts(quick_reads(ms(400))).build().unwrap();
    let mut places = Vec::new();
    for number in 0..CONCURRENCY {
        let prompt = format!("place {number:03}");
        let job = client.generate(small_request(&prompt)).start().await.unwrap();
        places.push((Arc::clone(&rig), client.clone(), job.id().to_string(), prompt));
    }
    let id = places[0].2.clone();
    let replies = rig.replies(async |client| {
        let job = client.job(&id).unwrap();
        let mut events = job.events();
        while !matches!(events.next().await.unwrap(), JobEvent::Progress { .. }) {}
        job.stop_waiting();
    });
    let whole = reply(&replies.await, "GET /v1/videos/").whole;
    run_faults(
        "poll, pending",
        places,
        byte_faults(whole + 2, std::iter::empty()),
        |place, fault| async move {
            let (rig, client, id, prompt) = &*place;
            rig.bench.sandbox.add_fault(fault.during("poll", Some(prompt)));
            let error = client.job(id).unwrap().wait().await.unwrap_err();
            let right = error.job_id() == Some(id)
                && error.retry_advice() == RetryAdvice::Resume
                && error.may_have_been_charged() == Charge::Unknown;
            if right {
                Ok(describe(&error))
            } else {
                Err(format!("{}: {error}", describe(&error)))
            }
        },
    )
    .await;
    assert_eq!(rig.bench.state().creates, CONCURRENCY as u64);
    rig.assert_clean().await;
}

//! Breaks every byte of the reply of a planner. The question is asked once.

#![cfg(feature = "cli")]

use std::sync::Arc;

use reelkin::sandbox::ClipChecksum;
use reelkin::{Charge, ErrorKind, PlannerSettings, secs};

use crate::support::byte_faults::{
    ByteFaultRig, CONCURRENCY, Kind, byte_faults, describe, reply, run_faults, sampled_bytes, small_request,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_at_any_byte_of_a_planner_reply_asks_once() {
    // No clip is rendered, because only the number of creates matters.
    let rig = Arc::new(ByteFaultRig::start(ClipChecksum::None, &["create:status=400"]).await);
    let planned = |words: &str| small_request(words).plan(PlannerSettings::default());
    let replies = rig
        .replies(async |client| client.generate(planned("measured")).await.unwrap_err())
        .await;
    let reply = reply(&replies, "POST /v1/responses");
    let whole = reply.whole;
    let byte_faults = byte_faults(reply.head, sampled_bytes(reply.head, whole + 12));
    let count = byte_faults.len() as u64;
    let places = vec![Arc::clone(&rig); CONCURRENCY];
    run_faults("question", places, byte_faults, move |rig, fault| async move {
        let words = format!("question {:06}", fault.number);
        rig.bench.sandbox.add_fault(fault.during("answer", Some(&words)));
        let settings = if fault.is_silent() {
            // The question has to arrive before the deadline, also on a loaded machine.
            PlannerSettings::default().deadline(secs(5))
        } else {
            PlannerSettings::default()
        };
        let error = rig
            .with_long_timeouts
            .generate(small_request(&words).plan(settings))
            .await
            .unwrap_err();
        let refused = error.kind() == ErrorKind::InvalidRequest && error.status() == Some(400);
        // The create is refused. Any other error is about the question.
        if refused {
            Ok("answered".to_owned())
        } else if error.may_have_been_charged() == Charge::No || error.job_id().is_some() {
            Err(format!("{}: {error}", describe(&error)))
        } else if fault.kind == Kind::Delay {
            Err(format!("a delay alone: {error}"))
        } else {
            Ok(describe(&error))
        }
    })
    .await;
    // Each question was asked once, whatever the reply.
    let state = rig.bench.state();
    assert_eq!((state.answers, state.creates), (count + 1, 0));
    assert!(state.create_requests < count);
}

//! Every byte of the answer of a planner is broken once.

#![cfg(feature = "cli")]

use std::sync::Arc;

use reelkin::sandbox::ClipChecksum;
use reelkin::{Charge, ErrorKind, PlannerSettings, secs};

use crate::support::byte_faults::{AT_ONCE, Kind, Rig, described, ends_and_some, reply, shots, tiny, volley};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_at_any_byte_of_a_planner_reply_asks_once() {
    // No clip is rendered: what matters is whether one is asked for.
    let rig = Arc::new(Rig::start(ClipChecksum::None, &["create:status=400"]).await);
    let planned = |words: &str| tiny(words).plan(PlannerSettings::default());
    let replies = rig
        .replies(async |client| client.generate(planned("measured")).await.unwrap_err())
        .await;
    let reply = reply(&replies, "POST /v1/responses");
    let whole = reply.whole;
    let shots = shots(reply.head, ends_and_some(reply.head, whole + 12));
    let count = shots.len() as u64;
    let places = vec![Arc::clone(&rig); AT_ONCE];
    volley("question", places, shots, move |rig, shot| async move {
        let words = format!("question {:06}", shot.number);
        rig.bench.sandbox.add_fault(shot.fault("answer", Some(&words)));
        let settings = if shot.is_silent() {
            // The question has to arrive before the deadline, also on a loaded machine.
            PlannerSettings::default().deadline(secs(5))
        } else {
            PlannerSettings::default()
        };
        let error = rig
            .patient
            .generate(tiny(&words).plan(settings))
            .await
            .unwrap_err();
        let refused = error.kind() == ErrorKind::InvalidRequest && error.status() == Some(400);
        // The clip's create is refused in words; everything else is about the question.
        if refused {
            Ok("answered".to_owned())
        } else if error.may_have_been_charged() == Charge::No || error.job_id().is_some() {
            Err(format!("{}: {error}", described(&error)))
        } else if shot.kind == Kind::Delay {
            Err(format!("a delay alone: {error}"))
        } else {
            Ok(described(&error))
        }
    })
    .await;
    // Each question was asked once, whatever came back.
    let state = rig.bench.state();
    assert_eq!((state.answers, state.creates), (count + 1, 0));
    assert!(state.create_requests < count);
}

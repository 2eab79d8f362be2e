//! What users of other clients suffered, by its number in the field study (parts B1 to B6), each with what
//! happens here instead: `peers_money` has 1 to 12, `peers_jobs` 13 to 19, `peers_polls` 20 to 27,
//! `peers_bytes` 28 to 32 but for 29, which is in `proxy`, and `peers_inputs` 33 to 41.
//!
//! What cannot happen here would be listed below as `* NUMBER: why`. Some of the study is about gateways,
//! web pages and browser streams; each of those has its form here, too, so the list is empty.

#![cfg(feature = "cli")]

use std::time::Duration;

use reelkin::{Charge, JobRecord, Outcome, RetryAdvice, UsdTicks, VideoClient};

use crate::support::bench::{Bench, quick_polls, request};

/// One second at 480p of the classic model.
pub(crate) const CLIP: UsdTicks = UsdTicks::new(500_000_000);

/// One clip, asked for by a client of its own.
pub(crate) async fn generate(bench: &Bench) -> Outcome {
    bench.client().generate(request()).await.into()
}

/// A client that waits so long and no longer.
pub(crate) fn patient_for(bench: &Bench, deadline: Duration) -> VideoClient {
    let mut policy = quick_polls();
    policy.deadline = deadline;
    bench.builder().poll(policy).build().unwrap()
}

/// What a user acts on: the word, whether money may be gone, and what to do.
pub(crate) fn told(outcome: &Outcome) -> (&'static str, Charge, Option<RetryAdvice>) {
    (
        outcome.code(),
        outcome.may_have_been_charged(),
        outcome.retry_advice(),
    )
}

/// What is open in the library's journal.
pub(crate) async fn open(bench: &Bench) -> Vec<JobRecord> {
    bench.client().library().jobs().await.unwrap()
}

/// (creates that arrived, jobs that were made, clips in the library)
pub(crate) fn counts(bench: &Bench) -> (u64, u64, usize) {
    let state = bench.state();
    (state.create_requests, state.creates, bench.clips().len())
}

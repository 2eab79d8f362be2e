//! Short forms for one request and for what it led to.

#![cfg(feature = "cli")]

use std::time::Duration;

use reelkin::{Charge, JobOutcome, JobRecord, RetryAdvice, UsdTicks, VideoClient};

use crate::support::bench::{Bench, polls_until, request};

/// The price of one second at 480p with the classic model.
pub(crate) const CLIP_PRICE: UsdTicks = UsdTicks::new(500_000_000);

/// Generates one clip with a new client.
pub(crate) async fn generate(bench: &Bench) -> JobOutcome {
    bench.client().generate(request()).await.into()
}

/// Returns a client with a deadline for polling.
pub(crate) fn client_with_deadline(bench: &Bench, deadline: Duration) -> VideoClient {
    let policy = polls_until(deadline);
    bench.builder().poll(policy).build().unwrap()
}

/// Returns what a user acts on: the code, whether it may have been charged, and the advice.
pub(crate) fn summary(outcome: &JobOutcome) -> (&'static str, Charge, Option<RetryAdvice>) {
    (
        outcome.code(),
        outcome.may_have_been_charged(),
        outcome.retry_advice(),
    )
}

/// Returns the open records of the journal.
pub(crate) async fn open_jobs(bench: &Bench) -> Vec<JobRecord> {
    bench.client().library().jobs().await.unwrap()
}

/// Returns the number of creates that arrived, of jobs that were made, and of clips in the library.
pub(crate) fn counts(bench: &Bench) -> (u64, u64, usize) {
    let state = bench.state();
    (state.create_requests, state.creates, bench.clips().len())
}

//! Every fault of a create: what is reported to the caller, what was paid, and what the library contains afterwards.

#![cfg(feature = "cli")]

use reelkin::ErrorKind::{Auth, InvalidRequest, NotFound, RateLimited};
use reelkin::RetryAdvice::{Change, Wait};

use crate::support::fault_table::{Row, refused, run_all, saved, slow, unknown};

pub(crate) const CREATES: &[Row] = &[
    unknown("create:reset", 0),
    unknown("create:lost-reply", 1),
    saved("create:delay=0.1"),
    Row {
        requests: 2,
        ..saved("create:429=0,times=1")
    },
    Row {
        requests: 3,
        ..saved("create:429=0,times=2")
    },
    refused("create:429=0", RateLimited, Wait, 3),
    refused("create:429-capacity=0", RateLimited, Wait, 3),
    refused("create:429-credits=0", RateLimited, Change, 1),
    unknown("create:500", 0),
    unknown("create:502", 0),
    unknown("create:503", 0),
    unknown("create:529", 0),
    refused("create:status=400", InvalidRequest, Change, 1),
    refused("create:status=401", Auth, Change, 1),
    refused("create:status=403", Auth, Change, 1),
    refused("create:status=404", NotFound, Change, 1),
    unknown("create:status=408", 0),
    refused("create:status=422", InvalidRequest, Change, 1),
    unknown("create:html=522", 0),
    unknown("create:not-json", 0),
    unknown("create:empty-id", 1),
    saved("create:slow-body=200"),
    unknown("create:truncated", 1),
    unknown("create:truncated=0", 1),
    unknown("create:wrong-length=5", 1),
    unknown("create:wrong-length=5000", 1),
    saved("create:huge-body=100000"),
    unknown("create:cut@0", 1),
    unknown("create:cut@120", 1),
    unknown("create:reset@40", 1),
    slow(unknown("create:stall@60", 1)),
    saved("create:delay@60:50"),
    unknown("create:corrupt@0", 1),
    // The client cannot know whether the request was read to its end.
    Row {
        requests: 0,
        ..unknown("create:cut-request@0", 0)
    },
    Row {
        requests: 0,
        ..unknown("create:cut-request@200", 0)
    },
    unknown("create:restart=0.1,times=1", 1),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_of_a_create_ends_as_its_row_says() {
    run_all(CREATES).await;
}

//! Every fault of a download: what is reported to the caller, what was paid, and what the library contains afterwards.

#![cfg(feature = "cli")]

use reelkin::Charge::Yes;
use reelkin::ErrorKind::{JobExpired, Media, Network, Protocol};

use crate::support::fault_table::{Row, resumes, run_all, saved};

pub(crate) const DOWNLOADS: &[Row] = &[
    saved("download:reset,times=1"),
    resumes("download:reset", Network, Yes),
    saved("download:lost-reply,times=1"),
    saved("download:delay=0.1"),
    saved("download:429=0,times=1"),
    saved("download:503,times=1"),
    resumes("download:503", Network, Yes),
    saved("download:html=522,times=1"),
    saved("download:not-json,times=1"),
    saved("download:status=404,times=1"),
    saved("slow-body=400000"),
    saved("truncated,times=1"),
    saved("truncated=100,times=1"),
    saved("wrong-length=1000,times=1"),
    saved("wrong-length=99999999,times=1"),
    resumes("wrong-length=99999999", Network, Yes),
    resumes("truncated=10", Network, Yes),
    resumes("truncated=0", Network, Yes),
    resumes("wrong-length=1000", Media, Yes),
    resumes("redirect", Protocol, Yes),
    resumes("redirect=https://192.168.0.1/a", Protocol, Yes),
    saved("content-type=text/html"),
    saved("link-expired=403,times=1"),
    saved("link-expired=404,times=2"),
    saved("download:cut@1000,times=1"),
    resumes("download:reset@20", Network, Yes),
    saved("download:delay@5000:50"),
    saved("download:corrupt@3,times=1"),
    saved("download:restart=0.2,times=1"),
    resumes("link-expired=403", JobExpired, Yes),
    saved("garbage,times=1"),
    resumes("garbage", Protocol, Yes),
    saved("half-clip,times=1"),
    resumes("half-clip", Media, Yes),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_of_a_download_ends_as_its_row_says() {
    run_all(DOWNLOADS).await;
}

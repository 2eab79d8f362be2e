//! Every fault of a poll and every end of a job: what is reported to the caller, what was paid, and what the library
//! contains afterwards.

#![cfg(feature = "cli")]

use reelkin::Charge::{Unknown as Perhaps, Yes};
use reelkin::ErrorKind::{JobExpired, JobFailed, Moderated, Protocol};
use reelkin::RetryAdvice::{Change, Wait};

use crate::support::fault_table::{Row, late, over, resumes, run_all, saved, slow, stays_open};

pub(crate) const POLLS: &[Row] = &[
    saved("poll:reset,times=2"),
    late("poll:reset"),
    saved("poll:lost-reply,times=2"),
    saved("poll:delay=0.1,times=2"),
    saved("poll:429=0,times=2"),
    saved("poll:429-capacity=0,times=2"),
    saved("poll:429-credits=0,times=2"),
    saved("poll:500,times=2"),
    late("poll:503"),
    saved("poll:html=522,times=2"),
    saved("poll:not-json,times=2"),
    late("poll:not-json"),
    saved("poll:status=401,times=1"),
    saved("poll:status=404,times=2"),
    saved("poll:status=404,times=4"),
    stays_open("poll:status=404"),
    saved("poll:status=410,times=4"),
    stays_open("poll:status=410"),
    stays_open("poll:status=400"),
    stays_open("poll:status=401"),
    stays_open("poll:status=403"),
    stays_open("poll-400"),
    saved("poll:truncated,times=2"),
    saved("poll:wrong-length=5,times=2"),
    saved("poll:slow-body=2000,times=2"),
    saved("empty-202"),
    saved("pending-200"),
    saved("no-progress"),
    saved("status-word=simmering"),
    saved("backwards"),
    saved("poll-400,times=2"),
    saved("no-status"),
    saved("no-usage"),
    saved("no-url,times=1"),
    resumes("no-url", JobFailed, Yes),
    saved("relative-url"),
    resumes("url=https://10.0.0.1/clip.mp4", Protocol, Yes),
    resumes("url=https://169.254.169.254/latest", Protocol, Yes),
    resumes("url=http://clips.example/clip.mp4", Protocol, Yes),
    resumes("url=file:///etc/passwd", Protocol, Yes),
    saved("huge-body=500000"),
    saved("huge-body=3000000,times=2"),
    late("huge-body=3000000"),
    saved("poll:cut@30,times=2"),
    saved("poll:reset@200,times=2"),
    slow(saved("poll:stall@100,times=2")),
    saved("poll:delay@100:50"),
    saved("poll:corrupt@10,times=2"),
    saved("poll:cut-request@20,times=2"),
    saved("poll:restart=0.2,times=1"),
    saved("poll:expire-links,after=1,times=2"),
];

pub(crate) const OUTCOMES: &[Row] = &[
    late("stalled"),
    over("expired", JobExpired, Change, Perhaps),
    over("failed=invalid_argument", JobFailed, Change, Perhaps),
    over("failed=permission_denied", JobFailed, Change, Perhaps),
    over("failed=failed_precondition", JobFailed, Change, Perhaps),
    over("failed=service_unavailable", JobFailed, Wait, Perhaps),
    over("failed=internal_error", JobFailed, Wait, Perhaps),
    over("failed=gone_fishing", JobFailed, Change, Perhaps),
    over("moderated=400", Moderated, Change, Yes),
    over("moderated=400-billed", Moderated, Change, Yes),
    over("moderated=400-old", Moderated, Change, Yes),
    over("moderated=null", Moderated, Change, Yes),
    over("moderated=empty", Moderated, Change, Yes),
    over("moderated=missing", Moderated, Change, Yes),
    over("moderated=no-video", Moderated, Change, Yes),
    over("moderated=failed", Moderated, Change, Yes),
    saved("storage-error"),
    saved("public-url-error"),
    saved("pad=300000"),
    saved("render-size=640x360"),
    saved("render-seconds=2"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_of_a_poll_ends_as_its_row_says() {
    run_all(POLLS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_end_of_a_job_ends_as_its_row_says() {
    run_all(OUTCOMES).await;
}

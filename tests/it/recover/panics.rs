//! A panic in the task of a paid job: every handle gets an error, every stream ends, and the clip is recovered.

#![cfg(feature = "cli")]

use std::sync::Arc;
use std::sync::atomic::Ordering;

use reelkin::{Charge, ErrorKind, JobOutcome, Library, RetryAdvice};

use crate::support::bench::{Bench, all_events, request};
use crate::support::counting_store::CountingStore;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_after_the_create_is_an_error_and_the_clip_is_recovered() {
    let bench = Bench::start(&[]).await;
    let store = Arc::new(CountingStore::default());
    let library = Library::on_store(Arc::clone(&store) as _, "").unwrap();
    let client = bench.builder().library_at(library).build().unwrap();
    store.panics_once.store(true, Ordering::Relaxed);

    let job = client.generate(request()).start().await.unwrap();
    let other = job.clone();
    let watching = tokio::spawn(async move { all_events(&other).await });
    let error = job.wait().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal, "{error}");
    assert_eq!(error.job_id(), Some(job.id().as_str()));
    assert_eq!(error.may_have_been_charged(), Charge::Unknown);
    assert_eq!(error.retry_advice(), RetryAdvice::Resume);
    assert!(error.to_string().contains("recovery"), "{error}");
    // Both streams end: the open one and a new one.
    let events = watching.await.unwrap();
    assert_eq!(all_events(&job).await, events);
    assert!(matches!(job.outcome().await, JobOutcome::Interrupted { .. }));

    // The same client can recover it at once, because the task no longer holds the record.
    let recovered = client.recover().await.unwrap();
    assert_eq!(recovered.saved.len(), 1, "{recovered:?}");
    assert_eq!(bench.state().create_requests, 1);
    assert!(client.library().jobs().await.unwrap().is_empty());
}

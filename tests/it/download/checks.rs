//! What is checked of the bytes that were downloaded.

#![cfg(feature = "cli")]

use std::time::Duration;

use reelkin::sandbox::Sandbox;
use reelkin::{Charge, DownloadPolicy, JobOutcome, RetryAdvice, secs};

use crate::support::bench::{Bench, request};
use crate::support::outcomes::{counts, generate, summary};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clip_of_another_size_and_length_is_saved_and_reported() {
    let bench = Bench::with(
        Sandbox::builder().min_job_duration(Duration::from_millis(100)),
        &["render-size=320x320", "render-seconds=2"],
    )
    .await;
    let clip = bench
        .client()
        .generate(request().duration(secs(3)))
        .await
        .unwrap();
    let delivery = clip.record.unwrap().reelkin.unwrap().delivery.unwrap();
    let fields: Vec<_> = delivery
        .findings
        .iter()
        .map(|finding| finding.field.as_str())
        .collect();
    assert!(
        ["duration", "resolution"]
            .iter()
            .all(|field| fields.contains(field)),
        "{delivery:?}"
    );
    assert!(!delivery.is_as_requested());
}

// Requirement: field study of other clients, report 32.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_oversized_and_truncated_downloads_never_enter_the_library() {
    for fault in ["garbage", "half-clip", "download:html=522", "truncated=100"] {
        let bench = Bench::start(&[fault]).await;
        let outcome = generate(&bench).await;
        let want = ("interrupted", Charge::Yes, Some(RetryAdvice::Resume));
        assert_eq!(summary(&outcome), want, "{fault}: {outcome:?}");
        assert_eq!(counts(&bench), (1, 1, 0), "{fault}");
    }
    let bench = Bench::start(&["pad=300000"]).await;
    let mut policy = DownloadPolicy::default();
    policy.max_bytes = 200_000;
    let client = bench.builder().download(policy).build().unwrap();
    let outcome = JobOutcome::from(client.generate(request()).await);
    assert_eq!(outcome.code(), "interrupted", "{outcome:?}");
    assert_eq!(counts(&bench), (1, 1, 0));
    // With a higher limit the same job is saved, and paid once.
    assert_eq!(bench.client().recover().await.unwrap().saved.len(), 1);
    assert_eq!(counts(&bench), (1, 1, 1));
    // A download that is cut once is completed.
    let bench = Bench::start(&["truncated=100,times=1"]).await;
    assert_eq!(generate(&bench).await.code(), "done");
    assert_eq!(bench.state().downloads, 2);
    let clip = &bench.clips()[0].sidecar["reelkin"];
    assert_eq!(clip["sha256"].as_str().unwrap().len(), 64);
}

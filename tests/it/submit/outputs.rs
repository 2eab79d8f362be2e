//! Where the service puts a clip: its own files, or the bucket of the caller.

#![cfg(feature = "cli")]

use std::time::Duration;

use reelkin::request::PublicUrl;
use reelkin::sandbox::Sandbox;
use reelkin::{Charge, RetryAdvice, StorageOptions, UploadTarget};

use crate::support::bench::{Bench, real_clip, request};
use crate::support::http_server::{Answer, Server};
use crate::support::outcomes::{counts, generate, summary};

// Requirement: field study of other clients, report 37.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_team_with_zero_data_retention_is_told_to_give_an_upload_target() {
    let zdr = Sandbox::builder()
        .min_job_duration(Duration::from_millis(100))
        .zero_data_retention(true);
    let bench = Bench::with(zdr, &[]).await;
    let outcome = generate(&bench).await;
    let want = ("refused", Charge::No, Some(RetryAdvice::Change));
    assert_eq!(summary(&outcome), want);
    let guidance = outcome.error().unwrap().guidance().unwrap();
    assert!(guidance.contains("zero data retention") && guidance.contains("upload target"));

    let bucket = Server::start(real_clip().await, |seen, _| {
        (seen.method == "PUT").then(|| Answer::new(200, ""))
    })
    .await;
    let target = UploadTarget::new(bucket.url("/clip.mp4?sig=PUT"));
    let target = target.fetch_url(bucket.url("/clip.mp4?sig=GET"));
    bench.client().generate(request().output(target)).await.unwrap();
    assert_eq!(counts(&bench), (2, 1, 1));
}

// Requirement: wire contract, trap 20.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_target_of_a_zero_retention_team_gets_no_key() {
    let bench = Bench::with(
        Sandbox::builder()
            .min_job_duration(Duration::from_millis(100))
            .zero_data_retention(true),
        &[],
    )
    .await;
    let error = bench.client().generate(request()).await.unwrap_err();
    assert!(error.guidance().unwrap().contains("upload target"), "{error}");
    assert_eq!(bench.state().creates, 0);

    let bucket = Server::start(real_clip().await, |seen, _| {
        (seen.method == "PUT").then(|| Answer::new(200, ""))
    })
    .await;
    let target =
        UploadTarget::new(bucket.url("/clip.mp4?sig=PUT")).fetch_url(bucket.url("/clip.mp4?sig=GET"));
    bench.client().generate(request().output(target)).await.unwrap();
    assert_eq!(bench.clips().len(), 1);
    for seen in bucket.requests() {
        assert_eq!(seen.header("authorization"), None, "{seen:?}");
    }
}

// Requirement: wire contract, trap 22.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clip_that_the_service_could_not_store_is_saved_with_a_warning() {
    let bench = Bench::start(&["storage-error"]).await;
    let request = request().storage(StorageOptions::new("a.mp4"));
    let clip = bench.client().generate(request).await.unwrap();
    assert_eq!(clip.record.unwrap().reelkin.unwrap().warnings.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_storage_or_public_link_is_a_warning() {
    for (fault, word) in [
        ("storage-error", "could not store"),
        ("public-url-error", "public URL"),
    ] {
        let bench = Bench::start(&[fault]).await;
        let storage = StorageOptions::new("a.mp4").public_url(PublicUrl::LikeTheFile);
        let clip = bench.client().generate(request().storage(storage)).await.unwrap();
        let warnings = clip.record.unwrap().reelkin.unwrap().warnings.unwrap();
        assert!(
            warnings.iter().any(|line| line.contains(word)),
            "{fault}: {warnings:?}"
        );
    }
}

//! How the media of a request reaches the service: inline, uploaded, or by its URL.

#![cfg(feature = "cli")]

use std::time::Duration;

use reelkin::library::{DeliveryReport, Severity};
use reelkin::request::TransportChoice;
use reelkin::sandbox::Sandbox;
use reelkin::{Clip, EditRequest, ErrorKind, GenerateRequest, MediaInput, secs};

use crate::support::bench::{Bench, builder, real_clip, request};
use crate::support::fixtures::dot;
use crate::support::http_server::Server;
use crate::support::outcomes::counts;

pub(super) fn delivery(clip: Clip) -> DeliveryReport {
    clip.record.unwrap().reelkin.unwrap().delivery.unwrap()
}

/// Returns `input transport` for each input of a request.
fn transports(clip: Clip) -> Vec<String> {
    let sent = delivery(clip).requested.transports;
    sent.iter()
        .map(|one| serde_json::to_value(one).unwrap())
        .map(|one| {
            format!(
                "{} {}",
                one["input"].as_str().unwrap(),
                one["transport"].as_str().unwrap()
            )
        })
        .collect()
}

// Requirement: field study of other clients, report 33.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clip_above_the_body_limit_is_uploaded() {
    // As base64 it would take 12 MB of a body.
    let small = Sandbox::builder()
        .min_job_duration(Duration::from_millis(100))
        .max_body_bytes(11 << 20);
    let bench = Bench::with(small, &["pad=9000000,times=1"]).await;
    let big = bench.client().generate(request()).await.unwrap();
    assert!(std::fs::metadata(big.path.as_ref().unwrap()).unwrap().len() >= 9_000_000);
    let edited = bench
        .client()
        .edit(EditRequest::new(&big, "make it night"))
        .await
        .unwrap();
    assert_eq!(bench.state().uploads, 1);
    assert_eq!(transports(edited), ["video file_id"]);
    assert_eq!(counts(&bench), (2, 2, 2));
}

// Requirement: field study of other clients, report 34.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_transport_of_an_input_is_chosen_and_reported() {
    let bench = Bench::start(&[]).await;
    let client = bench.client();
    let first = client.generate(request()).await.unwrap();
    let edit = |transport| EditRequest::new(&first, "red").transport(transport);
    let edited = client.edit(edit(TransportChoice::Auto)).await.unwrap();
    assert_eq!(transports(edited), ["video inline"]);
    let edited = client.edit(edit(TransportChoice::Upload)).await.unwrap();
    assert_eq!(transports(edited), ["video file_id"]);
    let image = GenerateRequest::image(dot()).prompt("a boat").duration(secs(1));
    let made = client.generate(image).await.unwrap();
    assert_eq!(transports(made), ["image inline"]);
    assert_eq!(bench.state().uploads, 1);
}

// Requirement: field study of other clients, report 35.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ignored_start_image_is_reported() {
    let asked = || GenerateRequest::image(dot()).prompt("a boat").duration(secs(1));
    let bench = Bench::start(&[]).await;
    let used = delivery(bench.client().generate(asked()).await.unwrap());
    assert!(used.start.is_some());
    assert!(
        used.findings.iter().all(|finding| finding.field != "start"),
        "{used:?}"
    );
    assert!(bench.state().jobs[0].request["image"].is_object());
    // This server returns a clip of something else.
    let server = Server::start(real_clip().await, |_, _| None).await;
    let library = bench.folder.path().join("other");
    let client = builder(&server.base_url(), &library).build().unwrap();
    let ignored = delivery(client.generate(asked()).await.unwrap());
    let start = ignored.findings.iter().find(|finding| finding.field == "start");
    let start = start.unwrap_or_else(|| panic!("{ignored:?}"));
    assert_eq!(start.severity, Severity::Major);
    assert!(start.delivered.contains("may have been ignored"), "{start:?}");
}

// Requirement: wire contract, trap 14.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_cannot_be_fetched_fails_the_job_later() {
    let bench = Bench::start(&[]).await;
    let nowhere = format!("http://{}/nothing.png", bench.sandbox.address());
    let request = GenerateRequest::image(MediaInput::Url(nowhere))
        .prompt("a boat")
        .duration(secs(1));
    let error = bench.client().generate(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::JobFailed, "{error}");
    assert_eq!(error.service_code(), Some("invalid_argument"));
    assert!(error.job_id().is_some());
    assert_eq!(bench.state().creates, 1);
    assert!(bench.clips().is_empty());
}

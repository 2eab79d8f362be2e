//! `edit` and `extend`.

#![cfg(feature = "cli")]

use std::path::Path;

use reelkin::media::{MediaOptions, MediaSource, probe};
use reelkin::{EditRequest, ErrorKind, ExtendRequest, MediaInput, secs};
use serde_json::Value;

use crate::support::bench::{Bench, KEY, request, sidecar};

fn length(path: &Path) -> f64 {
    let facts = probe(MediaSource::from(path), &MediaOptions::default()).unwrap();
    facts.duration.as_secs_f64()
}

// Requirement: ima2-gen 1.1.21, `video edit`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edit_accepts_a_url_a_file_id_a_data_url_and_a_library_clip() {
    use base64::Engine as _;

    let bench = Bench::start(&[]).await;
    let client = bench.client();
    let clip = client.generate(request()).await.unwrap();
    let path = clip.path.clone().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let http = reqwest::Client::builder().build().unwrap();
    let base = bench.sandbox.base_url();
    let form = reqwest::multipart::Form::new().part(
        "file",
        reqwest::multipart::Part::bytes(bytes.clone()).file_name("clip.mp4"),
    );
    let uploaded: Value = serde_json::from_str(
        &http
            .post(format!("{base}/files"))
            .bearer_auth(KEY)
            .multipart(form)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap(),
    )
    .unwrap();
    let id = uploaded["id"].as_str().unwrap().to_owned();
    let public: Value = serde_json::from_str(
        &http
            .post(format!("{base}/files/{id}/public-url"))
            .bearer_auth(KEY)
            .header("content-type", "application/json")
            .body("{}")
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap(),
    )
    .unwrap();
    let url = public["public_url"].as_str().unwrap().to_owned();
    let data = format!(
        "data:video/mp4;base64,{}",
        base64::engine::general_purpose::STANDARD.encode(&bytes)
    );
    for (video, kind) in [
        (MediaInput::from(&clip), "generated-file"),
        (MediaInput::Url(url), "url"),
        (MediaInput::FileId(id), "file_id"),
        (MediaInput::DataUrl(data), "data-url"),
    ] {
        let edited = client
            .edit(EditRequest::new(video, "make it night"))
            .await
            .unwrap();
        let sidecar = sidecar(&edited.path.unwrap());
        assert_eq!(sidecar["video"]["operation"], "edit");
        assert_eq!(sidecar["video"]["source"]["kind"], kind, "{sidecar}");
        assert_eq!(sidecar["video"]["contentType"], "video/mp4");
        assert!(sidecar.get("elapsed").is_none(), "{sidecar}");
    }
}

// Requirement: ima2-gen 1.1.21, `video extend`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn extend_returns_the_source_plus_the_added_seconds() {
    let bench = Bench::start(&[]).await;
    let client = bench.client();
    let clip = client.generate(request().duration(secs(2))).await.unwrap();
    let longer = client
        .extend(ExtendRequest::new(&clip, "on it goes").duration(secs(2)))
        .await
        .unwrap();
    let path = longer.path.clone().unwrap();
    assert!((length(&path) - 4.0).abs() < 0.1);
    let sidecar = sidecar(&path);
    let seam = sidecar["reelkin"]["delivery"]["seam"]["seconds"]
        .as_f64()
        .unwrap();
    assert!((seam - 2.0).abs() < 0.05, "{seam}");
    // Without a duration six seconds are added.
    let error = client
        .extend(ExtendRequest::new(&clip, "on").duration(secs(11)))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert_eq!(bench.state().creates, 2);
}

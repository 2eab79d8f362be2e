//! Where results are stored: in Files with `storage_options`, or in the bucket of a team without data retention.

#![cfg(feature = "sandbox")]

use std::time::Duration;

use reelkin::sandbox::Sandbox;
use serde_json::{Value, json};

use crate::sandbox::raw::{RawBench, assert_shape, bench_with, refused, text};
use crate::support::fixtures::fixture;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_are_stored_and_published_on_request() {
    let mut body = text("stored");
    body["storage_options"] = fixture("requests/stored.json")["storage_options"].clone();
    let bench = RawBench::quick().await;
    let answer = bench.run_job("/videos/generations", &body).await;
    assert_shape(&answer, "responses/poll-done-stored.json");
    let output = &answer["video"]["file_output"];
    let clip = bench.download(&answer).await;
    let public = bench
        .http
        .get(output["public_url"].as_str().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(public.headers()["content-type"], "video/mp4");
    assert_eq!(public.bytes().await.unwrap(), clip);
    let id = output["file_id"].as_str().unwrap();
    let content = bench.get(&format!("/files/{id}/content")).await.unwrap();
    assert_eq!(content.bytes().await.unwrap(), clip);
    // A stored clip can be an input by its id and by its link.
    for video in [json!({ "file_id": id }), json!({ "url": answer["video"]["url"] })] {
        let edit = json!({ "model": "grok-imagine-video", "prompt": "red", "video": video });
        assert_eq!(
            bench.run_job("/videos/edits", &edit).await["video"]["duration"],
            1
        );
    }
    for (fault, name) in [
        ("storage-error", "responses/poll-done-storage-error.json"),
        ("public-url-error", "responses/poll-done-public-url-error.json"),
    ] {
        let bench = bench_with(&[fault]).await;
        let mut body = body.clone();
        body["storage_options"]
            .as_object_mut()
            .unwrap()
            .remove("expires_after");
        assert_shape(&bench.run_job("/videos/generations", &body).await, name);
    }
    for wrong in [
        json!({ "filename": "" }),
        json!({ "filename": "x.mp4", "expires_after": 3599 }),
        json!({ "filename": "x.mp4", "expires_after": 2_592_001 }),
        json!({ "filename": "x.mp4", "public_url": { "expires_after": 1 } }),
    ] {
        body["storage_options"] = wrong;
        assert_eq!(bench.post_json("/videos/generations", &body).await.0, 400);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_team_without_retention_gets_its_clip_by_upload() {
    use std::sync::{Arc, Mutex};
    let (sent, kept) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
    let bucket = {
        let sent = Arc::clone(&sent);
        let put = move |headers: axum::http::HeaderMap, body: axum::body::Bytes| async move {
            sent.lock().unwrap().push((headers["content-type"].clone(), body));
        };
        axum::Router::new().route("/clip.mp4", axum::routing::put(put))
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let link = format!("http://{}/clip.mp4?signature=1", listener.local_addr().unwrap());
    kept.lock()
        .unwrap()
        .push(tokio::spawn(async move { axum::serve(listener, bucket).await }));

    let bench = RawBench::start(
        Sandbox::builder()
            .min_job_duration(Duration::from_millis(10))
            .zero_data_retention(true),
    )
    .await;
    let (status, answer) = bench.post_json("/videos/generations", &text("zdr")).await;
    assert_eq!((status, answer), (400, fixture("errors/400-zdr.json")));
    let mut body = text("zdr");
    body["output"] = json!({ "upload_url": "not a url" });
    refused(
        &bench,
        "/videos/generations",
        body.clone(),
        400,
        "The output.upload_url field is invalid.",
    )
    .await;
    body["output"] = json!({ "upload_url": link });
    let answer = bench.run_job("/videos/generations", &body).await;
    assert_eq!(answer["video"]["url"], Value::Null);
    let sent = sent.lock().unwrap();
    assert_eq!(sent[0].0, "video/mp4");
    assert_eq!(&sent[0].1[4..8], b"ftyp");
}

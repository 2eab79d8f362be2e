//! Requests as they are sent, field by field.
//!
//! They are compared with the fixtures that the sandbox is held to as well.

#![cfg(feature = "cli")]

use std::collections::BTreeSet;

use bytes::Bytes;
use reelkin::request::PublicUrl;
use reelkin::{
    Clip, EditRequest, ErrorKind, ExtendRequest, GenerateRequest, Keyframe, MediaInput, StorageOptions,
    UploadTarget, VideoClient, secs,
};
use serde_json::{Value, json};

use crate::support::bench::{KEY, builder, ms};
use crate::support::fixtures::{dot, fixture, fixture_names};
use crate::support::http_server::{Answer, ReceivedRequest, Server};

fn link(url: &str) -> MediaInput {
    MediaInput::Url(url.to_owned())
}

/// Sends a request to a server that refuses it, and returns what the server received.
pub(crate) async fn sent(request: GenerateRequest) -> (ReceivedRequest, Value) {
    sent_by(async |client| client.generate(request).await).await
}

async fn sent_by(verb: impl AsyncFnOnce(VideoClient) -> reelkin::Result<Clip>) -> (ReceivedRequest, Value) {
    let server = Server::start(Bytes::new(), |_, _| {
        Some(Answer::new(400, r#"{"code":"invalid-argument","error":"No."}"#))
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let client = builder(&server.base_url(), folder.path()).build().unwrap();
    let error = verb(client).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.status()),
        (ErrorKind::InvalidRequest, Some(400)),
        "{error}"
    );
    let seen = server.requests();
    assert_eq!(seen.len(), 1, "{seen:?}");
    let body = serde_json::from_slice(&seen[0].body).unwrap();
    (seen.into_iter().next().unwrap(), body)
}

fn requests() -> Vec<(&'static str, GenerateRequest)> {
    let file = || MediaInput::FileId("file_9f8a7b6c-5d4e-4f3a-8b2c-1d0e9f8a7b6c".to_owned());
    let lighthouse = || GenerateRequest::text("a lighthouse at dusk");
    vec![
        ("text.json", lighthouse().aspect_ratio("16:9")),
        (
            "text-silent.json",
            GenerateRequest::text("fog rolls over a harbour")
                .model("grok-imagine-video-1.5")
                .duration(secs(6))
                .aspect_ratio("16:9")
                .resolution("720p")
                .audio(false),
        ),
        (
            "text-1080p.json",
            GenerateRequest::text("a kite over the dunes")
                .model("grok-imagine-video-1.5")
                .duration(secs(4))
                .aspect_ratio("9:16")
                .resolution("1080p"),
        ),
        (
            "text-lite.json",
            GenerateRequest::text("a paper boat in the gutter")
                .model("grok-imagine-video-1.5-lite")
                .duration(secs(6))
                .resolution("720p"),
        ),
        (
            "image-data-url.json",
            GenerateRequest::image(dot()).prompt("the lamp turns on"),
        ),
        (
            "image-file-id.json",
            GenerateRequest::image(file())
                .model("grok-imagine-video-1.5")
                .resolution("720p"),
        ),
        (
            "image-url.json",
            GenerateRequest::image(link("https://pictures.example/sea.png")).prompt("waves come in"),
        ),
        (
            "references.json",
            GenerateRequest::references([dot(), link("https://pictures.example/street.jpg")])
                .prompt("<IMAGE_0> walks through <IMAGE_1>")
                .model("grok-imagine-video-1.5")
                .duration(secs(8))
                .aspect_ratio("16:9")
                .resolution("720p"),
        ),
        (
            "references-voices.json",
            GenerateRequest::references([dot()])
                .voices(["eve"])
                .prompt("<IMAGE_0> says hello with the voice <AUDIO_0>")
                .model("grok-imagine-video-1.5")
                .duration(secs(6)),
        ),
        (
            "frames.json",
            GenerateRequest::frames(Some(dot()), Some(dot()), [])
                .prompt("night falls")
                .model("grok-imagine-video-1.5")
                .duration(secs(6))
                .resolution("720p"),
        ),
        (
            "keyframes.json",
            GenerateRequest::frames(
                Some(file()),
                Some(link("https://pictures.example/end.png")),
                [Keyframe::new(ms(2667), link("https://pictures.example/mid.png"))],
            )
            .model("grok-imagine-video-1.5")
            .duration(secs(6))
            .resolution("720p"),
        ),
        (
            "stored.json",
            lighthouse().user("user-17").storage(
                StorageOptions::new("lighthouse.mp4")
                    .expires_after(secs(86_400))
                    .public_url(PublicUrl::ExpiresAfter(secs(3600))),
            ),
        ),
        (
            "uploaded.json",
            lighthouse().output(UploadTarget::new("https://bucket.example/clip.mp4?signature=abc")),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_body_of_every_mode_matches_its_fixture() {
    let mut names = fixture_names("requests");
    // These two belong to other verbs, see below.
    names.remove("edit.json");
    names.remove("extend.json");
    for (name, request) in requests() {
        assert!(names.remove(name), "{name} is no fixture, or comes twice");
        let mut want: Value = fixture(&format!("requests/{name}"));
        // The default of the service is sent explicitly (wire contract, trap 15).
        if want.get("generate_audio").is_none() {
            want["generate_audio"] = json!(true);
        }
        let (_, have) = sent(request).await;
        assert_eq!(have, want, "{name}");
    }
    assert!(names.is_empty(), "no request for {names:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_has_exactly_the_headers_of_the_contract() {
    let (seen, _) = sent(GenerateRequest::text("a lighthouse at dusk")).await;
    assert_eq!(
        (seen.method.as_str(), seen.path.as_str()),
        ("POST", "/v1/videos/generations")
    );
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(
        seen.header("authorization"),
        Some(format!("Bearer {KEY}").as_str())
    );
    assert!(
        seen.header("user-agent").unwrap().starts_with("Mozilla/5.0"),
        "{seen:?}"
    );
    let names: BTreeSet<_> = seen.headers.iter().map(|(name, _)| name.as_str()).collect();
    let known = [
        "accept",
        "authorization",
        "content-length",
        "content-type",
        "host",
        "user-agent",
    ];
    assert_eq!(names, BTreeSet::from(known));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bodies_of_edit_and_extend_match_their_fixtures() {
    let request = EditRequest::new(link("https://clips.example/in.mp4"), "make the coat red");
    let (seen, have) = sent_by(async |client| client.edit(request).await).await;
    assert_eq!(
        (seen.path.as_str(), have),
        ("/v1/videos/edits", fixture("requests/edit.json"))
    );
    let file = MediaInput::FileId("file_9f8a7b6c-5d4e-4f3a-8b2c-1d0e9f8a7b6c".to_owned());
    let request = ExtendRequest::new(file, "the camera rises").duration(secs(5));
    let (seen, have) = sent_by(async |client| client.extend(request).await).await;
    assert_eq!(
        (seen.path.as_str(), have),
        ("/v1/videos/extensions", fixture("requests/extend.json"))
    );
}

// Requirement: wire contract, trap 11.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pictures_are_sent_as_objects() {
    let url = MediaInput::Url("https://pictures.example/a.png".into());
    let (_, body) = sent(GenerateRequest::image(url).prompt("a boat")).await;
    assert_eq!(body["image"], json!({ "url": "https://pictures.example/a.png" }));
    assert_eq!(body.get("image_url"), None);
}

// Requirement: wire contract, trap 15.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fields_that_affect_the_price_are_always_sent() {
    let (_, body) = sent(GenerateRequest::text("a boat")).await;
    let want = json!({
        "model": "grok-imagine-video", "prompt": "a boat", "duration": 5, "resolution": "480p",
        "generate_audio": true,
    });
    assert_eq!(body, want);
}

// Requirement: wire contract, trap 25.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn references_keep_their_order_across_kinds() {
    let url = |name: &str| MediaInput::Url(format!("https://pictures.example/{name}.png"));
    let file = MediaInput::FileId("file_1".into());
    let (_, body) =
        sent(GenerateRequest::references([url("a"), file, dot(), url("b")]).prompt("a boat")).await;
    let kinds: Vec<_> = body["reference_images"]
        .as_array()
        .unwrap()
        .iter()
        .map(|image| {
            image["url"]
                .as_str()
                .unwrap_or("file")
                .chars()
                .take(5)
                .collect::<String>()
        })
        .collect();
    assert_eq!(kinds, ["https", "file", "data:", "https"]);
}

// Requirement: wire contract, trap 30.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_picture_is_sent_inline_unchanged() {
    // A PNG followed by bytes that no decoder reads: 1.6 MB on the wire.
    let mut bytes = include_bytes!("../../fixtures/dot.png").to_vec();
    bytes.resize(1_200_000, 7);
    let (_, body) =
        sent(GenerateRequest::image(MediaInput::bytes("large.png", bytes)).prompt("a boat")).await;
    let url = body["image"]["url"].as_str().unwrap();
    assert_eq!(url.len(), "data:image/png;base64,".len() + 1_600_000);
}

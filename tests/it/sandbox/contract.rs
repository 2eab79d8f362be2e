//! The sandbox against the wire contract: every rule, and the shapes in `tests/fixtures/xai`.

#![cfg(feature = "sandbox")]

use std::time::Duration;

use std::path::Path;

use reelkin::sandbox::Sandbox;
use serde_json::{Value, json};

use crate::sandbox::raw::{PNG, RawBench, assert_shape, bench_with, read_reply, refused, text};
use crate::support::fixtures::fixture;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_example_request_is_accepted() {
    let bench = RawBench::quick().await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/xai/requests");
    let form = reqwest::multipart::Form::new();
    let file = reqwest::multipart::Part::bytes(b"x".to_vec()).file_name("x.png");
    let upload = bench
        .http
        .post(bench.url("/files"))
        .bearer_auth(bench.sandbox.api_key());
    let (_, stored) = read_reply(upload.multipart(form.part("file", file)).send().await.unwrap()).await;
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let known = std::fs::read_to_string(&path).unwrap().replace(
            "file_9f8a7b6c-5d4e-4f3a-8b2c-1d0e9f8a7b6c",
            stored["id"].as_str().unwrap(),
        );
        let body: Value = serde_json::from_str(&known).unwrap();
        let route = match name.as_str() {
            "edit" => "/videos/edits",
            "extend" => "/videos/extensions",
            _ => "/videos/generations",
        };
        let (status, answer) = bench.post_json(route, &body).await;
        assert_eq!(status, 200, "{name}: {answer}");
        assert_shape(&answer, "responses/create.json");
        count += 1;
    }
    assert_eq!(bench.sandbox.state().creates, count);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pending_and_done_replies_match_the_fixtures() {
    let bench = RawBench::start(Sandbox::builder().min_job_duration(Duration::from_secs(1))).await;
    let id = bench.create_job("/videos/generations", &text("shapes")).await;
    let (status, answer) = read_reply(bench.get(&format!("/videos/{id}")).await.unwrap()).await;
    assert_eq!(status, 202);
    assert_shape(&answer, "responses/poll-pending.json");
    let (_, answer) = bench.wait_for_job(&id).await;
    assert_shape(&answer, "responses/poll-done-signed.json");
    let url = answer["video"]["url"].as_str().unwrap();
    assert!(
        !url.contains(&id) && url.contains("/vidgen/") && url.contains(".mp4?sig="),
        "{url}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_types_are_422_in_plain_text() {
    let bench = RawBench::quick().await;
    let with = |key: &str, value: Value| {
        let mut body = text("types");
        body[key] = value;
        body
    };
    for (path, body, words) in [
        (
            "generations",
            with("aspect_ratio", json!("auto")),
            "aspect_ratio: unknown variant `auto`, expected one of `1:1`",
        ),
        (
            "generations",
            with("resolution", json!("4k")),
            "resolution: unknown variant `4k`, expected one of `480p`",
        ),
        (
            "generations",
            with("image", json!("https://a.example/x.png")),
            "expected a map",
        ),
        (
            "generations",
            with("duration", json!(5.5)),
            "duration: invalid type: floating point `5.5`",
        ),
        (
            "generations",
            with("generate_audio", json!("no")),
            "generate_audio: invalid type: string \"no\", expected a boolean",
        ),
        (
            "generations",
            with("seconds", json!(5)),
            "duplicate field `duration`",
        ),
        (
            "edits",
            with("video", json!("https://a.example/x.mp4")),
            "expected struct VideoUrl",
        ),
        ("edits", text("no video"), "missing field `video`"),
        (
            "generations",
            with("storage_options", json!({})),
            "missing field `filename`",
        ),
    ] {
        let (status, answer) = bench.post_json(&format!("/videos/{path}"), &body).await;
        let said = answer.as_str().unwrap_or_default();
        assert_eq!(status, 422, "{answer}");
        assert!(
            said.starts_with("Failed to deserialize the JSON body into the target type: "),
            "{said}"
        );
        assert!(said.contains(words), "{said}");
    }
    let post = || {
        bench
            .http
            .post(bench.url("/videos/generations"))
            .bearer_auth(bench.sandbox.api_key())
    };
    let (status, _) = read_reply(post().body("{}").send().await.unwrap()).await;
    assert_eq!(status, 415);
    let (status, _) = read_reply(
        post()
            .header("content-type", "application/json")
            .body("{")
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(status, 400);
    assert_eq!(bench.sandbox.state().creates, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_matrix_of_models_and_modes_is_enforced() {
    let bench = RawBench::quick().await;
    let image = json!({ "url": PNG });
    let of = |model: &str, extra: Value| {
        let mut body = json!({ "model": model, "prompt": "matrix", "duration": 1 });
        for (key, value) in extra.as_object().unwrap() {
            body[key] = value.clone();
        }
        body
    };
    let (classic, one_five, lite) = (
        "grok-imagine-video",
        "grok-imagine-video-1.5",
        "grok-imagine-video-1.5-lite",
    );
    let g = "/videos/generations";
    let video = json!({ "video": { "url": "https://a.example/x.mp4" } });
    refused(
        &bench,
        "/videos/edits",
        of(one_five, video.clone()),
        400,
        "Video editing is not supported for this model.",
    )
    .await;
    refused(
        &bench,
        "/videos/extensions",
        of(lite, video),
        400,
        "Video extension is not supported for this model.",
    )
    .await;
    let refs = json!({ "reference_images": [image] });
    refused(
        &bench,
        g,
        of(lite, refs.clone()),
        400,
        "`reference_images` is not supported for this model.",
    )
    .await;
    let voice = json!({ "reference_audios": [{ "voice_id": "eve" }] });
    refused(
        &bench,
        g,
        of(classic, voice),
        400,
        "`reference_audios` is not supported for this model.",
    )
    .await;
    refused(
        &bench,
        g,
        of(classic, json!({ "last_frame": image })),
        400,
        "`last_frame` is not supported for this model.",
    )
    .await;
    let keyframes = json!({ "keyframes": [{ "image": image, "timestamp_s": 0.5 }] });
    refused(
        &bench,
        g,
        of(lite, keyframes),
        400,
        "`keyframes` is not supported for this model.",
    )
    .await;
    refused(
        &bench,
        g,
        of(classic, json!({ "resolution": "1080p" })),
        400,
        "1080p video resolution is not supported for this model.",
    )
    .await;
    let words = "1080p video resolution is not supported for reference-to-video requests.";
    refused(
        &bench,
        g,
        of(
            one_five,
            json!({ "reference_images": [image], "resolution": "1080p" }),
        ),
        400,
        words,
    )
    .await;
    refused(
        &bench,
        g,
        of(one_five, json!({ "last_frame": image, "resolution": "1080p" })),
        400,
        words,
    )
    .await;
    let words = "Duration 16s exceeds the maximum allowed for reference-to-video, which is 15s.";
    refused(
        &bench,
        g,
        of(one_five, json!({ "reference_images": [image], "duration": 16 })),
        400,
        words,
    )
    .await;
    let words = "Duration 11s exceeds the maximum allowed for reference-to-video, which is 10s.";
    refused(
        &bench,
        g,
        of(classic, json!({ "reference_images": [image], "duration": 11 })),
        400,
        words,
    )
    .await;
    let words = "`image` and `reference_images` cannot be combined for this model.";
    refused(
        &bench,
        g,
        of(classic, json!({ "image": image, "reference_images": [image] })),
        400,
        words,
    )
    .await;
    let words = "Too many reference images: 15. Maximum allowed is 14.";
    refused(
        &bench,
        g,
        of(one_five, json!({ "reference_images": vec![image.clone(); 15] })),
        400,
        words,
    )
    .await;
    for duration in [0, 16, -1] {
        let words = "Duration must be between 1 and 15 seconds";
        refused(
            &bench,
            g,
            of(classic, json!({ "duration": duration })),
            400,
            words,
        )
        .await;
        let body = of(classic, json!({ "duration": duration, "video": { "url": "x" } }));
        refused(&bench, "/videos/extensions", body, 400, words).await;
    }
    refused(
        &bench,
        g,
        json!({ "model": classic, "prompt": "  " }),
        400,
        "Prompt cannot be empty.",
    )
    .await;
    let (status, answer) = bench.post_json(g, &of("grok-imagine-video-2.0", json!({}))).await;
    assert_eq!(
        (status, &answer),
        (404, &fixture("errors/404-unknown-model.json"))
    );
    assert_eq!(bench.sandbox.state().creates, 0);
    assert_eq!(bench.sandbox.state().create_requests, 21);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_for_voices_and_keyframes_are_enforced() {
    let bench = RawBench::quick().await;
    let voices = |voices: Value| json!({ "model": "grok-imagine-video-1.5", "prompt": "x", "duration": 1, "reference_audios": voices });
    let eve = json!({ "voice_id": "EVE" });
    let g = "/videos/generations";
    bench.create_job(g, &voices(json!([eve]))).await;
    let words = "Too many reference audio clips: 4. Maximum allowed is 3.";
    refused(&bench, g, voices(json!([eve, eve, eve, eve])), 400, words).await;
    let (status, answer) = bench.post_json(g, &voices(json!([{ "voice_id": "bob" }]))).await;
    assert_eq!(status, 400);
    assert!(
        answer["error"].as_str().unwrap().contains("ara, eve, leo"),
        "{answer}"
    );
    let words = "reference_audios with a url is not enabled for this team";
    refused(
        &bench,
        g,
        voices(json!([{ "url": "https://a.example/v.mp3" }])),
        403,
        words,
    )
    .await;

    let pins = |times: &[f64]| {
        let pins: Vec<_> = times
            .iter()
            .map(|t| json!({ "image": { "url": PNG }, "timestamp_s": t }))
            .collect();
        json!({ "model": "grok-imagine-video-1.5", "duration": 2, "keyframes": pins })
    };
    bench.create_job(g, &pins(&[0.3, 0.7, 1.0, 1.66])).await;
    for wrong in [
        &[0.0][..],
        &[2.0],
        &[-0.5],
        &[0.66, 0.7],
        &[0.3, 0.7, 1.0, 1.3, 1.7],
    ] {
        let (status, answer) = bench.post_json(g, &pins(wrong)).await;
        assert_eq!(
            (status, &answer["code"]),
            (400, &json!("invalid-argument")),
            "{wrong:?}: {answer}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sources_that_fail_later_are_accepted_first() {
    let bench = RawBench::quick().await;
    let mut image = text("later");
    for url in [
        "https://unreachable.example/x.png",
        "nonsense",
        "data:image/png;base64,AAAA",
        "data:image/png,x",
    ] {
        image["image"] = json!({ "url": url });
        let id = bench.create_job("/videos/generations", &image).await;
        let (status, answer) = bench.wait_for_job(&id).await;
        assert_eq!(
            (status, &answer["error"]["code"]),
            (200, &json!("invalid_argument")),
            "{url}: {answer}"
        );
        assert_shape(&answer, "responses/poll-failed-invalid-argument.json");
    }
    let mut extend = text("later");
    extend["video"] = json!({ "url": "https://unreachable.example/x.mp4" });
    for duration in [1, 11] {
        extend["duration"] = json!(duration);
        let id = bench.create_job("/videos/extensions", &extend).await;
        let (_, answer) = bench.wait_for_job(&id).await;
        assert_eq!(answer, fixture("responses/poll-failed-extension-range.json"));
    }
    let id = bench
        .create_job("/videos/generations", &text(&"long ".repeat(1000)))
        .await;
    assert_eq!(
        bench.wait_for_job(&id).await.1["error"]["code"],
        "invalid_argument"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ignored_fields_are_ignored_silently() {
    let bench = RawBench::quick().await;
    let mut body = text("ignored");
    body["seed"] = json!(7);
    body["image_url"] = json!("https://a.example/x.png");
    body["video"] = json!({ "url": "https://a.example/x.mp4" });
    body["size"] = json!("1x1");
    let answer = bench.run_job("/videos/generations", &body).await;
    assert_eq!(answer["usage"]["cost_in_usd_ticks"], 500_000_000);
    assert_eq!(bench.sandbox.state().jobs[0].mode, "text");
    let mut alias = text("alias");
    alias.as_object_mut().unwrap().remove("duration");
    alias["seconds"] = json!("2");
    alias["image"] = json!({ "image_url": PNG });
    let answer = bench.run_job("/videos/generations", &alias).await;
    assert_eq!(answer["video"]["duration"], 2);
    assert_eq!(bench.sandbox.state().jobs[1].mode, "image");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn routes_methods_and_ids_answer_as_the_service_does() {
    let bench = RawBench::quick().await;
    let (status, answer) = bench.post_json("/videos/remix", &json!({})).await;
    assert_eq!((status, answer), (405, json!("")));
    assert_eq!(bench.post_json("/videos", &json!({})).await.0, 405);
    let (status, answer) = read_reply(bench.get("/nothing").await.unwrap()).await;
    assert_eq!((status, answer), (404, fixture("errors/404-unknown-route.json")));
    let (status, answer) = read_reply(bench.get("/videos/not-a-uuid").await.unwrap()).await;
    assert_eq!((status, answer), (400, fixture("errors/400-malformed-id.json")));
    let (status, answer) = read_reply(
        bench
            .get("/videos/c3b8f1de-4a52-4f0e-9a3c-6e1d2b7f8a90")
            .await
            .unwrap(),
    )
    .await;
    assert_eq!((status, answer), (404, fixture("errors/404-unknown-job.json")));
    let (_, models) = read_reply(bench.get("/video-generation-models").await.unwrap()).await;
    assert_eq!(models, fixture("models/video-generation-models.json"));
    let (_, model) = read_reply(
        bench
            .get("/video-generation-models/grok-imagine-video-1.5-preview")
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(model, fixture("models/video-generation-model.json"));
    let (_, models) = read_reply(bench.get("/models").await.unwrap()).await;
    assert_eq!(models, fixture("models/models.json"));
    assert_shape(
        &read_reply(bench.get("/api-key").await.unwrap()).await.1,
        "models/api-key.json",
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_final_reply_matches_its_fixture() {
    for (fault, status, name) in [
        ("expired", 200, "responses/poll-expired.json"),
        (
            "failed=permission_denied",
            200,
            "responses/poll-failed-permission-denied.json",
        ),
        (
            "failed=failed_precondition",
            200,
            "responses/poll-failed-failed-precondition.json",
        ),
        (
            "failed=service_unavailable",
            200,
            "responses/poll-failed-service-unavailable.json",
        ),
        (
            "failed=internal_error",
            200,
            "responses/poll-failed-internal-error.json",
        ),
        ("moderated=400", 400, "errors/400-moderated.json"),
        ("moderated=400-billed", 400, "errors/400-moderated-billed.json"),
        ("moderated=400-old", 400, "errors/400-moderated-old.json"),
        ("moderated=null", 200, "responses/poll-done-withheld-null.json"),
        ("moderated=empty", 200, "responses/poll-done-withheld-empty.json"),
        (
            "moderated=missing",
            200,
            "responses/poll-done-withheld-missing.json",
        ),
        (
            "moderated=no-video",
            200,
            "responses/poll-done-withheld-no-video.json",
        ),
        ("moderated=failed", 200, "responses/poll-failed-moderated.json"),
        ("no-status", 200, "responses/poll-done-no-status.json"),
    ] {
        let bench = bench_with(&[fault]).await;
        let id = bench.create_job("/videos/generations", &text("endings")).await;
        let (got, answer) = bench.wait_for_job(&id).await;
        assert_eq!(got, status, "{fault}: {answer}");
        assert_shape(&answer, name);
        let words = fixture(name);
        assert_eq!(
            (&answer["code"], &answer["error"]),
            (&words["code"], &words["error"]),
            "{fault}"
        );
        // Later polls return the same.
        assert_eq!(bench.wait_for_job(&id).await.0, status, "{fault}");
    }
}

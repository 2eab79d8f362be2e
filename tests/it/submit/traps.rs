//! The traps of the wire contract (section 11), by their numbers: those that a generate, a poll or a
//! download can step into.

#![cfg(feature = "cli")]

use bytes::Bytes;
use reelkin::sandbox::Sandbox;
use reelkin::{
    Charge, ErrorKind, GenerateRequest, Keyframe, MediaInput, RetryAdvice, StorageOptions, UploadTarget,
    Validation, secs,
};
use serde_json::{Value, json};

use crate::support::program::Program;
use crate::support::bench::{Bench, KEY, builder, clips_in, ms, quick_polls, real_clip, request};
use crate::submit::answers::{Run, answer, run};
use crate::submit::requests::{dot, sent};
use crate::support::http_server::{Answer, Server, done, file};

fn poll_body(body: &Value) -> Answer {
    Answer::new(200, body.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_01_a_202_with_an_empty_body_is_pending() {
    let Run { outcome, server, .. } = run(|seen, before| {
        let early = seen.path.starts_with("/v1/videos/c") && before < 2;
        early.then(|| Answer::new(202, ""))
    })
    .await;
    outcome.unwrap();
    assert_eq!(server.seen_at("/v1/videos/c").len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_02_progress_model_duration_and_status_may_be_missing() {
    let Run { outcome, .. } = run(|seen, before| {
        let here = format!("http://{}/clip.mp4", seen.header("host")?);
        (seen.path.starts_with("/v1/videos/c")).then(|| match before {
            0 => Answer::new(202, r#"{"status":"pending"}"#),
            1 => Answer::new(202, r#"{"status":"pending","progress":null,"model":7}"#),
            _ => poll_body(&json!({ "video": { "url": here } })),
        })
    })
    .await;
    let record = outcome.unwrap().record.unwrap();
    assert_eq!(record.effective_model.as_deref(), Some("grok-imagine-video"));
    assert_eq!(record.reelkin.unwrap().cost_usd_ticks, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_03_done_without_a_link_is_an_end() {
    for video in [
        json!({ "url": null, "respect_moderation": false }),
        json!({ "url": "", "respect_moderation": false }),
        json!({ "respect_moderation": false }),
        Value::Null,
    ] {
        let body = json!({ "status": "done", "video": video });
        let Run { outcome, server, .. } =
            run(move |seen, _| seen.path.starts_with("/v1/videos/c").then(|| poll_body(&body))).await;
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Moderated, "{error}");
        assert_eq!(error.retry_advice(), RetryAdvice::Change);
        assert_eq!(server.seen_at("/v1/videos/c").len(), 1);
    }
}

/// The polls of a service whose moderation does not answer, then those of the finished job.
async fn failing_moderation(times: usize) -> Server {
    Server::start(real_clip().await, move |seen, before| {
        let body = r#"{"code":"The service is currently unavailable","error":"upstream moderation service timed out"}"#;
        (seen.path.starts_with("/v1/videos/c") && before < times).then(|| Answer::new(503, body))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_whose_moderation_fails_has_not_judged_the_clip() {
    let server = failing_moderation(3).await;
    let folder = tempfile::tempdir().unwrap();
    let client = builder(&server.base_url(), folder.path()).build().unwrap();
    client.generate(request()).await.unwrap();
    assert_eq!(clips_in(folder.path()).len(), 1);

    let server = failing_moderation(usize::MAX).await;
    let folder = tempfile::tempdir().unwrap();
    let mut polls = quick_polls();
    polls.deadline = secs(2);
    let client = builder(&server.base_url(), folder.path())
        .poll(polls)
        .build()
        .unwrap();
    let error = client.generate(request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert_eq!(error.may_have_been_charged(), Charge::Unknown, "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_waits_on_when_moderation_fails() {
    let server = failing_moderation(1).await;
    let folder = tempfile::tempdir().unwrap();
    let ran = Program::in_folder(folder.path())
        .env("XAI_API_KEY", KEY)
        .args(["--base-url", &server.base_url(), "--library", "clips"])
        .args(["generate", "a lighthouse", "--duration", "1"])
        .run()
        .await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(clips_in(&folder.path().join("clips")).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_04_a_400_on_the_poll_is_moderation_or_passes() {
    let bench = Bench::start(&["poll-400,times=2"]).await;
    bench.client().generate(request()).await.unwrap();
    let bench = Bench::start(&["moderated=400-billed"]).await;
    let error = bench.client().generate(request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Moderated);
    assert_eq!(error.service_code(), Some("imagine:content-moderated"));
    assert_eq!(error.job_id(), Some(bench.state().jobs[0].id.as_str()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_05_every_shape_of_error_is_one_clean_line() {
    for body in [
        r#"{"code":"invalid-argument","error":"Bad ratio."}"#,
        r#"{"error":{"message":"Bad ratio.","type":"x","param":null,"code":"invalid-argument"}}"#,
        r#"{"error":{"code":400,"message":"Bad ratio."}}"#,
        r#"{"error":"Bad ratio."}"#,
        "Bad ratio.",
        "",
        "<!DOCTYPE html>\n<html>\n<body>Bad</body></html>",
        "[1,2]",
        "\u{0}\u{1}",
    ] {
        let Run { outcome, .. } = run(move |_, _| Some(Answer::new(400, body))).await;
        let error = outcome.unwrap_err();
        assert_eq!(
            (error.kind(), error.status()),
            (ErrorKind::InvalidRequest, Some(400)),
            "{body}"
        );
        let line = error.to_string();
        assert!(
            !line.contains(['\n', '<', '\u{0}', '\u{1}']) && line.contains("400"),
            "{line:?}"
        );
        assert_eq!(line.contains("Bad ratio"), body.contains("Bad ratio"), "{line:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_06_codes_are_kept_as_they_are_spelled() {
    let Run { outcome, .. } = run(|seen, _| {
        seen.path
            .starts_with("/v1/videos/c")
            .then(|| answer("responses/poll-failed-invalid-argument.json"))
    })
    .await;
    assert_eq!(outcome.unwrap_err().service_code(), Some("invalid_argument"));
    let Run { outcome, .. } = run(|_, _| Some(answer("errors/400-duration.json"))).await;
    assert_eq!(outcome.unwrap_err().service_code(), Some("invalid-argument"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_07_a_wrong_key_is_a_400_and_is_called_a_wrong_key() {
    let bench = Bench::start(&[]).await;
    let client = bench
        .builder()
        .api_key("xai-WRONG-KEY-0123456789")
        .build()
        .unwrap();
    let error = client.generate(request()).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Auth, Some(400)));
    assert!(error.to_string().contains("API key is wrong"), "{error}");
    assert!(error.guidance().is_some());
    assert_eq!(bench.state().creates, 0);
    assert_eq!(client.visible_models().await.unwrap_err().kind(), ErrorKind::Auth);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_08_what_a_model_cannot_do_is_refused_before_it_is_paid() {
    let bench = Bench::start(&[]).await;
    let text = || GenerateRequest::text("a boat");
    let mut pinned = GenerateRequest::references([dot()]).prompt("a boat");
    if let reelkin::GenerateMode::References { first_frame, .. } = &mut pinned.mode {
        *first_frame = Some(dot());
    }
    for (request, word) in [
        (
            GenerateRequest::frames(None, Some(dot()), []).prompt("a boat"),
            "pinned frames",
        ),
        (
            GenerateRequest::frames(None, None, [Keyframe::new(ms(1000), dot())]).prompt("a boat"),
            "pinned frames",
        ),
        (text().voices(["eve"]), "voices"),
        (text().resolution("1080p"), "resolution 1080p"),
        (pinned, "first frame"),
        (
            GenerateRequest::references([dot()])
                .prompt("a boat")
                .model("grok-imagine-video-1.5-lite"),
            "references",
        ),
    ] {
        let error = bench.client().generate(request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        assert!(error.to_string().contains(word), "{word}: {error}");
    }
    assert_eq!(bench.state().create_requests, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_09_limits_of_references_are_the_live_ones() {
    let references =
        |count: usize| GenerateRequest::references(std::iter::repeat_with(dot).take(count)).prompt("a boat");
    let (_, body) = sent(references(14)).await;
    assert_eq!(body["reference_images"].as_array().unwrap().len(), 14);
    let bench = Bench::start(&[]).await;
    for (request, word) in [
        (references(15), "at most 14"),
        (references(2).duration(secs(11)), "1 to 10 s"),
        (
            references(2).model("grok-imagine-video-1.5").resolution("1080p"),
            "480p or 720p",
        ),
        (
            references(2).model("grok-imagine-video-1.5").duration(secs(16)),
            "1 to 15 s",
        ),
    ] {
        let error = bench.client().generate(request).await.unwrap_err();
        assert!(error.to_string().contains(word), "{word}: {error}");
    }
    assert_eq!(bench.state().create_requests, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_10_the_ratio_auto_is_never_sent_and_none_is_left_out() {
    let (_, body) = sent(GenerateRequest::text("a boat")).await;
    assert_eq!(body.get("aspect_ratio"), None);
    let bench = Bench::start(&[]).await;
    let client = bench.builder().validation(Validation::Off).build().unwrap();
    let error = client.generate(request().aspect_ratio("auto")).await.unwrap_err();
    assert!(error.to_string().contains("leave the ratio out"), "{error}");
    // With a start image the field would be ignored, so it is not taken.
    let image = GenerateRequest::image(dot()).prompt("a boat").aspect_ratio("1:1");
    let error = bench.client().generate(image).await.unwrap_err();
    assert!(error.to_string().contains("ignored"), "{error}");
    assert_eq!(bench.state().create_requests, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_11_pictures_are_objects() {
    let url = MediaInput::Url("https://pictures.example/a.png".into());
    let (_, body) = sent(GenerateRequest::image(url).prompt("a boat")).await;
    assert_eq!(body["image"], json!({ "url": "https://pictures.example/a.png" }));
    assert_eq!(body.get("image_url"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_14_a_source_that_cannot_be_fetched_fails_the_job_late() {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_15_what_costs_money_is_never_left_to_the_service() {
    let (_, body) = sent(GenerateRequest::text("a boat")).await;
    let want = json!({
        "model": "grok-imagine-video", "prompt": "a boat", "duration": 5, "resolution": "480p",
        "generate_audio": true,
    });
    assert_eq!(body, want);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_16_a_create_without_an_answer_is_sent_once_and_called_unknown() {
    for fault in [
        "create:lost-reply",
        "create:reset",
        "create:503",
        "create:empty-id",
    ] {
        let bench = Bench::start(&[fault]).await;
        let error = bench.client().generate(request()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SubmissionUnknown, "{fault}");
        assert_eq!(error.retry_advice(), RetryAdvice::CheckAccount);
        assert_eq!(bench.state().create_requests, 1, "{fault}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_17_pending_is_no_error_and_done_is_not_pending() {
    let bench = Bench::start(&["pending-200"]).await;
    bench.client().generate(request()).await.unwrap();
    let bench = Bench::start(&["no-url"]).await;
    let job = bench.client().generate(request()).start().await.unwrap();
    let done = bench
        .until("the end", |state| state.jobs[0].state == "done")
        .await;
    let error = job.wait().await.unwrap_err();
    assert_eq!(error.service_code(), Some("done_without_url"));
    let polls = bench.state().polls - done.polls;
    assert!(polls < 40, "{polls}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_18_links_expire_and_the_cdn_gets_a_browser_and_no_key() {
    let cdn = Server::start(real_clip().await, |_, _| None).await;
    let link = cdn.url("/clip.mp4?sig=");
    let Run { outcome, .. } = run(move |seen, before| {
        let link = format!("{link}{before}");
        seen.path.starts_with("/v1/videos/c").then(|| done(&link))
    })
    .await;
    outcome.unwrap();
    let seen = cdn.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].header("authorization"), None);
    assert!(!format!("{seen:?}").contains(KEY));
    assert!(seen[0].header("user-agent").unwrap().starts_with("Mozilla/5.0"));
    // A link that is over is asked for again.
    let bench = Bench::start(&["link-expired=403,times=1"]).await;
    bench.client().generate(request()).await.unwrap();
    assert_eq!((bench.state().creates, bench.clips().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_19_three_things_are_called_429() {
    for (fault, advice, requests) in [
        ("create:429=0", RetryAdvice::Wait, 3),
        ("create:429-capacity=0", RetryAdvice::Wait, 3),
        ("create:429-credits=0", RetryAdvice::Change, 1),
    ] {
        let bench = Bench::start(&[fault]).await;
        let error = bench.client().generate(request()).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.retry_advice()),
            (ErrorKind::RateLimited, advice),
            "{fault}"
        );
        assert_eq!(
            (bench.state().create_requests, bench.state().creates),
            (requests, 0),
            "{fault}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_20_zero_retention_teams_give_and_fetch_the_clip_themselves() {
    let bench = Bench::with(
        Sandbox::builder().seconds_per_job(0.1).zero_data_retention(true),
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
    for seen in bucket.seen() {
        assert_eq!(seen.header("authorization"), None, "{seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_22_a_clip_that_could_not_be_stored_is_still_a_clip() {
    let bench = Bench::start(&["storage-error"]).await;
    let request = request().storage(StorageOptions::new("a.mp4"));
    let clip = bench.client().generate(request).await.unwrap();
    assert_eq!(clip.record.unwrap().reelkin.unwrap().warnings.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_24_unknown_values_can_be_sent() {
    let bench = Bench::start(&[]).await;
    let odd = || {
        GenerateRequest::text("a boat")
            .model("grok-imagine-video-9")
            .aspect_ratio("5:2")
            .resolution("4k")
            .duration(secs(1))
    };
    for validation in [Validation::Warn, Validation::Off] {
        let client = bench.builder().validation(validation).build().unwrap();
        let error = client.generate(odd()).await.unwrap_err();
        // The answer is the service's, not ours.
        assert!(error.status().is_some(), "{error}");
    }
    assert_eq!(bench.state().create_requests, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_25_references_keep_their_order_whatever_their_kind() {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_28_the_answer_may_name_the_model_by_its_real_name() {
    let bench = Bench::start(&[]).await;
    let request = request().model("grok-imagine-video-1.5-preview");
    let record = bench.client().generate(request).await.unwrap().record.unwrap();
    assert_eq!(
        record.requested_model.as_deref(),
        Some("grok-imagine-video-1.5-preview")
    );
    assert_eq!(record.effective_model.as_deref(), Some("grok-imagine-video-1.5"));
    let delivery = record.reelkin.unwrap().delivery.unwrap();
    assert!(delivery.is_as_asked(), "{:?}", delivery.findings);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_29_expired_is_an_end_and_an_unknown_word_is_not() {
    let bench = Bench::start(&["expired"]).await;
    let error = bench.client().generate(request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::JobExpired);
    let bench = Bench::start(&["status-word=marinating"]).await;
    bench.client().generate(request()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_30_a_large_picture_goes_inline_unharmed() {
    // A PNG followed by bytes that no decoder reads: 1.6 MB on the wire.
    let mut bytes = include_bytes!("../../fixtures/dot.png").to_vec();
    bytes.resize(1_200_000, 7);
    let (_, body) =
        sent(GenerateRequest::image(MediaInput::bytes("large.png", bytes)).prompt("a boat")).await;
    let url = body["image"]["url"].as_str().unwrap();
    assert_eq!(url.len(), "data:image/png;base64,".len() + 1_600_000);
}

/// What the two ends say to each other in the best case: three requests, no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shortest_run_is_three_requests() {
    let clip: Bytes = real_clip().await;
    let server = Server::start(clip.clone(), move |seen, _| {
        seen.path.starts_with("/clip").then(|| file(seen, &clip, "\"x\""))
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let client = builder(&server.base_url(), folder.path())
        .poll(quick_polls())
        .build()
        .unwrap();
    client.generate(request()).await.unwrap();
    let lines: Vec<_> = server
        .seen()
        .iter()
        .map(|seen| format!("{} {}", seen.method, seen.path))
        .collect();
    let poll = format!("GET /v1/videos/{}", crate::support::http_server::JOB);
    assert_eq!(
        lines,
        ["POST /v1/videos/generations", &poll, "GET /clip.mp4?sig=SIGNED"]
    );
}

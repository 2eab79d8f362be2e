//! Requests that cannot work are refused before anything is paid.

#![cfg(feature = "cli")]

use reelkin::library::Severity;
use reelkin::model::Validation;
use reelkin::{Charge, ErrorKind, GenerateRequest, JobOutcome, Keyframe, RetryAdvice, secs};

use crate::submit::inputs::delivery;
use crate::submit::requests::sent;
use crate::support::bench::{Bench, ms, request};
use crate::support::fixtures::dot;
use crate::support::outcomes::summary;

// Requirement: wire contract, trap 8.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unsupported_model_features_are_refused_before_they_are_paid() {
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

// Requirement: wire contract, trap 9.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_on_references_match_the_service() {
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

// Requirement: wire contract, trap 10.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ratio_auto_is_refused_and_an_unset_ratio_is_omitted() {
    let (_, body) = sent(GenerateRequest::text("a boat")).await;
    assert_eq!(body.get("aspect_ratio"), None);
    let bench = Bench::start(&[]).await;
    let client = bench.builder().validation(Validation::Off).build().unwrap();
    let error = client.generate(request().aspect_ratio("auto")).await.unwrap_err();
    assert!(error.to_string().contains("omit it"), "{error}");
    // With a start image the service would ignore the field, so it is refused.
    let image = GenerateRequest::image(dot()).prompt("a boat").aspect_ratio("1:1");
    let error = bench.client().generate(image).await.unwrap_err();
    assert!(error.to_string().contains("ignored"), "{error}");
    assert_eq!(bench.state().create_requests, 0);
}

// Requirement: field study of other clients, report 36.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_duration_is_refused_and_a_changed_one_is_reported() {
    let bench = Bench::start(&["render-seconds=2"]).await;
    let outcome = JobOutcome::from(bench.client().generate(request().duration(secs(99))).await);
    let want = ("refused", Charge::No, Some(RetryAdvice::Change));
    assert_eq!(summary(&outcome), want, "{outcome:?}");
    assert_eq!(bench.state().create_requests, 0);

    let clip = bench
        .client()
        .generate(request().duration(secs(3)))
        .await
        .unwrap();
    let report = delivery(clip);
    let short = report.findings.iter().find(|finding| finding.field == "duration");
    assert_eq!(short.unwrap().severity, Severity::Major, "{report:?}");
    assert!(!report.is_as_requested());
    assert_eq!(
        bench.state().jobs[0].request["duration"],
        3,
        "sent as it was asked"
    );
}

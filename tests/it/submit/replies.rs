//! What the client makes of every reply to a create.

#![cfg(feature = "cli")]

use std::time::Duration;

use std::time::Instant;

use reelkin::model::Validation;
use reelkin::{Charge, ErrorKind, GenerateRequest, JobOutcome, RetryAdvice, secs};

use crate::support::bench::{Bench, clips_in, ms, request};
use crate::support::fixtures::fixture_names;
use crate::support::http_server::{Answer, Run, answer, done, run};
use crate::support::journal::ledger;
use crate::support::outcomes::{counts, generate, summary};
use crate::support::program::Program;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_error_reply_to_a_create_has_its_outcome() {
    use ErrorKind::{Auth, InvalidRequest, Moderated, NotFound, SubmissionUnknown};
    let kind = |name: &str| match name {
        "400-wrong-key.json" | "401-missing-key.json" | "403-permission.json" => Auth,
        "400-moderated.json" | "400-moderated-billed.json" | "400-moderated-old.json" => Moderated,
        "429-credits.json" => ErrorKind::RateLimited,
        name if name.starts_with("404-") => NotFound,
        // An ambiguous reply may have been a success.
        name if name.starts_with("200-") || name.starts_with('5') => SubmissionUnknown,
        _ => InvalidRequest,
    };
    for name in fixture_names("errors") {
        // These two are retried, which takes time. The fault table covers them.
        if name == "429-rate.json" || name == "429-capacity.json" {
            continue;
        }
        let path = format!("errors/{name}");
        let Run {
            outcome,
            server,
            folder,
        } = run(move |seen, _| (seen.method == "POST").then(|| answer(&path))).await;
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), kind(&name), "{name}: {error}");
        assert_eq!(error.job_id(), None, "{name}");
        assert!(!error.is_retryable(), "{name}: {:?}", error.retry_advice());
        let charge = match error.kind() {
            SubmissionUnknown | Moderated => Charge::Unknown,
            _ => Charge::No,
        };
        assert_eq!(error.may_have_been_charged(), charge, "{name}");
        assert_eq!(server.requests().len(), 1, "{name}: sent once");
        assert!(clips_in(folder.path()).is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unusable_request_id_is_reported() {
    let made =
        run(|seen, _| (seen.method == "POST").then(|| Answer::new(200, r#"{"request_id":"a b\n../c"}"#)));
    let error = made.await.outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SubmissionUnknown, "{error}");
    assert!(error.to_string().contains(r#""a b ../c""#), "{error}");
}

// Requirement: wire contract, trap 5.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_shape_of_error_body_becomes_one_clean_line() {
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

// Requirement: wire contract, trap 6.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn service_codes_are_kept_as_spelled() {
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

// Requirement: wire contract, trap 7.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_400_for_a_wrong_key_is_reported_as_a_wrong_key() {
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

// Requirement: wire contract, trap 19.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_three_kinds_of_429_are_distinguished() {
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

// Requirement: wire contract, trap 24.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_values_can_be_sent_without_strict_validation() {
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
        // The reply is from the service, not from the validation.
        assert!(error.status().is_some(), "{error}");
    }
    assert_eq!(bench.state().create_requests, 2);
}

// Requirement: field study of other clients, report 4.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rate_limited_create_is_retried_as_one_request() {
    let bench = Bench::start(&["create:429=0,times=2"]).await;
    assert_eq!(generate(&bench).await.code(), "done");
    assert_eq!(counts(&bench), (3, 1, 1));
    assert_eq!(ledger(&bench.library()).len(), 1);
    // The same prompt again is another request, not a repetition.
    assert_eq!(generate(&bench).await.code(), "done");
    assert_eq!((counts(&bench), ledger(&bench.library()).len()), ((4, 2, 2), 2));
}

// Requirement: field study of other clients, report 11.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_model_is_neither_requested_nor_hidden() {
    // The service refuses: no other model is tried.
    let bench = Bench::start(&["create:status=400,times=1"]).await;
    let want = ("refused", Charge::No, Some(RetryAdvice::Change));
    assert_eq!(summary(&generate(&bench).await), want);
    assert_eq!(counts(&bench), (1, 0, 0));
    // The service itself uses another model: the record has both names.
    let ran = run(|seen, _| {
        let link = format!("http://{}/clip.mp4", seen.header("host")?);
        let reply = String::from_utf8_lossy(&done(&link).body).replace("grok-imagine-video", "grok-other");
        let poll = seen.path.starts_with("/v1/videos/c");
        poll.then(|| Answer::new(200, reply))
    })
    .await;
    let record = ran.outcome.unwrap().record.unwrap();
    let delivery = record.reelkin.unwrap().delivery.unwrap();
    let swapped = delivery.findings.iter().find(|finding| finding.field == "model");
    let swapped = swapped.unwrap_or_else(|| panic!("{delivery:?}"));
    let names = (swapped.requested.as_str(), swapped.delivered.as_str());
    assert_eq!(names, ("grok-imagine-video", "grok-other"));
}

// Requirement: field study of other clients, report 27.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_429_is_waited_out_and_reported_when_it_persists() {
    let bench = Bench::start(&["create:429=1,times=1"]).await;
    let started = Instant::now();
    assert_eq!(generate(&bench).await.code(), "done");
    assert!(started.elapsed() >= ms(900), "Retry-After was not kept");
    assert_eq!(counts(&bench), (2, 1, 1));

    let bench = Bench::start(&["create:429=0"]).await;
    let outcome = generate(&bench).await;
    let want = ("refused", Charge::No, Some(RetryAdvice::Wait));
    assert_eq!(summary(&outcome), want);
    let error = outcome.error().unwrap();
    assert_eq!(
        (error.kind(), error.status()),
        (ErrorKind::RateLimited, Some(429))
    );
    assert!(
        error.to_string().contains("429") && error.attempts() > 1,
        "{error}"
    );
    assert_eq!(bench.state().creates, 0);
    assert!(bench.state().create_requests < 5, "bounded");
    assert_eq!(bench.client().spent(..).await.unwrap().total().ticks(), 0);
}

// Requirement: field study of other clients, report 40.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_message_of_a_refusal_reaches_the_user() {
    let words = "Duration 7.5 is not an integer from 1 to 15";
    let body = format!(r#"{{"code":"invalid-argument","error":"{words}."}}"#);
    let ran = run(move |_, _| Some(Answer::new(400, body.clone()))).await;
    let error = ran.outcome.unwrap_err();
    assert!(error.to_string().contains(words), "{error}");
    assert_eq!(
        (error.status(), error.service_code()),
        (Some(400), Some("invalid-argument"))
    );
    // So does the message of a job that fails later. The program prints it as well.
    let bench = Bench::start(&["failed=failed_precondition"]).await;
    let args = ["generate", "a boat", "--duration", "1", "--json"];
    let ran = Program::at(&bench).args(args).run().await;
    let error = &ran.json()["error"];
    assert_eq!(error["service_code"], "failed_precondition", "{error}");
    let outcome = generate(&bench).await;
    let JobOutcome::Failed { code, error } = &outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(code.as_deref(), Some("failed_precondition"));
    assert_eq!(error.retry_advice(), RetryAdvice::Change, "{error}");
}

// Requirement: field study of other clients, report 41.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_shape_of_error_body_is_parsed() {
    for (body, code) in [
        (
            r#"{"error":{"message":"No such ratio.","code":"bad-ratio"}}"#,
            Some("bad-ratio"),
        ),
        (
            r#"{"code":"bad-ratio","error":"No such ratio."}"#,
            Some("bad-ratio"),
        ),
        (r#"{"error":"No such ratio."}"#, None),
        ("No such ratio.", None),
    ] {
        let ran = run(move |_, _| Some(Answer::new(400, body))).await;
        let outcome = JobOutcome::from(ran.outcome);
        let want = ("refused", Charge::No, Some(RetryAdvice::Change));
        assert_eq!(summary(&outcome), want, "{body}");
        let error = outcome.error().unwrap();
        assert_eq!(
            (error.kind(), error.service_code()),
            (ErrorKind::InvalidRequest, code),
            "{body}"
        );
        assert!(error.to_string().contains("No such ratio"), "{body}: {error}");
        assert_eq!(ran.server.requests().len(), 1, "{body}");
    }
}

/// The service may have carried out a create before it pointed to the result.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_that_is_answered_with_see_other_is_unknown() {
    for (status, kind) in [
        (300, ErrorKind::SubmissionUnknown),
        (303, ErrorKind::SubmissionUnknown),
        (304, ErrorKind::SubmissionUnknown),
        (308, ErrorKind::Config),
    ] {
        let ran = run(move |seen, _| (seen.method == "POST").then(|| Answer::new(status, ""))).await;
        assert_eq!(ran.outcome.unwrap_err().kind(), kind, "{status}");
        assert_eq!(ran.server.requests().len(), 1, "{status}");
    }
}

// Requirement: ima2-gen 1.1.21, the loopback proxy.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loopback_service_accepts_any_key() {
    // ima2 sends `dummy` to its proxy; the proxy adds the account's token.
    let bench = Bench::with(
        reelkin::sandbox::Sandbox::builder().min_job_duration(Duration::from_millis(100)),
        &[],
    )
    .await;
    let error = bench
        .builder()
        .api_key("dummy")
        .build()
        .unwrap()
        .generate(request())
        .await
        .unwrap_err();
    assert_eq!(
        error.kind(),
        ErrorKind::Auth,
        "a sandbox with a key of its own is no such proxy"
    );
    let open = reelkin::sandbox::Sandbox::builder()
        .api_key("dummy")
        .min_job_duration(Duration::from_millis(100))
        .start()
        .await
        .unwrap();
    let client = crate::support::bench::builder(&open.base_url(), &bench.library())
        .api_key("dummy")
        .build()
        .unwrap();
    assert!(client.generate(request()).await.is_ok());
}

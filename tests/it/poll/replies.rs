//! What the client makes of every reply to a poll.

#![cfg(feature = "cli")]

use std::time::Duration;

use bytes::Bytes;
use reelkin::sandbox::Sandbox;
use reelkin::{Charge, Error, ErrorKind, JobOutcome, RetryAdvice, secs};
use serde_json::{Value, json};

use crate::support::bench::{
    Bench, MAX_WAIT, builder, clips_in, ms, polls_until, quick_polls, quick_reads, real_clip, request,
};
use crate::support::fixtures::fixture_names;
use crate::support::http_server::{Answer, JOB, ReceivedRequest, Run, Server, answer, file, run, run_within};
use crate::support::outcomes::counts;
use crate::support::program::Program;

const CLIP_LINK: &str =
    "https://vidgen.x.ai/xai-vidgen-bucket/xai-video-08609066-3f1c-4d2a-8b77-5c0e9d1a2b3c.mp4";

fn is_poll(seen: &ReceivedRequest) -> bool {
    seen.path.starts_with("/v1/videos/") && seen.method == "GET"
}

/// Answers the first `times` polls with a fixture. A link in it is changed to point to the server.
async fn polled(name: &str, times: usize) -> Run {
    let told = answer(name);
    // An endless refusal may be polled until the deadline.
    let deadline = if times == usize::MAX { secs(3) } else { MAX_WAIT };
    run_within(deadline, move |seen, before| {
        if !is_poll(seen) || before >= times {
            return None;
        }
        let here = format!("http://{}/clip.mp4", seen.header("host").unwrap_or_default());
        let body = String::from_utf8_lossy(&told.body).replace(CLIP_LINK, &here);
        Some(Answer::new(told.status, body))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_reply_to_a_poll_has_its_outcome() {
    use ErrorKind::{JobExpired, JobFailed, Moderated};
    let rows: [(&str, Option<ErrorKind>); 24] = [
        ("poll-done.json", None),
        ("poll-done-no-duration.json", None),
        ("poll-done-no-status.json", None),
        ("poll-done-public-url-error.json", None),
        ("poll-done-signed.json", None),
        ("poll-done-storage-error.json", None),
        ("poll-done-stored.json", None),
        ("poll-done-tokens.json", None),
        ("poll-pending.json", None),
        ("poll-pending-bare.json", None),
        ("poll-pending-empty.txt", None),
        ("poll-done-withheld-empty.json", Some(Moderated)),
        ("poll-done-withheld-missing.json", Some(Moderated)),
        ("poll-done-withheld-no-video.json", Some(Moderated)),
        ("poll-done-withheld-null.json", Some(Moderated)),
        ("poll-expired.json", Some(JobExpired)),
        ("poll-failed-bare.json", Some(JobFailed)),
        ("poll-failed-extension-range.json", Some(JobFailed)),
        ("poll-failed-failed-precondition.json", Some(JobFailed)),
        ("poll-failed-internal-error.json", Some(JobFailed)),
        ("poll-failed-invalid-argument.json", Some(JobFailed)),
        ("poll-failed-moderated.json", Some(Moderated)),
        ("poll-failed-permission-denied.json", Some(JobFailed)),
        ("poll-failed-service-unavailable.json", Some(JobFailed)),
    ];
    let mut names = fixture_names("responses");
    names.remove("create.json");
    for (name, want) in rows {
        assert!(names.remove(name), "{name}");
        let Run {
            outcome,
            server,
            folder,
        } = polled(&format!("responses/{name}"), 1).await;
        let have = outcome.as_ref().err().map(Error::kind);
        assert_eq!(have, want, "{name}: {outcome:?}");
        let polls = server.requests_to("/v1/videos/c3b8").len();
        let pending = name.starts_with("poll-pending");
        assert_eq!(polls, if pending { 2 } else { 1 }, "{name}: an end is an end");
        assert_eq!(
            clips_in(folder.path()).len(),
            usize::from(want.is_none()),
            "{name}"
        );
        if let Err(error) = outcome {
            assert_eq!(error.job_id(), Some(JOB), "{name}");
        }
    }
    assert!(names.is_empty(), "no row for {names:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_refusal_of_a_poll_has_its_outcome() {
    use ErrorKind::{Auth, InvalidRequest, Moderated, Timeout};
    // Once, and forever: many refusals are temporary.
    let rows: [(&str, Option<ErrorKind>, ErrorKind); 9] = [
        ("400-malformed-id.json", None, InvalidRequest),
        ("400-zdr.json", None, InvalidRequest),
        ("400-moderated.json", Some(Moderated), Moderated),
        ("400-moderated-billed.json", Some(Moderated), Moderated),
        ("400-moderated-old.json", Some(Moderated), Moderated),
        ("400-wrong-key.json", None, Auth),
        ("401-missing-key.json", None, Auth),
        ("403-permission.json", None, Auth),
        ("404-unknown-job.json", None, Timeout),
    ];
    for (name, once, always) in rows {
        let path = format!("errors/{name}");
        let Run { outcome, .. } = polled(&path, 1).await;
        assert_eq!(
            outcome.as_ref().err().map(Error::kind),
            once,
            "{name}: {outcome:?}"
        );
        let Run { outcome, server, .. } = polled(&path, usize::MAX).await;
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), always, "{name}: {error}");
        assert_eq!(error.job_id(), Some(JOB), "{name}");
        assert_ne!(error.may_have_been_charged(), Charge::No, "{name}");
        assert_ne!(error.retry_advice(), RetryAdvice::Retry, "{name}");
        assert_eq!(server.requests_to("/v1/videos/generations").len(), 1, "{name}");
    }
    for name in [
        "429-rate.json",
        "429-capacity.json",
        "429-credits.json",
        "503-unavailable.json",
        "522.html",
        "405-method.txt",
        "404-unknown-route.json",
    ] {
        let Run { outcome, .. } = polled(&format!("errors/{name}"), 2).await;
        assert!(outcome.is_ok(), "{name}: {outcome:?}");
    }
}

fn poll_body(body: &Value) -> Answer {
    Answer::new(200, body.to_string())
}

// Requirement: wire contract, trap 1.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_202_with_an_empty_body_is_pending() {
    let Run { outcome, server, .. } = run(|seen, before| {
        let early = seen.path.starts_with("/v1/videos/c") && before < 2;
        early.then(|| Answer::new(202, ""))
    })
    .await;
    outcome.unwrap();
    assert_eq!(server.requests_to("/v1/videos/c").len(), 3);
}

// Requirement: wire contract, trap 2.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn progress_model_duration_and_status_may_be_missing() {
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
    assert_eq!(record.reelkin.unwrap().cost, None);
}

// Requirement: wire contract, trap 4.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_400_reply_to_a_poll_is_moderation_or_temporary() {
    let bench = Bench::start(&["poll-400,times=2"]).await;
    bench.client().generate(request()).await.unwrap();
    let bench = Bench::start(&["moderated=400-billed"]).await;
    let error = bench.client().generate(request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Moderated);
    assert_eq!(error.service_code(), Some("imagine:content-moderated"));
    assert_eq!(error.job_id(), Some(bench.state().jobs[0].id.as_str()));
}

// Requirement: wire contract, trap 17.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pending_is_not_an_error_and_done_is_not_pending() {
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

// Requirement: wire contract, trap 28.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reply_may_name_a_model_alias_by_its_real_name() {
    let bench = Bench::start(&[]).await;
    let request = request().model("grok-imagine-video-1.5-preview");
    let record = bench.client().generate(request).await.unwrap().record.unwrap();
    assert_eq!(
        record.requested_model.as_deref(),
        Some("grok-imagine-video-1.5-preview")
    );
    assert_eq!(record.effective_model.as_deref(), Some("grok-imagine-video-1.5"));
    let delivery = record.reelkin.unwrap().delivery.unwrap();
    assert!(delivery.is_as_requested(), "{:?}", delivery.findings);
}

/// Starts a service whose moderation fails for a number of polls, and which then finishes the job.
async fn failing_moderation(times: usize) -> Server {
    Server::start(real_clip().await, move |seen, before| {
        let body = r#"{"code":"The service is currently unavailable","error":"upstream moderation service timed out"}"#;
        (seen.path.starts_with("/v1/videos/c") && before < times).then(|| Answer::new(503, body))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_moderation_service_is_not_a_moderated_clip() {
    let server = failing_moderation(3).await;
    let folder = tempfile::tempdir().unwrap();
    let client = builder(&server.base_url(), folder.path()).build().unwrap();
    client.generate(request()).await.unwrap();
    assert_eq!(clips_in(folder.path()).len(), 1);

    let server = failing_moderation(usize::MAX).await;
    let folder = tempfile::tempdir().unwrap();
    let polls = polls_until(secs(2));
    let client = builder(&server.base_url(), folder.path())
        .poll(polls)
        .build()
        .unwrap();
    let error = client.generate(request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert_eq!(error.may_have_been_charged(), Charge::Unknown, "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_keeps_waiting_when_moderation_fails() {
    let server = failing_moderation(1).await;
    let folder = tempfile::tempdir().unwrap();
    let ran = Program::at_service(folder.path(), &server.base_url())
        .args(["--library", "clips"])
        .args(["generate", "a lighthouse", "--duration", "1"])
        .run()
        .await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(clips_in(&folder.path().join("clips")).len(), 1);
}

/// The best case takes three requests.
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
        .requests()
        .iter()
        .map(|seen| format!("{} {}", seen.method, seen.path))
        .collect();
    let poll = format!("GET /v1/videos/{}", crate::support::http_server::JOB);
    assert_eq!(
        lines,
        ["POST /v1/videos/generations", &poll, "GET /clip.mp4?sig=SIGNED"]
    );
}

// Requirement: field study of other clients, report 20.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_202_is_not_invalid_json() {
    let server = Server::start(real_clip().await, |seen, before| {
        let early = seen.path.starts_with("/v1/videos/c") && before < 2;
        early.then(|| Answer::new(202, ""))
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let client = builder(&server.base_url(), folder.path()).build().unwrap();
    let outcome = JobOutcome::from(client.generate(request()).await);
    assert_eq!(outcome.code(), "done", "{outcome:?}");
    assert_eq!(server.requests_to("/v1/videos/c").len(), 3);
    assert_eq!(clips_in(folder.path()).len(), 1);
}

// Requirement: field study of other clients, report 21.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endless_pending_reply_does_not_hang_the_job() {
    let bench = Bench::with(
        Sandbox::builder().min_job_duration(Duration::from_millis(200)),
        &["poll:stall@100,times=2"],
    )
    .await;
    let client = bench.builder().timeouts(quick_reads(ms(1000))).build().unwrap();
    let outcome = JobOutcome::from(client.generate(request()).await);
    assert_eq!(outcome.code(), "done", "{outcome:?}");
    assert!(bench.state().polls > 2);
    assert_eq!(counts(&bench), (1, 1, 1));
}

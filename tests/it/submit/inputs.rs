//! B5: inputs, and B6: opaque failures.

#![cfg(feature = "cli")]

use bytes::Bytes;
use reelkin::library::{DeliveryReport, Severity};
use reelkin::request::TransportChoice;
use reelkin::sandbox::Sandbox;
use reelkin::{
    Charge, Clip, EditRequest, ErrorKind, GenerateRequest, Outcome, RetryAdvice, UploadTarget, secs,
};

use crate::support::program::Program;
use crate::support::bench::{Bench, builder, real_clip, request};
use crate::support::outcomes::{counts, generate, told};
use crate::submit::answers::run;
use crate::submit::requests::dot;
use crate::support::http_server::{Answer, Server};

fn delivery(clip: Clip) -> DeliveryReport {
    clip.record.unwrap().reelkin.unwrap().delivery.unwrap()
}

/// `input transport` of everything that was sent with a request.
fn transports(clip: Clip) -> Vec<String> {
    let sent = delivery(clip).asked.transports;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b33_a_clip_above_what_a_body_may_hold_goes_through_files() {
    // As base64 in a body it would have 12 MB.
    let small = Sandbox::builder().seconds_per_job(0.1).most_body_bytes(11 << 20);
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b34_how_an_input_went_is_chosen_here_and_told() {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b35_a_start_image_that_was_ignored_is_noticed() {
    let asked = || GenerateRequest::image(dot()).prompt("a boat").duration(secs(1));
    let bench = Bench::start(&[]).await;
    let used = delivery(bench.client().generate(asked()).await.unwrap());
    assert!(used.start.is_some());
    assert!(
        used.findings.iter().all(|finding| finding.field != "start"),
        "{used:?}"
    );
    assert!(bench.state().jobs[0].request["image"].is_object());
    // This one makes a clip of something else.
    let server = Server::start(real_clip().await, |_, _| None).await;
    let library = bench.folder.path().join("other");
    let client = builder(&server.base_url(), &library).build().unwrap();
    let ignored = delivery(client.generate(asked()).await.unwrap());
    let start = ignored.findings.iter().find(|finding| finding.field == "start");
    let start = start.unwrap_or_else(|| panic!("{ignored:?}"));
    assert_eq!(start.severity, Severity::Major);
    assert!(start.delivered.contains("may have been ignored"), "{start:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b36_a_length_is_refused_before_it_is_paid_or_its_change_is_told() {
    let bench = Bench::start(&["render-seconds=2"]).await;
    let outcome = Outcome::from(bench.client().generate(request().duration(secs(99))).await);
    let want = ("refused", Charge::No, Some(RetryAdvice::Change));
    assert_eq!(told(&outcome), want, "{outcome:?}");
    assert_eq!(bench.state().create_requests, 0);

    let clip = bench
        .client()
        .generate(request().duration(secs(3)))
        .await
        .unwrap();
    let report = delivery(clip);
    let short = report.findings.iter().find(|finding| finding.field == "duration");
    assert_eq!(short.unwrap().severity, Severity::Major, "{report:?}");
    assert!(!report.is_as_asked());
    assert_eq!(
        bench.state().jobs[0].request["duration"],
        3,
        "sent as it was asked"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b37_a_team_without_data_retention_is_told_what_to_give_and_can_give_it() {
    let zdr = Sandbox::builder().seconds_per_job(0.1).zero_data_retention(true);
    let bench = Bench::with(zdr, &[]).await;
    let outcome = generate(&bench).await;
    let want = ("refused", Charge::No, Some(RetryAdvice::Change));
    assert_eq!(told(&outcome), want);
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b38_doctor_tells_a_wrong_key_from_a_wrong_place() {
    let bench = Bench::start(&[]).await;
    let doctor = || Program::at(&bench).args(["doctor", "--json"]);
    let ran = doctor().run().await;
    assert_eq!((ran.code, &ran.json()["ok"]), (0, &true.into()), "{ran:?}");
    let check = |ran: &crate::support::program::Ran, name: &str| {
        let report = ran.json();
        let checks = report["checks"].as_array().unwrap();
        checks.iter().find(|check| check["name"] == name).unwrap().clone()
    };
    let ran = doctor().env("XAI_API_KEY", "grok-com-session-token").run().await;
    let (key, service) = (check(&ran, "key"), check(&ran, "service"));
    assert_eq!(
        (&key["ok"], &service["ok"]),
        (&false.into(), &true.into()),
        "{ran:?}"
    );
    assert!(
        key["advice"].as_str().unwrap().contains("https://console.x.ai"),
        "{key}"
    );
    // A page instead of the API.
    let page = Server::start(Bytes::new(), |_, _| Some(Answer::new(200, "<html></html>"))).await;
    let program = Program::in_folder(bench.folder.path()).env("XAI_API_KEY", "xai-0123456789");
    let ran = program
        .args(["doctor", "--json", "--base-url", &page.base_url()])
        .run()
        .await;
    assert_eq!(
        (ran.code, &check(&ran, "service")["ok"]),
        (1, &false.into()),
        "{ran:?}"
    );
    assert_eq!(bench.state().create_requests, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b39_done_with_nothing_in_it_is_no_success_and_has_its_reason() {
    for body in [
        r#"{"status":"done"}"#,
        r#"{"status":"done","video":null}"#,
        r#"{"status":"done","video":{}}"#,
    ] {
        let ran = run(move |seen, _| {
            let poll = seen.path.starts_with("/v1/videos/c");
            poll.then(|| Answer::new(200, body))
        })
        .await;
        let error = ran.outcome.unwrap_err();
        assert!(
            error.job_id().is_some() && !error.to_string().is_empty(),
            "{body}"
        );
        let kind = error.kind();
        let named = matches!(kind, ErrorKind::JobFailed | ErrorKind::Moderated);
        assert!(named, "{body}: {kind}: {error}");
        assert_eq!(error.may_have_been_charged(), Charge::Yes, "{body}");
        assert!(!error.is_retryable(), "{body}: {error}");
        assert!(crate::support::bench::clips_in(ran.folder.path()).is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b40_the_words_of_a_refusal_reach_the_user() {
    let words = "Duration 7.5 is not an integer from 1 to 15";
    let body = format!(r#"{{"code":"invalid-argument","error":"{words}."}}"#);
    let ran = run(move |_, _| Some(Answer::new(400, body.clone()))).await;
    let error = ran.outcome.unwrap_err();
    assert!(error.to_string().contains(words), "{error}");
    assert_eq!(
        (error.status(), error.service_code()),
        (Some(400), Some("invalid-argument"))
    );
    // So do those of a job that fails later, and the program says them, too.
    let bench = Bench::start(&["failed=failed_precondition"]).await;
    let args = ["generate", "a boat", "--duration", "1", "--json"];
    let ran = Program::at(&bench).args(args).run().await;
    let error = &ran.json()["error"];
    assert_eq!(error["service_code"], "failed_precondition", "{error}");
    let outcome = generate(&bench).await;
    let Outcome::Failed { code, error } = &outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(code.as_deref(), Some("failed_precondition"));
    assert_eq!(error.retry_advice(), RetryAdvice::Change, "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b41_every_shape_of_error_is_read() {
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
        let outcome = Outcome::from(ran.outcome);
        let want = ("refused", Charge::No, Some(RetryAdvice::Change));
        assert_eq!(told(&outcome), want, "{body}");
        let error = outcome.error().unwrap();
        assert_eq!(
            (error.kind(), error.service_code()),
            (ErrorKind::InvalidRequest, code),
            "{body}"
        );
        assert!(error.to_string().contains("No such ratio"), "{body}: {error}");
        assert_eq!(ran.server.seen().len(), 1, "{body}");
    }
}

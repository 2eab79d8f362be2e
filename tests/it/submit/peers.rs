//! B1: paying twice, or for nothing.

#![cfg(feature = "cli")]

use std::sync::{Arc, Mutex};

use reelkin::{Budget, Charge, ErrorKind, JobEvent, JobState, Outcome, RetryAdvice, Settlement, UsdTicks};
use serde_json::Value;

use crate::support::bench::{Bench, PENDING, builder, ms, quick_creates, quick_polls, real_clip, request};
use crate::recover::journal::{ledger, open_records};
use crate::support::outcomes::{CLIP, counts, generate, open, told};
use crate::submit::answers::run;
use crate::support::http_server::{Answer, JOB, Server, done};

const UNKNOWN: (&str, Charge, Option<RetryAdvice>) = (
    "submission_unknown",
    Charge::Unknown,
    Some(RetryAdvice::CheckAccount),
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b01_a_lost_reply_makes_no_second_job() {
    let bench = Bench::start(&["create:lost-reply,times=1"]).await;
    assert_eq!(told(&generate(&bench).await), UNKNOWN);
    assert_eq!(counts(&bench), (1, 1, 0));
    // Neither does a recovery, although the service would take it now.
    let found = bench.client().recover().await.unwrap();
    assert_eq!((found.unsettled.len(), found.saved.len()), (1, 0), "{found:?}");
    assert_eq!(counts(&bench), (1, 1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b02_a_broken_line_is_not_charged_two_or_three_times() {
    for fault in ["create:cut@0", "create:reset@40", "create:truncated"] {
        let bench = Bench::start(&[fault]).await;
        let outcome = generate(&bench).await;
        assert_eq!(told(&outcome), UNKNOWN, "{fault}");
        assert_eq!(counts(&bench), (1, 1, 0), "{fault}");
        // The caller can decide: which request it was, and when.
        let record = outcome.error().unwrap().record().unwrap().to_owned();
        let record = bench.client().library().job_record(&record).await.unwrap();
        assert_eq!(record.state, JobState::Unknown, "{fault}");
        assert_eq!(record.request_sha256.unwrap().len(), 64);
        assert!(record.created_at > 0 && record.changed_at >= record.created_at);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b03_the_intent_is_in_the_journal_before_the_create_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("clips");
    let found: Arc<Mutex<Vec<Value>>> = Arc::default();
    let (all, journal) = (Arc::clone(&found), library.clone());
    let server = Server::start(real_clip().await, move |seen, _| {
        (seen.method == "POST").then(|| {
            let read = |path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
            all.lock()
                .unwrap()
                .extend(open_records(&journal).into_iter().map(read));
            Answer::new(200, r#"{"request_id":"lost"}"#).cut(0)
        })
    })
    .await;
    let client = builder(&server.base_url(), &library).build().unwrap();
    let outcome = Outcome::from(client.generate(request()).await);
    assert_eq!(told(&outcome), UNKNOWN);
    let found = found.lock().unwrap();
    let [record] = &found[..] else { panic!("{found:?}") };
    assert_eq!(record["state"], "intended", "{record}");
    assert_eq!(record["prompt"], "a lighthouse at dusk");
    assert_eq!(
        Some(record["id"].as_str().unwrap()),
        outcome.error().unwrap().record()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b04_one_start_is_one_request_however_often_the_service_put_it_off() {
    let bench = Bench::start(&["create:429=0,times=2"]).await;
    assert_eq!(generate(&bench).await.code(), "done");
    assert_eq!(counts(&bench), (3, 1, 1));
    assert_eq!(ledger(&bench.library()).len(), 1);
    // The same words once more are another start, and not taken for a repetition.
    assert_eq!(generate(&bench).await.code(), "done");
    assert_eq!((counts(&bench), ledger(&bench.library()).len()), ((4, 2, 2), 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b05_what_failed_or_expired_after_it_was_taken_stays_in_the_ledger() {
    for (fault, word) in [("failed=internal_error", "failed"), ("expired", "expired")] {
        let bench = Bench::start(&[fault]).await;
        let outcome = generate(&bench).await;
        assert_eq!(
            (outcome.code(), outcome.may_have_been_charged()),
            (word, Charge::Unknown)
        );
        assert_eq!(ledger(&bench.library())[0]["state"], "failed", "{fault}");
        let spent = bench.client().spent(..).await.unwrap();
        let want = (1, UsdTicks::ZERO, CLIP, UsdTicks::ZERO);
        let have = (spent.requests, spent.paid, spent.estimated, spent.reserved);
        assert_eq!(have, want, "{fault}");
    }
    let bench = Bench::start(&[]).await;
    generate(&bench).await;
    let spent = bench.client().spent(..).await.unwrap();
    assert_eq!((spent.paid, spent.estimated), (CLIP, UsdTicks::ZERO));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b06_a_failure_that_is_told_later_is_seen_and_an_unknown_word_is_not_for_ever() {
    let bench = Bench::start(&["failed=internal_error", &format!("{PENDING},times=1")]).await;
    let outcome = generate(&bench).await;
    let Outcome::Failed { code, .. } = &outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(code.as_deref(), Some("internal_error"));
    assert!(bench.state().polls > 1);

    let server = Server::start(real_clip().await, |seen, _| {
        let poll = seen.path.starts_with("/v1/videos/c");
        poll.then(|| Answer::new(200, r#"{"status":"simmering"}"#))
    })
    .await;
    let mut policy = quick_polls();
    policy.deadline = ms(300);
    let client = builder(&server.base_url(), bench.folder.path().join("other").as_path());
    let outcome = Outcome::from(client.poll(policy).build().unwrap().generate(request()).await);
    let Outcome::TimedOut { job, .. } = &outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(job.as_ref().unwrap().as_str(), JOB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b07_a_moderated_clip_is_no_empty_success_that_invites_to_pay_again() {
    for shape in ["400", "null", "empty", "missing", "no-video", "failed"] {
        let bench = Bench::start(&[&format!("moderated={shape}")]).await;
        let outcome = generate(&bench).await;
        let want = ("moderated", Charge::Yes, Some(RetryAdvice::Change));
        assert_eq!(told(&outcome), want, "{shape}");
        assert!(!outcome.error().unwrap().is_retryable(), "{shape}");
        assert_eq!(counts(&bench), (1, 1, 0), "{shape}");
        assert_eq!(ledger(&bench.library())[0]["state"], "failed", "{shape}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b08_to_stop_waiting_does_not_claim_that_the_job_was_cancelled() {
    let bench = Bench::start(&[PENDING]).await;
    let job = bench.client().generate(request()).start().await.unwrap();
    job.stop_waiting();
    let outcome = job.outcome().await;
    let want = ("stopped", Charge::Unknown, Some(RetryAdvice::Resume));
    assert_eq!(told(&outcome), want);
    // Its money stays reserved, and its clip can be had.
    let spent = bench.client().spent(..).await.unwrap();
    assert_eq!((spent.reserved, spent.paid), (CLIP, UsdTicks::ZERO));
    bench.end_pending();
    assert_eq!(bench.client().recover().await.unwrap().saved.len(), 1);
    assert_eq!(counts(&bench), (1, 1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b09_what_was_stopped_or_settled_is_not_written_as_a_success_later() {
    let bench = Bench::start(&["slow-body=2000"]).await;
    let job = bench.client().generate(request()).start().await.unwrap();
    let mut events = job.events();
    while !matches!(events.next().await, Some(JobEvent::Downloading { .. })) {}
    job.stop_waiting();
    assert_eq!(job.outcome().await.code(), "stopped");
    let records = open(&bench).await;
    assert_eq!(
        (records.len(), records[0].state),
        (1, JobState::Done),
        "{records:?}"
    );
    assert_eq!((counts(&bench), ledger(&bench.library()).len()), ((1, 1, 0), 0));

    // A person gives it up: that stands, whatever a recovery could fetch.
    bench.sandbox.clear_faults();
    let client = bench.client();
    let lost = Settlement::Lost(CLIP);
    client.library().settle(&records[0].id, lost).await.unwrap();
    assert_eq!(client.recover().await.unwrap().saved.len(), 0);
    let entries = ledger(&bench.library());
    assert_eq!(
        (entries.len(), &entries[0]["state"]),
        (1, &Value::from("settled"))
    );
    assert!(bench.clips().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b10_an_agent_in_a_loop_spends_no_more_than_its_limit() {
    let bench = Bench::start(&[]).await;
    let mut codes = Vec::new();
    for _ in 0..4 {
        // A new client each time, as an agent's tool calls are.
        let budget = Budget::per_day(UsdTicks::new(2 * CLIP.ticks()));
        let client = bench.builder().budget(budget).build().unwrap();
        let outcome = Outcome::from(client.generate(request()).await);
        codes.push((outcome.code(), outcome.may_have_been_charged()));
    }
    let (paid, refused) = (("done", Charge::Yes), ("budget", Charge::No));
    assert_eq!(codes, [paid, paid, refused, refused]);
    assert_eq!(counts(&bench), (2, 2, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b11_another_model_is_neither_asked_nor_hidden() {
    // The service says no: nobody else is asked.
    let bench = Bench::start(&["create:status=400,times=1"]).await;
    let want = ("refused", Charge::No, Some(RetryAdvice::Change));
    assert_eq!(told(&generate(&bench).await), want);
    assert_eq!(counts(&bench), (1, 0, 0));
    // The service itself takes another: the record has both names.
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
    let names = (swapped.asked.as_str(), swapped.delivered.as_str());
    assert_eq!(names, ("grok-imagine-video", "grok-other"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b12_no_ambiguous_answer_to_a_create_is_taken_as_leave_to_send_it_again() {
    for fault in [
        "500",
        "502",
        "503",
        "529",
        "status=408",
        "html=522",
        "not-json",
        "empty-id",
    ] {
        let bench = Bench::start(&[&format!("create:{fault}")]).await;
        let outcome = generate(&bench).await;
        assert_eq!(told(&outcome), UNKNOWN, "{fault}");
        assert_eq!(bench.state().create_requests, 1, "{fault}");
        let kind = outcome.error().unwrap().kind();
        assert_eq!(kind, ErrorKind::SubmissionUnknown, "{fault}");
    }
    // A time limit is such an answer, too.
    let bench = Bench::start(&["create:delay=600"]).await;
    let client = bench.builder().timeouts(quick_creates()).build().unwrap();
    let outcome = Outcome::from(client.generate(request()).await);
    assert_eq!(told(&outcome), UNKNOWN);
    assert_eq!(bench.state().create_requests, 1);
}

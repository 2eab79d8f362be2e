//! B2: lost jobs.

#![cfg(feature = "cli")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use reelkin::{ChainRequest, ContinueRequest, ErrorKind, JobState, Outcome, Settlement, secs};

use crate::support::program::Program;
use crate::support::bench::{
    Bench, KEY, PATIENCE, PENDING, builder, clips_in, ms, quick_polls, real_clip, request,
};
use crate::recover::journal::ledger;
use crate::support::outcomes::{counts, generate, open, patient_for};
use crate::support::http_server::{Answer, Server};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b13_a_timeout_has_the_id_and_the_clip_is_fetched_later() {
    let bench = Bench::start(&[PENDING]).await;
    let outcome = Outcome::from(patient_for(&bench, ms(60)).generate(request()).await);
    let Outcome::TimedOut { job: Some(job), .. } = &outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(job.as_str(), bench.state().jobs[0].id);
    assert_eq!(open(&bench).await[0].job_id.as_deref(), Some(job.as_str()));
    bench.end_pending();
    let found = bench.client().recover().await.unwrap();
    assert_eq!(found.saved.len(), 1, "{found:?}");
    assert_eq!(counts(&bench), (1, 1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b14_every_failure_after_the_submit_names_the_job() {
    for fault in [
        "failed=internal_error",
        "expired",
        "moderated=null",
        "no-url",
        "poll:status=401",
        "download:503",
        "half-clip",
        "redirect",
    ] {
        let bench = Bench::start(&[fault]).await;
        let outcome = Outcome::from(patient_for(&bench, secs(5)).generate(request()).await);
        let id = bench.state().jobs[0].id.clone();
        assert_eq!(outcome.error().unwrap().job_id(), Some(id.as_str()), "{fault}");
    }
    let bench = Bench::start(&["failed=internal_error"]).await;
    let args = ["generate", "a boat", "--duration", "1", "--json"];
    let ran = Program::at(&bench).args(args).run().await;
    let error = &ran.json()["error"];
    assert_eq!(error["job_id"], bench.state().jobs[0].id.as_str(), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b15_the_id_alone_is_enough_for_another_process_with_another_library() {
    let bench = Bench::start(&[PENDING]).await;
    let error = patient_for(&bench, ms(60)).generate(request()).await.unwrap_err();
    let id = error.job_id().unwrap();
    assert!(!id.contains(KEY));
    bench.end_pending();
    let elsewhere = bench.folder.path().join("elsewhere");
    let program = Program::in_folder(bench.folder.path()).env("XAI_API_KEY", KEY);
    let program = program.arg("--base-url").arg(bench.sandbox.base_url());
    let program = program.arg("--library").arg(&elsewhere);
    let ran = program.args(["recover", id, "--json"]).run().await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let clips = clips_in(&elsewhere);
    assert_eq!((clips.len(), clips[0].job_id()), (1, id));
    assert_eq!(bench.state().creates, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b16_an_expired_job_is_over_at_once_when_it_is_taken_up() {
    let expired = Arc::new(AtomicBool::new(false));
    let is_expired = Arc::clone(&expired);
    let server = Server::start(Bytes::new(), move |seen, _| {
        let word = ["pending", "expired"][usize::from(is_expired.load(Ordering::Relaxed))];
        let reply = Answer::new(200, format!(r#"{{"status":"{word}"}}"#));
        seen.path.starts_with("/v1/videos/c").then_some(reply)
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    // No poll comes before the stop, so none is in flight when they are counted.
    let mut policy = quick_polls();
    policy.first = PATIENCE;
    let client = builder(&server.base_url(), folder.path()).poll(policy);
    let client = client.build().unwrap();
    let job = client.generate(request()).start().await.unwrap();
    job.stop_waiting();
    assert_eq!(job.outcome().await.code(), "stopped");
    expired.store(true, Ordering::Relaxed);
    let polls = server.seen_at("/v1/videos/c").len();
    let found = client.recover().await.unwrap();
    let [failed] = &found.failed[..] else {
        panic!("{found:?}")
    };
    assert_eq!(failed.failure().unwrap().kind(), ErrorKind::JobExpired);
    assert_eq!(
        server.seen_at("/v1/videos/c").len(),
        polls + 1,
        "one look is enough"
    );
    // It holds nothing any more.
    assert!(client.library().jobs().await.unwrap().is_empty());
    assert_eq!(ledger(folder.path())[0]["state"], "failed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b17_a_long_chain_goes_on_where_it_broke_off() {
    let bench = Bench::start(&["failed=internal_error,prompt=third,times=1"]).await;
    let step = |prompt: &str| ContinueRequest::new(prompt).duration(secs(1)).resolution("480p");
    let film = || {
        ChainRequest::generate(request())
            .then(step("second"))
            .then(step("third"))
    };
    let error = bench.client().chain(film()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::JobFailed, "{error}");
    assert_eq!((bench.state().creates, bench.clips().len()), (3, 2));
    // Whether the failed job was charged is for a person to say.
    let refused = bench.client().chain(film()).await.unwrap_err();
    let library = bench.client().library().clone();
    library
        .settle(refused.record().unwrap(), Settlement::NeverMade)
        .await
        .unwrap();
    let made = bench.client().chain(film()).await.unwrap();
    assert_eq!(made.clips.len(), 3);
    assert_eq!(
        (bench.state().creates, bench.clips().len()),
        (4, 3),
        "only the third"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b18_a_job_that_is_done_at_the_deadline_is_not_declared_late() {
    let server = Server::start(real_clip().await, |seen, before| {
        let early = seen.path.starts_with("/v1/videos/c") && before == 0;
        early.then(|| Answer::new(202, ""))
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let mut policy = quick_polls();
    // After the first look the next would be far behind the deadline.
    (policy.shortest, policy.longest, policy.deadline) = (secs(30), secs(60), secs(5));
    let client = builder(&server.base_url(), folder.path()).poll(policy);
    let outcome = Outcome::from(client.build().unwrap().generate(request()).await);
    assert_eq!(outcome.code(), "done", "{outcome:?}");
    assert_eq!(server.seen_at("/v1/videos/c").len(), 2);
    assert_eq!(clips_in(folder.path()).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b19_what_a_person_has_to_settle_is_listed_until_it_is_settled() {
    let bench = Bench::start(&["create:lost-reply,times=1"]).await;
    assert_eq!(generate(&bench).await.code(), "submission_unknown");
    let ran = Program::at(&bench).args(["recover", "--json"]).run().await;
    assert_eq!(ran.code, 3, "{ran:?}");
    let listed = &ran.json()["unsettled"][0];
    assert_eq!(listed["error"]["outcome"], "submission_unknown");
    assert_eq!(listed["request_sha256"].as_str().unwrap().len(), 64, "{listed}");
    let records = open(&bench).await;
    assert_eq!((records.len(), records[0].state), (1, JobState::Unknown));
    // The person found it on the account page.
    let job = Settlement::Job(bench.state().jobs[0].id.clone());
    let client = bench.client();
    client.library().settle(&records[0].id, job).await.unwrap();
    let found = client.recover().await.unwrap();
    assert_eq!((found.saved.len(), found.unsettled.len()), (1, 0), "{found:?}");
    assert_eq!(counts(&bench), (1, 1, 1));
}

//! A service that does not know a job, because it is too early or the wrong service, closes no record.

#![cfg(feature = "cli")]

use reelkin::sandbox::Sandbox;
use reelkin::{ChainRequest, ErrorKind, JobState, RetryAdvice, Settlement, UsdTicks};

use crate::support::bench::{Bench, film, ms, request, step};
use crate::support::journal::{ledger, open_records};
use crate::support::outcomes::client_with_deadline;
use crate::support::program::Program;

/// A job of this process is polled until the deadline, even if the service keeps answering 404.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeated_404_replies_to_polls_do_not_end_a_job() {
    let bench = Bench::start(&["poll:status=404,times=8"]).await;
    bench.client().generate(request()).await.unwrap();
    assert_eq!((bench.state().creates, bench.clips().len()), (1, 1));
    assert_eq!(open_records(&bench.library()).len(), 0);

    let bench = Bench::start(&["poll:status=404,times=4"]).await;
    let made = bench.client().chain(film()).await.unwrap();
    assert_eq!((made.clips.len(), bench.state().creates), (3, 3));
}

/// The record stays open after the deadline and after a recovery. The clip is saved once the service knows the job.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_unknown_to_the_service_stays_open_until_settled() {
    let bench = Bench::start(&["poll:status=404"]).await;
    let impatient = client_with_deadline(&bench, ms(300));
    let error = impatient.generate(request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert_eq!(error.retry_advice(), RetryAdvice::Resume);
    assert!(error.to_string().contains("does not know it"), "{error}");
    assert!(error.guidance().unwrap().contains("settle"), "{error}");
    assert!(ledger(&bench.library()).is_empty());

    for _ in 0..2 {
        let found = bench.client().recover().await.unwrap();
        let [open] = &found.open[..] else {
            panic!("{found:?}")
        };
        let failure = open.failure().unwrap();
        assert_eq!(failure.kind(), ErrorKind::NotFound, "{failure}");
        assert_eq!(failure.retry_advice(), RetryAdvice::Resume);
        assert_eq!(open.state, JobState::Accepted);
    }
    let ran = Program::at(&bench).args(["recover", "--json"]).run().await;
    assert_eq!(ran.code, 1, "{ran:?}");
    let open = ran.json()["open"][0].clone();
    assert_eq!(open["error"]["code"], "not_found", "{open}");
    assert_eq!(open["error"]["retry_advice"], "resume", "{open}");
    assert_eq!(open_records(&bench.library()).len(), 1);

    bench.sandbox.clear_faults();
    let found = bench.client().recover().await.unwrap();
    assert_eq!((found.saved.len(), bench.state().creates), (1, 1));
    assert_eq!(ledger(&bench.library())[0]["state"], "saved");
}

/// A mistyped id leaves no open record.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mistyped_job_id_leaves_no_record() {
    let bench = Bench::start(&[]).await;
    let client = bench.client();
    let error = client
        .job("00000000-0000-4000-8000-000000000000")
        .unwrap()
        .wait()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert_eq!(open_records(&bench.library()).len(), 0);
    assert!(ledger(&bench.library()).is_empty());
}

/// A step is not paid for again while its cost is unknown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_does_not_resend_a_step_that_may_have_been_charged() {
    // The service forgot its job. It stays the job of the step.
    let bench = Bench::start(&["poll:status=404,prompt=lamp"]).await;
    let client = client_with_deadline(&bench, ms(1500));
    // On a busy machine the first step may need more than one deadline.
    while bench.state().creates < 2 {
        let error = client.chain(film()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    }
    for _ in 0..3 {
        let error = client.chain(film()).await.unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Timeout | ErrorKind::NotFound),
            "{error}"
        );
        assert_eq!(bench.state().creates, 2, "{error}");
    }
    bench.sandbox.clear_faults();
    let made = bench.client().chain(film()).await.unwrap();
    assert_eq!((made.clips.len(), bench.state().creates), (3, 3));

    // Its job failed, possibly at a cost. A person settles it as free.
    let bench = Bench::start(&["failed=internal_error,prompt=lamp"]).await;
    let client = bench.client();
    let error = client.chain(film()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::JobFailed, "{error}");
    let error = client.chain(film()).await.unwrap_err();
    assert!(error.to_string().contains("may have been charged"), "{error}");
    assert_eq!(bench.state().creates, 2);
    let record_id = error.record_id().unwrap().to_owned();
    let wrong = client
        .library()
        .settle(&record_id, Settlement::Job("j-1".to_owned()))
        .await
        .unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::InvalidRequest, "{wrong}");
    let settled = client
        .library()
        .settle(&record_id, Settlement::NeverMade)
        .await
        .unwrap();
    assert_eq!(settled.state, JobState::Settled);
    let again = client
        .library()
        .settle(&record_id, Settlement::Lost(UsdTicks::ZERO))
        .await
        .unwrap_err();
    assert_eq!(again.kind(), ErrorKind::NotFound, "{again}");
    let entries = ledger(&bench.library());
    let same = entries.iter().filter(|entry| entry["id"] == record_id.as_str());
    assert_eq!(same.count(), 1, "{entries:?}");
    let spent = client.library().spent(..).await.unwrap();
    assert_eq!(
        (spent.estimated, spent.requests),
        (UsdTicks::ZERO, 2),
        "{spent:?}"
    );
    bench.sandbox.clear_faults();
    let made = client.chain(film()).await.unwrap();
    assert_eq!((made.clips.len(), bench.state().creates), (3, 4));
}

/// Another prompt is another request, which is sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_step_with_another_prompt_is_sent() {
    let bench = Bench::start(&["failed=internal_error,prompt=lamp"]).await;
    let client = bench.client();
    client.chain(film().name("film")).await.unwrap_err();
    // The possible loss counts.
    let record = client.library().chain("film").await.unwrap();
    assert!(record.cost() > record.steps[0].cost.unwrap(), "{record:?}");
    let other = ChainRequest::resume("film").then(step("a bell rings"));
    let made = client.chain(other).await.unwrap();
    assert_eq!((made.clips.len(), bench.state().creates), (2, 3));
    let clips = bench.clips();
    let prompts: Vec<_> = clips.iter().map(|clip| &clip.sidecar["userPrompt"]).collect();
    assert_eq!(prompts, ["a lighthouse at dusk", "a bell rings"]);
}

/// A client of another service does not touch the record, and reports it as skipped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recovery_against_another_service_skips_the_record() {
    let bench = Bench::start(&["poll:503"]).await;
    let impatient = client_with_deadline(&bench, ms(100));
    let error = impatient.generate(request()).await.unwrap_err();
    let job = error.job_id().unwrap().to_owned();
    let record = open_records(&bench.library()).remove(0);
    let before = std::fs::read(&record).unwrap();
    let other = Bench::with(Sandbox::builder(), &[]).await;
    let stranger = crate::support::bench::builder(&other.sandbox.base_url(), &bench.library())
        .build()
        .unwrap();
    let found = stranger.recover().await.unwrap();
    let [skipped] = &found.other_service[..] else {
        panic!("{found:?}")
    };
    assert_eq!(skipped.job_id.as_deref(), Some(&*job));
    let ours = bench.client().service();
    assert_eq!(skipped.service.as_ref(), Some(&ours));
    assert!(found.open.is_empty() && found.failed.is_empty(), "{found:?}");
    let error = stranger.job(&job).unwrap().wait().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    assert!(error.to_string().contains(&ours), "{error}");
    assert_eq!(std::fs::read(&record).unwrap(), before, "the record is as it was");

    let ran = Program::bare()
        .args(["--base-url", &other.sandbox.base_url(), "--library"])
        .arg(bench.library())
        .arg("recover")
        .env("XAI_API_KEY", crate::support::bench::KEY)
        .run()
        .await;
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains(&format!("sent to {ours}")), "{ran:?}");

    bench.sandbox.clear_faults();
    let found = bench.client().recover().await.unwrap();
    assert_eq!((found.saved.len(), bench.state().creates), (1, 1), "{found:?}");
    assert_eq!(other.state().polls, 0);
}

/// Removing the record of a create without a reply does not make the chain send the step again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_of_unknown_outcome_is_not_sent_again_after_its_record_is_lost() {
    let bench = Bench::start(&["create:lost-reply,times=1"]).await;
    let client = bench.client();
    for _ in 0..2 {
        let error = client.chain(film()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SubmissionUnknown, "{error}");
        assert_eq!(bench.state().creates, 1);
        for record in open_records(&bench.library()) {
            std::fs::remove_file(record).unwrap();
        }
    }
}

//! Jobs that are abandoned and picked up again: stopped, dropped, timed out, from another process, twice.

#![cfg(feature = "cli")]

use std::time::Duration;

use std::future::IntoFuture as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use reelkin::sandbox::Sandbox;
use reelkin::{ErrorKind, JobHandle, JobOutcome, Library, RetryAdvice, Settlement, secs};
use serde_json::Value;

use crate::support::bench::{
    Bench, KEY, MAX_WAIT, PENDING, builder, clips_in, ms, polls_until, quick_polls, request, wait_until,
};
use crate::support::counting_store::CountingStore;
use crate::support::http_server::{Answer, Server};
use crate::support::journal::{ledger, open_records};
use crate::support::outcomes::{client_with_deadline, counts, open_jobs};
use crate::support::program::Program;

/// Waits until a sidecar is in the library: the last thing that a save writes.
async fn wait_for_sidecar(bench: &Bench) {
    let is_saved = async || {
        let entries = std::fs::read_dir(bench.library()).into_iter().flatten().flatten();
        let mut names = entries.map(|entry| entry.file_name().into_string().unwrap());
        names.any(|name| name.ends_with(".mp4.json") && !name.starts_with('.'))
    };
    wait_until(|| format!("a clip: {:?}", bench.state()), is_saved).await;
}

/// Sends a request from another library, which the returned folder holds.
async fn sent_by_another_library(bench: &Bench) -> (tempfile::TempDir, JobHandle) {
    let elsewhere = tempfile::tempdir().unwrap();
    let sender = builder(&bench.sandbox.base_url(), elsewhere.path())
        .build()
        .unwrap();
    let sent = sender.generate(request()).start().await.unwrap();
    (elsewhere, sent)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_abandoned_at_the_deadline_is_picked_up_by_another_process() {
    let bench = Bench::start(&[PENDING]).await;
    let client = client_with_deadline(&bench, ms(200));
    let error = client.generate(request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let id = error.job_id().unwrap().to_owned();
    assert!(bench.clips().is_empty());

    bench.end_pending();
    let ran = Program::at(&bench).args(["recover", &id, "--json"]).run().await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let clips = bench.clips();
    assert_eq!((clips.len(), clips[0].job_id()), (1, id.as_str()));
    assert_eq!(bench.state().creates, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_picks_up_a_job_gives_way_to_that_of_its_request() {
    let bench = Bench::start(&[PENDING]).await;
    let client = client_with_deadline(&bench, ms(200));
    let error = client.generate(request()).await.unwrap_err();
    // Another library picks up the job, and a program that synchronizes folders copies its record.
    let elsewhere = tempfile::tempdir().unwrap();
    let other = builder(&bench.sandbox.base_url(), elsewhere.path())
        .poll(polls_until(ms(200)))
        .build()
        .unwrap();
    other
        .job(error.job_id().unwrap())
        .unwrap()
        .wait()
        .await
        .unwrap_err();
    let pickup = open_records(elsewhere.path()).remove(0);
    std::fs::copy(
        &pickup,
        bench.library().join("jobs").join(pickup.file_name().unwrap()),
    )
    .unwrap();
    drop((client, other));
    assert_eq!(open_jobs(&bench).await.len(), 2);

    bench.end_pending();
    let recovered = bench.client().recover().await.unwrap();
    assert_eq!(
        (bench.clips().len(), recovered.saved.len()),
        (1, 1),
        "{recovered:?}"
    );
    assert!(recovered.held_by_others.is_empty(), "{recovered:?}");
    assert!(recovered.open.is_empty(), "{recovered:?}");
    assert!(open_jobs(&bench).await.is_empty(), "{recovered:?}");
    let prompt = recovered.saved[0].record.as_ref().unwrap().prompt.as_deref();
    assert_eq!(prompt, Some("a lighthouse at dusk"), "its request has the prompt");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clients_that_pick_up_a_job_share_its_record() {
    let bench = Bench::start(&[PENDING]).await;
    let (_elsewhere, sent) = sent_by_another_library(&bench).await;
    let first = client_with_deadline(&bench, ms(200));
    first.job(sent.id()).unwrap().wait().await.unwrap_err();
    let left = open_jobs(&bench).await;
    assert_eq!((left.len(), left[0].is_pickup()), (1, true), "{left:?}");

    // The second one works on the record that the first one left, and the third one leaves it alone.
    let second = bench.client();
    let handle = second.job(sent.id()).unwrap();
    wait_until(
        || "a poll of the second client".to_owned(),
        async || !first.recover().await.unwrap().held_by_others.is_empty(),
    )
    .await;
    let third = client_with_deadline(&bench, ms(200));
    let error = third.job(sent.id()).unwrap().wait().await.unwrap_err();
    assert!(
        error.to_string().contains("another process is working on it"),
        "{error}"
    );
    assert_eq!(open_jobs(&bench).await.len(), 1);

    bench.end_pending();
    let clip = handle.wait().await.unwrap();
    assert_eq!(third.job(sent.id()).unwrap().wait().await.unwrap().id, clip.id);
    assert_eq!((bench.clips().len(), open_jobs(&bench).await.len()), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_records_of_one_job_save_one_clip() {
    // Two processes that pick up one job at the same moment can both be interrupted with a record of their own.
    for works_on_younger in [false, true] {
        let bench = Bench::start(&[PENDING]).await;
        let (_elsewhere, sent) = sent_by_another_library(&bench).await;
        let first = client_with_deadline(&bench, if works_on_younger { MAX_WAIT } else { ms(200) });
        let handle = first.job(sent.id()).unwrap();
        if works_on_younger {
            let is_there = async || open_jobs(&bench).await.len() == 1;
            wait_until(|| "the record of the first client".to_owned(), is_there).await;
        } else {
            handle.wait().await.unwrap_err();
        }
        let left = open_jobs(&bench).await;
        assert_eq!((left.len(), left[0].is_pickup()), (1, true), "{left:?}");
        let name = |id: &str| bench.library().join("jobs").join(format!("{id}.paid.0.json"));
        let millis = left[0].id.millis();
        let other_id = if works_on_younger { millis - 1 } else { millis + 1 };
        let other_id = format!("{other_id}_{}", &left[0].id[14..]);
        let record = std::fs::read_to_string(name(&left[0].id)).unwrap();
        let mut record: Value = serde_json::from_str(&record.replace(&*left[0].id, &other_id)).unwrap();
        record.as_object_mut().unwrap().remove("owner");
        std::fs::write(name(&other_id), record.to_string()).unwrap();

        let mut held = 0;
        if works_on_younger {
            held = bench.client().recover().await.unwrap().held_by_others.len();
            assert!(bench.clips().is_empty());
        }
        bench.end_pending();
        if works_on_younger {
            handle.wait().await.unwrap();
        }
        let recovered = bench.client().recover().await.unwrap();
        assert_eq!(
            (held, bench.clips().len(), recovered.saved.len()),
            (2 * usize::from(works_on_younger), 1, 1),
            "{recovered:?}"
        );
        assert!(recovered.held_by_others.is_empty(), "{recovered:?}");
        assert!(recovered.open.is_empty(), "{recovered:?}");
        assert!(open_jobs(&bench).await.is_empty(), "{recovered:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_a_person_names_while_it_is_picked_up_is_saved_once() {
    let bench = Bench::start(&["create:lost-reply,times=1", PENDING]).await;
    bench.client().generate(request()).await.unwrap_err();
    let unknown = open_jobs(&bench).await.remove(0);
    let path = open_records(&bench.library()).remove(0);
    let job = bench.state().jobs[0].id.clone();
    let picking_up = bench.client();
    let handle = picking_up.job(&job).unwrap();
    wait_until(
        || "the second record".to_owned(),
        async || open_jobs(&bench).await.len() == 2,
    )
    .await;
    let settle = async || {
        let settlement = Settlement::Job(job.clone());
        bench.client().library().settle(&unknown.id, settlement).await
    };
    let error = settle().await.unwrap_err();
    assert!(error.to_string().contains("has the job"), "{error}");
    // As if the record that picks up the job had been written between this check and the write.
    let mut record: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    record["state"] = "accepted".into();
    record["job_id"] = job.as_str().into();
    record["clip"] = format!("{}_00000000", unknown.id.millis()).into();
    record["job_known_late"] = true.into();
    std::fs::write(&path, record.to_string()).unwrap();

    let recovered = bench.client().recover().await.unwrap();
    assert_eq!(recovered.held_by_others.len(), 2, "{recovered:?}");
    bench.end_pending();
    let clip = handle.wait().await.unwrap();
    let recovered = bench.client().recover().await.unwrap();
    assert_eq!(recovered.saved, [clip], "{recovered:?}");
    assert_eq!((bench.clips().len(), open_jobs(&bench).await.len()), (1, 0));
    assert_eq!(ledger(&bench.library())[0]["state"], "saved");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_not_picked_up_while_the_open_records_cannot_be_read() {
    let bench = Bench::start(&[PENDING]).await;
    let store = Arc::new(CountingStore::default());
    let open = |policy| {
        let library = Library::on_store(Arc::clone(&store) as _, "").unwrap();
        bench.builder().poll(policy).library_at(library).build().unwrap()
    };
    let owner = open(quick_polls());
    let sent = owner.generate(request()).start().await.unwrap();
    let record = owner.library().jobs().await.unwrap().remove(0);

    // Its owner works on the job. Another record of it would lead to a second clip.
    *store.fails_for.lock().unwrap() = Some(format!("jobs/{}", record.id));
    let other = open(polls_until(ms(300)));
    let error = other.job(sent.id()).unwrap().wait().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Library, "{error}");
    *store.fails_for.lock().unwrap() = None;
    assert_eq!(owner.library().jobs().await.unwrap().len(), 1);
    bench.end_pending();
    let clip = sent.wait().await.unwrap();
    assert_eq!(clip.id, other.job(sent.id()).unwrap().wait().await.unwrap().id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_not_settled_with_a_job_while_the_open_records_cannot_be_read() {
    let bench = Bench::start(&["create:lost-reply,times=1", PENDING]).await;
    let store = Arc::new(CountingStore::default());
    let library = Library::on_store(Arc::clone(&store) as _, "").unwrap();
    let client = bench.builder().library_at(library).build().unwrap();
    client.generate(request()).await.unwrap_err();
    let unknown = client.library().jobs().await.unwrap().remove(0);
    let sent = client.generate(request()).start().await.unwrap();
    let jobs = client.library().jobs().await.unwrap();
    let other = jobs.iter().find(|job| job.id != unknown.id).unwrap();

    // The record of the job that the person names cannot be read, so that nobody knows that it has the job.
    *store.fails_for.lock().unwrap() = Some(format!("jobs/{}", other.id));
    let settled = client
        .library()
        .settle(&unknown.id, Settlement::Job(sent.id().to_string()))
        .await;
    assert_eq!(settled.unwrap_err().kind(), ErrorKind::Library);
    *store.fails_for.lock().unwrap() = None;
    assert_eq!(
        client.library().job_record(&unknown.id).await.unwrap().job_id,
        None
    );
    bench.end_pending();
    sent.wait().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_to_wait_keeps_the_job() {
    let bench = Bench::start(&[PENDING]).await;
    let job = bench.client().generate(request()).start().await.unwrap();
    job.stop_waiting();
    let error = job.wait().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry_advice()),
        (ErrorKind::Stopped, RetryAdvice::Resume)
    );
    assert_eq!(error.job_id(), Some(job.id().as_str()));
    assert!(bench.clips().is_empty());
    // Stopping twice is the same as once.
    job.stop_waiting();
    bench.end_pending();
    let clip = bench
        .client()
        .job(job.id().as_str())
        .unwrap()
        .wait()
        .await
        .unwrap();
    assert_eq!((bench.state().creates, bench.clips().len()), (1, 1));
    // The journal has the request.
    let record = clip.record.unwrap();
    assert_eq!(record.prompt.as_deref(), Some("a lighthouse at dusk"));
    assert_eq!(record.reelkin.unwrap().warnings.unwrap(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_during_the_download_leaves_no_partial_clip() {
    let bench = Bench::start(&["slow-body=2000"]).await;
    let job = bench.client().generate(request()).start().await.unwrap();
    let mut events = job.events();
    while let Some(event) = events.next().await {
        if matches!(event, reelkin::JobEvent::Downloading { .. }) {
            break;
        }
    }
    job.stop_waiting();
    assert_eq!(job.wait().await.unwrap_err().kind(), ErrorKind::Stopped);
    assert!(bench.clips().is_empty());
    bench.sandbox.clear_faults();
    bench
        .client()
        .job(job.id().as_str())
        .unwrap()
        .wait()
        .await
        .unwrap();
    assert_eq!(bench.clips().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_the_future_after_the_submit_still_saves_the_clip() {
    let bench = Bench::start(&[]).await;
    let client = bench.client();
    let mut future = client.generate(request()).into_future();
    tokio::select! {
        _ = &mut future => {}
        _ = bench.until("a create", |state| state.creates == 1) => {}
    }
    drop((future, client));
    wait_for_sidecar(&bench).await;
    assert_eq!((bench.state().creates, bench.clips().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_the_future_after_its_first_poll_still_saves_the_clip() {
    let bench = Bench::start(&[]).await;
    let client = bench.client();
    let mut future = client.generate(request()).into_future();
    assert!(futures_util::poll!(&mut future).is_pending());
    drop((future, client));
    wait_for_sidecar(&bench).await;
    assert_eq!((bench.state().creates, bench.clips().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_future_that_was_never_polled_does_nothing() {
    let bench = Bench::start(&[]).await;
    let client = bench.client();
    drop(client.generate(request()));
    drop(client.generate(request()).into_future());
    drop(client.generate(request()).start());
    // A request that runs comes after them in every queue.
    client.generate(request()).await.unwrap();
    assert_eq!(bench.state().create_requests, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_picked_up_twice_is_saved_once() {
    let bench = Bench::start(&[]).await;
    let clip = bench.client().generate(request()).await.unwrap();
    let id = bench.state().jobs[0].id.clone();
    let downloads = bench.state().downloads;
    for _ in 0..2 {
        let again = bench.client().job(&id).unwrap().wait().await.unwrap();
        assert_eq!(again, clip);
    }
    assert_eq!(bench.state().downloads, downloads, "it was there already");
    assert_eq!(bench.clips().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_picked_up_by_many_at_once_is_saved_once() {
    let bench = Bench::with(
        Sandbox::builder().min_job_duration(Duration::from_millis(300)),
        &[],
    )
    .await;
    let job = bench.client().generate(request()).start().await.unwrap();
    let id = job.id().to_string();
    let others = (0..6).map(|_| {
        let other = bench.client().job(&id).unwrap();
        async move { other.wait().await.unwrap().id }
    });
    let (mine, others) = tokio::join!(job.wait(), futures_util::future::join_all(others));
    let mine = mine.unwrap().id;
    assert!(others.iter().all(|other| *other == mine), "{mine}: {others:?}");
    assert_eq!((bench.state().creates, bench.clips().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_job_id_is_reported_with_the_id() {
    let bench = Bench::start(&[]).await;
    let id = "00000000-0000-4000-8000-000000000000";
    let error = bench.client().job(id).unwrap().wait().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.job_id()),
        (ErrorKind::NotFound, Some(id)),
        "{error}"
    );
    assert!(!error.is_retryable());
    assert!(bench.clips().is_empty());
    // The service says that this is not an id.
    let error = bench.client().job("nope").unwrap().wait().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.status(), error.retry_advice()),
        (ErrorKind::InvalidRequest, Some(400), RetryAdvice::Change),
        "{error}"
    );
    assert!(open_jobs(&bench).await.is_empty(), "nothing is left of it");
    for wrong in ["", "../x", "a/b", "a b", "..", "x\n", "é", &"x".repeat(201)] {
        let error = bench.client().job(wrong).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{wrong:?}");
    }
    assert_eq!(bench.state().create_requests, 0);
}

// Requirement: field study of other clients, report 13.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timeout_names_the_job_and_the_clip_is_recovered_later() {
    let bench = Bench::start(&[PENDING]).await;
    let outcome = JobOutcome::from(client_with_deadline(&bench, ms(60)).generate(request()).await);
    let JobOutcome::TimedOut { job: Some(job), .. } = &outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(job.as_str(), bench.state().jobs[0].id);
    assert_eq!(open_jobs(&bench).await[0].job_id.as_deref(), Some(job.as_str()));
    bench.end_pending();
    let found = bench.client().recover().await.unwrap();
    assert_eq!(found.saved.len(), 1, "{found:?}");
    assert_eq!(counts(&bench), (1, 1, 1));
}

// Requirement: field study of other clients, report 14.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_failure_after_the_submit_names_the_job() {
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
        let outcome = JobOutcome::from(client_with_deadline(&bench, secs(5)).generate(request()).await);
        let id = bench.state().jobs[0].id.clone();
        assert_eq!(outcome.error().unwrap().job_id(), Some(id.as_str()), "{fault}");
    }
    let bench = Bench::start(&["failed=internal_error"]).await;
    let args = ["generate", "a boat", "--duration", "1", "--json"];
    let ran = Program::at(&bench).args(args).run().await;
    let error = &ran.json()["error"];
    assert_eq!(error["job_id"], bench.state().jobs[0].id.as_str(), "{ran:?}");
}

// Requirement: field study of other clients, report 15.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_id_is_enough_for_another_process_with_another_library() {
    let bench = Bench::start(&[PENDING]).await;
    let error = client_with_deadline(&bench, ms(60))
        .generate(request())
        .await
        .unwrap_err();
    let id = error.job_id().unwrap();
    assert!(!id.contains(KEY));
    bench.end_pending();
    let elsewhere = bench.folder.path().join("elsewhere");
    let program = Program::at_service(bench.folder.path(), &bench.sandbox.base_url());
    let program = program.arg("--library").arg(&elsewhere);
    let ran = program.args(["recover", id, "--json"]).run().await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let clips = clips_in(&elsewhere);
    assert_eq!((clips.len(), clips[0].job_id()), (1, id));
    assert_eq!(bench.state().creates, 1);
}

// Requirement: field study of other clients, report 16.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_job_ends_with_one_poll_when_recovered() {
    let expired = Arc::new(AtomicBool::new(false));
    let is_expired = Arc::clone(&expired);
    let server = Server::start(Bytes::new(), move |seen, _| {
        let word = ["pending", "expired"][usize::from(is_expired.load(Ordering::Relaxed))];
        let reply = Answer::new(200, format!(r#"{{"status":"{word}"}}"#));
        seen.path.starts_with("/v1/videos/c").then_some(reply)
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    // No poll is sent before the stop, so none is in flight when they are counted.
    let mut policy = quick_polls();
    policy.first = MAX_WAIT;
    let client = builder(&server.base_url(), folder.path()).poll(policy);
    let client = client.build().unwrap();
    let job = client.generate(request()).start().await.unwrap();
    job.stop_waiting();
    assert_eq!(job.outcome().await.code(), "stopped");
    expired.store(true, Ordering::Relaxed);
    let polls = server.requests_to("/v1/videos/c").len();
    let found = client.recover().await.unwrap();
    let [failed] = &found.failed[..] else {
        panic!("{found:?}")
    };
    assert_eq!(failed.failure().unwrap().kind(), ErrorKind::JobExpired);
    assert_eq!(
        server.requests_to("/v1/videos/c").len(),
        polls + 1,
        "one look is enough"
    );
    // No record is open anymore.
    assert!(client.library().jobs().await.unwrap().is_empty());
    assert_eq!(ledger(folder.path())[0]["state"], "failed");
}

/// The record of a job that is picked up has an id that is derived from that of the job.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_clients_that_pick_up_one_job_get_its_clip() {
    let bench = Bench::start(&[]).await;
    let clip = bench.client().generate(request()).await.unwrap();
    let job = clip.record.unwrap().reelkin.unwrap().job_id.unwrap();
    let folder = tempfile::tempdir().unwrap();
    for round in 0..4 {
        let library = folder.path().join(round.to_string());
        let clients: Vec<_> = (0..6)
            .map(|_| builder(&bench.sandbox.base_url(), &library).build().unwrap())
            .collect();
        let handles: Vec<_> = clients.iter().map(|client| client.job(&job).unwrap()).collect();
        let picked_up = handles.iter().map(reelkin::WorkHandle::wait);
        for clip in futures_util::future::join_all(picked_up).await {
            assert_eq!(
                clip.unwrap().record.unwrap().reelkin.unwrap().job_id.unwrap(),
                job
            );
        }
        assert_eq!(clips_in(&library).len(), 1);
    }
}

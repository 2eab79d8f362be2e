//! Interrupted jobs are finished by another process or after a kill.
//!
//! Nothing is sent twice, and nothing of the sidecar is lost.

#![cfg(feature = "cli")]

use std::path::PathBuf;

use reelkin::{
    ContinueRequest, EditRequest, ErrorKind, ExtendRequest, GenerateRequest, JobState, MediaInput, Recovered,
    Settlement, UsdTicks, secs,
};
use serde_json::Value;

use crate::support::bench::{Bench, PENDING, fault, ms, request};
use crate::support::journal::{ledger, open_records, wait_for_state};
use crate::support::outcomes::{client_with_deadline, counts, generate, open_jobs};
use crate::support::program::{GENERATE, Program, kill};

async fn recover(bench: &Bench) -> Recovered {
    bench.client().recover().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_saved_clip_has_a_ledger_entry_and_no_open_record() {
    let bench = Bench::start(&[]).await;
    let clip = bench.client().generate(request()).await.unwrap();
    assert_eq!(open_records(&bench.library()), Vec::<PathBuf>::new());
    let entries = ledger(&bench.library());
    let [entry] = &entries[..] else {
        panic!("{entries:?}")
    };
    assert_eq!(entry["state"], "saved");
    assert_eq!(entry["clip"], clip.id.as_str());
    assert_eq!(entry["job_id"], bench.state().jobs[0].id.as_str());
    assert_eq!(entry["cost_usd_ticks"], bench.state().jobs[0].cost_in_usd_ticks);
    assert_eq!(entry["request_sha256"].as_str().unwrap().len(), 64);
    for gone in ["brief", "reply", "owner"] {
        assert!(entry.get(gone).is_none(), "{gone}: {entry}");
    }
    let found = recover(&bench).await;
    assert_eq!(
        (found.saved.len(), found.open.len(), found.unsettled.len()),
        (0, 0, 0)
    );
}

/// Removes from a sidecar what differs between two runs of the same request.
fn without_times(mut sidecar: Value) -> Value {
    for key in ["createdAt", "elapsed", "requestId"] {
        sidecar[key] = Value::Null;
    }
    sidecar["video"]["xaiVideoRequestId"] = Value::Null;
    let ours = &mut sidecar["reelkin"];
    for key in ["job_id", "sha256", "bytes"] {
        ours[key] = Value::Null;
    }
    // The measurements of two encodings differ in the last digits.
    for key in ["luma_db", "colour_db"] {
        for place in ["/delivery/start", "/delivery/seam/likeness"] {
            if let Some(found) = ours.pointer_mut(place).filter(|found| found.is_object()) {
                found[key] = Value::Null;
            }
        }
    }
    for entry in sidecar["videoContinuity"]["entries"]
        .as_array_mut()
        .into_iter()
        .flatten()
    {
        for key in ["id", "filename", "createdAt"] {
            entry[key] = Value::Null;
        }
    }
    sidecar["videoContinuity"]["lineageId"] = Value::Null;
    sidecar
}

/// Compares, for each verb, the sidecar after an interruption with that of an uninterrupted run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recovered_clip_has_the_same_sidecar_as_an_uninterrupted_one() {
    let bench = Bench::start(&[]).await;
    let parent = bench
        .client()
        .generate(request().duration(secs(2)))
        .await
        .unwrap();
    let picture = bench.folder.path().join("start.png");
    let frame = bench
        .client()
        .frame(&parent, reelkin::media::FramePosition::Last)
        .await
        .unwrap();
    std::fs::write(&picture, frame.to_png().unwrap()).unwrap();
    let edit = || EditRequest::new(&parent, "make it night");
    let extend = || ExtendRequest::new(&parent, "the camera pulls back").duration(secs(2));
    let goes_on = || {
        ContinueRequest::new("the lamp turns on")
            .duration(secs(1))
            .plan(true)
    };
    let from_picture = || {
        GenerateRequest::image(MediaInput::from(picture.clone()))
            .prompt("waves")
            .duration(secs(1))
            .topic("sea")
    };
    let calm = bench.client();
    let whole = [
        calm.generate(from_picture()).await.unwrap(),
        calm.edit(edit()).await.unwrap(),
        calm.extend(extend()).await.unwrap(),
        calm.continue_from(&parent, goes_on()).await.unwrap(),
    ];
    // The second clip of a topic has another index in the series.
    let hasty = client_with_deadline(&bench, ms(60));
    bench.sandbox.add_fault(fault(PENDING));
    let errors = [
        hasty.generate(from_picture()).await.unwrap_err(),
        hasty.edit(edit()).await.unwrap_err(),
        hasty.extend(extend()).await.unwrap_err(),
        hasty.continue_from(&parent, goes_on()).await.unwrap_err(),
    ];
    assert!(
        errors.iter().all(|error| error.kind() == ErrorKind::Timeout),
        "{errors:?}"
    );
    drop(hasty);
    bench.end_pending();
    let creates = bench.state().creates;
    let found = recover(&bench).await;
    assert_eq!(found.saved.len(), 4, "{found:?}");
    assert_eq!(bench.state().creates, creates);
    for (one, other) in whole.iter().zip(&found.saved) {
        let read = |clip: &reelkin::Clip| {
            let json = std::fs::read(clip.sidecar_path().unwrap()).unwrap();
            let mut sidecar: Value = serde_json::from_slice(&json).unwrap();
            sidecar["videoSeries"] = Value::Null;
            sidecar["reelkin"]["planner"] = Value::Null;
            without_times(sidecar)
        };
        let (one, other) = (read(one), read(other));
        assert_eq!(one, other, "{}", one["reelkin"]["operation"]);
        assert!(
            other["reelkin"]["warnings"].as_array().unwrap().is_empty(),
            "{other}"
        );
    }
    assert!(open_records(&bench.library()).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_during_a_create_leaves_the_record_for_manual_settlement() {
    let bench = Bench::start(&["create:delay=30"]).await;
    let child = Program::at(&bench).args(GENERATE).spawn();
    wait_for_state(&bench.library(), "intended").await;
    kill(child).await;
    bench.sandbox.clear_faults();
    for _ in 0..2 {
        let ran = Program::at(&bench).args(["recover", "--json"]).run().await;
        assert_eq!(ran.code, 3, "{ran:?}");
        let json = ran.json();
        let unsettled = &json["unsettled"][0];
        assert_eq!(unsettled["state"], "unknown", "{json}");
        assert_eq!(unsettled["prompt"], "a boat");
        assert_eq!(unsettled["prompt_sha256"].as_str().unwrap().len(), 64);
        assert!(unsettled["estimate_usd_ticks"].as_u64().unwrap() > 0);
        assert!(unsettled["created_at"].as_u64().unwrap() > 0);
        assert_eq!(unsettled["error"]["outcome"], "submission_unknown");
    }
    assert_eq!(bench.state().creates, 0, "and it is never sent again");
    let ran = Program::at(&bench).args(["recover"]).run().await;
    assert!(ran.stderr.contains("reelkin settle "), "{ran:?}");
    let ran = Program::at(&bench).args(["ls", "--open"]).run().await;
    assert!(
        ran.stdout.contains("unknown  generate  about $0.05  a boat"),
        "{ran:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_after_the_submit_or_during_the_download_is_recovered() {
    for (fault, state) in [("stalled", "accepted"), ("slow-body=2000", "done")] {
        let bench = Bench::start(&[fault]).await;
        let child = Program::at(&bench).args(GENERATE).spawn();
        wait_for_state(&bench.library(), state).await;
        if state == "done" {
            bench.until("a download", |state| state.downloads > 0).await;
        }
        kill(child).await;
        bench.sandbox.clear_faults();
        if fault == "stalled" {
            // The sandbox stores the end of a job with the job. This one never ends.
            let ran = Program::at(&bench)
                .args(["recover", "--json", "--timeout", "0.3"])
                .run()
                .await;
            assert_eq!(ran.code, 1, "{ran:?}");
            let json = ran.json();
            assert_eq!(json["open"][0]["error"]["outcome"], "timed_out", "{json}");
            assert_eq!(open_records(&bench.library()).len(), 1);
            continue;
        }
        let ran = Program::at(&bench).args(["recover", "--json"]).run().await;
        assert_eq!(ran.code, 0, "{ran:?}");
        let json = ran.json();
        assert_eq!(json["saved"][0]["job_id"], bench.state().jobs[0].id.as_str());
        assert_eq!((bench.state().creates, bench.clips().len()), (1, 1));
        let ran = Program::at(&bench).args(["recover"]).run().await;
        assert_eq!(
            (ran.code, ran.stderr.trim()),
            (0, "0 open jobs\nnothing to recover")
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settlements_by_a_person_are_applied() {
    let bench = Bench::start(&["create:lost-reply"]).await;
    let client = bench.client();
    let mut records = Vec::new();
    for prompt in ["one", "two", "three"] {
        let error = client
            .generate(GenerateRequest::text(prompt).duration(secs(1)))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SubmissionUnknown);
        records.push(error.record_id().unwrap().to_owned());
    }
    bench.sandbox.clear_faults();
    let library = client.library();
    let reserved = client.spent(..).await.unwrap();
    assert_eq!((reserved.requests, reserved.paid), (3, UsdTicks::ZERO));
    assert_eq!(reserved.reserved, UsdTicks::new(3 * 500_000_000));

    library.settle(&records[0], Settlement::NeverMade).await.unwrap();
    library
        .settle(&records[1], Settlement::Lost(UsdTicks::new(7)))
        .await
        .unwrap();
    let job = bench.state().jobs[2].id.clone();
    let record = library
        .settle(&records[2], Settlement::Job(job.clone()))
        .await
        .unwrap();
    assert_eq!(
        (record.state, record.job_id.as_deref()),
        (JobState::Accepted, Some(job.as_str()))
    );
    let found = client.recover().await.unwrap();
    let [clip] = &found.saved[..] else {
        panic!("{found:?}")
    };
    assert_eq!(clip.record.as_ref().unwrap().prompt.as_deref(), Some("three"));

    let spent = client.spent(..).await.unwrap();
    let cost = bench.state().jobs[2].cost_in_usd_ticks;
    assert_eq!(
        (spent.reserved, spent.estimated, spent.unpriced),
        (UsdTicks::ZERO, UsdTicks::ZERO, 0)
    );
    assert_eq!(spent.paid, UsdTicks::new(7 + cost));
    // A settled record cannot be settled again.
    let error = library
        .settle(&records[0], Settlement::NeverMade)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert_eq!(library.jobs().await.unwrap(), vec![]);
    assert_eq!(bench.state().creates, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_recoveries_save_each_job_once() {
    let bench = Bench::start(&[PENDING]).await;
    let client = client_with_deadline(&bench, ms(60));
    let jobs = (0..6).map(|_| client.generate(request()).into_future());
    for error in futures_util::future::join_all(jobs).await {
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Timeout);
    }
    bench.end_pending();
    let runs = (0..4).map(|_| Program::at(&bench).args(["recover", "--json"]).run());
    let mut saved = 0;
    for ran in futures_util::future::join_all(runs).await {
        assert_eq!(ran.code, 0, "{ran:?}");
        saved += ran.json()["saved"].as_array().unwrap().len();
    }
    assert_eq!((saved, bench.clips().len(), bench.state().creates), (6, 6, 6));
    assert_eq!(ledger(&bench.library()).len(), 6);
}

/// A running process keeps its job. A caller that asks for the same job waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_held_by_another_process_is_skipped_and_can_be_waited_for() {
    let bench = Bench::start(&[PENDING]).await;
    let child = Program::at(&bench).args(GENERATE).spawn();
    wait_for_state(&bench.library(), "accepted").await;
    let found = recover(&bench).await;
    assert_eq!(
        (found.held_by_others.len(), found.saved.len()),
        (1, 0),
        "{found:?}"
    );
    bench.end_pending();
    let id = bench.state().jobs[0].id.clone();
    let clip = bench.client().job(&id).unwrap().wait().await.unwrap();
    assert_eq!((bench.clips().len(), bench.state().creates), (1, 1));
    assert_eq!(clip.record.unwrap().prompt.as_deref(), Some("a boat"));
    let ended = tokio::task::spawn_blocking(move || child.wait_with_output())
        .await
        .unwrap()
        .unwrap();
    assert!(ended.status.success());
    assert!(bench.client().library().jobs().await.unwrap().is_empty());
}

/// Covers the points between two writes, which a kill cannot hit reliably.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_between_any_two_writes_is_recovered() {
    let bench = Bench::start(&[PENDING]).await;
    let client = client_with_deadline(&bench, ms(60));
    let error = client.generate(request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    drop(client);
    bench.end_pending();
    let [open] = &open_records(&bench.library())[..] else {
        panic!()
    };
    let kept = std::fs::read(open).unwrap();
    let clip = recover(&bench).await.saved.remove(0);
    let downloads = bench.state().downloads;

    // Saved and in the ledger, but still in the open records.
    std::fs::write(open, &kept).unwrap();
    let found = recover(&bench).await;
    assert_eq!((found.saved.len(), found.open.len()), (0, 0), "{found:?}");
    assert!(!open.exists());

    // Saved, but not recorded as such.
    std::fs::remove_dir_all(bench.library().join("ledger")).unwrap();
    std::fs::write(open, &kept).unwrap();
    let found = recover(&bench).await;
    assert_eq!(found.saved, vec![clip.clone()]);
    assert_eq!(ledger(&bench.library()).len(), 1);

    // The clip exists without its sidecar.
    std::fs::remove_dir_all(bench.library().join("ledger")).unwrap();
    std::fs::remove_file(clip.sidecar_path().unwrap()).unwrap();
    std::fs::write(open, &kept).unwrap();
    let found = recover(&bench).await;
    let again = found.saved[0].record.clone().unwrap();
    let before = clip.record.clone().unwrap();
    assert_eq!(again.prompt, before.prompt);
    assert_eq!(
        again.reelkin.as_ref().unwrap().sha256,
        before.reelkin.as_ref().unwrap().sha256
    );
    assert_eq!(bench.state().downloads, downloads, "nothing was fetched again");

    // Reserved, but not sent.
    let mut record: Value = serde_json::from_slice(&kept).unwrap();
    record["state"] = "reserved".into();
    let job_id = record.as_object_mut().unwrap().remove("job_id").unwrap();
    std::fs::remove_dir_all(bench.library().join("ledger")).unwrap();
    std::fs::write(open, record.to_string()).unwrap();
    let found = recover(&bench).await;
    assert_eq!((found.dropped, found.saved.len()), (1, 0), "{found:?}");
    assert!(open_records(&bench.library()).is_empty());
    assert_eq!((bench.state().creates, bench.clips().len()), (1, 1));

    // Damaged: a request with a job was sent, whatever its state says.
    record["job_id"] = job_id;
    std::fs::write(open, record.to_string()).unwrap();
    let found = recover(&bench).await;
    assert_eq!((found.dropped, found.stuck.len()), (0, 1), "{found:?}");
}

/// A program that synchronizes folders has renamed a record.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_with_another_name_is_reported() {
    let bench = Bench::start(&[PENDING]).await;
    let client = client_with_deadline(&bench, ms(60));
    client.generate(request()).await.unwrap_err();
    let jobs = bench.library().join("jobs");
    let name = || {
        let entries = std::fs::read_dir(&jobs).unwrap();
        let files = entries.map(|entry| entry.unwrap().path());
        let mut records = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
        records.next().unwrap()
    };
    let original = name();
    let stem = original.file_stem().unwrap().to_str().unwrap().to_owned();
    for other in [
        format!("{stem} (conflicted copy)"),
        stem.split('.').next().unwrap().to_owned(),
    ] {
        std::fs::rename(name(), jobs.join(format!("{other}.json"))).unwrap();
        std::fs::write(jobs.join("hello.json"), "{}").unwrap();
        let found = recover(&bench).await;
        assert_eq!(
            (found.stuck.len(), found.open.len()),
            (1, 0),
            "{other}: {found:?}"
        );
        assert!(stem.starts_with(found.stuck[0].record_id.as_str()));
        assert!(
            found.stuck[0].error.to_string().contains("rename it"),
            "{found:?}"
        );
        assert_eq!(client.library().stuck_jobs().await.unwrap().len(), 1, "{other}");
        std::fs::remove_file(jobs.join("hello.json")).unwrap();
    }
    // A copy beside the record is not reported.
    std::fs::rename(name(), &original).unwrap();
    std::fs::copy(&original, jobs.join(format!("{stem} (copy).json"))).unwrap();
    bench.end_pending();
    let found = recover(&bench).await;
    assert_eq!((found.stuck.len(), found.saved.len()), (0, 1), "{found:?}");
}

/// The service forgot the job or refuses every poll, and its last reply was recorded.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_cannot_be_polled_is_downloaded_by_its_recorded_link() {
    for status in [404, 410, 400, 401] {
        let bench = Bench::start(&["download:reset"]).await;
        let error = bench.client().generate(request()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Network, "{error}");
        bench.sandbox.clear_faults();
        let fault = format!("poll:status={status}");
        bench.sandbox.add_fault(fault.parse().unwrap());
        let found = recover(&bench).await;
        assert_eq!(found.saved.len(), 1, "{status}: {found:?}");
        assert_eq!((bench.clips().len(), bench.state().creates), (1, 1));
    }
}

/// The link fails while the job cannot be polled, and works again when the service has forgotten the job.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recorded_link_that_failed_once_is_tried_again() {
    let bench = Bench::start(&["download:reset"]).await;
    bench.client().generate(request()).await.unwrap_err();
    bench.sandbox.add_fault("poll:status=401".parse().unwrap());
    let found = recover(&bench).await;
    assert_eq!((found.open.len(), found.saved.len()), (1, 0), "{found:?}");
    bench.sandbox.clear_faults();
    bench.sandbox.add_fault("poll:status=404".parse().unwrap());
    let found = recover(&bench).await;
    assert_eq!(found.saved.len(), 1, "{found:?}");
}

/// If the link of a job expired meanwhile, a new one is requested.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_link_is_requested_again() {
    let bench = Bench::start(&["download:link-expired=403"]).await;
    let error = bench.client().generate(request()).await.unwrap_err();
    assert_eq!(error.job_id(), Some(bench.state().jobs[0].id.as_str()), "{error}");
    let found = recover(&bench).await;
    assert_eq!((found.open.len(), found.saved.len()), (1, 0), "{found:?}");
    let failure = found.open[0].failure().unwrap();
    assert_eq!(failure.may_have_been_charged(), reelkin::Charge::Yes);
    bench.sandbox.clear_faults();
    assert_eq!(recover(&bench).await.saved.len(), 1);
}

/// A job that ended without a clip is reported once, and is then in the ledger.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_failed_meanwhile_is_reported_and_closed() {
    for (fault, kind, state) in [
        ("failed=internal_error", ErrorKind::JobFailed, "failed"),
        ("moderated=400-billed", ErrorKind::Moderated, "failed"),
        ("expired", ErrorKind::JobExpired, "failed"),
    ] {
        let bench = Bench::start(&[fault, PENDING]).await;
        let error = client_with_deadline(&bench, ms(60))
            .generate(request())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        bench.end_pending();
        let found = recover(&bench).await;
        let [failed] = &found.failed[..] else {
            panic!("{fault}: {found:?}")
        };
        assert_eq!(failed.failure().unwrap().kind(), kind, "{fault}");
        assert_eq!(ledger(&bench.library())[0]["state"], state);
        let again = recover(&bench).await;
        assert!(again.failed.is_empty() && again.open.is_empty(), "{fault}");
    }
}

// Requirement: field study of other clients, report 19.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unsettled_record_is_listed_until_a_person_settles_it() {
    let bench = Bench::start(&["create:lost-reply,times=1"]).await;
    assert_eq!(generate(&bench).await.code(), "submission_unknown");
    let ran = Program::at(&bench).args(["recover", "--json"]).run().await;
    assert_eq!(ran.code, 3, "{ran:?}");
    let listed = &ran.json()["unsettled"][0];
    assert_eq!(listed["error"]["outcome"], "submission_unknown");
    assert_eq!(listed["request_sha256"].as_str().unwrap().len(), 64, "{listed}");
    let records = open_jobs(&bench).await;
    assert_eq!((records.len(), records[0].state), (1, JobState::Unknown));
    // The person found the job on the account page.
    let job = Settlement::Job(bench.state().jobs[0].id.clone());
    let client = bench.client();
    client.library().settle(&records[0].id, job).await.unwrap();
    let found = client.recover().await.unwrap();
    assert_eq!((found.saved.len(), found.unsettled.len()), (1, 0), "{found:?}");
    assert_eq!(counts(&bench), (1, 1, 1));
}

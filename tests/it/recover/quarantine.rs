//! Bytes that were paid for and fail verification are kept.
//!
//! They are listed, replaced by a clip that passes, accepted or discarded, and never treated as a clip before that.

#![cfg(feature = "cli")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use object_store::path::Path as StorePath;
use object_store::{ObjectStore as _, ObjectStoreExt as _};
use reelkin::library::{Condition, ListOptions, Severity};
use reelkin::sandbox::{ClipChecksum, Sandbox};
use reelkin::{
    Charge, Error, ErrorKind, JobState, Library, QuarantinedClip, RetryAdvice, Settlement, UsdTicks,
};
use serde_json::Value;

use crate::support::bench::{Bench, request};
use crate::support::counting_store::CountingStore;
use crate::support::journal::{ledger, open_records};
use crate::support::program::Program;

/// Makes a request whose download is complete but contains half a clip, and returns what is kept of it.
async fn quarantine_half_clip(bench: &Bench) -> (Error, QuarantinedClip) {
    let client = bench.client();
    let error = client.generate(request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Media, "{error}");
    let mut kept = client.library().quarantined().await.unwrap();
    assert_eq!(kept.len(), 1, "{kept:?}");
    (error, kept.remove(0))
}

fn quarantined_files(library: &Path) -> Vec<String> {
    let entries = fs::read_dir(library.join("quarantine")).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn warnings(sidecar: &Value) -> String {
    sidecar["reelkin"]["warnings"].to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_fail_verification_are_kept_until_a_recovery_succeeds() {
    let bench = Bench::start(&["half-clip"]).await;
    let (error, kept) = quarantine_half_clip(&bench).await;
    let id = kept.record_id.as_str();
    assert!(
        error
            .to_string()
            .ends_with(&format!("; what was downloaded is kept as quarantine/{id}.mp4")),
        "{error}"
    );
    assert_eq!(
        (
            error.record_id(),
            error.retry_advice(),
            error.may_have_been_charged()
        ),
        (Some(id), RetryAdvice::Resume, Charge::Yes)
    );
    let path = kept.path.clone().unwrap();
    assert_eq!(
        path,
        bench.library().canonicalize().unwrap().join(&kept.file_name)
    );
    assert_eq!(fs::metadata(&path).unwrap().len(), kept.bytes);
    assert_eq!(kept.job_id.as_deref(), error.job_id());
    assert_eq!(kept.sha256.as_ref().unwrap().len(), 64);
    assert!(error.to_string().starts_with(&kept.reason), "{kept:?}");
    assert_eq!(
        quarantined_files(&bench.library()),
        [format!("{id}.json"), format!("{id}.mp4")]
    );

    // No function that reads clips treats it as one.
    let library = bench.client().library().clone();
    assert_eq!(library.list(ListOptions::default()).await.unwrap().clips.len(), 0);
    assert_eq!(library.verify().count().await, 0);
    assert_eq!(library.clip_of_job(error.job_id().unwrap()).await.unwrap(), None);
    assert_eq!(library.sweep(Duration::ZERO).await.unwrap(), 0);

    let ran = Program::at(&bench).args(["ls", "--open"]).run().await;
    assert!(ran.stdout.contains(path.to_str().unwrap()), "{ran:?}");
    assert!(
        ran.stderr.contains(&format!("reelkin settle {id} --accept")),
        "{ran:?}"
    );
    let ran = Program::at(&bench).args(["ls", "--open", "--json"]).run().await;
    let json = ran.json();
    assert_eq!(json["jobs"][0]["record"], id);
    assert_eq!(json["quarantined"][0]["record"], id);
    assert_eq!(json["quarantined"][0]["sha256"], kept.sha256.clone().unwrap());
    assert_eq!(json["quarantined"][0]["reason"], kept.reason);

    // The same bytes give the same file.
    let ran = Program::at(&bench).args(["recover", "--json"]).run().await;
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.json()["open"][0]["error"]["message"]
            .to_string()
            .contains(&kept.file_name)
    );
    assert_eq!(library.quarantined().await.unwrap(), [kept]);

    bench.sandbox.clear_faults();
    let found = bench.client().recover().await.unwrap();
    assert_eq!((found.saved.len(), found.open.len()), (1, 0), "{found:?}");
    let clips = bench.clips();
    assert_eq!(warnings(&clips[0].sidecar), "[]");
    assert_eq!(library.quarantined().await.unwrap(), []);
    assert_eq!(quarantined_files(&bench.library()), [""; 0]);
    let [entry] = &ledger(&bench.library())[..] else {
        panic!()
    };
    assert_eq!(
        (&entry["state"], entry.get("quarantined")),
        (&"saved".into(), None)
    );
    assert_eq!(
        (open_records(&bench.library()).len(), bench.state().creates),
        (0, 1)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quarantined_clip_can_be_accepted_unverified() {
    let bench = Bench::start(&["half-clip"]).await;
    let (_, kept) = quarantine_half_clip(&bench).await;
    let bytes = fs::read(kept.path.as_ref().unwrap()).unwrap();
    let ran = Program::at(&bench)
        .args(["settle", &kept.record_id, "--accept", "--json"])
        .run()
        .await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let json = ran.json();
    let cost = bench.state().jobs[0].cost_in_usd_ticks;
    assert_eq!(
        (&json["state"], &json["cost_usd_ticks"]),
        (&"saved".into(), &cost.into())
    );

    let library = Library::open(bench.library()).unwrap();
    let clip = library.clip(json["clip"]["id"].as_str().unwrap()).await.unwrap();
    assert_eq!(fs::read(clip.path.as_ref().unwrap()).unwrap(), bytes);
    let sidecar: Value = serde_json::from_slice(&fs::read(clip.sidecar_path().unwrap()).unwrap()).unwrap();
    let line = format!("accepted without verification: {}", kept.reason);
    assert!(warnings(&sidecar).contains(&line), "{sidecar}");
    let record = clip.record.unwrap();
    assert_eq!(record.prompt.as_deref(), Some("a lighthouse at dusk"));
    let ours = record.reelkin.unwrap();
    assert_eq!(
        (&ours.sha256, ours.cost.map(UsdTicks::ticks)),
        (&kept.sha256, Some(cost))
    );
    assert_eq!(ours.job_id.as_deref(), kept.job_id.as_deref());
    let delivery = ours.delivery.unwrap();
    let finding = delivery
        .findings
        .iter()
        .find(|finding| finding.field == "verification")
        .unwrap();
    assert_eq!(
        (&finding.delivered, finding.severity),
        (&kept.reason, Severity::Major)
    );
    let verdicts: Vec<_> = library
        .verify()
        .map(|verdict| verdict.unwrap().condition)
        .collect()
        .await;
    assert_eq!(verdicts, [Condition::Intact]);

    assert_eq!(quarantined_files(&bench.library()), [""; 0]);
    let spent = library.spent(..).await.unwrap();
    assert_eq!(
        (spent.paid, spent.reserved),
        (UsdTicks::new(cost), UsdTicks::ZERO)
    );
    assert_eq!(open_records(&bench.library()), Vec::<PathBuf>::new());
    let error = library
        .settle(&kept.record_id, Settlement::Accept)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_job_keeps_its_bytes_until_they_are_discarded() {
    let bench = Bench::start(&["half-clip"]).await;
    let (_, kept) = quarantine_half_clip(&bench).await;
    let settle = |what: &'static [&'static str]| {
        Program::at(&bench)
            .args(["settle", &kept.record_id])
            .args(what)
            .run()
    };
    let ran = settle(&["--lost", "0.05"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ledger(&bench.library())[0]["state"], "settled");
    let ran = Program::at(&bench).args(["ls", "--open"]).run().await;
    assert!(ran.stdout.contains(&kept.file_name), "{ran:?}");
    assert!(ran.stderr.contains("--discard"), "{ran:?}");
    let ran = settle(&["--accept"]).await;
    assert!(ran.line().contains("it is settled already"), "{ran:?}");
    let ran = settle(&["--discard"]).await;
    assert_eq!(
        (ran.code, ran.stdout.trim()),
        (0, format!("{}  discarded", kept.record_id).as_str())
    );
    assert_eq!(quarantined_files(&bench.library()), [""; 0]);
    let ran = settle(&["--discard"]).await;
    assert!(ran.stderr.contains("is in quarantine"), "{ran:?}");
    let ran = Program::at(&bench).args(["ls", "--open"]).run().await;
    assert_eq!(ran.stderr.trim(), "no open jobs");
    let ran = Program::at(&bench)
        .args(["settle", "../x", "--discard"])
        .run()
        .await;
    assert_eq!(ran.code, 2, "{ran:?}");
}

/// Accepting a job that has nothing in quarantine is refused and changes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accepting_without_quarantined_bytes_is_refused() {
    let bench = Bench::start(&["download:reset"]).await;
    let client = bench.client();
    let error = client.generate(request()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.record_id()),
        (ErrorKind::Network, None),
        "{error}"
    );
    assert!(
        !bench.library().join("quarantine").exists(),
        "half a file is not kept"
    );
    let [open] = &open_records(&bench.library())[..] else {
        panic!()
    };
    let before = fs::read(open).unwrap();
    let record = client.library().jobs().await.unwrap().remove(0);
    let error = client
        .library()
        .settle(&record.id, Settlement::Accept)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert_eq!(fs::read(open).unwrap(), before);
}

/// The checksum of the server or the first bytes are wrong. In both cases the whole file arrived.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_with_a_wrong_hash_or_of_another_container_are_kept() {
    for (fault, kind) in [
        ("download:corrupt@5000", ErrorKind::Network),
        ("garbage", ErrorKind::Protocol),
    ] {
        let sandbox = Sandbox::builder()
            .min_job_duration(Duration::from_millis(100))
            .clip_checksum(ClipChecksum::Sha256);
        let bench = Bench::with(sandbox, &[fault]).await;
        let client = bench.client();
        let error = client.generate(request()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        let kept = client.library().quarantined().await.unwrap().remove(0);
        assert!(error.to_string().contains(&kept.file_name), "{error}");
        let bytes = fs::read(kept.path.unwrap()).unwrap();
        bench.sandbox.clear_faults();
        assert_eq!(client.recover().await.unwrap().saved.len(), 1);
        let clip = fs::read(&bench.clips()[0].path).unwrap();
        assert_eq!(bytes.len(), clip.len(), "{fault}");
        let differ = bytes
            .iter()
            .zip(&clip)
            .filter(|(one, other)| one != other)
            .count();
        assert!(
            if kind == ErrorKind::Network {
                differ == 1
            } else {
                differ > 1000
            },
            "{differ}"
        );
        assert_eq!(quarantined_files(&bench.library()), [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_failed_attempt_replaces_the_quarantined_bytes() {
    let bench = Bench::start(&["half-clip"]).await;
    let (_, half) = quarantine_half_clip(&bench).await;
    bench.sandbox.clear_faults();
    bench.sandbox.add_fault("garbage".parse().unwrap());
    let found = bench.client().recover().await.unwrap();
    assert_eq!(found.open.len(), 1, "{found:?}");
    let library = bench.client().library().clone();
    let noise = library.quarantined().await.unwrap();
    assert_eq!(noise.len(), 1);
    assert_eq!(
        (&noise[0].record_id, noise[0].bytes > half.bytes),
        (&half.record_id, true)
    );
    assert!(noise[0].reason.contains("not an MP4"), "{noise:?}");
    assert_eq!(quarantined_files(&bench.library()).len(), 2);
}

/// The clip was published, and the process died before it wrote the sidecar.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_acceptance_is_completed() {
    for (by_recovery, has_old_sidecar) in [(true, false), (true, true), (false, false), (false, true)] {
        let bench = Bench::start(&["half-clip"]).await;
        let (_, kept) = quarantine_half_clip(&bench).await;
        let library = bench.client().library().clone();
        let record = library.job_record(&kept.record_id).await.unwrap();
        let clip = record.clip.unwrap();
        if has_old_sidecar {
            // Someone removed an earlier copy of the clip, but not its sidecar.
            let note = fs::read(
                bench
                    .library()
                    .join(format!("quarantine/{}.json", kept.record_id)),
            )
            .unwrap();
            let note: Value = serde_json::from_slice(&note).unwrap();
            let sidecar = bench.library().join(format!("{clip}.mp4.json"));
            fs::write(sidecar, note["sidecar"].to_string()).unwrap();
        }
        fs::rename(kept.path.unwrap(), bench.library().join(format!("{clip}.mp4"))).unwrap();
        // The acceptance needs no reply of the service.
        bench.sandbox.add_fault("poll:status=404".parse().unwrap());
        if by_recovery {
            let found = bench.client().recover().await.unwrap();
            assert_eq!((found.saved.len(), found.open.len()), (1, 0), "{found:?}");
        } else {
            let record = library.settle(&kept.record_id, Settlement::Accept).await.unwrap();
            assert_eq!(record.state, JobState::Saved);
        }
        let saved = library.clip(&clip).await.unwrap();
        let sidecar = fs::read_to_string(saved.sidecar_path().unwrap()).unwrap();
        assert!(sidecar.contains("accepted without verification"), "{sidecar}");
        assert_eq!(quarantined_files(&bench.library()), [""; 0]);
        assert_eq!(ledger(&bench.library())[0]["state"], "saved");
    }
}

/// The service reported the job as done, so a person cannot say that it was never made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_done_cannot_be_settled_as_never_made() {
    let bench = Bench::start(&["half-clip"]).await;
    let (_, kept) = quarantine_half_clip(&bench).await;
    let library = bench.client().library().clone();
    let settled = library.settle(&kept.record_id, Settlement::NeverMade).await;
    let error = settled.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{error}");
    assert!(error.to_string().contains("as done"), "{error}");
    let record = library.job_record(&kept.record_id).await.unwrap();
    assert_eq!(record.state, JobState::Done);
    assert_eq!(library.quarantined().await.unwrap(), std::slice::from_ref(&kept));
    let amount = Settlement::Lost(UsdTicks::new(7));
    let record = library.settle(&kept.record_id, amount).await.unwrap();
    assert_eq!(record.state, JobState::Settled);
}

/// Anybody may have written or damaged a note.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_note_hides_no_clip_and_foreign_files_are_ignored() {
    let bench = Bench::start(&["half-clip"]).await;
    let (_, kept) = quarantine_half_clip(&bench).await;
    let folder = bench.library().join("quarantine");
    fs::write(folder.join(format!("{}.json", kept.record_id)), "{").unwrap();
    fs::write(folder.join("x.mp4"), "x").unwrap();
    fs::write(folder.join("x.json"), "{}").unwrap();
    let library = bench.client().library().clone();
    let found = library.quarantined().await.unwrap();
    assert_eq!(
        (found.len(), &found[0].record_id, &found[0].sha256),
        (1, &kept.record_id, &None)
    );
    library.settle(&kept.record_id, Settlement::Accept).await.unwrap();
    let clip = &library.list(ListOptions::default()).await.unwrap().clips[0];
    let ours = clip
        .clip
        .as_ref()
        .unwrap()
        .record
        .clone()
        .unwrap()
        .reelkin
        .unwrap();
    assert_eq!(
        (ours.sha256, ours.job_id.as_deref()),
        (kept.sha256, kept.job_id.as_deref())
    );
    assert_eq!(quarantined_files(&bench.library()), ["x.json", "x.mp4"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_fail_verification_are_kept_in_a_bucket() {
    let store = Arc::new(CountingStore::default());
    let library = Library::on_store(Arc::clone(&store) as _, "team").unwrap();
    let bench = Bench::start(&["half-clip"]).await;
    let client = bench.builder().library_at(library.clone()).build().unwrap();
    let error = client.generate(request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Media, "{error}");
    let kept = library.quarantined().await.unwrap().remove(0);
    assert!(error.to_string().contains(&kept.file_name), "{error}");
    let place = StorePath::from(format!("team/{}", kept.file_name));
    let bytes = store.inner.get(&place).await.unwrap().bytes().await.unwrap();
    assert_eq!(bytes.len() as u64, kept.bytes);
    assert_eq!(library.list(ListOptions::default()).await.unwrap().clips.len(), 0);
    assert_eq!(library.sweep(Duration::ZERO).await.unwrap(), 0);

    let found = client.recover().await.unwrap();
    assert_eq!(found.open.len(), 1, "{found:?}");
    let record = library.settle(&kept.record_id, Settlement::Accept).await.unwrap();
    let clip = library.clip(record.clip.unwrap()).await.unwrap();
    assert_eq!(library.read(&clip.id, 1 << 30).await.unwrap(), bytes);
    let ours = clip.record.unwrap().reelkin.unwrap();
    assert!(ours.warnings.unwrap()[0].starts_with("accepted without verification"));
    assert_eq!(library.quarantined().await.unwrap(), []);
    let left = StorePath::from("team/quarantine");
    let left = store.inner.list_with_delimiter(Some(&left)).await.unwrap();
    assert_eq!(left.objects, []);

    // The next attempt of this one succeeds.
    client.generate(request()).await.unwrap_err();
    assert_eq!(library.quarantined().await.unwrap().len(), 1);
    bench.sandbox.clear_faults();
    assert_eq!(client.recover().await.unwrap().saved.len(), 1);
    assert_eq!(library.quarantined().await.unwrap(), []);
}

/// An invalid job id, or the id of the job of another request, changes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_id_given_in_a_settlement_is_checked() {
    let bench = Bench::start(&[]).await;
    let client = bench.client();
    let saved = client.generate(request()).await.unwrap();
    let saved_job = saved.record.unwrap().reelkin.unwrap().job_id.unwrap();
    bench.sandbox.add_fault("download:reset,times=2".parse().unwrap());
    client.generate(request()).await.unwrap_err();
    bench.sandbox.clear_faults();
    bench
        .sandbox
        .add_fault("failed=internal_error,times=1".parse().unwrap());
    let failed = client.generate(request()).await.unwrap_err();
    bench.sandbox.clear_faults();
    bench
        .sandbox
        .add_fault("create:lost-reply,times=1".parse().unwrap());
    let error = client.generate(request()).await.unwrap_err();
    let id = error.record_id().unwrap();
    let library = client.library();
    let open = library.jobs().await.unwrap();
    let other = open.iter().find(|record| record.id != id).unwrap();
    let before = open_records(&bench.library())
        .iter()
        .map(|path| fs::read(path).unwrap())
        .collect::<Vec<_>>();
    let long = "x".repeat(201);
    for (job, words) in [
        ("", "parse job id: it is not valid"),
        ("../x", "parse job id: it is not valid"),
        ("a b", "parse job id: it is not valid"),
        ("a\n", "parse job id: it is not valid"),
        ("..", "parse job id: it is not valid"),
        (&long, "parse job id: it is not valid"),
        (&saved_job, "the clip "),
        (other.job_id.as_deref().unwrap(), "the open record "),
        (failed.job_id().unwrap(), "the settled record "),
    ] {
        let error = library
            .settle(id, Settlement::Job(job.to_owned()))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{job:?}: {error}");
        assert!(error.to_string().contains(words), "{job:?}: {error}");
        assert_eq!(error.to_string().lines().count(), 1);
    }
    let after = open_records(&bench.library())
        .iter()
        .map(|path| fs::read(path).unwrap())
        .collect::<Vec<_>>();
    assert_eq!(before, after);
    let job = bench.state().jobs.last().unwrap().id.clone();
    library.settle(id, Settlement::Job(job)).await.unwrap();
    assert_eq!(client.recover().await.unwrap().saved.len(), 2);
}

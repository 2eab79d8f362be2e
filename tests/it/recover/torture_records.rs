//! A journal with damaged records, records of any time, or many records, and the leftovers of crashes.

#![cfg(feature = "cli")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use object_store::ObjectStoreExt as _;
use object_store::path::Path as StorePath;
use reelkin::library::Library;
use reelkin::sandbox::Sandbox;
use reelkin::{ErrorKind, GenerateRequest, JobRecord, JobState, Settlement, secs};
use serde_json::{Value, json};

use crate::support::audit::{JournalFiles, closing_audit, recover};
use crate::support::bench::{Bench, PENDING, ms, polls_until, wait_until};
use crate::support::counting_store::CountingStore;
use crate::support::library::at;
use crate::support::program::Program;

/// Returns a library with paid jobs that nobody waits for, and no saved clip.
pub(crate) async fn interrupted(jobs: usize) -> (Bench, Vec<JobRecord>) {
    let sandbox = Sandbox::builder().min_job_duration(Duration::from_millis(100));
    let bench = Bench::with(sandbox, &["render-size=64x64", PENDING]).await;
    let policy = polls_until(ms(100));
    let client = bench.builder().poll(policy).build().unwrap();
    let given_up = join_all((0..jobs).map(|job| {
        let request = GenerateRequest::text(format!("interrupted {job}")).duration(secs(1));
        client.generate(request).into_future()
    }));
    for ended in given_up.await {
        assert_eq!(ended.unwrap_err().kind(), ErrorKind::Timeout);
    }
    bench.end_pending();
    let mut records: Vec<_> = JournalFiles::read(&bench.library()).open.into_values().collect();
    records.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(records.len(), jobs);
    (bench, records)
}

/// Returns the file of an open record.
pub(crate) fn file_of(library: &Path, record: &str) -> PathBuf {
    let entries = fs::read_dir(library.join("jobs")).unwrap();
    let mut paths = entries.map(|entry| entry.unwrap().path());
    let of = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(record);
    paths.find(of).unwrap()
}

/// Moves a record from the ledger back to the open ones, as it was before its last step.
pub(crate) fn reopen(library: &Path, record: &str) {
    let mut found = Vec::new();
    crate::support::audit::collect_files(&library.join("ledger"), &mut found);
    let of = |path: &&PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(record);
    let settled = found.iter().find(of).unwrap();
    let mut json: Value = serde_json::from_slice(&fs::read(settled).unwrap()).unwrap();
    json["state"] = json!("done");
    fs::write(library.join(format!("jobs/{record}.100.json")), json.to_string()).unwrap();
    fs::remove_file(settled).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_record_does_not_block_other_jobs() {
    let (bench, records) = interrupted(8).await;
    let library = bench.library();
    let whole = fs::read(file_of(&library, &records[0].id)).unwrap();
    let mut foreign: Value = serde_json::from_slice(&whole).unwrap();
    foreign["schema"] = json!(99);
    let damages: [&[u8]; 6] = [
        b"",
        &whole[..whole.len() / 2],
        b"[1, 2, 3]",
        foreign.to_string().as_bytes(),
        // A whole record of another job.
        &whole,
        &b" ".repeat(9 << 20),
    ]
    .map(|damage: &[u8]| &*damage.to_vec().leak());
    // The oldest records are damaged, so that stopping at the first one would find nothing.
    let mut damaged = Vec::new();
    for (record, damage) in records[1..7].iter().zip(damages) {
        let path = file_of(&library, &record.id);
        fs::write(&path, damage).unwrap();
        damaged.push((record.id.clone(), path, damage));
    }
    // A folder where a record should be.
    let folder = library.join("jobs/1763829999123_a1b2c3d4.7000.json");
    fs::create_dir(&folder).unwrap();

    let client = bench.client();
    let spent = client.spent(..).await.unwrap();
    assert_eq!(spent.requests, 9, "money is in the names");
    assert_eq!(client.library().jobs().await.unwrap().len(), 2);
    let stuck = client.library().stuck_jobs().await.unwrap();
    assert_eq!(stuck.len(), 7);

    let recovered = client.recover().await.unwrap();
    assert_eq!(
        (recovered.saved.len(), recovered.stuck.len()),
        (2, 7),
        "{recovered:?}"
    );
    let mut told: Vec<_> = recovered
        .stuck
        .iter()
        .map(|stuck| stuck.record_id.as_str())
        .collect();
    told.sort_unstable();
    let mut expected: Vec<_> = damaged.iter().map(|(id, ..)| id.as_str()).collect();
    expected.push("1763829999123_a1b2c3d4");
    expected.sort_unstable();
    assert_eq!(told, expected);
    for stuck in &recovered.stuck {
        assert_eq!(stuck.error.kind(), ErrorKind::Library);
        let line = stuck.error.to_string();
        assert!(
            line.contains(stuck.record_id.as_str()) && !line.contains("interrupted"),
            "{line}"
        );
        let refused = client
            .library()
            .settle(&stuck.record_id, Settlement::NeverMade)
            .await;
        assert!(refused.is_err());
    }
    // Damaged records are evidence, and stay unchanged.
    for (id, path, damage) in &damaged {
        assert!(fs::read(path).unwrap() == *damage, "{id} was changed");
    }
    // The job of a damaged record can still be picked up by its id.
    let id = records[2].job_id.as_deref().unwrap();
    client.job(id).unwrap().wait().await.unwrap();

    let listed = Program::at(&bench).args(["ls", "--open", "--json"]).run().await;
    assert_eq!(listed.json()["stuck"].as_array().unwrap().len(), 7, "{listed:?}");
    let ran = Program::at(&bench).args(["recover", "--json"]).run().await;
    assert_eq!(
        (ran.code, ran.json()["stuck"].as_array().unwrap().len()),
        (1, 7),
        "{ran:?}"
    );
    let ran = Program::at(&bench).args(["recover"]).run().await;
    assert!(ran.stdout.contains("stuck: read"), "{ran:?}");
    assert_eq!(bench.state().creates, 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_with_any_timestamp_are_recovered_and_counted() {
    // A clock that was never set, one far behind, one ahead, and the last day with a four-digit year.
    let times = ["0000000005", "0631152000000", "4107542400000", "253402214400000"];
    let days = ["1970-01-01", "1990-01-01", "2100-03-01", "9999-12-31"];
    let (bench, records) = interrupted(times.len()).await;
    let library = bench.library();
    for (number, (record, time)) in records.iter().zip(times).enumerate() {
        let path = file_of(&library, &record.id);
        let text = fs::read_to_string(&path).unwrap();
        let id = format!("{time}_0000000{number}");
        let (clip, digits) = (record.clip.as_ref().unwrap(), record.clip.as_ref().unwrap());
        let digits = digits.split_once('_').unwrap().1;
        let text = text
            .replace(record.id.as_str(), &id)
            .replace(clip.as_str(), &format!("{time}_{digits}"));
        let text = text.replace(
            &format!("\"created_at\": {}", record.created_at.as_millis()),
            &format!("\"created_at\": {}", time.parse::<u64>().unwrap()),
        );
        let name = path
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .replace(record.id.as_str(), &id);
        fs::write(library.join("jobs").join(name), text).unwrap();
        fs::remove_file(path).unwrap();
    }
    let client = bench.client();
    let before = client.spent(..).await.unwrap();
    assert_eq!(before.requests, 4);
    recover(&client).await;
    for day in days {
        assert_eq!(
            fs::read_dir(library.join("ledger").join(day))
                .unwrap()
                .flatten()
                .filter(|entry| { entry.path().extension().is_some_and(|ending| ending == "json") })
                .count(),
            1,
            "{day}"
        );
    }
    let spent = client.spent(..).await.unwrap();
    assert_eq!((spent.requests, spent.reserved.ticks()), (4, 0));
    for (time, day) in times.iter().zip(days) {
        let time = at(time.parse().unwrap());
        assert_eq!(client.spent(time..=time).await.unwrap().requests, 1, "{day}");
    }
    drop(client);
    let counts = closing_audit(Library::open(&library).unwrap(), &bench.state()).await;
    assert_eq!(counts.saved, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_removes_leftovers_of_crashes() {
    let (bench, records) = interrupted(2).await;
    let library = bench.library();
    recover(&bench.client()).await;
    let day = fs::read_dir(library.join("ledger"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    fs::create_dir_all(library.join("chains")).unwrap();
    fs::create_dir_all(library.join("jobs/owners")).unwrap();
    // Partial records, and the leases of killed processes.
    let halves = [
        &library.join("jobs"),
        &library.join("chains"),
        &day,
        &library.join(".incoming"),
    ];
    for folder in halves {
        fs::write(
            folder.join(".1763829999123_a1b2c3d4.7.json.0a1b2c3d.part"),
            b"{\"sch",
        )
        .unwrap();
    }
    for dead in 0..50 {
        fs::write(library.join(format!("jobs/owners/{dead:016x}.lock")), b"").unwrap();
    }
    let reopened = Library::open(&library).unwrap();
    assert_eq!(reopened.sweep(secs(3600)).await.unwrap(), 0, "they are young");
    assert_eq!(reopened.sweep(Duration::ZERO).await.unwrap(), 4);
    let client = bench.client();
    // It has work, so it holds a lease, which must not be removed.
    reopen(&library, &records[0].id);
    let recovered = client.recover().await.unwrap();
    assert_eq!(recovered.saved.len(), 1, "{recovered:?}");
    let owners = || fs::read_dir(library.join("jobs/owners")).unwrap().count();
    assert_eq!(owners(), 1);
    drop(client);
    drop(reopened);
    // Background work may hold the client for a moment.
    wait_until(|| format!("{} leases", owners()), async || owners() == 0).await;
    assert_eq!(owners(), 0, "a client that ends takes its lease along");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recovery_reads_the_journal_once_for_any_number_of_records() {
    let (bench, records) = interrupted(1).await;
    let text = fs::read_to_string(file_of(&bench.library(), &records[0].id)).unwrap();
    let mut lists = Vec::new();
    for open in [10, 80] {
        let store = Arc::new(CountingStore::default());
        for number in 0..open {
            // Jobs that the service does not know.
            let id = format!("1763829999{number:03}_a1b2c3d4");
            let job = format!("00000000-0000-4000-8000-{number:012}");
            let mut json: Value = serde_json::from_str(&text).unwrap();
            (json["id"], json["job_id"], json["clip"]) = (json!(id), json!(job), json!(id));
            let at = StorePath::from(format!("jobs/{id}.7000.json"));
            store.inner.put(&at, json.to_string().into()).await.unwrap();
        }
        let library = Library::on_store(Arc::clone(&store) as _, "").unwrap();
        let client = bench.builder().library_at(library).build().unwrap();
        store.lists.store(0, Ordering::Relaxed);
        let recovered = client.recover().await.unwrap();
        assert_eq!(recovered.open.len(), open, "{:?}", recovered.failed);
        let is_open = |record: &reelkin::JobRecord| record.state == JobState::Accepted;
        assert!(recovered.open.iter().all(is_open));
        lists.push(store.lists.load(Ordering::Relaxed));
    }
    assert_eq!(lists[0], lists[1], "more is open, and more is listed");
}

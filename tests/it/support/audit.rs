//! Checks the promises against the content of a library and the state of the server.
//!
//! Each job is in the journal once, each clip is whole, and the money adds up. Used after every kind of torture.

#![cfg(feature = "cli")]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use reelkin::library::{Condition, Library};
use reelkin::media::{MediaOptions, MediaSource, check_whole};
use reelkin::sandbox::{SandboxJob, SandboxState};
use reelkin::{JobRecord, JobState, Settlement, UsdTicks, VideoClient};
use serde_json::Value;

use crate::support::bench::MAX_WAIT;

/// The records of a journal, read as files, independently of the code under test.
#[derive(Debug, Default)]
pub(crate) struct JournalFiles {
    /// Open records by their ids. A record in both places, as a crash may leave it, counts as settled.
    pub(crate) open: HashMap<String, JobRecord>,
    pub(crate) settled: HashMap<String, JobRecord>,
    /// Number of records that are in both places.
    pub(crate) moved: usize,
}

/// Adds every file below a folder to `all`.
pub(crate) fn collect_files(folder: &Path, all: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let Ok(entry) = entry else { continue };
        // A running process may remove it meanwhile.
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => collect_files(&entry.path(), all),
            Ok(_) => all.push(entry.path()),
            Err(_) => {}
        }
    }
}

/// Returns the extension of a file, or an empty string.
pub(crate) fn extension(path: &Path) -> &str {
    path.extension()
        .and_then(|ending| ending.to_str())
        .unwrap_or_default()
}

/// Reads the records below a folder, by their ids.
fn records(folder: &Path, flat: bool) -> HashMap<String, JobRecord> {
    let mut found = Vec::new();
    collect_files(folder, &mut found);
    let mut records = HashMap::new();
    for path in found {
        let name = path.file_name().unwrap().to_str().unwrap();
        if extension(&path) != "json" || name.starts_with('.') || (flat && path.parent() != Some(folder)) {
            continue;
        }
        let Ok(json) = fs::read(&path) else { continue };
        let id = name.split('.').next().unwrap();
        let record = JobRecord::from_json(id, &json).unwrap_or_else(|error| panic!("{name}: {error}"));
        let twice = records.insert(id.to_owned(), record);
        assert!(twice.is_none(), "two entries of {id} in {}", folder.display());
    }
    records
}

impl JournalFiles {
    pub(crate) fn read(library: &Path) -> Self {
        // Open records first: one that is moved meanwhile is seen twice instead of not at all.
        let mut open = records(&library.join("jobs"), true);
        let settled = records(&library.join("ledger"), false);
        let before = open.len();
        open.retain(|id, _| !settled.contains_key(id));
        Self {
            moved: before - open.len(),
            open,
            settled,
        }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &JobRecord> {
        self.open.values().chain(self.settled.values())
    }

    /// Returns the records that may belong to a job of the server.
    pub(crate) fn of_job(&self, job: &SandboxJob) -> Vec<&JobRecord> {
        self.all()
            .filter(|record| match &record.job_id {
                Some(id) => *id == *job.id,
                None => {
                    record.prompt.as_ref() == Some(&job.prompt)
                        && matches!(record.state, JobState::Intended | JobState::Unknown)
                }
            })
            .collect()
    }
}

/// Returns the sidecars by job id. Every clip must be whole. Its sidecar may be missing.
fn clips(library: &Path) -> HashMap<String, Value> {
    let mut by_job = HashMap::new();
    for entry in fs::read_dir(library).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "mp4") {
            continue;
        }
        let whole = check_whole(MediaSource::from(path.clone()), &MediaOptions::default());
        assert!(whole.is_ok(), "{}: {}", path.display(), whole.unwrap_err());
        let Ok(sidecar) = fs::read(path.with_extension("mp4.json")) else {
            continue;
        };
        let sidecar: Value = serde_json::from_slice(&sidecar).expect("a whole sidecar");
        let size = fs::metadata(&path).unwrap().len();
        assert_eq!(sidecar["reelkin"]["bytes"], size, "{}", path.display());
        let job = sidecar["reelkin"]["job_id"].as_str().unwrap().to_owned();
        let twice = by_job.insert(job.clone(), sidecar);
        assert!(twice.is_none(), "job {job} was saved twice");
    }
    by_job
}

/// The states of the jobs of a server, according to the journal.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) saved: usize,
    pub(crate) failed: usize,
    pub(crate) unknown: usize,
    pub(crate) open: usize,
}

/// Checks what holds at any time, however the last process ended. `state` is from before the library is read.
pub(crate) fn audit(library: &Path, state: &SandboxState) -> Counts {
    // A create of a killed process may arrive between the reads of the two numbers.
    assert!(state.creates <= state.jobs.len() as u64, "the server forgot jobs");
    let mut prompts = HashMap::new();
    for job in &state.jobs {
        let twice = prompts.insert(&job.prompt, &job.id);
        assert!(twice.is_none(), "created twice: {:?}", job.prompt);
    }
    let (books, clips) = (JournalFiles::read(library), clips(library));
    let mut counts = Counts::default();
    for job in &state.jobs {
        let found = books.of_job(job);
        let [record] = found.as_slice() else {
            panic!("job {} has {} records: {found:#?}", job.id, found.len());
        };
        match record.state {
            JobState::Saved => {
                let clip = clips.get(&job.id);
                let clip = clip.unwrap_or_else(|| panic!("job {} is saved and not there", job.id));
                assert_eq!(
                    clip["reelkin"]["cost_usd_ticks"], job.cost_in_usd_ticks,
                    "{}",
                    job.id
                );
                let cost = record.cost.map(UsdTicks::ticks);
                assert_eq!(cost, Some(job.cost_in_usd_ticks), "{record:?}");
                counts.saved += 1;
            }
            JobState::Failed | JobState::Settled => {
                // A job that the server finished or still works on must stay open until its clip is saved.
                let is_over = ["failed", "expired", "moderated"].contains(&job.state.as_str());
                assert!(is_over, "the server says {:?}: {record:#?}", job.state);
                assert!(!clips.contains_key(&job.id), "{record:?}");
                counts.failed += 1;
            }
            JobState::Intended | JobState::Unknown => counts.unknown += 1,
            _ => counts.open += 1,
        }
    }
    counts
}

/// Settles every create without a known reply with what the server knows, as a person would.
pub(crate) async fn settle(library: &Library, state: &SandboxState) -> usize {
    let mut settled = 0;
    for record in library.jobs().await.unwrap() {
        assert_eq!(record.state, JobState::Unknown, "{record:?}");
        let job = state
            .jobs
            .iter()
            .find(|job| Some(&job.prompt) == record.prompt.as_ref());
        let settlement = match job {
            Some(job) => Settlement::Job(job.id.clone()),
            None => Settlement::NeverMade,
        };
        library.settle(&record.id, settlement).await.unwrap();
        settled += 1;
    }
    settled
}

/// Recovers until only records for manual settlement are open.
pub(crate) async fn recover(client: &VideoClient) {
    let started = Instant::now();
    while started.elapsed() < MAX_WAIT {
        let recovered = client.recover().await.unwrap();
        assert!(recovered.stuck.is_empty(), "{:?}", recovered.stuck);
        if recovered.open.is_empty() && recovered.held_by_others.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("still open: {:?}", client.library().jobs().await);
}

/// Checks what holds once everything was recovered and settled: the library has every clip that the server made,
/// the ledger has its cost, and no other files are left. `library` must be the only open handle.
pub(crate) async fn closing_audit(library: Library, state: &SandboxState) -> Counts {
    let root = library.folder().unwrap().to_owned();
    let counts = audit(&root, state);
    assert_eq!((counts.open, counts.unknown), (0, 0), "{counts:?}");
    let books = JournalFiles::read(&root);
    assert_eq!((books.open.len(), books.moved), (0, 0), "{:#?}", books.open);

    let verdicts: Vec<_> = library.verify().collect().await;
    for verdict in verdicts {
        let verdict = verdict.unwrap();
        assert_eq!(verdict.condition, Condition::Intact, "{verdict:?}");
    }
    // Compares the sums from the file names with the records and the server.
    let spent = library.spent(..).await.unwrap();
    let asked: u64 = books
        .settled
        .values()
        .filter(|record| record.cost.is_some())
        .map(|record| record.query_cost.unwrap_or_default().ticks())
        .sum();
    let of_jobs: u64 = state.jobs.iter().map(|job| job.cost_in_usd_ticks).sum();
    assert_eq!(spent.requests, books.settled.len() as u64);
    assert_eq!(spent.reserved.ticks(), 0, "{spent:?}");
    let known_failures = books
        .settled
        .values()
        .any(|record| record.state == JobState::Failed && record.cost.is_none());
    // A request that a person settled as never made keeps the cost of its question in the ledger, if it was recorded
    // before the process died.
    let perhaps: u64 = books
        .settled
        .values()
        .filter(|record| record.cost.is_none() && record.state == JobState::Settled)
        .map(|record| record.query_cost.unwrap_or_default().ticks())
        .sum();
    if !known_failures {
        let least = of_jobs + asked;
        assert!(
            (least..=least + perhaps).contains(&spent.paid.ticks()),
            "{spent:?}"
        );
    }

    library.sweep(Duration::ZERO).await.unwrap();
    drop(library);
    let mut left = Vec::new();
    collect_files(&root, &mut left);
    for path in left {
        let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
        let (folder, file) = name.rsplit_once('/').unwrap_or(("", name));
        let fits = match (folder, extension(&path)) {
            (_, "") if file == ".lock" => {
                folder == "jobs" || folder == "chains" || folder.starts_with("ledger/")
            }
            (".index", "") => ["names", "changes", "kin"].contains(&file),
            ("", "mp4") | ("chains", "json" | "lock") => true,
            ("", "json") => path.with_extension("").is_file(),
            (day, "json") => day.starts_with("ledger/"),
            _ => false,
        };
        assert!(fits, "left behind: {name}");
    }
    counts
}

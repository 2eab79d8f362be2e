//! The promises as a check over what lies in a library and what the server knows: each job is in the journal
//! once, each clip is whole, and the money adds up. Used after every kind of torture.

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

use crate::support::bench::PATIENCE;

/// Random choices that a seed repeats (`SplitMix64`).
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }
}

/// A number that a longer run by hand sets.
pub(crate) fn told(variable: &str, usual: u64) -> u64 {
    let told = std::env::var_os(variable).map(|text| text.into_string().unwrap());
    told.map_or(usual, |text| {
        text.parse().unwrap_or_else(|_| panic!("{variable}: {text}"))
    })
}

/// The records of a journal, read as files: what the library makes of them is what is tested.
#[derive(Debug, Default)]
pub(crate) struct Books {
    /// By their ids. In both places, as a crash may leave it, is settled.
    pub(crate) open: HashMap<String, JobRecord>,
    pub(crate) settled: HashMap<String, JobRecord>,
    /// Ids that are in both.
    pub(crate) moved: usize,
}

pub(crate) fn files(folder: &Path, all: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let Ok(entry) = entry else { continue };
        // Whoever is at work may remove it in this instant.
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files(&entry.path(), all),
            Ok(_) => all.push(entry.path()),
            Err(_) => {}
        }
    }
}

pub(crate) fn ending(path: &Path) -> &str {
    path.extension()
        .and_then(|ending| ending.to_str())
        .unwrap_or_default()
}

fn records(folder: &Path, flat: bool) -> HashMap<String, JobRecord> {
    let mut found = Vec::new();
    files(folder, &mut found);
    let mut records = HashMap::new();
    for path in found {
        let name = path.file_name().unwrap().to_str().unwrap();
        if ending(&path) != "json" || name.starts_with('.') || (flat && path.parent() != Some(folder)) {
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

impl Books {
    pub(crate) fn read(library: &Path) -> Self {
        // Open ones first: one that is moved meanwhile is seen twice and not missed.
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

    /// The records that may be those of a job of the server.
    pub(crate) fn of_job(&self, job: &SandboxJob) -> Vec<&JobRecord> {
        self.all()
            .filter(|record| match &record.job_id {
                Some(id) => *id == job.id,
                None => {
                    record.prompt.as_ref() == Some(&job.prompt)
                        && matches!(record.state, JobState::Intended | JobState::Unknown)
                }
            })
            .collect()
    }
}

/// Sidecars by the job that their clip is of. A clip is whole, with its sidecar or not yet.
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

/// What the books say of the jobs of a server.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) saved: usize,
    pub(crate) failed: usize,
    pub(crate) unknown: usize,
    pub(crate) open: usize,
}

/// Holds at any time, however the last process ended. `state` is from before the library is read.
pub(crate) fn audit(library: &Path, state: &SandboxState) -> Counts {
    // A create of a killed process may arrive between the reads of the two numbers.
    assert!(state.creates <= state.jobs.len() as u64, "the server forgot jobs");
    let mut prompts = HashMap::new();
    for job in &state.jobs {
        let twice = prompts.insert(&job.prompt, &job.id);
        assert!(twice.is_none(), "created twice: {:?}", job.prompt);
    }
    let (books, clips) = (Books::read(library), clips(library));
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

/// Tells of every create without a known answer what the server knows, as a person would.
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

/// Recovers until nothing is open but what a person has to settle.
pub(crate) async fn recover(client: &VideoClient) {
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        let recovered = client.recover().await.unwrap();
        assert!(recovered.stuck.is_empty(), "{:?}", recovered.stuck);
        if recovered.open.is_empty() && recovered.elsewhere.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("still open: {:?}", client.library().jobs().await);
}

/// Holds when everything was recovered and settled: all that the server made and did not fail is here, what it
/// cost is in the ledger, and nothing else lies around. `library` is the only one that has it open.
pub(crate) async fn closing_audit(library: Library, state: &SandboxState) -> Counts {
    let root = library.folder().unwrap().to_owned();
    let counts = audit(&root, state);
    assert_eq!((counts.open, counts.unknown), (0, 0), "{counts:?}");
    let books = Books::read(&root);
    assert_eq!((books.open.len(), books.moved), (0, 0), "{:#?}", books.open);

    let verdicts: Vec<_> = library.verify().collect().await;
    for verdict in verdicts {
        let verdict = verdict.unwrap();
        assert_eq!(verdict.condition, Condition::Intact, "{verdict:?}");
    }
    // Sums of names, against the records and the server.
    let spent = library.spent(..).await.unwrap();
    let asked: u64 = books
        .settled
        .values()
        .filter(|record| record.cost.is_some())
        .map(|record| record.questions.unwrap_or_default().ticks())
        .sum();
    let of_jobs: u64 = state.jobs.iter().map(|job| job.cost_in_usd_ticks).sum();
    assert_eq!(spent.requests, books.settled.len() as u64);
    assert_eq!(spent.reserved.ticks(), 0, "{spent:?}");
    let known_failures = books
        .settled
        .values()
        .any(|record| record.state == JobState::Failed && record.cost.is_none());
    // Of a request that a person settled as never made the ledger has what its question cost, when that was told
    // before the process died.
    let perhaps: u64 = books
        .settled
        .values()
        .filter(|record| record.cost.is_none() && record.state == JobState::Settled)
        .map(|record| record.questions.unwrap_or_default().ticks())
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
    files(&root, &mut left);
    for path in left {
        let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
        let (folder, file) = name.rsplit_once('/').unwrap_or(("", name));
        let fits = match (folder, ending(&path)) {
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

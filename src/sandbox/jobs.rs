//! The jobs and how far each is.
//!
//! Owns the table of jobs and the links to their clips. Knows nothing of HTTP and renders nothing.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;
use uuid::Uuid;

use super::blob::Blob;
use super::faults::FaultKind;
use super::rules::Model;

/// One job.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) id: Uuid,
    pub(super) model: Model,
    pub(super) mode: &'static str,
    pub(super) prompt: String,
    pub(super) created_at: i64,
    pub(super) started: Instant,
    pub(super) takes: Duration,
    pub(super) request: Value,
    /// The clip went to the caller's own bucket: no link is given.
    pub(super) uploaded: bool,
    pub(super) outcome: Vec<FaultKind>,
    pub(super) phase: Phase,
    pub(super) polls: u64,
    pub(super) downloads: u64,
    pub(super) ticks: u64,
    pub(super) link: Option<String>,
}

/// How far the work on a job is.
#[derive(Debug, Clone)]
pub(super) enum Phase {
    Working,
    Ready(Ready),
    Failed { code: String, message: String },
}

/// A finished clip.
#[derive(Debug, Clone)]
pub(super) struct Ready {
    pub(super) clip: Blob,
    pub(super) millis: u64,
    pub(super) file_output: Option<Value>,
    pub(super) storage_error: Option<String>,
}

/// What a poll sees.
#[derive(Debug, Clone)]
pub(super) enum View {
    Pending { progress: u32 },
    Done(Ready),
    Failed { code: String, message: String },
}

impl Job {
    pub(super) fn view(&self) -> View {
        let passed = self.started.elapsed();
        if self.outcome.contains(&FaultKind::Stalled) {
            let share = (passed.as_secs_f64() / self.takes.as_secs_f64().max(0.001)).min(1.0);
            return View::Pending {
                progress: (share * 37.0) as u32,
            };
        }
        if passed < self.takes {
            let share = passed.as_secs_f64() / self.takes.as_secs_f64();
            return View::Pending {
                progress: ((share * 100.0) as u32).min(99),
            };
        }
        match &self.phase {
            Phase::Working => View::Pending { progress: 99 },
            Phase::Ready(ready) => View::Done(ready.clone()),
            Phase::Failed { code, message } => View::Failed {
                code: code.clone(),
                message: message.clone(),
            },
        }
    }

    pub(super) fn state_word(&self) -> &'static str {
        match self.view() {
            View::Pending { .. } => "pending",
            View::Failed { .. } => "failed",
            View::Done(_) => {
                let ends = |kind: &FaultKind| match kind {
                    FaultKind::Expired => Some("expired"),
                    FaultKind::Failed(_) => Some("failed"),
                    FaultKind::Moderated(_) => Some("moderated"),
                    _ => None,
                };
                self.outcome.iter().find_map(ends).unwrap_or("done")
            }
        }
    }
}

/// A link to a clip.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) job: Uuid,
    pub(super) signature: String,
    pub(super) born: Instant,
    /// Set when a fault ended it early.
    pub(super) over: Option<u16>,
}

#[derive(Debug, Default)]
struct Table {
    jobs: HashMap<Uuid, Job>,
    order: VecDeque<Uuid>,
    links: HashMap<String, Link>,
}

/// All jobs of a sandbox.
#[derive(Debug)]
pub(super) struct Jobs {
    table: Mutex<Table>,
    most: usize,
    most_bytes: u64,
}

impl Jobs {
    /// Keeps at most `most` jobs and `most_bytes` of clips; the oldest finished ones go first.
    pub(super) fn new(most: usize, most_bytes: u64) -> Self {
        Self {
            table: Mutex::default(),
            most,
            most_bytes,
        }
    }

    pub(super) fn add(&self, job: Job) {
        let mut table = self.lock();
        table.order.push_back(job.id);
        table.jobs.insert(job.id, job);
        self.evict(&mut table);
    }

    /// Looks at or changes one job.
    pub(super) fn with<T>(&self, id: Uuid, action: impl FnOnce(&mut Job) -> T) -> Option<T> {
        self.lock().jobs.get_mut(&id).map(action)
    }

    /// Looks at every job, oldest first.
    pub(super) fn map<T>(&self, mut action: impl FnMut(&Job) -> T) -> Vec<T> {
        let table = self.lock();
        table
            .order
            .iter()
            .filter_map(|id| table.jobs.get(id))
            .map(&mut action)
            .collect()
    }

    /// How many are being worked on or wait for it.
    pub(super) fn working(&self) -> usize {
        self.lock()
            .jobs
            .values()
            .filter(|job| matches!(job.phase, Phase::Working))
            .count()
    }

    pub(super) fn finish(&self, id: Uuid, phase: Phase) {
        let mut table = self.lock();
        if let Some(job) = table.jobs.get_mut(&id) {
            job.phase = phase;
        }
        self.evict(&mut table);
    }

    /// The name and signature under which a job's clip can be had now: the same until it is over.
    pub(super) fn link(&self, id: Uuid, lifetime: Duration) -> Option<(String, String)> {
        let mut table = self.lock();
        let known = table.jobs.get(&id)?.link.clone();
        if let Some(name) = known
            && let Some(link) = table.links.get(&name)
            && link.over.is_none()
            && link.born.elapsed() < lifetime
        {
            return Some((name, link.signature.clone()));
        }
        // Not the job's id: the service's file names are unrelated to it.
        let name = format!("xai-video-{}.mp4", Uuid::new_v4());
        let signature = Uuid::new_v4().simple().to_string();
        let link = Link {
            job: id,
            signature: signature.clone(),
            born: Instant::now(),
            over: None,
        };
        table.links.insert(name.clone(), link);
        if let Some(job) = table.jobs.get_mut(&id) {
            job.link = Some(name.clone());
        }
        Some((name, signature))
    }

    pub(super) fn find_link(&self, name: &str) -> Option<Link> {
        self.lock().links.get(name).cloned()
    }

    pub(super) fn end_link(&self, name: &str, status: u16) {
        if let Some(link) = self.lock().links.get_mut(name) {
            link.over = Some(status);
        }
    }

    /// Ends every link that was given.
    pub(super) fn end_links(&self, status: u16) {
        for link in self.lock().links.values_mut() {
            link.over.get_or_insert(status);
        }
    }

    fn evict(&self, table: &mut Table) {
        let bytes = |job: &Job| match &job.phase {
            Phase::Ready(ready) => ready.clip.stored(),
            _ => 0,
        };
        let mut held: u64 = if table.order.len().is_multiple_of(64) || table.jobs.len() > self.most {
            table.jobs.values().map(bytes).sum()
        } else {
            return;
        };
        let mut place = 0;
        while (table.jobs.len() > self.most || held > self.most_bytes) && place < table.order.len() {
            let id = table.order[place];
            match table.jobs.get(&id) {
                Some(job) if matches!(job.phase, Phase::Working) => place += 1,
                Some(job) => {
                    held = held.saturating_sub(bytes(job));
                    table.jobs.remove(&id);
                    table.order.remove(place);
                    table.links.retain(|_, link| link.job != id);
                }
                None => {
                    table.order.remove(place);
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

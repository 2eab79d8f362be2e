//! The jobs, their progress, and the links to their clips.
//!
//! Owns the table and its limits. Knows nothing of HTTP and renders nothing.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;
use uuid::Uuid;

use super::blob::Blob;
use crate::sandbox::faults::FaultKind;
use crate::sandbox::rules::video_model::VideoModel;

/// Maximum size of all clips together.
const MAX_CLIP_BYTES: u64 = 4 << 30;

/// The path of all clips, before their names.
pub(crate) const CLIP_PATH: &str = "/vidgen/xai-vidgen-bucket/";

/// A job.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: Uuid,
    pub(crate) model: VideoModel,
    pub(crate) mode: &'static str,
    pub(crate) prompt: String,
    pub(crate) created_at: i64,
    pub(crate) started: Instant,
    /// The minimum time until the job ends.
    pub(crate) duration: Duration,
    pub(crate) request: Value,
    /// The clip is uploaded to the caller's bucket, and polls return no link.
    pub(crate) uploaded: bool,
    /// The faults that decide how the job ends.
    pub(crate) outcome: Vec<FaultKind>,
    /// The clip or the failure; `None` while the job is queued or running.
    pub(crate) result: Option<Result<FinishedClip, JobFailure>>,
    pub(crate) polls: u64,
    pub(crate) downloads: u64,
    pub(crate) ticks: u64,
    pub(crate) link: Option<String>,
}

/// A finished clip.
#[derive(Debug, Clone)]
pub(crate) struct FinishedClip {
    pub(crate) clip: Blob,
    pub(crate) millis: u64,
    pub(crate) file_output: Option<Value>,
    pub(crate) storage_error: Option<String>,
}

/// Why a job failed.
#[derive(Debug, Clone)]
pub(crate) struct JobFailure {
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl JobFailure {
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self {
            code: "invalid_argument",
            message: message.into(),
        }
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self {
            code: "internal_error",
            message: message.into(),
        }
    }
}

/// What a poll reports.
#[derive(Debug, Clone)]
pub(crate) enum JobStatus {
    Pending { progress: u32 },
    Done(FinishedClip),
    Failed(JobFailure),
}

impl Job {
    pub(crate) fn status(&self) -> JobStatus {
        let elapsed = self.started.elapsed();
        if self.outcome.contains(&FaultKind::Stalled) {
            let share = (elapsed.as_secs_f64() / self.duration.as_secs_f64().max(0.001)).min(1.0);
            return JobStatus::Pending {
                progress: (share * 37.0) as u32,
            };
        }
        if elapsed < self.duration {
            let share = elapsed.as_secs_f64() / self.duration.as_secs_f64();
            return JobStatus::Pending {
                progress: ((share * 100.0) as u32).min(99),
            };
        }
        match &self.result {
            None => JobStatus::Pending { progress: 99 },
            Some(Ok(finished)) => JobStatus::Done(finished.clone()),
            Some(Err(failure)) => JobStatus::Failed(failure.clone()),
        }
    }

    /// Returns the clip once it is rendered.
    pub(crate) fn clip(&self) -> Option<&Blob> {
        let finished = self.result.as_ref()?.as_ref().ok()?;
        Some(&finished.clip)
    }

    /// Returns the state that the sandbox shows.
    pub(crate) fn state_word(&self) -> &'static str {
        match self.status() {
            JobStatus::Pending { .. } => "pending",
            JobStatus::Failed(_) => "failed",
            JobStatus::Done(_) => {
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
pub(crate) struct Link {
    pub(crate) job: Uuid,
    pub(crate) signature: String,
    pub(crate) created: Instant,
    /// The status of a link that a fault expired.
    pub(crate) expired_with: Option<u16>,
}

impl Link {
    /// Returns the status with which a request is refused, if the link has expired or the signature is wrong.
    pub(crate) fn refusal(&self, signature: Option<&str>, lifetime: Duration) -> Option<u16> {
        if signature != Some(&self.signature) {
            return Some(403);
        }
        let is_over = self.created.elapsed() >= lifetime;
        self.expired_with.or(is_over.then_some(403))
    }
}

#[derive(Debug, Default)]
struct Table {
    jobs: HashMap<Uuid, Job>,
    order: VecDeque<Uuid>,
    links: HashMap<String, Link>,
}

/// All jobs of a sandbox.
#[derive(Debug)]
pub(crate) struct Jobs {
    table: Mutex<Table>,
    max_jobs: usize,
}

impl Jobs {
    /// Returns an empty table. Beyond `max_jobs` or [`MAX_CLIP_BYTES`], the oldest finished jobs are removed.
    pub(crate) fn new(max_jobs: usize) -> Self {
        Self {
            table: Mutex::default(),
            max_jobs,
        }
    }

    pub(crate) fn add(&self, job: Job) {
        let mut table = self.lock();
        table.order.push_back(job.id);
        table.jobs.insert(job.id, job);
        self.evict(&mut table);
    }

    /// Reads or changes a job.
    pub(crate) fn with<T>(&self, id: Uuid, action: impl FnOnce(&mut Job) -> T) -> Option<T> {
        self.lock().jobs.get_mut(&id).map(action)
    }

    /// Reads every job, oldest first.
    pub(crate) fn map<T>(&self, mut action: impl FnMut(&Job) -> T) -> Vec<T> {
        let table = self.lock();
        table
            .order
            .iter()
            .filter_map(|id| table.jobs.get(id))
            .map(&mut action)
            .collect()
    }

    /// Returns how many jobs are running or queued.
    pub(crate) fn count_working(&self) -> usize {
        self.lock()
            .jobs
            .values()
            .filter(|job| job.result.is_none())
            .count()
    }

    pub(crate) fn finish(&self, id: Uuid, result: Result<FinishedClip, JobFailure>) {
        let mut table = self.lock();
        if let Some(job) = table.jobs.get_mut(&id) {
            job.result = Some(result);
        }
        self.evict(&mut table);
    }

    /// Returns path and query of the link to a job's clip: the same until it expires, then a new one.
    pub(crate) fn link(&self, id: Uuid, lifetime: Duration) -> Option<String> {
        let mut table = self.lock();
        let known = table.jobs.get(&id)?.link.clone();
        if let Some(name) = known
            && let Some(link) = table.links.get(&name)
            && link.expired_with.is_none()
            && link.created.elapsed() < lifetime
        {
            return Some(format!("{CLIP_PATH}{name}?sig={}", link.signature));
        }
        // The service's file names are unrelated to the id of the job.
        let name = format!("xai-video-{}.mp4", Uuid::new_v4());
        let signature = Uuid::new_v4().simple().to_string();
        let link = Link {
            job: id,
            signature: signature.clone(),
            created: Instant::now(),
            expired_with: None,
        };
        table.links.insert(name.clone(), link);
        if let Some(job) = table.jobs.get_mut(&id) {
            job.link = Some(name.clone());
        }
        Some(format!("{CLIP_PATH}{name}?sig={signature}"))
    }

    pub(crate) fn find_link(&self, name: &str) -> Option<Link> {
        self.lock().links.get(name).cloned()
    }

    pub(crate) fn expire_link(&self, name: &str, status: u16) {
        if let Some(link) = self.lock().links.get_mut(name) {
            link.expired_with = Some(status);
        }
    }

    /// Expires every link that has been returned.
    pub(crate) fn expire_links(&self, status: u16) {
        for link in self.lock().links.values_mut() {
            link.expired_with.get_or_insert(status);
        }
    }

    /// Removes the oldest finished jobs until the limits hold. The bytes of the clips are checked at every 64th job.
    fn evict(&self, table: &mut Table) {
        let bytes = |job: &Job| job.clip().map_or(0, Blob::stored);
        let mut total: u64 = if table.order.len().is_multiple_of(64) || table.jobs.len() > self.max_jobs {
            table.jobs.values().map(bytes).sum()
        } else {
            return;
        };
        let mut at = 0;
        while (table.jobs.len() > self.max_jobs || total > MAX_CLIP_BYTES) && at < table.order.len() {
            let id = table.order[at];
            match table.jobs.get(&id) {
                Some(job) if job.result.is_none() => at += 1,
                Some(job) => {
                    total = total.saturating_sub(bytes(job));
                    table.jobs.remove(&id);
                    table.order.remove(at);
                    table.links.retain(|_, link| link.job != id);
                }
                None => {
                    table.order.remove(at);
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

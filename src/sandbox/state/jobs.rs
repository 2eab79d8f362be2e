//! The jobs, their progress, and the links to their clips.
//!
//! Owns the table and its limits. Knows nothing of HTTP and renders nothing.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;
use uuid::Uuid;

use super::blob::Blob;
use crate::sandbox::faults::FaultKind;
use crate::sandbox::rules::video_model::VideoModel;
use crate::sync::lock;

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

    /// Returns the size of the clip on disk, or 0 if there is no clip.
    fn clip_bytes(&self) -> u64 {
        self.clip().map_or(0, Blob::stored)
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
    /// The size of all clips together.
    clip_bytes: u64,
}

/// All jobs of a sandbox.
#[derive(Debug)]
pub(crate) struct Jobs {
    table: Mutex<Table>,
    max_kept: usize,
    max_clip_bytes: u64,
}

impl Jobs {
    /// Returns an empty table. Beyond `max_jobs` or [`MAX_CLIP_BYTES`], the oldest finished jobs are removed.
    pub(crate) fn new(max_jobs: usize) -> Self {
        Self {
            table: Mutex::default(),
            max_kept: max_jobs,
            max_clip_bytes: MAX_CLIP_BYTES,
        }
    }

    pub(crate) fn add(&self, job: Job) {
        let mut table = self.lock();
        table.clip_bytes += job.clip_bytes();
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
        let mut guard = self.lock();
        let table = &mut *guard;
        if let Some(job) = table.jobs.get_mut(&id) {
            table.clip_bytes -= job.clip_bytes();
            job.result = Some(result);
            table.clip_bytes += job.clip_bytes();
        }
        self.evict(table);
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

    /// Removes the oldest finished jobs until the limits hold.
    fn evict(&self, table: &mut Table) {
        let mut at = 0;
        while (table.jobs.len() > self.max_kept || table.clip_bytes > self.max_clip_bytes)
            && at < table.order.len()
        {
            let id = table.order[at];
            match table.jobs.get(&id) {
                Some(job) if job.result.is_none() => at += 1,
                Some(job) => {
                    table.clip_bytes -= job.clip_bytes();
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
        lock(&self.table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::state::blob::Scratch;

    fn running_job() -> Job {
        Job {
            id: Uuid::new_v4(),
            model: VideoModel::Classic,
            mode: "text-to-video",
            prompt: String::new(),
            created_at: 0,
            started: Instant::now(),
            duration: Duration::ZERO,
            request: Value::Null,
            uploaded: false,
            outcome: Vec::new(),
            result: None,
            polls: 0,
            downloads: 0,
            ticks: 0,
            link: None,
        }
    }

    #[test]
    fn the_oldest_clips_are_removed_as_soon_as_their_bytes_exceed_the_limit() {
        let scratch = Scratch::create().unwrap();
        let clip = |bytes: usize| {
            let file = scratch.new_file("mp4");
            std::fs::write(file.path(), vec![0_u8; bytes]).unwrap();
            FinishedClip {
                clip: Blob::new(file).unwrap(),
                millis: 0,
                file_output: None,
                storage_error: None,
            }
        };
        let jobs = Jobs {
            max_clip_bytes: 25,
            ..Jobs::new(100)
        };
        let ids = [10, 10, 5, 10, 30].map(|bytes| {
            let job = running_job();
            let id = job.id;
            jobs.add(job);
            (id, bytes)
        });
        let known = || jobs.map(|job| job.id);
        let all = ids.map(|(id, _)| id);
        for (step, kept) in [(0, 0), (1, 0), (2, 0), (3, 1), (4, 5)] {
            let (id, bytes) = ids[step];
            jobs.finish(id, Ok(clip(bytes)));
            assert_eq!(known(), all[kept..], "{step}");
        }
        assert_eq!(jobs.lock().clip_bytes, 0);
    }
}

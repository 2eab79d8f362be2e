//! The state of a sandbox as tests read it.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::app::AppState;
use crate::sandbox::faults::Fault;

/// What a sandbox has been asked for, and the result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct SandboxState {
    /// Jobs made. The service would have charged each.
    pub creates: u64,
    /// Creates received, including refused and incomplete ones and those that a fault changed.
    pub create_requests: u64,
    /// Polls received.
    pub polls: u64,
    /// Downloads of clips that were started.
    pub downloads: u64,
    /// Files stored by upload.
    pub uploads: u64,
    /// Answers of Responses and Chat Completions. The service would have charged each.
    #[serde(default)]
    pub answers: u64,
    /// The jobs, oldest first.
    pub jobs: Vec<SandboxJob>,
    /// The faults still in force.
    pub faults: Vec<Fault>,
}

/// A job of a sandbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct SandboxJob {
    /// The id that the create returned.
    pub id: String,
    /// The model, with aliases resolved.
    pub model: String,
    /// `text`, `image`, `references`, `frames`, `edit` or `extend`.
    pub mode: String,
    /// The prompt as it was received.
    pub prompt: String,
    /// `pending`, `done`, `failed`, `expired` or `moderated`.
    pub state: String,
    /// Unix seconds.
    pub created_at: i64,
    /// How often it was polled.
    pub polls: u64,
    /// How often its clip was downloaded.
    pub downloads: u64,
    /// The price in ticks of 1e-10 USD; 0 until the clip is rendered.
    pub cost_in_usd_ticks: u64,
    /// The request as it was received, without inline media.
    pub request: Value,
}

impl AppState {
    pub(crate) fn snapshot(&self) -> SandboxState {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        SandboxState {
            creates: count(&self.counters.creates),
            create_requests: count(&self.counters.create_requests),
            polls: count(&self.counters.polls),
            downloads: count(&self.counters.downloads),
            uploads: count(&self.counters.uploads),
            answers: count(&self.counters.answers),
            jobs: self.jobs.map(|job| SandboxJob {
                id: job.id.to_string(),
                model: job.model.id().to_owned(),
                mode: job.mode.to_owned(),
                prompt: job.prompt.clone(),
                state: job.state_word().to_owned(),
                created_at: job.created_at,
                polls: job.polls,
                downloads: job.downloads,
                cost_in_usd_ticks: job.ticks,
                request: job.request.clone(),
            }),
            faults: self.script.list(),
        }
    }
}

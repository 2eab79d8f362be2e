//! Exports the journal's records without the fields that only a recovery needs.

use super::error::VideoError;
use crate::library::JobError;
use crate::{Clip, JobState, Timestamp, UsdTicks};

/// The record of a paid request: its state while it is open, its ledger entry afterwards.
#[derive(Debug, Clone, uniffi::Record)]
pub struct JobRecord {
    /// The id of this record, which is not the job id.
    pub id: String,
    /// The state of the request.
    pub state: JobState,
    /// `generate`, `edit`, `extend`, `continue` or `analyze`; `pickup` for a job that was resumed by its id.
    pub operation: String,
    /// When the request was started.
    pub created_at: Timestamp,
    /// When the record was last changed.
    pub changed_at: Timestamp,
    /// The scheme, host and port of the service. Not set in records of earlier versions.
    pub service: Option<String>,
    /// The requested model.
    pub model: Option<String>,
    /// The prompt that was sent.
    pub prompt: Option<String>,
    /// The id of the job at the service.
    pub job_id: Option<String>,
    /// The id that the clip has, or will have, in the library.
    pub clip: Option<String>,
    /// The estimated cost of the clip. Not set if the model table has no price for it.
    pub estimate: Option<UsdTicks>,
    /// The cost of the clip as reported by the service.
    pub cost: Option<UsdTicks>,
    /// The cost of language model calls: an upper bound until they are answered, then as reported by the service.
    pub query_cost: Option<UsdTicks>,
    /// Whether there was a language model call of unknown price.
    pub has_unpriced_query: bool,
    /// Why there is no clip, or no clip yet.
    pub error: Option<JobError>,
}

impl From<crate::JobRecord> for JobRecord {
    fn from(record: crate::JobRecord) -> Self {
        Self {
            id: record.id.into(),
            state: record.state,
            operation: record.operation,
            created_at: record.created_at,
            changed_at: record.changed_at,
            service: record.service,
            model: record.model,
            prompt: record.prompt,
            job_id: record.job_id.map(|id| id.to_string()),
            clip: record.clip.map(String::from),
            estimate: record.estimate,
            cost: record.cost,
            query_cost: record.query_cost,
            has_unpriced_query: record.has_unpriced_query,
            error: record.error,
        }
    }
}

/// A journal record that a recovery cannot process.
#[derive(Debug, Clone, uniffi::Record)]
pub struct StuckJob {
    /// The id of the record.
    pub record_id: String,
    /// What is wrong with the record.
    pub error: VideoError,
}

impl From<crate::StuckJob> for StuckJob {
    fn from(stuck: crate::StuckJob) -> Self {
        Self {
            record_id: stuck.record_id.into(),
            error: stuck.error.into(),
        }
    }
}

/// The outcome of a recovery.
#[derive(Debug, Clone, uniffi::Record)]
pub struct Recovered {
    /// The clips that were saved, oldest job first.
    pub saved: Vec<Clip>,
    /// Jobs that ended without a clip.
    pub failed: Vec<JobRecord>,
    /// Jobs that could not be finished now and stay open.
    pub open: Vec<JobRecord>,
    /// Create requests whose answer is unknown. Check the account page, then settle them by hand.
    pub unsettled: Vec<JobRecord>,
    /// Records that cannot be processed.
    pub stuck: Vec<StuckJob>,
    /// Jobs that another client or process is working on.
    pub held_by_others: Vec<JobRecord>,
    /// Jobs of another service, which were left unchanged. Recover them with a client for that service.
    pub other_service: Vec<JobRecord>,
    /// Number of requests that were prepared but never sent. They were dropped.
    pub dropped: u64,
}

impl From<crate::Recovered> for Recovered {
    fn from(recovered: crate::Recovered) -> Self {
        Self {
            saved: recovered.saved,
            failed: convert_all(recovered.failed),
            open: convert_all(recovered.open),
            unsettled: convert_all(recovered.unsettled),
            stuck: convert_all(recovered.stuck),
            held_by_others: convert_all(recovered.held_by_others),
            other_service: convert_all(recovered.other_service),
            dropped: recovered.dropped,
        }
    }
}

/// Converts each value.
pub(super) fn convert_all<T, U: From<T>>(values: Vec<T>) -> Vec<U> {
    values.into_iter().map(U::from).collect()
}

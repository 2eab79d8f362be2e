//! What was paid for and what became of it, as it crosses: without what only a recovery needs.

use super::error::VideoError;
use crate::library::JobError;
use crate::{Clip, JobState, UsdTicks};

/// A paid request on its way, and afterwards its entry in the ledger.
#[derive(Debug, Clone, uniffi::Record)]
pub struct JobRecord {
    /// The id of this record. Not the service's id of the job.
    pub id: String,
    /// How far it is.
    pub state: JobState,
    /// `generate`, `edit`, `extend`, `continue`, `analyze`; `pickup` for a job that was found by its id.
    pub operation: String,
    /// When it was begun, in milliseconds since 1970 UTC.
    pub created_at: u64,
    /// When it was changed last, in milliseconds since 1970 UTC.
    pub changed_at: u64,
    /// The service that it was sent to: scheme, host and port. Nothing in records of earlier versions.
    pub service: Option<String>,
    /// The model that was asked for.
    pub model: Option<String>,
    /// The prompt that was sent.
    pub prompt: Option<String>,
    /// The service's id of the job.
    pub job_id: Option<String>,
    /// The clip's id in the library: where it will be, and when it is saved where it is.
    pub clip: Option<String>,
    /// What the clip was to cost. Nothing when the table has no price for it.
    pub estimate: Option<UsdTicks>,
    /// What the clip cost, in the service's words.
    pub cost: Option<UsdTicks>,
    /// What questions to language models cost: before they are answered a bound, then the service's words.
    pub questions: Option<UsdTicks>,
    /// Whether a question was asked whose price nobody named.
    pub unpriced_question: bool,
    /// Why there is no clip, or not yet.
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
            questions: record.questions,
            unpriced_question: record.unpriced_question,
            error: record.error,
        }
    }
}

/// A record that cannot be taken up, and why.
#[derive(Debug, Clone, uniffi::Record)]
pub struct StuckJob {
    /// The id of the record.
    pub record: String,
    /// What is wrong with it.
    pub error: VideoError,
}

impl From<crate::StuckJob> for StuckJob {
    fn from(stuck: crate::StuckJob) -> Self {
        Self {
            record: stuck.record.into(),
            error: stuck.error.into(),
        }
    }
}

/// What a recovery found and did.
#[derive(Debug, Clone, uniffi::Record)]
pub struct Recovered {
    /// Clips that were saved, oldest job first.
    pub saved: Vec<Clip>,
    /// Jobs that are over without a clip.
    pub failed: Vec<JobRecord>,
    /// Jobs that could not be finished now, and stay open.
    pub open: Vec<JobRecord>,
    /// Creates that were sent without a known answer: a person has to look at the account, and settle them.
    pub unsettled: Vec<JobRecord>,
    /// Records that cannot be taken up.
    pub stuck: Vec<StuckJob>,
    /// Jobs that another client or process is at work on.
    pub elsewhere: Vec<JobRecord>,
    /// Jobs that were sent to another service than this client's. They are left as they are: recover them with a client
    /// of that service.
    pub other_service: Vec<JobRecord>,
    /// How many requests had been prepared and never sent. They are dropped.
    pub dropped: u64,
}

impl From<crate::Recovered> for Recovered {
    fn from(found: crate::Recovered) -> Self {
        Self {
            saved: found.saved,
            failed: all(found.failed),
            open: all(found.open),
            unsettled: all(found.unsettled),
            stuck: all(found.stuck),
            elsewhere: all(found.elsewhere),
            other_service: all(found.other_service),
            dropped: found.dropped,
        }
    }
}

/// Each of them as it crosses.
pub(super) fn all<T, F: From<T>>(values: Vec<T>) -> Vec<F> {
    values.into_iter().map(F::from).collect()
}

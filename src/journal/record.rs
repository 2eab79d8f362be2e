//! The record of a paid request.
//!
//! Owns its fields and their JSON. Does not know where records are kept.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::{Charge, Error, ErrorKind, Result, RetryAdvice};
use crate::ids::{ClipId, JobId, RecordId};
use crate::money::UsdTicks;
use crate::mutation::{Mutation, is_on};
use crate::operation::Operation;
use crate::storage::no_randomness;
use crate::text::quoted;
use crate::timestamp::Timestamp;

/// The version of the records that this crate writes.
const SCHEMA: u32 = 1;

/// The record of a paid request: open at first, and an entry of the ledger when it is settled.
///
/// It is `jobs/<id>.<reserved ticks>.json` in the library while the request is open, and
/// `ledger/<day>/<id>.<class>.<ticks>.json` afterwards. It contains prompts, as sidecars do, and the link to the clip
/// until the clip is saved. It never contains a key or media.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct JobRecord {
    schema: u32,
    /// The id of this record. It is not the service's job id.
    pub id: RecordId,
    /// The state of the request.
    pub state: JobState,
    /// The name of an [`Operation`]. Text, because a newer version may know more of them.
    pub operation: String,
    /// When the record was created.
    pub created_at: Timestamp,
    /// When the record was last changed.
    pub changed_at: Timestamp,
    /// The service that the request is sent to: scheme, host and port. `None` in records of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The requested model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The SHA-256 of the request including its media, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_sha256: Option<String>,
    /// The prompt that was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// The SHA-256 of that prompt, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_sha256: Option<String>,
    /// The service's job id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<JobId>,
    /// The id of the clip in the library, which is known before the clip is saved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<ClipId>,
    /// The estimated cost of the clip. `None` if the model table has no price for it.
    #[serde(
        default,
        rename = "estimate_usd_ticks",
        skip_serializing_if = "Option::is_none"
    )]
    pub estimate: Option<UsdTicks>,
    /// The cost of the clip, as reported by the service.
    #[serde(default, rename = "cost_usd_ticks", skip_serializing_if = "Option::is_none")]
    pub cost: Option<UsdTicks>,
    /// The cost of queries to language models: an upper bound until the reply arrives, then as reported by the service.
    #[serde(
        default,
        rename = "questions_usd_ticks",
        skip_serializing_if = "Option::is_none"
    )]
    pub query_cost: Option<UsdTicks>,
    /// Whether there was a query whose price the service did not report.
    #[serde(default, rename = "unpriced_question", skip_serializing_if = "is_false")]
    pub has_unpriced_query: bool,
    /// The error because of which there is no clip, or no clip yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<JobError>,
    /// The id of the lease of the client that works on the record, or did so last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<String>,
    /// The draft of the clip's sidecar, in the client's format.
    #[serde(default, rename = "brief", skip_serializing_if = "Option::is_none")]
    pub(crate) draft: Option<JsonText>,
    /// The service's last reply to a poll, as it was received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reply: Option<JsonText>,
    /// Whether the job became known late: a person named it, or the reply to the create request could not be written at
    /// once. Another process may have picked it up before, so its clip may be in the library.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) job_known_late: bool,
    /// Whether bytes of the clip were moved to the quarantine. They may have been removed since.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) quarantined: bool,
}

/// JSON that is kept as text, which takes much less memory than a parsed value while a job waits.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub(crate) struct JsonText(Box<RawValue>);

impl<'de> Deserialize<'de> for JsonText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(from)?;
        // Earlier versions wrote it in several lines.
        if raw.get().contains('\n') {
            let value: Value = serde_json::from_str(raw.get()).map_err(serde::de::Error::custom)?;
            return Self::new(&value).map_err(serde::de::Error::custom);
        }
        Ok(Self(raw))
    }
}

impl JsonText {
    /// Writes a value as JSON.
    ///
    /// # Errors
    /// Those of `serde_json`, for example for a map whose keys are not strings.
    pub(crate) fn new(value: &impl Serialize) -> serde_json::Result<Self> {
        serde_json::value::to_raw_value(value).map(Self)
    }

    pub(crate) fn parse(&self) -> Value {
        // The text is valid JSON. At most it is nested too deeply to be from this crate.
        serde_json::from_str(self.0.get()).unwrap_or_default()
    }
}

impl PartialEq for JsonText {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

impl Eq for JsonText {}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes the field")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// The state of a paid request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum JobState {
    /// The cost is reserved, and no create request was sent. A query that plans the prompt may have been sent. If the
    /// client dies, the record is dropped, but the maximum cost of such a query is kept as an estimate.
    Reserved,
    /// The create request is being sent. If the client dies, the record becomes [`Unknown`](Self::Unknown).
    Intended,
    /// The service accepted the request and returned a job id.
    Accepted,
    /// The service finished the job, and its clip is not saved yet.
    Done,
    /// The create request was sent and no usable reply arrived. A person has to check the account and settle the
    /// record.
    Unknown,
    /// The clip is in the library, or the query was answered.
    Saved,
    /// The job ended without a clip.
    Failed,
    /// A person settled the record.
    Settled,
    /// Nothing was sent. The record is about to be removed and never reaches the ledger.
    Dropped,
}

impl JobState {
    /// Returns whether this is a final state.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Saved | Self::Failed | Self::Settled | Self::Dropped)
    }

    /// Returns the word in records and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Intended => "intended",
            Self::Accepted => "accepted",
            Self::Done => "done",
            Self::Unknown => "unknown",
            Self::Saved => "saved",
            Self::Failed => "failed",
            Self::Settled => "settled",
            Self::Dropped => "dropped",
        }
    }
}

/// The error because of which a job has no clip, as kept in its record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct JobError {
    /// The error code, see [`ErrorKind::code`](crate::ErrorKind::code).
    pub code: String,
    /// The message of the error.
    pub message: String,
    /// Whether the job was charged: `no`, `yes` or `unknown`.
    pub charged: String,
    /// The error code of the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_code: Option<String>,
}

impl From<&Error> for JobError {
    fn from(error: &Error) -> Self {
        Self {
            code: error.kind().code().to_owned(),
            message: error.to_string(),
            charged: error.may_have_been_charged().as_str().to_owned(),
            service_code: error.service_code().map(str::to_owned),
        }
    }
}

impl JobRecord {
    pub(crate) fn new(operation: Operation) -> Result<Self> {
        let id = RecordId::fresh().map_err(no_randomness)?;
        Ok(Self::with_id(id, operation))
    }

    /// Returns a new record for a request for a clip.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub(crate) fn for_clip(operation: Operation, model: &str, estimate: Option<UsdTicks>) -> Result<Self> {
        let mut record = Self::new(operation)?;
        record.model = Some(model.to_owned());
        record.estimate = estimate;
        Ok(record)
    }

    /// Returns a record for a job that was found by its id.
    pub(crate) fn pickup(job_id: &JobId) -> Self {
        let mut record = Self::with_id(RecordId::of_job(job_id), Operation::Pickup);
        record.state = JobState::Accepted;
        record.clip = Some(record.id.to_clip_id());
        record.job_id = Some(job_id.clone());
        record
    }

    fn with_id(id: RecordId, operation: Operation) -> Self {
        let created_at = Timestamp::from_millis(id.millis());
        Self {
            schema: SCHEMA,
            id,
            state: JobState::Reserved,
            operation: operation.as_str().to_owned(),
            created_at,
            changed_at: created_at,
            service: None,
            model: None,
            request_sha256: None,
            prompt: None,
            prompt_sha256: None,
            job_id: None,
            clip: None,
            estimate: None,
            cost: None,
            query_cost: None,
            has_unpriced_query: false,
            error: None,
            owner: None,
            draft: None,
            reply: None,
            job_known_late: false,
            quarantined: false,
        }
    }

    /// Parses the record `id`.
    ///
    /// # Errors
    /// `Library` if `json` is not valid, belongs to another record, or has another version.
    pub fn from_json(id: &str, json: &[u8]) -> Result<Self> {
        let invalid = |why: String| Error::library(format!("read the record of job {}: {why}", quoted(id)));
        let record: Self =
            serde_json::from_slice(json).map_err(|error| invalid(format!("it is not valid: {error}")))?;
        if record.schema != SCHEMA {
            return Err(invalid(format!(
                "it has version {}, and this version of reelkin reads version {SCHEMA}",
                record.schema
            )));
        }
        if record.id.as_str() != id {
            return Err(invalid(format!("it belongs to job {}", record.id)));
        }
        if record.state == JobState::Reserved
            && let Some(job_id) = &record.job_id
        {
            return Err(invalid(format!(
                "it is not sent according to its state, and has the job {job_id}"
            )));
        }
        Ok(record)
    }

    pub(super) fn to_json(&self) -> Result<Vec<u8>> {
        let mut json = serde_json::to_vec_pretty(self).map_err(|error| {
            Error::library(format!("write the record of job {}", self.id)).with_source(error)
        })?;
        json.push(b'\n');
        Ok(json)
    }

    /// Returns whether the service at `origin` has the job of the request, if there is one. Records of earlier versions
    /// do not name their service and are for any.
    pub(crate) fn is_for_service(&self, origin: &str) -> bool {
        let service = self.service.as_deref();
        service.is_none_or(|service| service == origin) || is_on(Mutation::RecoverAnyService)
    }

    /// Returns whether the job was found by its id and not sent through this library. Its cost is not counted here.
    pub fn is_pickup(&self) -> bool {
        self.operation == Operation::Pickup.as_str()
    }

    /// Returns whether this picks up a job, and nobody has worked on it before.
    pub(crate) fn is_new_pickup(&self) -> bool {
        self.is_pickup() && self.changed_at == self.created_at
    }

    /// Returns whether this is a query to a language model instead of a request for a clip.
    pub fn is_query(&self) -> bool {
        self.operation == Operation::Analyze.as_str()
    }

    #[cfg(feature = "media")]
    pub(crate) fn query() -> Result<Self> {
        let mut record = Self::new(Operation::Analyze)?;
        record.estimate = Some(UsdTicks::ZERO);
        Ok(record)
    }

    /// Returns the error with which the request ended, or which keeps it open.
    pub fn failure(&self) -> Option<Error> {
        let recorded = self.error.as_ref()?;
        let kind = ErrorKind::from_code(&recorded.code).unwrap_or(ErrorKind::JobFailed);
        let charge = match recorded.charged.as_str() {
            "no" => Charge::No,
            "yes" => Charge::Yes,
            _ => Charge::Unknown,
        };
        let error = Error::new(kind, recorded.message.clone())
            .with(self.cost, |error, cost| error.with_cost_ticks(cost.ticks()))
            .with_charge(charge)
            .with(recorded.service_code.as_ref(), Error::with_service_code)
            .with(self.job_id.as_ref(), Error::with_job_id);
        Some(match self.state {
            // While the record is open, the job may still make its clip.
            JobState::Accepted | JobState::Done => error.with_advice(RetryAdvice::Resume),
            _ => error,
        })
    }
}

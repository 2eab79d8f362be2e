//! What is known of a paid request.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::error::{Charge, Error, ErrorKind, Result, RetryAdvice};
use crate::library::name::quoted;
use crate::money::UsdTicks;

/// The version of a job's record that this crate writes.
const SCHEMA: u32 = 1;

/// A paid request on its way, and afterwards its entry in the ledger.
///
/// It lies at `jobs/<id>.<reserved ticks>.json` of the library as long as something is open, and at
/// `ledger/<day>/<id>.<class>.<ticks>.json` when all is settled. It holds prompts, as sidecars do, and
/// while its clip is not saved also the link to it; no key and no media.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct JobRecord {
    schema: u32,
    /// The id of this record: the time it was made and random digits. Not the service's id of the job.
    pub id: String,
    /// How far it is.
    pub state: JobState,
    /// `generate`, `edit`, `extend`, `continue`, `analyze`; `pickup` for a job that was found by its id.
    pub operation: String,
    /// When it was begun, in milliseconds since 1970 UTC.
    pub created_at: u64,
    /// When it was changed last.
    pub changed_at: u64,
    /// The service that it is sent to: scheme, host and port. `None` in records of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The model that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// SHA-256 of the request with its media, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_sha256: Option<String>,
    /// The prompt that was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// SHA-256 of that prompt, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_sha256: Option<String>,
    /// The service's id of the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
    /// The clip's id in the library: where it will be, and when it is saved where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<String>,
    /// What the clip was to cost. `None` when the table has no price for it.
    #[serde(
        default,
        rename = "estimate_usd_ticks",
        skip_serializing_if = "Option::is_none"
    )]
    pub estimate: Option<UsdTicks>,
    /// What the clip cost, in the service's words.
    #[serde(default, rename = "cost_usd_ticks", skip_serializing_if = "Option::is_none")]
    pub cost: Option<UsdTicks>,
    /// What questions to language models cost: before they are answered a bound, then the service's words.
    #[serde(
        default,
        rename = "questions_usd_ticks",
        skip_serializing_if = "Option::is_none"
    )]
    pub questions: Option<UsdTicks>,
    /// Whether a question was asked whose price nobody named.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unpriced_question: bool,
    /// Why there is no clip, or not yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<JobError>,
    /// The process that is at work on it, or was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<String>,
    /// What the clip's sidecar will say. Whoever fills it in can read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) brief: Option<KeptJson>,
    /// The service's last word on the job, as it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reply: Option<KeptJson>,
    /// Whether bytes of it were put into quarantine. Whether they are still there only a look can tell.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) quarantined: bool,
}

/// JSON that is kept as text: of a job that waits nobody looks into it, and as values it takes many times the
/// memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeptJson(Box<str>);

impl KeptJson {
    pub(crate) fn read(&self) -> Value {
        // It was made from a value.
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

impl From<&Value> for KeptJson {
    fn from(value: &Value) -> Self {
        Self(value.to_string().into())
    }
}

impl Serialize for KeptJson {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.read().serialize(to)
    }
}

impl<'de> Deserialize<'de> for KeptJson {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Value::deserialize(from).map(|value| (&value).into())
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes the field")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum JobState {
    /// Its money is reserved, and no create was sent. Found later with nobody at work, it is dropped.
    Reserved,
    /// Its create is being sent. Found later with nobody at work, it is [`Unknown`](Self::Unknown).
    Intended,
    /// The service took it and gave it an id.
    Accepted,
    /// The service is done with it, and its clip is not saved yet.
    Done,
    /// A create was sent and no answer is known. A person has to look at the account.
    Unknown,
    /// Its clip is in the library, or its question was answered.
    Saved,
    /// It is over and made no clip.
    Failed,
    /// A person said what became of it.
    Settled,
    /// Nothing was sent for it. The record is about to be removed, and never comes to the ledger.
    Dropped,
}

impl JobState {
    /// Whether nothing is left to be done.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Saved | Self::Failed | Self::Settled | Self::Dropped)
    }

    /// The word in records and JSON.
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

/// Why a job has no clip.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct JobError {
    /// As [`ErrorKind::code`](crate::ErrorKind::code).
    pub code: String,
    /// The line of the error.
    pub message: String,
    /// `no`, `yes` or `unknown`: whether the job was charged.
    pub charged: String,
    /// The service's own code.
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
    pub(crate) fn new(operation: &str) -> Result<Self> {
        let id = crate::library::ClipId::fresh()?;
        Ok(Self::with_id(id.as_str(), operation))
    }

    /// For a job that was found by its id: its digits are the job's, so that two who find it meet.
    pub(crate) fn pickup(job_id: &str) -> Self {
        let mut record = Self::with_id(crate::library::ClipId::of_job(job_id).as_str(), PICKUP);
        record.state = JobState::Accepted;
        record.clip = Some(record.id.clone());
        record.job_id = Some(job_id.to_owned());
        record
    }

    fn with_id(id: &str, operation: &str) -> Self {
        let created_at = millis_of(id).unwrap_or_default();
        Self {
            schema: SCHEMA,
            id: id.to_owned(),
            state: JobState::Reserved,
            operation: operation.to_owned(),
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
            questions: None,
            unpriced_question: false,
            error: None,
            owner: None,
            brief: None,
            reply: None,
            quarantined: false,
        }
    }

    /// Reads a record.
    ///
    /// # Errors
    /// `Library` for what is no record, or one of a version that is not known here.
    pub fn from_json(id: &str, json: &[u8]) -> Result<Self> {
        let broken = |why: String| {
            Error::new(
                ErrorKind::Library,
                format!("read the record of job {}: {why}", quoted(id)),
            )
        };
        let record: Self =
            serde_json::from_slice(json).map_err(|error| broken(format!("it is no record: {error}")))?;
        if record.schema != SCHEMA || record.id != id || millis_of(id).is_none() {
            return Err(broken(format!(
                "it is of version {} and of job {}",
                record.schema,
                quoted(&record.id)
            )));
        }
        Ok(record)
    }

    pub(super) fn to_json(&self) -> Result<Vec<u8>> {
        let mut json = serde_json::to_vec_pretty(self).map_err(|error| {
            Error::new(ErrorKind::Library, format!("write the record of job {}", self.id)).with_source(error)
        })?;
        json.push(b'\n');
        Ok(json)
    }

    /// Whether it was found by its id and not sent through this library: then its money is not this
    /// library's.
    pub fn is_pickup(&self) -> bool {
        self.operation == PICKUP
    }

    /// Whether it is a question to a language model, and no clip.
    pub fn is_question(&self) -> bool {
        self.operation == QUESTION
    }

    #[cfg(feature = "media")]
    pub(crate) fn question() -> Result<Self> {
        let mut record = Self::new(QUESTION)?;
        record.estimate = Some(UsdTicks::ZERO);
        Ok(record)
    }

    /// The error that it ended with, or that it is held up by.
    pub fn failure(&self) -> Option<Error> {
        let told = self.error.as_ref()?;
        let kind = ErrorKind::from_code(&told.code).unwrap_or(ErrorKind::JobFailed);
        let charge = match told.charged.as_str() {
            "no" => Charge::No,
            "yes" => Charge::Yes,
            _ => Charge::Unknown,
        };
        let error = Error::new(kind, told.message.clone()).with_charge(charge);
        let error = match &told.service_code {
            Some(code) => error.with_service_code(code),
            None => error,
        };
        let error = match &self.job_id {
            Some(id) => error.with_job_id(id),
            None => error,
        };
        Some(match self.state {
            // As long as the record is open, the job may still make its clip.
            JobState::Accepted | JobState::Done => error.with_advice(RetryAdvice::Resume),
            _ => error,
        })
    }
}

const PICKUP: &str = "pickup";
const QUESTION: &str = "analyze";

/// The time in the id of a record.
pub(in crate::library) fn millis_of(id: &str) -> Option<u64> {
    let (millis, digits) = id.split_once('_')?;
    let hex = digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let time = (10..=16).contains(&millis.len()) && millis.bytes().all(|byte| byte.is_ascii_digit());
    (hex && time).then(|| millis.parse().ok())?
}

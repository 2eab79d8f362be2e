//! The record of a chain, which contains its clips and the job that makes the next one.
//!
//! It is `chains/<id>.json` in the library. It is written before each create request is sent, and again as soon as the
//! job id is known. Listings and ima2-gen ignore it.

use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::Library;
use crate::error::{Error, Result};
use crate::ids::{ClipId, JobId, RecordId, is_windows_device};
use crate::money::UsdTicks;
use crate::request::SavedRequest;
use crate::storage::{CHAINS, JsonStore, LockedFile, Version};
use crate::text::quoted;
use crate::timestamp::Timestamp;

/// The version of the record format that this crate writes.
const SCHEMA: u32 = 1;

/// The record of a chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ChainRecord {
    /// The version of the record format.
    schema: u32,
    /// The id of the chain.
    pub id: String,
    /// When the chain was created, in milliseconds since the Unix epoch.
    pub created_at: Timestamp,
    /// The maximum cost of all its clips together.
    #[serde(default, rename = "budget_usd_ticks")]
    pub budget: Option<UsdTicks>,
    /// The clip that it begins with.
    pub start: ChainOrigin,
    /// The clips that it makes, in order. The first is clip 0 if the chain begins with a new clip, and clip 1
    /// otherwise.
    pub steps: Vec<ChainStep>,
}

/// The clip that a chain begins with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChainOrigin {
    /// A new clip, which is the first step.
    Generated,
    /// A clip of the library, by its id.
    Clip(ClipId),
    /// A file of this machine.
    File {
        /// The path of the file.
        path: String,
        /// The SHA-256 of its bytes, in hex.
        sha256: String,
    },
    /// Bytes in memory, which are not part of the record.
    Bytes {
        /// The SHA-256 of the bytes, in hex.
        sha256: String,
    },
}

/// A clip that a chain makes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ChainStep {
    /// The state of the step.
    pub state: ChainStepState,
    /// The id of its record in the journal ([`Library::job_record`]), which determines the state after an interruption.
    #[serde(default, rename = "record", skip_serializing_if = "Option::is_none")]
    pub record_id: Option<RecordId>,
    /// The service's id of its job, as soon as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<JobId>,
    /// The id of its clip in the library.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<ClipId>,
    /// Its cost, including the planning of its prompt, as reported by the service.
    #[serde(default, rename = "cost_usd_ticks", skip_serializing_if = "Option::is_none")]
    pub cost: Option<UsdTicks>,
    /// Its estimated cost when it was sent.
    #[serde(
        default,
        rename = "estimate_usd_ticks",
        skip_serializing_if = "Option::is_none"
    )]
    pub estimate: Option<UsdTicks>,
    /// The cost of earlier attempts that made no clip and were or may have been charged.
    #[serde(default, rename = "lost_usd_ticks", skip_serializing_if = "is_zero")]
    pub lost: UsdTicks,
    /// The number of create requests that were sent and not refused.
    #[serde(default)]
    pub tries: u32,
    /// The difference between its last frame and that of clip 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
    /// The error because of which there is no clip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ChainStepError>,
    /// The SHA-256 of the request including all media.
    pub(crate) request_sha256: String,
    /// The request, unless it contains media or addresses that must not be stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) request: Option<SavedRequest>,
}

/// The state of a step of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChainStepState {
    /// Nothing was sent.
    Open,
    /// Its cost is reserved, and its create request may have been sent. After an interruption, its record in the
    /// journal shows whether it was.
    Sending,
    /// The service has returned its job id, or the request failed without one and may have been charged.
    Sent,
    /// Its clip is in the library.
    Done,
    /// Its create request was sent and no usable reply arrived. It is never sent again automatically.
    Unknown,
    /// Its job ended without a clip, or it was permanently refused.
    Failed,
}

/// The error because of which a step has no clip.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ChainStepError {
    /// The error code, see [`ErrorKind::code`](crate::ErrorKind::code).
    pub code: String,
    /// The message of the error.
    pub message: String,
}

/// The difference between the last frame of a clip and that of clip 0 of its chain.
///
/// Frames of different sizes are scaled to a common size first. Values beyond the limits add a warning to the clip's
/// sidecar. They are normal for a new scene, but show drift if the scene was meant to stay the same.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct Drift {
    /// The distance between the mean colors, in levels of 0 to 255 in three channels: 0 to 442. Limit: 30.
    #[serde(rename = "colour_delta")]
    pub color_delta: f64,
    /// The ratio of the standard deviations of luma, relative to clip 0. Limits: 0.67 to 1.5.
    pub contrast_ratio: f64,
    /// The ratio of the mean squared differences of neighboring pixels, relative to clip 0. Limits: 0.5 to 2.
    pub sharpness_ratio: f64,
}

impl Drift {
    /// The maximum color distance without a warning.
    pub const MAX_COLOR_DELTA: f64 = 30.0;
    /// The range of contrast ratios without a warning.
    pub const CONTRAST_RATIOS: [f64; 2] = [0.67, 1.5];
    /// The range of sharpness ratios without a warning.
    pub const SHARPNESS_RATIOS: [f64; 2] = [0.5, 2.0];

    pub(crate) const fn new(color_delta: f64, contrast_ratio: f64, sharpness_ratio: f64) -> Self {
        Self {
            color_delta,
            contrast_ratio,
            sharpness_ratio,
        }
    }

    /// Returns one line that names the values beyond the limits, or `None` if there are none.
    pub fn warning(&self) -> Option<String> {
        let mut exceeded = Vec::new();
        if self.color_delta > Self::MAX_COLOR_DELTA {
            exceeded.push(format!(
                "its mean color differs by {:.0} levels",
                self.color_delta
            ));
        }
        for (quantity, ratio, [min, max]) in [
            ("contrast", self.contrast_ratio, Self::CONTRAST_RATIOS),
            ("sharpness", self.sharpness_ratio, Self::SHARPNESS_RATIOS),
        ] {
            if !(min..=max).contains(&ratio) {
                exceeded.push(format!("its {quantity} is {ratio:.2} times as high"));
            }
        }
        (!exceeded.is_empty()).then(|| {
            format!(
                "the last frame differs from that of clip 0 of the chain: {}",
                exceeded.join(", ")
            )
        })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes the field")]
fn is_zero(amount: &UsdTicks) -> bool {
    *amount == UsdTicks::ZERO
}

impl ChainRecord {
    pub(crate) fn new(id: String, created_at: Timestamp, start: ChainOrigin, steps: Vec<ChainStep>) -> Self {
        Self {
            schema: SCHEMA,
            id,
            created_at,
            budget: None,
            start,
            steps,
        }
    }

    /// Returns the number of the clip that a step makes.
    pub fn number(&self, step: usize) -> usize {
        match self.start {
            ChainOrigin::Generated => step,
            _ => step + 1,
        }
    }

    /// Returns the index of the first step without a clip.
    pub fn unfinished(&self) -> Option<usize> {
        self.steps
            .iter()
            .position(|step| step.state != ChainStepState::Done)
    }

    /// Returns the known cost of the chain so far.
    pub fn cost(&self) -> UsdTicks {
        self.steps
            .iter()
            .map(|step| step.cost.unwrap_or_default() + step.lost)
            .sum()
    }
}

impl ChainStep {
    pub(crate) const fn new(request_sha256: String, request: Option<SavedRequest>) -> Self {
        Self {
            state: ChainStepState::Open,
            job_id: None,
            clip: None,
            cost: None,
            estimate: None,
            lost: UsdTicks::ZERO,
            tries: 0,
            drift: None,
            error: None,
            request_sha256,
            request,
            record_id: None,
        }
    }

    /// Returns the prompt of the step, if the request is stored.
    pub fn prompt(&self) -> Option<&str> {
        self.request.as_ref().and_then(SavedRequest::prompt)
    }
}

impl Library {
    /// Returns the record of a chain.
    ///
    /// # Errors
    /// `InvalidRequest` if the id is not valid, `NotFound` if the chain does not exist, `Library` if its record cannot
    /// be read.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn chain(&self, id: &str) -> Result<ChainRecord> {
        check_id(id)?;
        load(&JsonStore::new(&self.backend, CHAINS), id)
            .await?
            .map(|(record, _)| record)
            .ok_or_else(|| Error::not_found(format!("find chain {id:?} in {self}")))
    }

    /// Opens a new or existing chain for work, which only one process may do at a time.
    ///
    /// # Errors
    /// `InvalidRequest` if the id is not valid; `Library` if another process works on it, or it cannot be written.
    pub(crate) async fn open_chain(&self, id: &str) -> Result<ChainFile> {
        check_id(id)?;
        // A bucket has no locks: there the conditional write in `store` detects another process.
        let lock = match self.backend.locks() {
            Some(locks) => Some(locks.lock(CHAINS, id).await?.ok_or_else(|| {
                Error::library(format!(
                    "work on chain {id:?}: another process is working on it; wait for that process"
                ))
            })?),
            None => None,
        };
        Ok(ChainFile {
            store: JsonStore::new(&self.backend, CHAINS),
            id: id.to_owned(),
            version: Mutex::new(None),
            _lock: lock,
        })
    }
}

async fn load(store: &JsonStore, id: &str) -> Result<Option<(ChainRecord, Version)>> {
    let Some(found) = store.read(id).await? else {
        return Ok(None);
    };
    let invalid = |why: String| Error::library(format!("read chain {id:?}: {why}"));
    let record: ChainRecord =
        serde_json::from_slice(&found.json).map_err(|error| invalid(format!("it is not valid: {error}")))?;
    if record.schema != SCHEMA {
        return Err(invalid(format!(
            "it has format version {}; this version of reelkin reads {SCHEMA}",
            record.schema
        )));
    }
    if record.id != id {
        return Err(invalid(format!(
            "it is the record of chain {}",
            quoted(&record.id)
        )));
    }
    Ok(Some((record, found.version)))
}

/// The record of a chain that this client may work on. After a drop, another client may open it.
pub(crate) struct ChainFile {
    store: JsonStore,
    id: String,
    /// The version that was last read or written.
    version: Mutex<Option<Version>>,
    _lock: Option<LockedFile>,
}

impl ChainFile {
    pub(crate) async fn load(&self) -> Result<Option<ChainRecord>> {
        let (record, version) = load(&self.store, &self.id).await?.unzip();
        *self.version.lock().await = version;
        Ok(record)
    }

    /// Writes the record, unless another process has changed it since it was read.
    pub(crate) async fn store(&self, record: &ChainRecord) -> Result<()> {
        let mut json = serde_json::to_vec_pretty(record)
            .map_err(|error| Error::library(format!("write chain {:?}", self.id)).with_source(error))?;
        json.push(b'\n');
        let mut version = self.version.lock().await;
        let written = match &*version {
            Some(version) => self.store.replace(&self.id, version, json).await?,
            None => self.store.create(&self.id, json).await?,
        };
        if written.is_none() {
            return Err(Error::library(format!(
                "work on chain {:?}: another process is working on it",
                self.id
            )));
        }
        *version = written;
        Ok(())
    }
}

/// Checks that an id can be a file name on every system.
fn check_id(id: &str) -> Result<()> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_valid = (1..=64).contains(&id.len())
        && id.as_bytes()[0].is_ascii_alphanumeric()
        && id.bytes().all(is_plain)
        && !id.ends_with('.')
        && !is_windows_device(id);
    if is_valid {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "parse chain id {}: use 1 to 64 letters, digits, -, _ and ., beginning with a letter or digit, and no name that Windows reserves",
        quoted(id)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn an_id_is_a_file_name_on_every_system() {
        for valid in ["a", "film-1", "2f", "a.b_c", &"x".repeat(64)] {
            assert!(check_id(valid).is_ok(), "{valid}");
        }
        for invalid in [
            "",
            ".",
            "..",
            "../a",
            "a/b",
            "-a",
            "a b",
            "a.",
            "é",
            &"x".repeat(65),
        ] {
            assert!(check_id(invalid).is_err(), "{invalid}");
        }
    }

    #[test]
    fn only_drift_beyond_the_limits_is_a_warning() {
        assert_eq!(Drift::new(30.0, 1.5, 0.5).warning(), None);
        let warning = Drift::new(31.0, 0.5, 2.5).warning().unwrap();
        for words in ["31 levels", "contrast is 0.50 times", "sharpness is 2.50 times"] {
            assert!(warning.contains(words), "{warning}");
        }
    }

    #[tokio::test]
    async fn a_chain_is_read_as_written_and_has_one_writer() {
        let folder = tempfile::tempdir().unwrap();
        let library = Library::open(folder.path()).unwrap();
        let file = library.open_chain("film").await.unwrap();
        assert_eq!(file.load().await.unwrap(), None);
        let steps = vec![ChainStep::new("00".to_owned(), None)];
        let mut record = ChainRecord::new(
            "film".to_owned(),
            Timestamp::from_millis(1),
            ChainOrigin::Generated,
            steps,
        );
        file.store(&record).await.unwrap();
        record.steps[0].drift = Some(Drift::new(1.25, 1.0, 1.0));
        file.store(&record).await.unwrap();
        assert_eq!(file.load().await.unwrap().as_ref(), Some(&record));
        let busy = library.open_chain("film").await.err().unwrap().to_string();
        assert!(busy.contains("another process"), "{busy}");
        drop(file);
        assert!(library.open_chain("film").await.is_ok());

        // A bucket has no locks: there the second write fails.
        let store = std::sync::Arc::new(object_store::memory::InMemory::new());
        let bucket = Library::on_store(store, "team").unwrap();
        let one = bucket.open_chain("film").await.unwrap();
        let other = bucket.open_chain("film").await.unwrap();
        one.store(&record).await.unwrap();
        let late = ChainRecord::new(
            "film".to_owned(),
            Timestamp::from_millis(2),
            ChainOrigin::Generated,
            Vec::new(),
        );
        let busy = other.store(&late).await.unwrap_err().to_string();
        assert!(busy.contains("another process"), "{busy}");
        other.load().await.unwrap();
        other.store(&late).await.unwrap();
        assert_eq!(one.load().await.unwrap(), Some(late));
        assert_eq!(
            library.chain("other").await.unwrap_err().kind(),
            ErrorKind::NotFound
        );
    }
}

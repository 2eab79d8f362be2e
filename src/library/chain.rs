//! The record of a chain: which of its clips are there, and which job makes the next one.
//!
//! It lies at `chains/<id>.json` in the library and is written whole or not at all, before a create is
//! sent and right after its job has an id. Neither a listing nor ima2-gen takes it for a clip.

use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::Library;
use super::documents::{Documents, Version};
use super::lock::LockedFile;
use super::name::{self, quoted};
use crate::error::{Error, ErrorKind, Result};
use crate::money::UsdTicks;
use crate::request::SavedRequest;

const CHAINS: &str = "chains";
const SCHEMA: u32 = 1;

/// What is known of a chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ChainRecord {
    /// The version of this record.
    schema: u32,
    /// The chain's id.
    pub id: String,
    /// When it was begun, in milliseconds since 1970 UTC.
    pub created_at: u64,
    /// What all its clips together may cost.
    #[serde(default, rename = "budget_usd_ticks")]
    pub budget: Option<UsdTicks>,
    /// Where it begins.
    pub start: ChainOrigin,
    /// The clips that it makes, in order. The first is clip 0 when the chain begins with a new clip, else
    /// clip 1.
    pub steps: Vec<ChainStep>,
}

/// The clip that a chain begins with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChainOrigin {
    /// A new one, its first step.
    Generated,
    /// One of the library, by its id.
    Clip(String),
    /// A file of this machine.
    File {
        /// Where it was.
        path: String,
        /// SHA-256 of its bytes in hex.
        sha256: String,
    },
    /// Bytes in memory, which the request has and the record has not.
    Bytes {
        /// SHA-256 of them in hex.
        sha256: String,
    },
}

/// A clip that a chain makes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ChainStep {
    /// How far it is.
    pub state: ChainStepState,
    /// The id of its record in the journal ([`Library::job_record`]), which has the last word on how far it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
    /// The service's id of its job, from the moment it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
    /// Its clip's id in the library.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<String>,
    /// What it cost, with the planning of its prompt, where the service said so.
    #[serde(default, rename = "cost_usd_ticks", skip_serializing_if = "Option::is_none")]
    pub cost: Option<UsdTicks>,
    /// What it was to cost when it was sent.
    #[serde(
        default,
        rename = "estimate_usd_ticks",
        skip_serializing_if = "Option::is_none"
    )]
    pub estimate: Option<UsdTicks>,
    /// What earlier tries of it cost that made no clip, as far as they may have been charged.
    #[serde(default, rename = "lost_usd_ticks", skip_serializing_if = "is_nothing")]
    pub lost: UsdTicks,
    /// How often its create was sent and not refused.
    #[serde(default)]
    pub tries: u32,
    /// How far its last frame has gone from that of clip 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
    /// Why there is no clip: the error's code and line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ChainStepError>,
    /// SHA-256 of the request with all its media.
    pub(crate) request_sha256: String,
    /// The request, unless it has media or addresses that are not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) request: Option<SavedRequest>,
}

/// How far a step of a chain is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChainStepState {
    /// Nothing was sent.
    Open,
    /// Its money is reserved, and its create may be on its way. Found later, the journal tells.
    Sending,
    /// Its job is known.
    Sent,
    /// Its clip is in the library.
    Done,
    /// Its create was sent and no answer came. It is never sent again on its own.
    Unknown,
    /// Its job is over without a clip, or it was refused for good.
    Failed,
}

/// Why a step has no clip.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ChainStepError {
    /// As [`ErrorKind::code`](crate::ErrorKind::code).
    pub code: String,
    /// The line of the error.
    pub message: String,
}

/// How far the last frame of a clip has gone from that of clip 0 of its chain.
///
/// Frames of unequal size are reduced to one first. What goes beyond the limits is a warning in the clip's
/// record: a new scene does so on purpose, a scene that was meant to stay has drifted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct Drift {
    /// The distance of the mean colours, in levels of 0 to 255 in three channels: 0 to 442. Limit: 30.
    pub colour_delta: f64,
    /// The standard deviation of luma against that of clip 0. Limits: 0.67 to 1.5.
    pub contrast_ratio: f64,
    /// The mean squared difference of neighbouring pixels against that of clip 0. Limits: 0.5 to 2.
    pub sharpness_ratio: f64,
}

impl Drift {
    /// The greatest colour distance that is no warning.
    pub const MOST_COLOUR_DELTA: f64 = 30.0;
    /// The contrast ratios that are no warning.
    pub const CONTRAST_RATIOS: [f64; 2] = [0.67, 1.5];
    /// The sharpness ratios that are no warning.
    pub const SHARPNESS_RATIOS: [f64; 2] = [0.5, 2.0];

    pub(crate) const fn new(colour_delta: f64, contrast_ratio: f64, sharpness_ratio: f64) -> Self {
        Self {
            colour_delta,
            contrast_ratio,
            sharpness_ratio,
        }
    }

    /// What is beyond the limits, in one line; `None` when nothing is.
    pub fn warning(&self) -> Option<String> {
        let mut found = Vec::new();
        if self.colour_delta > Self::MOST_COLOUR_DELTA {
            found.push(format!("its mean colour by {:.0} levels", self.colour_delta));
        }
        for (what, ratio, [least, most]) in [
            ("contrast", self.contrast_ratio, Self::CONTRAST_RATIOS),
            ("sharpness", self.sharpness_ratio, Self::SHARPNESS_RATIOS),
        ] {
            if !(least..=most).contains(&ratio) {
                found.push(format!("its {what} {ratio:.2} times"));
            }
        }
        (!found.is_empty()).then(|| {
            format!(
                "drifted from clip 0 of its chain, last frame against last frame: {}",
                found.join(", ")
            )
        })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes the field")]
fn is_nothing(amount: &UsdTicks) -> bool {
    *amount == UsdTicks::ZERO
}

impl ChainRecord {
    pub(crate) fn new(id: String, created_at: u64, start: ChainOrigin, steps: Vec<ChainStep>) -> Self {
        Self {
            schema: SCHEMA,
            id,
            created_at,
            budget: None,
            start,
            steps,
        }
    }

    /// The number of the clip that a step makes.
    pub fn number(&self, step: usize) -> usize {
        match self.start {
            ChainOrigin::Generated => step,
            _ => step + 1,
        }
    }

    /// The first step that has no clip.
    pub fn unfinished(&self) -> Option<usize> {
        self.steps
            .iter()
            .position(|step| step.state != ChainStepState::Done)
    }

    /// What the chain has cost so far, as far as is known.
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
            record: None,
        }
    }

    /// The words of the step, where they are kept.
    pub fn prompt(&self) -> Option<&str> {
        self.request.as_ref().and_then(SavedRequest::prompt)
    }
}

impl Library {
    /// The record of a chain.
    ///
    /// # Errors
    /// `InvalidRequest` for what is no id, `NotFound` if there is no such chain, `Library` if its record
    /// cannot be read.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn chain(&self, id: &str) -> Result<ChainRecord> {
        check_id(id)?;
        load(&Documents::new(self, CHAINS), id)
            .await?
            .map(|(record, _)| record)
            .ok_or_else(|| Error::new(ErrorKind::NotFound, format!("find chain {id:?} in {self}")))
    }

    /// A chain to work on: of all processes, only one at a time. The library may hold it already or not.
    ///
    /// # Errors
    /// `InvalidRequest` for what is no id; `Library` if another one works on it, or it cannot be written.
    pub(crate) async fn open_chain(&self, id: &str) -> Result<ChainFile> {
        check_id(id)?;
        let documents = Documents::new(self, CHAINS);
        let Some(lock) = documents.lock(id).await? else {
            return Err(Error::new(
                ErrorKind::Library,
                format!("work on chain {id:?}: another process is at work on it; wait for that one"),
            ));
        };
        Ok(ChainFile {
            documents,
            id: id.to_owned(),
            seen: Mutex::new(None),
            _lock: lock,
        })
    }
}

async fn load(documents: &Documents, id: &str) -> Result<Option<(ChainRecord, Version)>> {
    let Some(found) = documents.read(id).await? else {
        return Ok(None);
    };
    let broken = |why: String| Error::new(ErrorKind::Library, format!("read chain {id:?}: {why}"));
    let record: ChainRecord =
        serde_json::from_slice(&found.json).map_err(|error| broken(format!("it is no record: {error}")))?;
    if record.schema != SCHEMA || record.id != id {
        return Err(broken(format!(
            "it is of version {} and of chain {}",
            record.schema,
            quoted(&record.id)
        )));
    }
    Ok(Some((record, found.version)))
}

/// The right to change a chain's record. Dropped, the next may have it.
pub(crate) struct ChainFile {
    documents: Documents,
    id: String,
    /// The record that was read or written last.
    seen: Mutex<Option<Version>>,
    _lock: Option<LockedFile>,
}

impl ChainFile {
    pub(crate) async fn load(&self) -> Result<Option<ChainRecord>> {
        let (record, version) = load(&self.documents, &self.id).await?.unzip();
        *self.seen.lock().await = version;
        Ok(record)
    }

    /// Writes the record, whole or not at all, and not over what another process wrote since this one looked:
    /// a store has no locks.
    pub(crate) async fn store(&self, record: &ChainRecord) -> Result<()> {
        let mut json = serde_json::to_vec_pretty(record).map_err(|error| {
            Error::new(ErrorKind::Library, format!("write chain {:?}", self.id)).with_source(error)
        })?;
        json.push(b'\n');
        let mut seen = self.seen.lock().await;
        let written = match &*seen {
            Some(seen) => self.documents.replace(&self.id, seen, json).await?,
            None => self.documents.create(&self.id, json).await?,
        };
        if written.is_none() {
            return Err(Error::new(
                ErrorKind::Library,
                format!("work on chain {:?}: another process works on it", self.id),
            ));
        }
        *seen = written;
        Ok(())
    }
}

/// An id is the name of a file, here and on every other system.
fn check_id(id: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let good = (1..=64).contains(&id.len())
        && id.as_bytes()[0].is_ascii_alphanumeric()
        && id.bytes().all(plain)
        && !id.ends_with('.')
        && !name::is_device(id);
    if good {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "take {} for the id of a chain: use 1 to 64 letters, digits, -, _ and ., beginning with a letter or digit, and no name that a system reserves",
        quoted(id)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_plain_name() {
        for good in ["a", "film-1", "2f", "a.b_c", &"x".repeat(64)] {
            assert!(check_id(good).is_ok(), "{good}");
        }
        for bad in [
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
            assert!(check_id(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn drift_within_the_limits_is_no_warning() {
        assert_eq!(Drift::new(30.0, 1.5, 0.5).warning(), None);
        let line = Drift::new(31.0, 0.5, 2.5).warning().unwrap();
        for words in ["31 levels", "contrast 0.50 times", "sharpness 2.50 times"] {
            assert!(line.contains(words), "{line}");
        }
    }

    #[tokio::test]
    async fn one_at_a_time_and_what_was_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let library = Library::open(folder.path()).unwrap();
        let file = library.open_chain("film").await.unwrap();
        assert_eq!(file.load().await.unwrap(), None);
        let steps = vec![ChainStep::new("00".to_owned(), None)];
        let mut record = ChainRecord::new("film".to_owned(), 1, ChainOrigin::Generated, steps);
        file.store(&record).await.unwrap();
        record.steps[0].drift = Some(Drift::new(1.25, 1.0, 1.0));
        file.store(&record).await.unwrap();
        assert_eq!(file.load().await.unwrap().as_ref(), Some(&record));
        let busy = library.open_chain("film").await.err().unwrap().to_string();
        assert!(busy.contains("another process"), "{busy}");
        drop(file);
        assert!(library.open_chain("film").await.is_ok());

        // Where there are no locks, the second one to write is told.
        let store = std::sync::Arc::new(object_store::memory::InMemory::new());
        let bucket = Library::on_store(store, "team").unwrap();
        let one = bucket.open_chain("film").await.unwrap();
        let other = bucket.open_chain("film").await.unwrap();
        one.store(&record).await.unwrap();
        let late = ChainRecord::new("film".to_owned(), 2, ChainOrigin::Generated, Vec::new());
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

//! The record of a chain: which of its clips are there, and which job makes the next one.
//!
//! It lies at `chains/<id>.json` in the library and is written whole or not at all, before a create is
//! sent and right after its job has an id. Neither a listing nor ima2-gen takes it for a clip.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};

use object_store::{ObjectStoreExt as _, path::Path as StorePath};
use serde::{Deserialize, Serialize};

use super::fault::{io_fault, store_fault};
use super::folder::{Folder, sync_folder};
use super::name::{self, quoted};
use super::{Library, blocking};
use crate::error::{Error, ErrorKind, Result};
use crate::money::UsdTicks;
use crate::request::KeptRequest;

const CHAINS: &str = "chains";
const SCHEMA: u32 = 1;
/// Most bytes of a record: a hundred steps with the longest prompts have far less.
const MOST_BYTES: u64 = 8 << 20;

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
    pub(crate) request: Option<KeptRequest>,
    /// The prompt that was sent, and how it was planned. Whoever fills it in can read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) planned: Option<serde_json::Value>,
}

/// How far a step of a chain is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChainStepState {
    /// Nothing was sent.
    Open,
    /// Its create was about to be sent. Found later, with no process at work, it is as good as
    /// [`Unknown`](Self::Unknown).
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
    pub(crate) const fn new(request_sha256: String, request: Option<KeptRequest>) -> Self {
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
            planned: None,
        }
    }

    /// The words of the step, where they are kept.
    pub fn prompt(&self) -> Option<&str> {
        self.request.as_ref().and_then(KeptRequest::prompt)
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
        self.load_chain(id)
            .await?
            .ok_or_else(|| Error::new(ErrorKind::NotFound, format!("find chain {id:?} in {self}")))
    }

    /// A chain to work on: of all processes, only one at a time. The library may hold it already or not.
    ///
    /// # Errors
    /// `InvalidRequest` for what is no id; `Library` if another one works on it, or it cannot be written.
    pub(crate) async fn open_chain(&self, id: &str) -> Result<ChainFile> {
        check_id(id)?;
        let lock = match self.inner.folder.clone() {
            Some(folder) => {
                let id = id.to_owned();
                Some(blocking(move || lock(&folder, &id)).await?)
            }
            // Stores have no locks.
            None => None,
        };
        Ok(ChainFile {
            library: self.clone(),
            id: id.to_owned(),
            _lock: lock,
        })
    }

    fn chain_place(&self, id: &str) -> Result<StorePath> {
        self.location(&format!("{CHAINS}/{id}.json"))
    }

    async fn load_chain(&self, id: &str) -> Result<Option<ChainRecord>> {
        let doing = format!("read chain {id:?}");
        if let Some(folder) = self.inner.folder.clone() {
            let name = format!("{CHAINS}/{id}.json");
            if !blocking(move || folder.has(&name)).await? {
                return Ok(None);
            }
        }
        let found = match self.inner.store.get(&self.chain_place(id)?).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(store_fault(&doing, error)),
        };
        let broken = |why: String| Error::new(ErrorKind::Library, format!("{doing}: {why}"));
        if found.meta.size > MOST_BYTES {
            return Err(broken(format!("it has more than {MOST_BYTES} bytes")));
        }
        let json = found.bytes().await.map_err(|error| store_fault(&doing, error))?;
        let record: ChainRecord =
            serde_json::from_slice(&json).map_err(|error| broken(format!("it is no record: {error}")))?;
        if record.schema != SCHEMA || record.id != id {
            return Err(broken(format!(
                "it is of version {} and of chain {}",
                record.schema,
                quoted(&record.id)
            )));
        }
        Ok(Some(record))
    }
}

/// The right to change a chain's record. Dropped, the next may have it.
pub(crate) struct ChainFile {
    library: Library,
    id: String,
    _lock: Option<File>,
}

impl ChainFile {
    pub(crate) async fn load(&self) -> Result<Option<ChainRecord>> {
        self.library.load_chain(&self.id).await
    }

    /// Writes the record, whole or not at all.
    pub(crate) async fn store(&self, record: &ChainRecord) -> Result<()> {
        let doing = format!("write chain {:?}", self.id);
        let mut json = serde_json::to_vec_pretty(record)
            .map_err(|error| Error::new(ErrorKind::Library, doing.clone()).with_source(error))?;
        json.push(b'\n');
        if let Some(folder) = self.library.inner.folder.clone() {
            let id = self.id.clone();
            return blocking(move || write(&folder, &id, &json).map_err(|error| io_fault(&doing, error)))
                .await;
        }
        let place = self.library.chain_place(&self.id)?;
        let put = self.library.inner.store.put(&place, json.into()).await;
        put.map(drop).map_err(|error| store_fault(&doing, error))
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

fn lock(folder: &Folder, id: &str) -> Result<File> {
    let doing = format!("work on chain {id:?}");
    let fault = |error| io_fault(&doing, error);
    let chains = folder.root().join(CHAINS);
    match fs::create_dir(&chains) {
        Ok(()) => sync_folder(folder.root()).map_err(fault)?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if !fs::symlink_metadata(&chains).is_ok_and(|about| about.is_dir()) {
                let message = format!("{doing}: {CHAINS} in the library is not a folder");
                return Err(Error::new(ErrorKind::Library, message));
            }
        }
        Err(error) => return Err(fault(error)),
    }
    // The lock stays when it is let go: who removed it could remove it from under the next.
    let path = chains.join(format!("{id}.lock"));
    if fs::symlink_metadata(&path).is_ok_and(|about| !about.is_file()) {
        let message = format!("{doing}: {id}.lock is not a regular file");
        return Err(Error::new(ErrorKind::Library, message));
    }
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(fault)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::new(
            ErrorKind::Library,
            format!("{doing}: another process is at work on it; wait for that one"),
        )),
        // A filesystem without locks: its user has to see to it.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(file),
        Err(TryLockError::Error(error)) => Err(fault(error)),
    }
}

fn write(folder: &Folder, id: &str, json: &[u8]) -> io::Result<()> {
    let chains = folder.root().join(CHAINS);
    let random = name::random().map_err(io::Error::other)?;
    let temporary = chains.join(format!(".{id}.{random:08x}.part"));
    let written = (|| {
        let mut file = File::create_new(&temporary)?;
        file.write_all(json)?;
        file.sync_all()?;
        fs::rename(&temporary, chains.join(format!("{id}.json")))?;
        sync_folder(&chains)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
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
        assert_eq!(file.load().await.unwrap(), Some(record));
        let busy = library.open_chain("film").await.err().unwrap().to_string();
        assert!(busy.contains("another process"), "{busy}");
        drop(file);
        assert!(library.open_chain("film").await.is_ok());
        assert_eq!(
            library.chain("other").await.unwrap_err().kind(),
            ErrorKind::NotFound
        );
    }
}

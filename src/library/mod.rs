//! The library, which keeps clips and their sidecars.
//!
//! Owns sidecars, listing, the commit of a clip, copying, verification, the quarantine and the search for a clip's
//! family. Does not know the service, video, or how a clip is made: bytes come from the caller and are not interpreted.
//!
//! A library is a flat folder in which each clip `<id>.mp4` has its sidecar `<id>.mp4.json` beside it, as in a library
//! of ima2-gen. Unfinished files are in the hidden folder `.incoming`. The hidden folder `.index` makes listing fast
//! and can be removed at any time. A bucket contains the same names under a prefix.
//!
//! **A clip is complete or absent.** Bytes are [staged](Library::stage) under a temporary name, synced, and then get
//! their final name, which never overwrites anything. Then the sidecar is written in the same way. A crash in between
//! leaves a complete clip without a sidecar, which is listed.
//!
//! Names from sidecars, servers and callers cannot refer to files outside the folder: every name is a [`ClipId`], and
//! symbolic links are not followed.

#[cfg(feature = "media")]
mod chain;
mod copy;
mod delivery;
mod family;
mod job_lookup;
mod jobs;
mod lenient;
mod list;
mod parent;
mod quarantine;
mod record;
mod series;
mod staged;
mod verify;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::{ObjectStore, path::Path as StorePath};

#[cfg(feature = "media")]
pub(crate) use self::chain::ChainFile;
#[cfg(feature = "media")]
pub use self::chain::{ChainOrigin, ChainRecord, ChainStep, ChainStepError, ChainStepState, Drift};
pub use self::delivery::{Delivered, DeliveryReport, Finding, InputTransport, RequestedProperties, Severity};
pub use self::list::{Entry, ListOptions, MAX_PAGE, Page};
pub use self::parent::Parent;
pub(crate) use self::parent::SavedParent;
pub use self::quarantine::QuarantinedClip;
pub use self::record::{
    ClipRecord, FrameRecord, InputRecord, ParentRecord, PlannerRecord, ReelkinRecord, SCHEMA, Seconds,
    SourceSummary, Usage, VideoFacts, VideoSeries,
};
pub use self::series::Series;
pub use self::staged::Staged;
pub use self::verify::{Condition, Verdict};
pub use crate::ids::{ClipId, InvalidId, RecordId};
pub use crate::journal::{JobError, JobRecord, JobState, Settlement, StuckJob};
pub use crate::similarity::{PictureMatch, SeamReport};
pub use crate::storage::{ClipDigest, ClipReader, MAX_SIDECAR_BYTES};

use crate::error::{Error, ErrorKind, Result};
use crate::journal::Journal;
use crate::money::UsdTicks;
use crate::request::MediaInput;
use crate::storage::{
    Backend, Bucket, Folder, Location, Object, blocking, io_error, locate, no_randomness, url_in,
};
use crate::text::quoted;

/// The maximum number of random ids that are tried for a new clip.
const MAX_NEW_IDS: usize = 16;

/// A library of clips. A clone is cheap and refers to the same library.
///
/// Its async functions need a tokio runtime.
#[derive(Clone)]
pub struct Library {
    backend: Arc<dyn Backend>,
    journal: Journal,
}

/// One clip of a library.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct Clip {
    /// The id of the clip.
    pub id: ClipId,
    /// The file name, `<id>.mp4`.
    pub file_name: String,
    /// The path of the file, if the library is a folder.
    pub path: Option<PathBuf>,
    /// The sidecar. `None` for a clip without one.
    pub record: Option<ClipRecord>,
}

impl Clip {
    /// Returns the path of the sidecar, if the library is a folder. The sidecar may be missing.
    pub fn sidecar_path(&self) -> Option<PathBuf> {
        self.path
            .as_ref()
            .map(|path| path.with_file_name(self.id.sidecar_name()))
    }

    /// Returns the cost of the clip without the planning of its prompt, if the sidecar has it.
    pub fn cost(&self) -> Option<UsdTicks> {
        self.record.as_ref()?.cost()
    }
}

impl Library {
    /// Opens a folder as a library, and creates it if it is missing. A URL such as `s3://bucket/prefix` is opened by
    /// [`open_url`](Self::open_url).
    ///
    /// Blocks while it writes and removes a small file, so that a missing permission is found before anything is paid.
    /// [`writable`](Self::writable) checks more.
    ///
    /// # Errors
    /// `Library` if the folder cannot be created or written, or is a file. For a URL the errors of `open_url`.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        match url_in(path.as_ref()) {
            Some(url) => Self::open_url(url),
            None => Ok(Self::on(Folder::create(path.as_ref())?)),
        }
    }

    /// Opens an existing folder for reading. Nothing is written until something is saved, except the index in `.index`,
    /// if it exists. Opens a URL as [`open`](Self::open) does.
    ///
    /// # Errors
    /// `NotFound` if it does not exist, `Library` if it is a file or cannot be read. For a URL the errors of
    /// [`open_url`](Self::open_url).
    pub fn open_to_read(path: impl AsRef<Path>) -> Result<Self> {
        match url_in(path.as_ref()) {
            Some(url) => Self::open_url(url),
            None => Ok(Self::on(Folder::open(path.as_ref())?)),
        }
    }

    /// Opens a library in a bucket, `s3://bucket/prefix` (with the feature `s3`), or in the folder of a `file` URL. The
    /// `https` addresses of buckets at Amazon S3 are accepted as well.
    ///
    /// Key, region and endpoint are read from the environment variables that other S3 tools use: `AWS_ACCESS_KEY_ID`,
    /// `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`, `AWS_ENDPOINT_URL` and `AWS_ALLOW_HTTP`. Without
    /// them, the role of the machine is used. Files in `~/.aws` are not read. This function does not connect to the
    /// store. [`writable`](Self::writable) does, and every verb calls it before anything is paid.
    ///
    /// Every wait has a deadline: 5 s for a connection and 60 s for a request. A request that failed temporarily is
    /// retried at most 3 times, and not later than 30 s after the first attempt.
    ///
    /// Use a library with one runtime only, because its connections belong to that runtime.
    ///
    /// # Errors
    /// `Config` if the URL is not valid, contains a user, a password or a query, or needs a feature that this build
    /// lacks, or if the settings in the environment are not valid.
    pub fn open_url(url: &str) -> Result<Self> {
        match locate(url)? {
            Location::Folder(path) => Ok(Self::on(Folder::create(&path)?)),
            Location::Bucket(bucket) => Ok(Self::on(bucket)),
        }
    }

    /// Opens a library on any object store, under `prefix` (empty for its root).
    ///
    /// The type of the store comes from the crate `object_store`, whose version is part of this signature.
    ///
    /// A clip is as safe as in a folder: it gets its name in one step, complete, and never overwrites anything, and so
    /// does its sidecar. For this, the store must support conditional puts and copies (`PutMode::Create` and
    /// `copy_if_not_exists`; Amazon S3 needs an `S3CopyIfNotExists`), which [`writable`](Self::writable) checks.
    /// Timeouts are those in the settings of the store.
    ///
    /// Unlike in a folder, a download can only be resumed in the same process: unfinished files are in a private
    /// temporary folder of this machine until they are complete.
    ///
    /// # Errors
    /// `InvalidRequest` if the prefix is not a valid path of an object store.
    pub fn on_store(store: Arc<dyn ObjectStore>, prefix: &str) -> Result<Self> {
        let prefix = StorePath::parse(prefix).map_err(|error| {
            Error::invalid(format!("parse the library prefix {}", quoted(prefix))).with_source(error)
        })?;
        Ok(Self::on(Bucket::new(store, prefix, None)))
    }

    fn on(backend: impl Backend + 'static) -> Self {
        let backend: Arc<dyn Backend> = Arc::new(backend);
        Self {
            journal: Journal::new(Arc::clone(&backend)),
            backend,
        }
    }

    /// Returns the folder, with all symbolic links resolved, if the library is one.
    pub fn folder(&self) -> Option<&Path> {
        self.backend.folder()
    }

    /// Returns the journal of paid requests.
    pub(crate) const fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Checks that a clip could be saved now, by writing and removing a small file.
    ///
    /// In a bucket, the first call also checks that the store refuses to overwrite an object, and to update one that
    /// has changed since it was read. Some stores accept the headers for this and ignore them.
    ///
    /// # Errors
    /// `Library` with the reason: read-only, no permission, no space, no conditional writes. `NotFound` if the bucket
    /// does not exist.
    ///
    /// # Cancel safety
    /// Dropping the future may leave the small, hidden file.
    pub async fn writable(&self) -> Result<()> {
        self.backend.check_writable().await
    }

    /// Returns an unused id for a new clip: the time and random digits.
    ///
    /// The ids of one process are in order, even if its clock is set back. If two processes get the same id at the same
    /// time, the second one fails to [stage](Self::stage) it.
    ///
    /// # Errors
    /// `Library` if the system provides no random numbers or the library cannot be read.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn new_name(&self) -> Result<ClipId> {
        for _ in 0..MAX_NEW_IDS {
            let id = ClipId::fresh().map_err(no_randomness)?;
            if self.backend.is_free(&id).await? {
                return Ok(id);
            }
        }
        Err(Error::library(format!(
            "choose an id for a clip: {MAX_NEW_IDS} random ids are in use already"
        )))
    }

    /// Returns a clip by its id or file name.
    ///
    /// # Errors
    /// `InvalidRequest` if the name is not valid (see [`ClipId::parse`]), `NotFound` if the clip does not exist,
    /// `Library` if it is not a regular file or its sidecar cannot be read. A clip without a sidecar is not an error.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn clip(&self, name: impl AsRef<str>) -> Result<Clip> {
        let id = ClipId::from_id_or_file_name(name.as_ref())?;
        if !self.exists(&id.file_name()).await? {
            return Err(Error::not_found(format!(
                "find clip {:?} in {self}",
                id.file_name()
            )));
        }
        let record = self.record(&id).await?;
        Ok(self.assemble(id, record))
    }

    /// Returns a clip by the text that a user typed: an id, a file name, or the path of a clip or a sidecar in the
    /// library. A name in the library takes precedence over a path.
    ///
    /// # Errors
    /// As for [`clip`](Self::clip), and `InvalidRequest` for a path that, with all symbolic links resolved, is not in
    /// the library.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn resolve(&self, text: &str) -> Result<Clip> {
        let by_name = match ClipId::from_id_or_file_name(text) {
            Ok(id) => self.clip(id.file_name()).await,
            Err(error) => Err(error.into()),
        };
        let error = match by_name {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidRequest) => error,
            found => return found,
        };
        let Some(folder) = self.folder().map(Path::to_owned) else {
            return Err(error);
        };
        if text.is_empty() || text.contains('\0') {
            return Err(error);
        }
        let text = text.to_owned();
        match blocking(move || file_name_in(&folder, &text)).await? {
            Some(name) => self.clip(name).await,
            None => Err(error),
        }
    }

    /// Reads the bytes of a clip, at most `limit`.
    ///
    /// # Errors
    /// `NotFound`, `Library`, and `InvalidRequest` if the clip is larger than `limit`.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn read(&self, id: &ClipId, limit: u64) -> Result<Bytes> {
        let action = format!("read clip {}", id.file_name());
        let object = self.object(id, &action).await?;
        if object.size > limit {
            return Err(Error::invalid(format!(
                "{action}: it has {} bytes, more than {limit}",
                object.size
            )));
        }
        object.read_all(&action).await
    }

    /// Opens a clip for reading in pieces.
    ///
    /// # Errors
    /// `NotFound`, `Library`.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn reader(&self, id: &ClipId) -> Result<ClipReader> {
        let name = id.file_name();
        let object = self.object(id, &format!("read clip {name:?}")).await?;
        Ok(ClipReader::new(&name, object))
    }

    /// Writes the sidecar of an existing clip, and replaces an existing sidecar.
    ///
    /// # Errors
    /// `NotFound` if the clip does not exist, `Library` if the sidecar cannot be written or would be larger than
    /// [`MAX_SIDECAR_BYTES`].
    ///
    /// # Cancel safety
    /// Dropping the future leaves the old or the new sidecar, complete.
    pub async fn set_record(&self, id: &ClipId, record: ClipRecord) -> Result<Clip> {
        let name = id.sidecar_name();
        let json = record.to_json(&name)?;
        if !self.exists(&id.file_name()).await? {
            return Err(Error::not_found(format!(
                "write sidecar {name:?}: the clip does not exist"
            )));
        }
        self.backend.write_sidecar(id, json).await?;
        Ok(self.assemble(id.clone(), Some(record)))
    }

    /// Removes temporary files that no process is writing and that have not changed for `age`. Returns how many.
    ///
    /// A crash during a download, an upload or a write leaves such files. Use an age of at least an hour: the temporary
    /// file of a sidecar has no lock, and a bucket has no locks at all and uses its own clock.
    ///
    /// # Errors
    /// `Library` if the library cannot be written.
    ///
    /// # Cancel safety
    /// Dropping the future does not stop the removal.
    pub async fn sweep(&self, age: Duration) -> Result<u64> {
        self.backend.sweep(age).await
    }

    fn assemble(&self, id: ClipId, record: Option<ClipRecord>) -> Clip {
        let file_name = id.file_name();
        Clip {
            path: self.folder().map(|folder| folder.join(&file_name)),
            id,
            file_name,
            record,
        }
    }

    async fn exists(&self, name: &str) -> Result<bool> {
        Ok(self.backend.size(name).await?.is_some())
    }

    /// Opens an existing clip.
    async fn object(&self, id: &ClipId, action: &str) -> Result<Object> {
        let object = self.backend.open(&id.file_name(), action).await?;
        object.ok_or_else(|| Error::not_found(format!("{action} of {self}")))
    }

    /// Reads a sidecar. Returns `None` if it does not exist.
    async fn record(&self, id: &ClipId) -> Result<Option<ClipRecord>> {
        let mut read = self.read_batch(vec![id.clone()]).await;
        read.pop().map_or(Ok(None), |(_, record)| record)
    }
}

/// Returns the file name of a path in the folder, or `None` if no such file exists.
fn file_name_in(folder: &Path, path: &str) -> Result<Option<String>> {
    let resolved = match std::fs::canonicalize(path) {
        Ok(resolved) => resolved,
        Err(error) => {
            use std::io::ErrorKind as Kind;
            return match error.kind() {
                // No file can have that name.
                Kind::NotFound | Kind::NotADirectory | Kind::InvalidFilename | Kind::InvalidInput => Ok(None),
                _ => Err(io_error(&format!("find {}", quoted(path)), error)),
            };
        }
    };
    let name = resolved.file_name().and_then(|name| name.to_str());
    match name {
        Some(name) if resolved.parent() == Some(folder) => Ok(Some(name.to_owned())),
        _ => Err(Error::invalid(format!(
            "find {} in library {}: it is not in that folder",
            quoted(path),
            folder.display()
        ))),
    }
}

impl fmt::Display for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.backend.fmt(f)
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Library").field(&self.to_string()).finish()
    }
}

impl From<&Clip> for MediaInput {
    /// Uses the clip as an input of another request.
    fn from(clip: &Clip) -> Self {
        Self::clip(clip.id.as_str())
    }
}

//! The library: where clips and what is known of them are kept.
//!
//! Owns names, sidecars, the way a file becomes a clip, listing, copying out, and finding who came from
//! whom. Knows nothing of the service, of video, or of time passing: it takes bytes from whoever has
//! them and never looks inside.
//!
//! A library is one flat folder with a clip `<id>.mp4` and its sidecar `<id>.mp4.json` side by side:
//! at the same time a library of ima2-gen. Unfinished files lie in the hidden folder `.incoming`
//! inside, and in `.index` what makes listing quick and can be removed at any time. A bucket holds the
//! same names under a prefix.
//!
//! **A clip is whole or absent.** Bytes are [staged](Library::stage) under a temporary name, synced,
//! and only then get their own name, which never overwrites anything; then the sidecar follows in the
//! same way. A crash in between leaves a whole clip without a sidecar, and such a clip is listed.
//!
//! No name from a sidecar, a server or a caller leaves the folder: every name goes through
//! [`ClipId`], and a symbolic link is not followed.

mod appender;
mod bucket;
#[cfg(feature = "media")]
mod chain;
mod copy;
mod delivery;
mod documents;
mod family;
mod fault;
mod folder;
#[cfg(target_os = "linux")]
mod index;
#[cfg(not(target_os = "linux"))]
#[path = "no_index.rs"]
mod index;
mod journal;
mod lenient;
mod list;
mod lock;
mod name;
mod of_job;
mod parent;
mod quarantine;
mod range;
mod record;
mod series;
mod staged;
mod url;
mod verify;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::{ObjectStore, path::Path as StorePath};
use once_cell::sync::OnceCell;

#[cfg(feature = "media")]
pub(crate) use self::chain::ChainFile;
#[cfg(feature = "media")]
pub use self::chain::{ChainOrigin, ChainRecord, ChainStep, ChainStepError, ChainStepState, Drift};
pub(crate) use self::copy::Fetched;
pub use self::delivery::{
    Asked, Delivered, DeliveryReport, Finding, InputTransport, PictureMatch, SeamReport, Severity,
};
pub(crate) use self::journal::{Begun, Claim, JobFile, LEASE, LOOK, OpenJob};
pub use self::journal::{JobError, JobRecord, JobState, Settlement, StuckJob};
pub use self::list::{Entry, ListOptions, MAX_PAGE, Page};
pub use self::name::ClipId;
pub(crate) use self::name::now_millis;
pub(crate) use self::parent::KeptParent;
pub use self::parent::Parent;
pub use self::quarantine::QuarantinedClip;
pub(crate) use self::quarantine::Rejected;
pub use self::range::ClipReader;
pub use self::record::{
    ClipRecord, FrameRecord, InputRecord, MAX_SIDECAR_BYTES, ParentRecord, PlannerRecord, ReelkinRecord,
    SCHEMA, Seconds, SourceSummary, Usage, VideoFacts, VideoSeries,
};
pub use self::series::Series;
pub use self::staged::{ClipDigest, Staged};
pub use self::verify::{Condition, Verdict};

use self::bucket::{Bucket, Object};
use self::fault::{io_fault, store_fault};
use self::folder::Folder;
use self::name::quoted;
use self::staged::Scratch;
use crate::error::{Error, ErrorKind, Result};
use crate::request::MediaInput;

/// A library of clips. A clone is cheap and is the same library.
///
/// Its async functions need a tokio runtime.
#[derive(Clone)]
pub struct Library {
    inner: Arc<Inner>,
}

/// Documents that one client writes at a time: more only wait for the same lock and the same disk.
const WRITERS: usize = 4;

struct Inner {
    store: Arc<dyn ObjectStore>,
    bucket: Bucket,
    /// The same place as a folder, if it is one.
    folder: Option<Folder>,
    /// Where unfinished files lie, if the library is no folder.
    scratch: OnceCell<Scratch>,
    /// The lease of this client on what it works on.
    owner: tokio::sync::OnceCell<journal::Owner>,
    /// The renewal of it, where it has to be renewed.
    renewal: journal::Renewal,
    /// Whether a record was left in this client's name, as when its task was dropped.
    left_records: AtomicBool,
    /// The leases of others, where they have to be watched.
    seen: journal::Seen,
    /// The records that this client works on.
    working: journal::Working,
    /// The right to write a document on a folder: so many are written at a time.
    writers: Arc<tokio::sync::Semaphore>,
    /// One request is booked at a time.
    booking: tokio::sync::Mutex<()>,
}

impl Inner {
    fn new(
        store: Arc<dyn ObjectStore>,
        prefix: StorePath,
        folder: Option<Folder>,
        shown: Option<String>,
    ) -> Self {
        Self {
            bucket: Bucket::new(Arc::clone(&store), prefix, shown),
            store,
            folder,
            scratch: OnceCell::new(),
            owner: tokio::sync::OnceCell::new(),
            renewal: journal::Renewal::default(),
            left_records: AtomicBool::new(false),
            seen: journal::Seen::default(),
            working: journal::Working::default(),
            writers: Arc::new(tokio::sync::Semaphore::new(WRITERS)),
            booking: tokio::sync::Mutex::new(()),
        }
    }
}

/// One clip of a library.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct Clip {
    /// Its id.
    pub id: ClipId,
    /// Its file name, `<id>.mp4`.
    pub file_name: String,
    /// Where the file is, if the library is a folder.
    pub path: Option<PathBuf>,
    /// What is known of it. `None` for a clip without a sidecar.
    pub record: Option<ClipRecord>,
}

impl Clip {
    /// Where the sidecar is, or would be, if the library is a folder.
    pub fn sidecar_path(&self) -> Option<PathBuf> {
        self.path
            .as_ref()
            .map(|path| path.with_file_name(self.id.sidecar_name()))
    }
}

impl Library {
    /// Opens a folder as a library, and makes it if it is missing. What is written like a URL,
    /// `s3://bucket/prefix`, is opened by [`open_url`](Self::open_url).
    ///
    /// Touches the disk for a moment, and writes and removes a small file: that a clip cannot be
    /// saved is better known before it is paid for. [`writable`](Self::writable) checks more.
    ///
    /// # Errors
    /// `Library` if the folder cannot be made or written, or is a file; for a URL those of `open_url`.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        match url::written_in(path.as_ref()) {
            Some(url) => Self::open_url(url),
            None => Self::on_folder(Folder::create(path.as_ref())?),
        }
    }

    /// Opens a folder that exists, to read it. Nothing is written until something is saved, but for the
    /// index in `.index`, where there is one. A URL as for [`open`](Self::open).
    ///
    /// # Errors
    /// `NotFound` if it does not exist, `Library` if it is a file or cannot be read; for a URL those of
    /// [`open_url`](Self::open_url).
    pub fn open_to_read(path: impl AsRef<Path>) -> Result<Self> {
        match url::written_in(path.as_ref()) {
            Some(url) => Self::open_url(url),
            None => Self::on_folder(Folder::open(path.as_ref())?),
        }
    }

    /// A library on any object store, under `prefix` (empty for its root).
    ///
    /// The type of the store belongs to `object_store`, whose version is part of this signature.
    ///
    /// A clip is as safe as in a folder: it is uploaded under a temporary name and gets its own in one
    /// step that overwrites nothing, as does its sidecar. The store has to offer conditional puts and
    /// copies for that (`PutMode::Create`, `copy_if_not_exists`; Amazon's needs an `S3CopyIfNotExists`),
    /// which [`writable`](Self::writable) tries out. How long it may take to answer is up to the
    /// store's own settings.
    ///
    /// One limit against a folder: a download is resumed in the same process only, since unfinished
    /// files lie in a private temporary folder of this machine until they are whole.
    ///
    /// # Errors
    /// `InvalidRequest` for a prefix that is no plain path.
    pub fn on_store(store: Arc<dyn ObjectStore>, prefix: &str) -> Result<Self> {
        Self::on_named_store(store, prefix, None)
    }

    fn on_named_store(store: Arc<dyn ObjectStore>, prefix: &str, shown: Option<String>) -> Result<Self> {
        let prefix = StorePath::parse(prefix).map_err(|error| {
            Error::invalid(format!("take {} for a prefix of a library", quoted(prefix))).with_source(error)
        })?;
        Ok(Self {
            inner: Arc::new(Inner::new(store, prefix, None, shown)),
        })
    }

    fn on_folder(folder: Folder) -> Result<Self> {
        let store = LocalFileSystem::new_with_prefix(folder.root())
            .map_err(|error| store_fault(&format!("open library {}", folder.root().display()), error))?;
        let store: Arc<dyn ObjectStore> = Arc::new(store.with_fsync(true));
        let shown = folder.root().display().to_string();
        Ok(Self {
            inner: Arc::new(Inner::new(store, StorePath::default(), Some(folder), Some(shown))),
        })
    }

    /// The folder, with every symbolic link on the way resolved, if the library is one.
    pub fn folder(&self) -> Option<&Path> {
        self.inner.folder.as_ref().map(Folder::root)
    }

    /// Checks that a clip could be saved now, by writing and removing a small file. In a bucket the
    /// first time also that it refuses to overwrite an object and to update one that changed since it was read;
    /// some stores only pretend to.
    ///
    /// # Errors
    /// `Library`, with the reason in words: read-only, no right, no space, no conditional writes;
    /// `NotFound` if there is no such bucket.
    ///
    /// # Cancel safety
    /// Dropping the future may leave the small, hidden file behind.
    pub async fn writable(&self) -> Result<()> {
        if let Some(folder) = self.inner.folder.clone() {
            return blocking(move || folder.check_writable()).await;
        }
        self.inner.bucket.check_writable().await
    }

    /// A name for a new clip that nothing in the library has: the time and random digits.
    ///
    /// Names of one process are in order, whatever the clock does. Two processes that draw the same
    /// name in the same instant are told apart when the second one [stages](Self::stage) it.
    ///
    /// # Errors
    /// `Library` if the system has no randomness or the library cannot be asked.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn new_name(&self) -> Result<ClipId> {
        for _ in 0..16 {
            let id = ClipId::fresh()?;
            let free = match self.inner.folder.clone() {
                Some(folder) => {
                    let id = id.clone();
                    blocking(move || Ok(folder.is_free(&id))).await?
                }
                None => !self.has(&id.file_name()).await? && !self.has(&id.sidecar_name()).await?,
            };
            if free {
                return Ok(id);
            }
        }
        Err(Error::new(
            ErrorKind::Library,
            "draw a name for a clip: all that were drawn are taken",
        ))
    }

    /// A clip by its id or its file name.
    ///
    /// # Errors
    /// `InvalidRequest` for what is no name (see [`ClipId::parse`]), `NotFound` if there is no such
    /// clip, `Library` if it is no regular file or its sidecar is there and cannot be read. A clip
    /// without a sidecar is no error.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn clip(&self, name: impl AsRef<str>) -> Result<Clip> {
        let id = ClipId::from_any(name.as_ref())?;
        if !self.has(&id.file_name()).await? {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("find clip {:?} in {self}", id.file_name()),
            ));
        }
        let record = self.record(&id).await?;
        Ok(self.assemble(id, record))
    }

    /// A clip by what a person types: an id, a file name, or a path to a file in the library (its
    /// sidecar counts). A name in the library comes before a path.
    ///
    /// # Errors
    /// As for [`clip`](Self::clip); `InvalidRequest` for a path that, with every symbolic link
    /// resolved, does not lie in the library.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn resolve(&self, text: &str) -> Result<Clip> {
        let by_name = match ClipId::from_any(text) {
            Ok(id) => self.clip(id.file_name()).await,
            Err(error) => Err(error),
        };
        let error = match by_name {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidRequest) => error,
            found => return found,
        };
        let Some(folder) = self.inner.folder.clone() else {
            return Err(error);
        };
        if text.is_empty() || text.contains('\0') {
            return Err(error);
        }
        let given = text.to_owned();
        let name = blocking(move || name_in(&folder, &given)).await?;
        match name {
            Some(name) => self.clip(name).await,
            None => Err(error),
        }
    }

    /// The bytes of a clip, at most `limit` of them.
    ///
    /// # Errors
    /// `NotFound`, `Library`; `InvalidRequest` if the clip is larger than `limit`.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn read(&self, id: &ClipId, limit: u64) -> Result<Bytes> {
        let doing = format!("read clip {}", id.file_name());
        let object = self.object(id, &doing).await?;
        if object.size > limit {
            return Err(Error::invalid(format!(
                "{doing}: it has {} bytes, more than {limit}",
                object.size
            )));
        }
        object.whole(&doing).await
    }

    /// Writes the sidecar of a clip that is there, over the old one. Whole or not at all.
    ///
    /// # Errors
    /// `NotFound` if there is no such clip, `Library` if the sidecar cannot be written or would be
    /// larger than [`MAX_SIDECAR_BYTES`].
    ///
    /// # Cancel safety
    /// Dropping the future leaves the old or the new sidecar, whole.
    pub async fn set_record(&self, id: &ClipId, record: ClipRecord) -> Result<Clip> {
        let name = id.sidecar_name();
        let json = record.to_json(&name)?;
        if !self.has(&id.file_name()).await? {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("write sidecar {name:?}: there is no such clip"),
            ));
        }
        self.write_sidecar(id, json).await?;
        Ok(self.assemble(id.clone(), Some(record)))
    }

    /// Removes unfinished files that no process writes and that have not changed for `age`, and says
    /// how many. They are what a crash in the middle of a download, of writing a record, or of an upload to a
    /// bucket leaves. An hour or more is a good age: a sidecar that is being written this instant has no lock, and a
    /// bucket has none at all and goes by its own clock.
    ///
    /// # Errors
    /// `Library` if the library cannot be written.
    ///
    /// # Cancel safety
    /// Dropping the future does not stop it.
    pub async fn sweep(&self, age: Duration) -> Result<u64> {
        match self.inner.folder.clone() {
            Some(folder) => blocking(move || folder.sweep(age)).await,
            // Of the two places the private temporary folder is removed whole with the library.
            None => self.inner.bucket.sweep(age).await,
        }
    }

    fn assemble(&self, id: ClipId, record: Option<ClipRecord>) -> Clip {
        let file_name = id.file_name();
        let path = self.inner.folder.as_ref().map(|folder| folder.join(&file_name));
        Clip {
            id,
            file_name,
            path,
            record,
        }
    }

    fn location(&self, name: &str) -> Result<StorePath> {
        self.inner.bucket.location(name)
    }

    async fn has(&self, name: &str) -> Result<bool> {
        if let Some(folder) = self.inner.folder.clone() {
            let name = name.to_owned();
            return blocking(move || folder.has(&name)).await;
        }
        self.inner.bucket.has(name).await
    }

    /// A clip that is there, to be read in pieces.
    async fn object(&self, id: &ClipId, doing: &str) -> Result<Object> {
        let name = id.file_name();
        // A folder refuses what is no regular file.
        let there = self.inner.folder.is_none() || self.has(&name).await?;
        let object = if there {
            Object::find(&self.inner.store, self.location(&name)?, doing).await?
        } else {
            None
        };
        object.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("{doing} of {self}")))
    }

    /// Reads a sidecar. `None` if there is none.
    async fn record(&self, id: &ClipId) -> Result<Option<ClipRecord>> {
        if let Some(folder) = self.inner.folder.clone() {
            let id = id.clone();
            return blocking(move || folder.record(&id)).await;
        }
        let name = id.sidecar_name();
        let doing = format!("read sidecar {name:?}");
        let json = self.inner.bucket.small(&name, MAX_SIDECAR_BYTES, &doing).await?;
        json.map(|json| ClipRecord::from_json(&name, &json)).transpose()
    }

    async fn write_sidecar(&self, id: &ClipId, json: Vec<u8>) -> Result<()> {
        if let Some(folder) = self.inner.folder.clone() {
            let id = id.clone();
            return blocking(move || folder.write_sidecar(&id, &json)).await;
        }
        self.inner.bucket.write(&id.sidecar_name(), json).await
    }
}

/// The file name behind a path that lies in the folder. `None` if there is no such file.
fn name_in(folder: &Folder, path: &str) -> Result<Option<String>> {
    let real = match std::fs::canonicalize(path) {
        Ok(real) => real,
        Err(error) => {
            use std::io::ErrorKind as Kind;
            return match error.kind() {
                // No file can have that name, so there is none.
                Kind::NotFound | Kind::NotADirectory | Kind::InvalidFilename | Kind::InvalidInput => Ok(None),
                _ => Err(io_fault(&format!("find {}", quoted(path)), error)),
            };
        }
    };
    let name = real.file_name().and_then(|name| name.to_str());
    match name {
        Some(name) if real.parent() == Some(folder.root()) => Ok(Some(name.to_owned())),
        _ => Err(Error::invalid(format!(
            "find {} in library {}: it does not lie there",
            quoted(path),
            folder.root().display()
        ))),
    }
}

/// Brings work on the disk to a thread that may wait. It goes on when the future is dropped.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match crate::host::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(cut_off(error)),
    }
}

fn cut_off(error: tokio::task::JoinError) -> Error {
    Error::new(ErrorKind::Library, "wait for the library").with_source(error)
}

impl fmt::Display for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.bucket.fmt(f)
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Library").field(&self.to_string()).finish()
    }
}

impl From<&Clip> for MediaInput {
    /// The clip as an input of another request.
    fn from(clip: &Clip) -> Self {
        Self::clip(clip.id.as_str())
    }
}

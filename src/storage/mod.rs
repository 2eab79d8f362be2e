//! Stores the files of a library: clips, sidecars and small JSON documents.
//!
//! Owns the trait [`Backend`] and its two implementations, a [`Folder`] and a [`Bucket`]: clips that are never
//! overwritten, conditional writes, file locks, temporary files, and the index for fast listing of a large folder. Does
//! not know what a clip, a sidecar or a document contains.
//!
//! Names are relative to the library: `<id>.mp4` and `<id>.mp4.json` for clips and sidecars, and `<folder>/<name>.json`
//! for documents. Callers pass file names of a [`ClipId`] or names that this crate defines, never text from a user or a
//! server, so no name refers to a file outside the library.

mod bucket;
mod clip_reader;
mod digest;
mod error;
mod folder;
mod hashing_writer;
mod json_store;
mod lock;
mod object;
mod url;

#[cfg(test)]
mod contract_tests;

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use object_store::UpdateVersion;

pub(crate) use self::bucket::Bucket;
pub use self::clip_reader::ClipReader;
pub use self::digest::ClipDigest;
pub(crate) use self::digest::sha256_hex;
pub(crate) use self::error::{io_error, no_randomness};
pub(crate) use self::folder::{FileLocks, Folder, Index, IndexClock, Stamp, is_inside, sync_folder};
pub(crate) use self::hashing_writer::HashingWriter;
pub(crate) use self::json_store::JsonStore;
pub(crate) use self::lock::{LockedFile, is_named};
pub(crate) use self::object::Object;
pub(crate) use self::url::{Location, locate, url_in};

use crate::error::{Error, Result};
use crate::host;
use crate::ids::ClipId;

/// The folder of unfinished files. It is inside the library, so that the final rename is on one filesystem. It is
/// hidden, so that neither listings nor ima2-gen treat its files as clips.
const INCOMING: &str = ".incoming";
/// The folder of the records of open requests.
pub(crate) const JOBS: &str = "jobs";
/// The folder of leases.
pub(crate) const OWNERS: &str = "jobs/owners";
/// The folder of the records of settled requests, with one folder per day.
pub(crate) const LEDGER: &str = "ledger";
/// The folder of chains.
pub(crate) const CHAINS: &str = "chains";
/// The folder of clips that failed verification.
pub(crate) const QUARANTINE: &str = "quarantine";
/// The suffix of temporary files.
const PART_SUFFIX: &str = ".part";
/// The suffix of documents.
const DOCUMENT_SUFFIX: &str = ".json";
/// The maximum size of a sidecar that is read or written, in bytes. Typical sidecars have a few kilobytes.
pub const MAX_SIDECAR_BYTES: usize = 4 << 20;
/// The maximum size of a document. A chain of a hundred steps with the longest prompts is far smaller.
const MAX_DOCUMENT_BYTES: u64 = 8 << 20;

/// The storage of a library.
///
/// Dropping a future leaves a file unchanged or completely written, never partially.
#[async_trait]
pub(crate) trait Backend: fmt::Display + Send + Sync {
    /// Returns the folder, with symbolic links resolved, if the library is one.
    fn folder(&self) -> Option<&Path>;

    /// Returns the file locks of the library. A bucket has none.
    fn locks(&self) -> Option<FileLocks>;

    /// Returns the index of names. A bucket has none.
    fn index(&self) -> Option<&Arc<Index>>;

    /// Checks that a clip could be saved now, by writing and removing a small file.
    async fn check_writable(&self) -> Result<()>;

    /// Returns the ids of the newest clips older than `before`, newest first, at most `limit`.
    async fn clips(&self, before: Option<ClipId>, limit: usize) -> Result<Vec<ClipId>>;

    /// Returns the ids of all sidecars, with or without a clip, newest first.
    async fn sidecars(&self) -> Result<Vec<ClipId>>;

    /// Returns all ids, oldest first, each with which of its files exist.
    async fn contents(&self) -> Result<Vec<(ClipId, FilePresence)>>;

    /// Returns whether neither a clip, a sidecar nor an unfinished file has this id.
    async fn is_free(&self, id: &ClipId) -> Result<bool>;

    /// Returns the size of a file, or `None` if it does not exist.
    ///
    /// Fails for anything but a regular file: following a link would leave the library, and opening a pipe would wait
    /// forever.
    async fn size(&self, name: &str) -> Result<Option<u64>>;

    /// Opens a file for reading in pieces. Returns `None` if it does not exist. `action` begins the error message.
    async fn open(&self, name: &str, action: &str) -> Result<Option<Object>>;

    /// Computes the size and hash of a file. Returns `None` if it does not exist. `action` begins the error message.
    async fn digest(&self, name: &str, action: &str) -> Result<Option<ClipDigest>>;

    /// Reads sidecars. The results are in the order of `ids`, with `None` for a clip without a sidecar. See
    /// [`sidecar_batch`](Self::sidecar_batch) for the number of ids.
    async fn read_sidecars(&self, ids: &[ClipId]) -> Vec<Result<Option<Bytes>>>;

    /// Returns how many sidecars one call of [`read_sidecars`](Self::read_sidecars) should read, and how many calls
    /// should run concurrently.
    fn sidecar_batch(&self) -> (usize, usize);

    /// Writes a sidecar, and replaces an existing one.
    async fn write_sidecar(&self, id: &ClipId, json: Vec<u8>) -> Result<()>;

    /// Opens the unfinished file of a clip, with the bytes that it has, and locks it against other writers. Fails if the
    /// clip exists.
    async fn stage(&self, id: &ClipId) -> Result<Part>;

    /// Makes a complete unfinished file the clip `id`, then writes its sidecar. Overwrites no clip, and a sidecar only as
    /// `existing` says. A crash in between leaves a complete clip without its new sidecar.
    async fn commit(
        &self,
        id: &ClipId,
        part: FinishedPart,
        sidecar: Vec<u8>,
        existing: ExistingSidecar,
    ) -> Result<()>;

    /// Makes the file `from` of the library the clip `id`. Overwrites no clip.
    async fn publish(&self, id: &ClipId, from: &str, digest: &ClipDigest) -> Result<()>;

    /// Moves a complete unfinished file to `name`, and replaces an existing file.
    async fn replace(&self, name: &str, part: FinishedPart) -> Result<()>;

    /// Removes a file. Succeeds if it does not exist.
    async fn remove(&self, name: &str) -> Result<()>;

    /// Removes temporary files that no process is writing and that have not changed for `age`. Returns how many.
    async fn sweep(&self, age: Duration) -> Result<u64>;

    /// Returns the names of the documents in a folder, without `.json`, unsorted.
    async fn documents(&self, folder: &str) -> Result<Vec<String>>;

    /// Returns the names of the folders in a folder, sorted.
    async fn folders(&self, folder: &str) -> Result<Vec<String>>;

    /// Reads a document. Returns `None` if it does not exist.
    async fn read_document(&self, folder: &str, name: &str) -> Result<Option<Document>>;

    /// Writes a document under a condition. Returns `None`, and changes nothing, if the condition does not hold.
    async fn write_document(
        &self,
        folder: &str,
        name: &str,
        json: Vec<u8>,
        condition: WriteCondition,
    ) -> Result<Option<Version>>;

    /// Removes a document. Succeeds if it does not exist.
    async fn remove_document(&self, folder: &str, name: &str) -> Result<()>;

    /// Removes the documents of a folder that have not changed for `age`, by the backend's clock.
    async fn remove_old_documents(&self, folder: &str, age: Duration) -> Result<()>;
}

/// Which of the two files of a clip exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct FilePresence {
    pub(crate) clip: bool,
    pub(crate) sidecar: bool,
}

impl FilePresence {
    /// Returns each id once, oldest first, with which of its files exist.
    fn join(clips: Vec<ClipId>, sidecars: Vec<ClipId>) -> Vec<(ClipId, Self)> {
        let mut all: HashMap<ClipId, Self> = HashMap::with_capacity(clips.len());
        for id in clips {
            all.entry(id).or_default().clip = true;
        }
        for id in sidecars {
            all.entry(id).or_default().sidecar = true;
        }
        let mut all: Vec<_> = all.into_iter().collect();
        all.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        all
    }
}

/// What a commit does if the clip does not exist and its sidecar does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExistingSidecar {
    /// It fails.
    Refuse,
    /// It replaces the sidecar.
    Replace,
}

/// The unfinished file of a clip. No other process or task can write it while `file` and `lock` exist.
pub(crate) struct Part {
    pub(crate) file: LockedFile,
    pub(crate) path: PathBuf,
    /// The separate lock file, if the system needs one.
    pub(crate) lock: Option<LockedFile>,
}

/// An unfinished file that has all of its bytes.
pub(crate) struct FinishedPart {
    pub(crate) path: PathBuf,
    /// The open file, which also holds the lock if that is not a separate file.
    pub(crate) file: LockedFile,
    pub(crate) digest: ClipDigest,
}

/// A document, with its version when it was read.
pub(crate) struct Document {
    pub(crate) json: Bytes,
    pub(crate) version: Version,
}

/// The version of a document, which changes with its content.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Version {
    /// The SHA-256 of the document, in a folder.
    Hash([u8; 32]),
    /// The entity tag of the object, in a bucket.
    Tag(UpdateVersion),
}

/// The condition under which a document is written.
#[derive(Debug, Clone)]
pub(crate) enum WriteCondition {
    /// The document does not exist.
    Absent,
    /// The document still has this version.
    Unchanged(Version),
    /// No condition, for documents with a single writer.
    None,
}

/// Runs `work` on a thread that may block. It continues when the future is dropped.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    host::spawn_blocking(work).await.map_err(shutting_down)?
}

/// Converts the error for a task that the runtime stopped.
pub(crate) fn shutting_down(error: tokio::task::JoinError) -> Error {
    Error::library("wait for the library").with_source(error)
}

/// Returns the name of a temporary file for the content of `name`.
fn temporary_name(name: &str) -> Result<String> {
    let random = host::random().map_err(no_randomness)?;
    Ok(format!("{name}.{random:08x}{PART_SUFFIX}"))
}

pub(crate) fn name_taken(name: &str) -> Error {
    Error::library(format!(
        "save {name:?}: the name is taken, and nothing is overwritten"
    ))
}

fn without_sidecar(id: &ClipId, error: Error) -> Error {
    let message = format!(
        "save clip {}: the clip is in the library, but its sidecar could not be written",
        id.file_name()
    );
    Error::library(message).with_source(error)
}

fn document_too_large(action: &str) -> Error {
    Error::library(format!("{action}: it has more than {MAX_DOCUMENT_BYTES} bytes"))
        .with_source(std::io::Error::from(std::io::ErrorKind::FileTooLarge))
}

/// Returns whether a document could not be read because of what it is: a folder, a link, or a file that is too large. The
/// next attempt would fail as well.
pub(crate) fn is_no_document(error: &Error) -> bool {
    use std::error::Error as _;
    use std::io::{Error as IoError, ErrorKind as IoErrorKind};

    let source = error.source().and_then(|source| source.downcast_ref::<IoError>());
    source.is_some_and(|source| {
        matches!(
            source.kind(),
            IoErrorKind::InvalidInput | IoErrorKind::FileTooLarge
        )
    })
}

pub(crate) fn sidecar_too_large(action: &str) -> Error {
    Error::library(format!("{action}: it is larger than 4 MiB"))
}

/// Returns the name of a document without its suffix, or `None` for hidden and other files.
fn document_name(file_name: &str) -> Option<&str> {
    let name = file_name.strip_suffix(DOCUMENT_SUFFIX)?;
    (!name.is_empty() && !name.starts_with('.')).then_some(name)
}

//! Where a library keeps its files: clips, sidecars and small JSON documents.
//!
//! Owns the trait [`Backend`] and its two implementations, a [`Folder`] and a [`Bucket`]: names that are never
//! overwritten, conditional writes, file locks, temporary files, and the index that makes a large folder quick to
//! list. Does not know what a clip, a sidecar or a document contains.
//!
//! Names are relative to the library: `<id>.mp4` and `<id>.mp4.json` for clips and sidecars, and
//! `<folder>/<name>.json` for documents. Callers pass file names of a [`ClipId`] or names of their own, never a
//! text from outside, so no name leaves the library.

mod bucket;
mod clip_reader;
mod digest;
mod error;
mod folder;
mod hashing_writer;
mod json_store;
mod lock;
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

pub(crate) use self::bucket::{Bucket, Object};
pub use self::clip_reader::ClipReader;
pub use self::digest::ClipDigest;
pub(crate) use self::digest::to_hex;
pub(crate) use self::error::{io_error, no_randomness};
pub(crate) use self::folder::{FileLocks, Folder, Index, IndexClock, Stamp, Tick, is_inside, sync_folder};
pub(crate) use self::hashing_writer::HashingWriter;
pub(crate) use self::json_store::JsonStore;
pub(crate) use self::lock::{LockedFile, PartLock, is_named};
pub(crate) use self::url::{Location, locate, url_in};

use crate::error::{Error, ErrorKind, Result};
use crate::host;
use crate::ids::ClipId;

/// The folder of unfinished files. It is inside the library, so that the last step is a rename on one filesystem,
/// and hidden, so that neither a listing nor ima2-gen takes its files for clips.
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
/// The maximum size of a sidecar that is read or written, in bytes. Typical sidecars are a few kilobytes.
pub const MAX_SIDECAR_BYTES: usize = 4 << 20;
/// The maximum size of a document. A chain of a hundred steps with the longest prompts is far smaller.
const MAX_DOCUMENT_BYTES: u64 = 8 << 20;

/// What a library is stored on.
///
/// Dropping a future leaves a file as it was or as it is to be, never in between.
#[async_trait]
pub(crate) trait Backend: fmt::Display + Send + Sync {
    /// Returns the folder, with symbolic links resolved, if the library is one.
    fn folder(&self) -> Option<&Path>;

    /// Returns the file locks of the library. A bucket has none.
    fn locks(&self) -> Option<FileLocks>;

    /// Returns the index of names, where there can be one.
    fn index(&self) -> Option<&Arc<Index>>;

    /// Checks that a clip could be saved now, by writing and removing a small file.
    async fn check_writable(&self) -> Result<()>;

    /// Returns the ids of the newest clips older than `before`, newest first, at most `limit`.
    async fn clips(&self, before: Option<ClipId>, limit: usize) -> Result<Vec<ClipId>>;

    /// Returns the ids of all sidecars, with or without a clip, newest first.
    async fn sidecars(&self) -> Result<Vec<ClipId>>;

    /// Returns every id in order, with the files that exist.
    async fn contents(&self) -> Result<Vec<(ClipId, FilePresence)>>;

    /// Returns whether neither a clip, a sidecar nor an unfinished file has this id.
    async fn is_free(&self, id: &ClipId) -> Result<bool>;

    /// Returns the size of a file, or `None` if it does not exist.
    ///
    /// Fails for a symbolic link, a folder or a device: following a link would leave the library, and opening a
    /// pipe would wait forever.
    async fn size(&self, name: &str) -> Result<Option<u64>>;

    /// Opens a file for reading in pieces.
    async fn open(&self, name: &str, doing: &str) -> Result<Option<Object>>;

    /// Computes the size and hash of a file.
    async fn digest(&self, name: &str, doing: &str) -> Result<Option<ClipDigest>>;

    /// Reads sidecars, in the order of `ids`. `None` stands for a clip without a sidecar. Meant for as many ids at a
    /// time as [`sidecar_batch`](Self::sidecar_batch) says.
    async fn read_sidecars(&self, ids: &[ClipId]) -> Vec<Result<Option<Bytes>>>;

    /// Returns how many sidecars one call should read, and how many calls should run concurrently.
    fn sidecar_batch(&self) -> (usize, usize);

    /// Writes a sidecar, over an old one if there is one.
    async fn write_sidecar(&self, id: &ClipId, json: Vec<u8>) -> Result<()>;

    /// Opens the unfinished file of a clip, with what it contains, locked against every other writer.
    async fn stage(&self, id: &ClipId) -> Result<Part>;

    /// Makes a synced, complete unfinished file the clip `id`, then writes its sidecar. Overwrites nothing. A crash
    /// in between leaves a complete clip without a sidecar.
    async fn commit(&self, id: &ClipId, part: FinishedPart, sidecar: Vec<u8>) -> Result<()>;

    /// Makes another file of the library the clip `id`. Overwrites nothing.
    async fn publish(&self, id: &ClipId, from: &str, digest: &ClipDigest) -> Result<()>;

    /// Moves a complete unfinished file to `name`, over an old file if there is one.
    async fn replace(&self, name: &str, part: FinishedPart) -> Result<()>;

    /// Removes a file. Succeeds if it does not exist.
    async fn remove(&self, name: &str) -> Result<()>;

    /// Removes temporary files that nobody is writing and that have not changed for `age`. Returns how many.
    async fn sweep(&self, age: Duration) -> Result<u64>;

    /// Returns the names of the documents in a folder, without `.json`, in no order.
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
    /// Returns each id once, in order, with the files that exist.
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

/// The unfinished file of a clip, which nobody else writes while `file` and `lock` exist.
pub(crate) struct Part {
    pub(crate) file: LockedFile,
    pub(crate) path: PathBuf,
    pub(crate) lock: PartLock,
}

/// An unfinished file whose bytes are all written.
pub(crate) struct FinishedPart {
    pub(crate) path: PathBuf,
    /// Keeps the lock, where the lock is in the file.
    pub(crate) file: LockedFile,
    pub(crate) digest: ClipDigest,
}

/// A document as it was read.
pub(crate) struct Document {
    pub(crate) json: Bytes,
    pub(crate) version: Version,
}

/// The version of a document that a caller has read or written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Version {
    /// The SHA-256 of its bytes.
    Hash([u8; 32]),
    /// The entity tag of an object store.
    Tag(UpdateVersion),
}

/// What must be true of a document for a write to take effect.
#[derive(Debug, Clone)]
pub(crate) enum WriteCondition {
    /// It does not exist.
    Absent,
    /// It is still this version.
    Unchanged(Version),
    /// Nothing: for documents with a single writer.
    None,
}

/// Runs work on the disk on a thread that may block. The work continues when the future is dropped.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    host::spawn_blocking(work).await.map_err(shutting_down)?
}

/// The error for work that ended with the runtime.
pub(crate) fn shutting_down(error: tokio::task::JoinError) -> Error {
    Error::new(ErrorKind::Library, "wait for the library").with_source(error)
}

/// Returns a temporary name for a file that is to be called `name`.
fn temporary_name(name: &str) -> Result<String> {
    let random = host::random().map_err(no_randomness)?;
    Ok(format!("{name}.{random:08x}{PART_SUFFIX}"))
}

fn name_taken(name: &str) -> Error {
    Error::new(
        ErrorKind::Library,
        format!("save {name:?}: the name is taken, and nothing is overwritten"),
    )
}

fn without_sidecar(id: &ClipId, error: Error) -> Error {
    let message = format!(
        "save clip {}: the clip is in the library, its sidecar is not",
        id.file_name()
    );
    Error::new(ErrorKind::Library, message).with_source(error)
}

fn document_too_large(doing: &str) -> Error {
    Error::new(
        ErrorKind::Library,
        format!("{doing}: it has more than {MAX_DOCUMENT_BYTES} bytes"),
    )
}

pub(crate) fn sidecar_too_large(doing: &str) -> Error {
    Error::new(ErrorKind::Library, format!("{doing}: it is larger than 4 MiB"))
}

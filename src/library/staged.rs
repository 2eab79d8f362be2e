//! A clip on its way in: a temporary file that becomes a clip in one step.

use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::appender::Appender;
use super::bucket::Content;
use super::fault::io_fault;
use super::folder::{self, Folder, Part};
use super::lock::{LockedFile, PartLock};
use super::record::{ClipRecord, ReelkinRecord};
use super::{Clip, ClipId, Library, blocking, cut_off};
use crate::error::{Error, ErrorKind, Result};
use crate::host;

/// Most that is copied of a chunk at a time.
const PIECE: usize = 2 << 20;

/// Size and hash of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct ClipDigest {
    /// SHA-256 in hex.
    pub sha256: String,
    /// Size.
    pub bytes: u64,
}

/// An unfinished clip: a temporary file that no listing shows and no other process writes.
///
/// Bytes are [appended](Self::append); then [`commit`](Self::commit) makes the file a clip. Dropped
/// without that, the file is removed, unless [`keep_for_resume`](Self::keep_for_resume) was called:
/// then staging the same id again finds what was written, in this process or, on a folder, in the
/// next.
pub struct Staged {
    pub(super) library: Library,
    pub(super) id: ClipId,
    pub(super) path: PathBuf,
    pub(super) file: Appender,
    /// Of the file, where the lock is not in it. Until the clip is in the library or the file is removed.
    pub(super) lock: PartLock,
    pub(super) written: u64,
    /// A write failed or was cancelled: how much of it is in the file is not known.
    unsettled: bool,
    pub(super) keep: bool,
}

impl Library {
    /// Opens the unfinished file of the clip `id`, empty or with what an earlier download left.
    ///
    /// # Errors
    /// `Library` if a clip or a sidecar of that name is there, if another process or task is writing
    /// it, or if the library cannot be written.
    ///
    /// # Cancel safety
    /// Dropping the future may leave an empty temporary file, which [`sweep`](Self::sweep) removes.
    pub async fn stage(&self, id: &ClipId) -> Result<Staged> {
        let Part { file, path, lock } = self.open_part(id).await?;
        let mut staged = Staged {
            library: self.clone(),
            id: id.clone(),
            path,
            file: Appender::new(file),
            lock,
            written: u64::MAX,
            unsettled: true,
            // What an earlier download left is not lost by a failure in here.
            keep: true,
        };
        staged.settle().await?;
        staged.keep = false;
        Ok(staged)
    }

    /// The unfinished file of a clip, locked, and where it is.
    pub(super) async fn open_part(&self, id: &ClipId) -> Result<Part> {
        if let Some(folder) = self.inner.folder.clone() {
            let id = id.clone();
            return blocking(move || folder.part(&id)).await;
        }
        for name in [id.file_name(), id.sidecar_name()] {
            if self.has(&name).await? {
                return Err(folder::taken(&name));
            }
        }
        let (inner, id) = (Arc::clone(&self.inner), id.clone());
        blocking(move || folder::open_part(&inner.scratch.get_or_try_init(Scratch::new)?.0, &id)).await
    }

    /// Gives a clip that a crash left without a sidecar the one it was to have, with size and hash of what is
    /// there.
    pub(crate) async fn complete(&self, id: &ClipId, mut record: ClipRecord) -> Result<Clip> {
        let digest = self.digest(id).await?;
        let ours = record.reelkin.get_or_insert_with(ReelkinRecord::new);
        ours.sha256 = Some(digest.sha256);
        ours.bytes = Some(digest.bytes);
        self.set_record(id, record).await
    }

    /// The rest of a commit, after which the clip is in the library.
    async fn take_in(
        &self,
        id: &ClipId,
        path: PathBuf,
        file: LockedFile,
        digest: ClipDigest,
        mut record: ClipRecord,
    ) -> Result<Clip> {
        if digest.bytes == 0 {
            // Nothing that was paid for is in it.
            remove(path).await;
            return Err(Error::new(
                ErrorKind::Library,
                format!("save clip {}: it is empty", id.file_name()),
            ));
        }
        let ours = record.reelkin.get_or_insert_with(ReelkinRecord::new);
        ours.sha256 = Some(digest.sha256.clone());
        ours.bytes = Some(digest.bytes);
        let json = record.to_json(&id.sidecar_name())?;
        if let Some(folder) = self.inner.folder.clone() {
            let id = id.clone();
            blocking(move || commit_to_folder(&folder, &id, &path, &file, &json)).await?;
        } else {
            let bucket = &self.inner.bucket;
            bucket.publish(id, Content::File(&path), &digest).await?;
            bucket
                .write_new(&id.sidecar_name(), json)
                .await
                .map_err(|error| without_sidecar(id, error))?;
            remove(path).await;
            drop(file);
        }
        Ok(self.assemble(id.clone(), Some(record)))
    }
}

/// Removes a temporary file. What stays of it is swept later.
async fn remove(path: PathBuf) {
    let _ = blocking(move || Ok(std::fs::remove_file(path))).await;
}

/// The clip, then the sidecar: a crash in between leaves a whole clip, never a sidecar of nothing.
fn commit_to_folder(folder: &Folder, id: &ClipId, path: &Path, file: &File, json: &[u8]) -> Result<()> {
    file.sync_all()
        .map_err(|error| io_fault(&format!("save clip {}", id.file_name()), error))?;
    folder.publish(path, id)?;
    folder
        .write_sidecar(id, json)
        .map_err(|error| without_sidecar(id, error))
}

fn without_sidecar(id: &ClipId, error: Error) -> Error {
    let message = format!(
        "save clip {}: the clip is in the library, its sidecar is not",
        id.file_name()
    );
    Error::new(ErrorKind::Library, message).with_source(error)
}

impl Staged {
    /// The id the clip will have.
    pub fn id(&self) -> &ClipId {
        &self.id
    }

    /// The temporary file, for looking into it before the commit. Call [`flush`](Self::flush)
    /// first. It is a file on this machine also when the library is a bucket.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many bytes were taken so far. After a failure ask [`settle`](Self::settle).
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Whether dropping this keeps the file, so that staging the same id again goes on with it.
    /// Not kept unless set.
    pub fn keep_for_resume(&mut self, keep: bool) {
        self.keep = keep;
    }

    /// Writes `chunk` at the end.
    ///
    /// # Errors
    /// `Library`, with a full disk said in words. A failure may show one chunk late; none is lost,
    /// since [`flush`](Self::flush) and [`commit`](Self::commit) wait for all of them.
    ///
    /// # Cancel safety
    /// A chunk whose future was dropped is not counted: the next call takes it back out first.
    pub async fn append(&mut self, chunk: &[u8]) -> Result<()> {
        let pieces = chunk.chunks(PIECE).map(Bytes::copy_from_slice);
        self.write(chunk.len(), pieces).await
    }

    /// As [`append`](Self::append), without a copy.
    pub(crate) async fn take(&mut self, chunk: Bytes) -> Result<()> {
        self.write(chunk.len(), [chunk]).await
    }

    async fn write(&mut self, length: usize, pieces: impl IntoIterator<Item = Bytes>) -> Result<()> {
        if self.unsettled {
            self.settle().await?;
        }
        self.unsettled = true;
        for piece in pieces {
            let write = self.file.append(piece).await;
            write.map_err(|error| self.fault(error))?;
        }
        self.written += length as u64;
        self.unsettled = false;
        Ok(())
    }

    /// Waits until the file holds every byte that was taken.
    ///
    /// # Errors
    /// As for [`append`](Self::append).
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn flush(&mut self) -> Result<()> {
        if self.unsettled {
            self.settle().await?;
        }
        let flush = self.file.flush().await;
        flush.map_err(|error| {
            self.unsettled = true;
            self.fault(error)
        })
    }

    /// Finds out, after a failure too, how many bytes are surely in the file, cuts the rest off and
    /// returns the number: where a download goes on.
    ///
    /// # Errors
    /// `Library` if the file cannot be asked or cut.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn settle(&mut self) -> Result<u64> {
        self.unsettled = true;
        // The failure was reported, or will be: what counts here is what reached the file.
        let _ = self.file.flush().await;
        let on_disk = self.file.length().await;
        let on_disk = on_disk.map_err(|error| self.fault(error))?;
        let length = self.written.min(on_disk);
        self.cut(length).await?;
        Ok(length)
    }

    /// Throws away what was written from byte `length` on: 0 to begin again, when the service does
    /// not go on where the download stopped.
    ///
    /// # Errors
    /// `InvalidRequest` if there are fewer bytes, `Library` if the file cannot be cut.
    ///
    /// # Cancel safety
    /// After a dropped future [`settle`](Self::settle) tells which of the two lengths it is.
    pub async fn truncate(&mut self, length: u64) -> Result<()> {
        let held = self.settle().await?;
        if length > held {
            return Err(Error::invalid(format!(
                "cut {} to {length} bytes: it has {held}",
                self.id.file_name()
            )));
        }
        self.cut(length).await
    }

    async fn cut(&mut self, length: u64) -> Result<()> {
        self.unsettled = true;
        let cut = self.file.cut(length).await;
        cut.map_err(|error| self.fault(error))?;
        self.written = length;
        self.unsettled = false;
        Ok(())
    }

    /// Size and hash of what the file holds, read back from it.
    ///
    /// # Errors
    /// As for [`flush`](Self::flush).
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn digest(&mut self) -> Result<ClipDigest> {
        self.flush().await?;
        let path = self.path.clone();
        blocking(move || digest(&path)).await
    }

    /// Makes the file a clip: syncs it, gives it its name, and writes the sidecar. Size and hash of
    /// what was written go into the record; where a part of it was there before, they are read back from the file.
    ///
    /// # Errors
    /// `Library` if the name is taken (nothing is overwritten), the file is empty, the sidecar is
    /// too large, or the library cannot be written. From here on the bytes are not thrown away: the
    /// temporary file stays when the clip could not be saved, and when only its sidecar could not,
    /// the clip is in the library and [`Library::set_record`] makes up for it.
    ///
    /// # Cancel safety
    /// Once this has been polled, the commit goes on to its end when the future is dropped, as long
    /// as the runtime lives.
    pub async fn commit(self, record: ClipRecord) -> Result<Clip> {
        tokio::spawn(self.finish(record)).await.map_err(cut_off)?
    }

    async fn finish(mut self, record: ClipRecord) -> Result<Clip> {
        self.keep = true;
        self.flush().await?;
        // The lock lives in the open file, or beside it in `self`: both stay while the work goes on.
        let (file, hash) = self.file.finish().await.map_err(|error| self.fault(error))?;
        let digest = match hash {
            Some((hash, bytes)) => ClipDigest::new(hash, bytes),
            None => {
                let path = self.path.clone();
                blocking(move || digest(&path)).await?
            }
        };
        self.library
            .take_in(&self.id, self.path.clone(), file, digest, record)
            .await
    }

    pub(super) fn fault(&self, error: io::Error) -> Error {
        io_fault(&format!("write clip {}", self.id.file_name()), error)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.keep {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl fmt::Debug for Staged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Staged")
            .field("id", &self.id)
            .field("path", &self.path)
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}

pub(super) fn digest(path: &Path) -> Result<ClipDigest> {
    let fault = |error| io_fault(&format!("read {}", path.display()), error);
    let mut file = File::open(path).map_err(fault)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    let mut bytes = 0;
    loop {
        let read = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(fault(error)),
        };
        hash.update(&buffer[..read]);
        bytes += read as u64;
    }
    Ok(ClipDigest::new(hash, bytes))
}

impl ClipDigest {
    pub(super) fn new(hash: Sha256, bytes: u64) -> Self {
        let mut sha256 = String::with_capacity(64);
        for byte in hash.finalize() {
            let _ = write!(sha256, "{byte:02x}");
        }
        Self { sha256, bytes }
    }
}

/// A private temporary folder for the unfinished files of a library that is no folder. Removed with
/// the library.
pub(super) struct Scratch(pub(super) PathBuf);

impl Scratch {
    pub(super) fn new() -> Result<Self> {
        let unique = host::os_random().map_err(|error| {
            Error::new(ErrorKind::Library, "draw a name for a temporary folder").with_source(error)
        })?;
        let path = std::env::temp_dir().join(format!("reelkin-{unique:016x}"));
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder
            .create(&path)
            .map_err(|error| io_fault(&format!("create {}", path.display()), error))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn a_crash_between_clip_and_sidecar_leaves_a_listed_clip() {
        let root = tempfile::tempdir().unwrap();
        let library = Library::open(root.path()).unwrap();
        let id: ClipId = "a".parse().unwrap();
        let mut staged = library.stage(&id).await.unwrap();
        staged.append(b"clip").await.unwrap();
        staged.flush().await.unwrap();
        library
            .inner
            .folder
            .as_ref()
            .unwrap()
            .publish(staged.path(), &id)
            .unwrap();
        drop(staged);

        let library = Library::open(root.path()).unwrap();
        let page = library
            .list(crate::library::ListOptions::default())
            .await
            .unwrap();
        assert_eq!(page.clips.len(), 1);
        assert_eq!(page.clips[0].clip.as_ref().unwrap().record, None);
        let clip = library.set_record(&id, ClipRecord::new(1)).await.unwrap();
        assert_eq!(library.clip(&id).await.unwrap(), clip);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_crash_between_link_and_unlink_never_exposes_the_clip_to_writes() {
        let root = tempfile::tempdir().unwrap();
        let library = Library::open(root.path()).unwrap();
        let id: ClipId = "a".parse().unwrap();
        fs::write(root.path().join("a.mp4"), b"clip").unwrap();
        let part = root.path().join(".incoming/a.mp4.part");
        fs::hard_link(root.path().join("a.mp4"), &part).unwrap();
        library.stage(&id).await.unwrap_err();
        // Even when somebody renamed the clip: the second name is given up, not written through.
        fs::rename(root.path().join("a.mp4"), root.path().join("b.mp4")).unwrap();
        let mut staged = library.stage(&id).await.unwrap();
        assert_eq!(staged.written(), 0);
        staged.append(b"another").await.unwrap();
        staged.commit(ClipRecord::new(1)).await.unwrap();
        assert_eq!(fs::read(root.path().join("b.mp4")).unwrap(), b"clip");
        assert_eq!(fs::read(root.path().join("a.mp4")).unwrap(), b"another");
    }

    #[test]
    fn publishing_refuses_a_name_that_is_taken() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::create(root.path()).unwrap();
        let id: ClipId = "a".parse().unwrap();
        fs::write(root.path().join("a.mp4"), b"old").unwrap();
        let part = folder::open_part(&root.path().join(".incoming"), &id).unwrap();
        let error = folder.publish(&part.path, &id).unwrap_err();
        assert!(error.to_string().contains("the name is taken"), "{error}");
        assert_eq!(fs::read(root.path().join("a.mp4")).unwrap(), b"old");
    }
}

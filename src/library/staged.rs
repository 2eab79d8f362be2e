//! An unfinished clip, which is a temporary file that becomes a clip in one step.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::record::ClipRecord;
use super::{Clip, Library};
use crate::error::{Error, Result};
use crate::ids::ClipId;
use crate::storage::{
    ClipDigest, ExistingSidecar, FinishedPart, HashingWriter, LockedFile, Part, blocking, io_error,
    shutting_down,
};

/// The maximum size of a piece that is copied at a time for the writing thread.
const PIECE_BYTES: usize = 2 << 20;

/// An unfinished clip: a temporary file that no listing contains and no other process writes.
///
/// [`append`](Self::append) adds bytes, and [`commit`](Self::commit) makes the file a clip. A drop before that removes
/// the file, unless [`keep_for_resume`](Self::keep_for_resume) was called: then staging the same id again continues
/// with the bytes that were written. In a folder, a later process can do this too.
pub struct Staged {
    library: Library,
    id: ClipId,
    path: PathBuf,
    file: HashingWriter,
    /// The lock of the file, if it is a separate file. Held until the clip is in the library or the file is removed.
    lock: Option<LockedFile>,
    written: u64,
    /// Whether a write failed or was canceled, so that the length of the file is not known.
    is_unsettled: bool,
    keep: bool,
    existing: ExistingSidecar,
}

impl Library {
    /// Opens the unfinished file of the clip `id`. It is empty, or has the bytes of an earlier download.
    ///
    /// # Errors
    /// `Library` if a clip or a sidecar with this id exists, if another process or task is writing the file, or if the
    /// library cannot be written.
    ///
    /// # Cancel safety
    /// Dropping the future may leave an empty temporary file, which [`sweep`](Self::sweep) removes.
    pub async fn stage(&self, id: &ClipId) -> Result<Staged> {
        self.sidecar_to_replace(id, None).await?;
        self.open_staged(id, ExistingSidecar::Refuse).await
    }

    /// Opens the unfinished file of the clip of a job. If a sidecar of this job exists, because the clip was deleted
    /// before its record was closed, the commit replaces it.
    ///
    /// The sidecar is not removed here: another process may save the clip at the same time.
    pub(crate) async fn stage_for_job(&self, id: &ClipId, job_id: &str) -> Result<Staged> {
        let existing = self.sidecar_to_replace(id, Some(job_id)).await?;
        self.open_staged(id, existing).await
    }

    async fn open_staged(&self, id: &ClipId, existing: ExistingSidecar) -> Result<Staged> {
        let Part { file, path, lock } = self.backend.stage(id).await?;
        let mut staged = Staged {
            library: self.clone(),
            id: id.clone(),
            path,
            file: HashingWriter::new(file),
            lock,
            written: u64::MAX,
            is_unsettled: true,
            // A failure here must not remove the bytes of an earlier download.
            keep: true,
            existing,
        };
        staged.settle().await?;
        staged.keep = false;
        Ok(staged)
    }

    /// Writes the sidecar of a clip that a crash left without one, with the size and hash of the existing bytes.
    pub(crate) async fn complete(&self, id: &ClipId, mut record: ClipRecord) -> Result<Clip> {
        record.set_digest(&self.digest(id).await?);
        self.set_record(id, record).await
    }
}

impl Staged {
    /// Returns the id that the clip will have.
    pub fn id(&self) -> &ClipId {
        &self.id
    }

    /// Returns the path of the temporary file, for reading it before the commit. Call [`flush`](Self::flush) first. The
    /// file is on this machine even if the library is a bucket.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns how many bytes were appended. After a failure, call [`settle`](Self::settle) instead.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Sets whether the file is kept on drop, so that staging the same id again continues it. Defaults to false.
    pub fn keep_for_resume(&mut self, keep: bool) {
        self.keep = keep;
    }

    /// Appends `chunk`.
    ///
    /// # Errors
    /// `Library`, with a message that says if the disk is full. Since the write continues in the background, its
    /// failure may be returned by the call for the next chunk. [`flush`](Self::flush) and [`commit`](Self::commit) wait
    /// for all writes, so no failure is lost.
    ///
    /// # Cancel safety
    /// If the future is dropped, the chunk is not counted, and the next call removes the part that was written.
    pub async fn append(&mut self, chunk: &[u8]) -> Result<()> {
        let pieces = chunk.chunks(PIECE_BYTES).map(Bytes::copy_from_slice);
        self.write(chunk.len(), pieces).await
    }

    /// Does what [`append`](Self::append) does, without a copy.
    pub(crate) async fn append_bytes(&mut self, chunk: Bytes) -> Result<()> {
        self.write(chunk.len(), [chunk]).await
    }

    async fn write(&mut self, length: usize, pieces: impl IntoIterator<Item = Bytes>) -> Result<()> {
        if self.is_unsettled {
            self.settle().await?;
        }
        self.is_unsettled = true;
        for piece in pieces {
            let write = self.file.append(piece).await;
            write.map_err(|error| self.write_error(error))?;
        }
        self.written += length as u64;
        self.is_unsettled = false;
        Ok(())
    }

    /// Waits until every appended byte is in the file.
    ///
    /// # Errors
    /// As for [`append`](Self::append).
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn flush(&mut self) -> Result<()> {
        if self.is_unsettled {
            self.settle().await?;
        }
        let flush = self.file.flush().await;
        flush.map_err(|error| {
            self.is_unsettled = true;
            self.write_error(error)
        })
    }

    /// Determines how many bytes are certain to be in the file, truncates it to them, and returns the number. After a
    /// failure, a download continues there.
    ///
    /// # Errors
    /// `Library` if the file cannot be truncated or its length cannot be read.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn settle(&mut self) -> Result<u64> {
        self.is_unsettled = true;
        // Only the length of the file matters here. A failed write is reported by `append` or `flush`.
        let _ = self.file.flush().await;
        let on_disk = self.file.length().await;
        let on_disk = on_disk.map_err(|error| self.write_error(error))?;
        let length = self.written.min(on_disk);
        self.truncate_to(length).await?;
        Ok(length)
    }

    /// Removes the bytes from `length` on. Use 0 to begin again if the service cannot resume a download.
    ///
    /// # Errors
    /// `InvalidRequest` if the file is shorter, `Library` if it cannot be truncated.
    ///
    /// # Cancel safety
    /// If the future is dropped, [`settle`](Self::settle) returns which of the two lengths the file has.
    pub async fn truncate(&mut self, length: u64) -> Result<()> {
        let current = self.settle().await?;
        if length > current {
            return Err(Error::invalid(format!(
                "truncate {} to {length} bytes: it has only {current} bytes",
                self.id.file_name()
            )));
        }
        self.truncate_to(length).await
    }

    async fn truncate_to(&mut self, length: u64) -> Result<()> {
        self.is_unsettled = true;
        let truncated = self.file.truncate(length).await;
        truncated.map_err(|error| self.write_error(error))?;
        self.written = length;
        self.is_unsettled = false;
        Ok(())
    }

    /// Computes the size and hash of the file by reading it.
    ///
    /// # Errors
    /// As for [`flush`](Self::flush).
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn digest(&mut self) -> Result<ClipDigest> {
        self.flush().await?;
        let path = self.path.clone();
        blocking(move || ClipDigest::of_file(&path)).await
    }

    /// Makes the file a clip: syncs it, gives it its final name, adds its size and hash to the sidecar, and writes
    /// that.
    ///
    /// # Errors
    /// `Library` if the name is taken (nothing is overwritten), the file is empty, the sidecar is too large, or the
    /// library cannot be written. If the clip could not be saved, the temporary file is kept. If only the sidecar could
    /// not be written, the clip is in the library, and [`Library::set_record`] can add the sidecar.
    ///
    /// # Cancel safety
    /// After the first poll the commit continues when the future is dropped, as long as the runtime exists.
    pub async fn commit(self, record: ClipRecord) -> Result<Clip> {
        tokio::spawn(self.finish(record)).await.map_err(shutting_down)?
    }

    async fn finish(mut self, mut record: ClipRecord) -> Result<Clip> {
        self.keep = true;
        let part = self.finished_part().await?;
        let id = self.id.clone();
        if part.digest.bytes == 0 {
            // It contains nothing that was paid for. Removed while `part` holds the lock.
            let _ = blocking(move || Ok(std::fs::remove_file(&part.path))).await;
            return Err(Error::library(format!(
                "save clip {}: it is empty",
                id.file_name()
            )));
        }
        record.set_digest(&part.digest);
        let json = record.to_json(&id.sidecar_name())?;
        self.library
            .backend
            .commit(&id, part, json, self.existing)
            .await?;
        Ok(self.library.assemble(id, Some(record)))
    }

    /// Takes the file with its size and hash. Hashes the whole file if a part of it existed before.
    pub(super) async fn finished_part(&mut self) -> Result<FinishedPart> {
        self.flush().await?;
        let (file, hash) = self
            .file
            .finish()
            .await
            .map_err(|error| self.write_error(error))?;
        let path = self.path.clone();
        let digest = match hash {
            Some((hash, bytes)) => ClipDigest::new(hash, bytes),
            None => {
                let path = path.clone();
                blocking(move || ClipDigest::of_file(&path)).await?
            }
        };
        Ok(FinishedPart { path, file, digest })
    }

    /// Begins an empty file under the same id, after [`finished_part`](Self::finished_part).
    pub(super) async fn restart(&mut self) -> Result<()> {
        drop(self.lock.take());
        let Part { file, path, lock } = self.library.backend.stage(&self.id).await?;
        (self.file, self.path, self.written) = (HashingWriter::new(file), path, u64::MAX);
        self.lock = lock;
        self.truncate(0).await
    }

    /// Returns the library that the clip will be in.
    pub(super) const fn library(&self) -> &Library {
        &self.library
    }

    fn write_error(&self, error: io::Error) -> Error {
        io_error(&format!("write clip {}", self.id.file_name()), error)
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::timestamp::Timestamp;

    #[tokio::test]
    async fn a_crash_between_clip_and_sidecar_leaves_a_listed_clip() {
        let root = tempfile::tempdir().unwrap();
        let library = Library::open(root.path()).unwrap();
        let id: ClipId = "a".parse().unwrap();
        let mut staged = library.stage(&id).await.unwrap();
        staged.append(b"clip").await.unwrap();
        let digest = staged.digest().await.unwrap();
        let part = ".incoming/a.mp4.part";
        library.backend.publish(&id, part, &digest).await.unwrap();
        drop(staged);

        let library = Library::open(root.path()).unwrap();
        let page = library
            .list(crate::library::ListOptions::default())
            .await
            .unwrap();
        assert_eq!(page.clips.len(), 1);
        assert_eq!(page.clips[0].clip.as_ref().unwrap().record, None);
        let clip = library
            .set_record(&id, ClipRecord::new(Timestamp::from_millis(1)))
            .await
            .unwrap();
        assert_eq!(library.clip(&id).await.unwrap(), clip);
    }

    fn record_of(job_id: &str) -> ClipRecord {
        let mut record = ClipRecord::new(Timestamp::from_millis(1));
        record.reelkin = Some(crate::library::ReelkinRecord {
            job_id: Some(job_id.to_owned()),
            ..Default::default()
        });
        record
    }

    async fn save(library: &Library, id: &ClipId, bytes: &[u8]) -> Result<Clip> {
        let mut staged = library.stage_for_job(id, "job-1").await?;
        staged.append(bytes).await?;
        staged.commit(record_of("job-1")).await
    }

    /// Found by the simulation with seed 2631: one process removed the sidecar that another had just written.
    #[tokio::test]
    async fn a_clip_saved_by_another_process_keeps_its_sidecar() {
        let store: std::sync::Arc<dyn object_store::ObjectStore> =
            std::sync::Arc::new(object_store::memory::InMemory::new());
        let open = || Library::on_store(std::sync::Arc::clone(&store), "team").unwrap();
        let (one, other) = (open(), open());
        let id: ClipId = "a".parse().unwrap();
        save(&one, &id, b"clip").await.unwrap();
        // The clip is deleted. Its sidecar remains.
        one.backend.remove(&id.file_name()).await.unwrap();

        let mut slow = other.stage_for_job(&id, "job-1").await.unwrap();
        save(&one, &id, b"clip again").await.unwrap();
        slow.append(b"clip again").await.unwrap();
        slow.commit(record_of("job-1")).await.unwrap_err();
        let clip = one.clip(&id).await.unwrap();
        let bytes = clip.record.unwrap().reelkin.unwrap().bytes;
        assert_eq!(bytes, Some(10));
    }

    #[tokio::test]
    async fn the_sidecar_of_another_job_is_not_replaced() {
        let root = tempfile::tempdir().unwrap();
        let library = Library::open(root.path()).unwrap();
        let id: ClipId = "a".parse().unwrap();
        library
            .backend
            .write_sidecar(&id, record_of("job-2").to_json("a").unwrap())
            .await
            .unwrap();
        let refused = save(&library, &id, b"clip").await.unwrap_err();
        assert!(refused.to_string().contains("the name is taken"), "{refused}");
        let refused = library.stage(&id).await.unwrap_err();
        assert!(refused.to_string().contains("the name is taken"), "{refused}");
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
        // Also if the clip was renamed: the second name is removed, and writing does not change the clip.
        fs::rename(root.path().join("a.mp4"), root.path().join("b.mp4")).unwrap();
        let mut staged = library.stage(&id).await.unwrap();
        assert_eq!(staged.written(), 0);
        staged.append(b"another").await.unwrap();
        staged
            .commit(ClipRecord::new(Timestamp::from_millis(1)))
            .await
            .unwrap();
        assert_eq!(fs::read(root.path().join("b.mp4")).unwrap(), b"clip");
        assert_eq!(fs::read(root.path().join("a.mp4")).unwrap(), b"another");
    }
}

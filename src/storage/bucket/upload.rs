//! Uploads clips. A clip gets its name only when it is complete, and overwrites nothing.

use std::path::Path;

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use object_store::path::Path as StorePath;
use object_store::{
    Error as StoreError, MultipartUpload, ObjectStoreExt as _, PutMode, PutPayload, PutResult,
};
use tokio::io::AsyncReadExt as _;

use super::{Bucket, PART_BYTES, is_refusal};
use crate::error::{Error, Result};
use crate::host::spawn_blocking;
use crate::ids::ClipId;
use crate::storage::digest::ClipDigest;
use crate::storage::error::{io_error, store_error};
use crate::storage::{INCOMING, name_taken, shutting_down, temporary_name};

/// The maximum number of concurrent uploads of parts.
const CONCURRENT_PARTS: usize = 3;
/// Maximum attempts if the store reports a conflict but the clip does not exist.
const MAX_ATTEMPTS: usize = 3;

/// The source of the bytes of a clip.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    File(&'a Path),
    /// Another object of the library, by name.
    Object(&'a str),
}

/// The error of an upload, before it is converted for the user.
enum UploadError {
    Disk(std::io::Error),
    Store(StoreError),
    Other(Error),
}

impl From<std::io::Error> for UploadError {
    fn from(error: std::io::Error) -> Self {
        Self::Disk(error)
    }
}

impl From<StoreError> for UploadError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Error> for UploadError {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl Bucket {
    /// Makes a file or another object the clip `id`. Overwrites nothing.
    pub(super) async fn publish_from(
        &self,
        id: &ClipId,
        source: Source<'_>,
        digest: &ClipDigest,
    ) -> Result<()> {
        let name = id.file_name();
        let action = format!("save clip {name}");
        self.refuse_taken(&name).await?;
        let path = self.location(&name)?;
        for _ in 0..MAX_ATTEMPTS {
            let uploaded = match source {
                Source::File(file) if digest.bytes <= PART_BYTES as u64 => {
                    self.upload_whole(&path, file).await
                }
                Source::File(file) => self.upload_parts(&name, &path, file).await,
                Source::Object(object) => self.copy_within(object, &path).await,
            };
            let error = match uploaded {
                Ok(()) => return Ok(()),
                Err(UploadError::Disk(error)) => return Err(io_error(&action, error)),
                Err(UploadError::Other(error)) => return Err(error),
                Err(UploadError::Store(error)) => error,
            };
            // If the reply to a successful upload was lost, the clip exists and has these bytes.
            match (self.contains(&name, digest).await, is_refusal(&error)) {
                (Ok(Some(true)), _) => return Ok(()),
                (Ok(Some(false)), true) => return Err(name_taken(&name)),
                (Ok(None), true) => {}
                _ => return Err(store_error(&action, error)),
            }
        }
        Err(Error::library(format!(
            "{action}: the store keeps reporting a conflict with another writer"
        )))
    }

    /// Fails if a file has this name.
    pub(super) async fn refuse_taken(&self, name: &str) -> Result<()> {
        if self.exists(name).await? {
            return Err(name_taken(name));
        }
        Ok(())
    }

    /// Writes a file to an object, and replaces an existing one.
    pub(super) async fn overwrite(&self, name: &str, file: &Path, bytes: u64) -> Result<()> {
        let path = self.location(name)?;
        let write = async {
            if bytes <= PART_BYTES as u64 {
                let bytes = read_file(file).await?;
                self.store.put(&path, bytes.into()).await?;
                return Ok(());
            }
            let mut upload = self.store.put_multipart(&path).await?;
            let written = match send_parts(&mut *upload, file).await {
                Ok(_) => upload.complete().await.map(drop).map_err(UploadError::Store),
                Err(error) => Err(error),
            };
            if written.is_err() {
                // Stores charge for the parts of an unfinished upload.
                let _ = upload.abort().await;
            }
            written
        };
        let action = format!("write {name}");
        write.await.map_err(|error| match error {
            UploadError::Disk(error) => io_error(&action, error),
            UploadError::Store(error) => store_error(&action, error),
            UploadError::Other(error) => error,
        })
    }

    async fn upload_whole(&self, path: &StorePath, file: &Path) -> Result<(), UploadError> {
        let bytes = read_file(file).await?;
        self.create(path, bytes.into()).await?;
        Ok(())
    }

    async fn copy_within(&self, object: &str, path: &StorePath) -> Result<(), UploadError> {
        let object = self.location(object)?;
        Ok(self.store.copy_if_not_exists(&object, path).await?)
    }

    /// Uploads to a temporary object, then copies it to the target, on the condition that the target does not exist.
    async fn upload_parts(&self, name: &str, path: &StorePath, file: &Path) -> Result<(), UploadError> {
        let temporary = self.temporary(name)?;
        let mut upload = self.store.put_multipart(&temporary).await?;
        let sent = match send_parts(&mut *upload, file).await {
            Ok(sent) => match upload.complete().await {
                // If the reply was lost, the retry found no upload, but the object is complete.
                Err(_) if self.size_at(&temporary).await == Some(sent) => Ok(()),
                completed => completed.map(drop).map_err(UploadError::Store),
            },
            Err(error) => Err(error),
        };
        let copied = match sent {
            Ok(()) => self.store.copy_if_not_exists(&temporary, path).await,
            Err(error) => {
                // Stores charge for the parts of an unfinished upload.
                let _ = upload.abort().await;
                let _ = self.store.delete(&temporary).await;
                return Err(error);
            }
        };
        // If this fails, a sweep removes the object. The clip is complete in both cases.
        let _ = self.store.delete(&temporary).await;
        Ok(copied?)
    }

    async fn size_at(&self, path: &StorePath) -> Option<u64> {
        self.store.head(path).await.ok().map(|meta| meta.size)
    }

    /// Returns whether an object has this content, or `None` if it does not exist.
    async fn contains(&self, name: &str, digest: &ClipDigest) -> Result<Option<bool>> {
        let action = format!("read clip {name:?}");
        match self.object(name, &action).await? {
            None => Ok(None),
            Some(object) if object.size != digest.bytes => Ok(Some(false)),
            Some(object) => Ok(Some(object.digest(&action).await? == *digest)),
        }
    }

    pub(super) async fn create(&self, path: &StorePath, content: Bytes) -> Result<PutResult, StoreError> {
        let payload = PutPayload::from_bytes(content);
        self.store.put_opts(path, payload, PutMode::Create.into()).await
    }

    pub(super) fn temporary(&self, name: &str) -> Result<StorePath> {
        // 64 random bits instead of 32, because no lock keeps two writers from using the same name.
        let random = crate::host::random().map_err(crate::storage::no_randomness)?;
        let name = temporary_name(&format!("{name}.{random:08x}"))?;
        self.location(&format!("{INCOMING}/{name}"))
    }
}

/// Reads a file that fits into one part.
async fn read_file(file: &Path) -> Result<Vec<u8>, UploadError> {
    let file = file.to_owned();
    let read = spawn_blocking(move || std::fs::read(file)).await;
    Ok(read.map_err(|error| UploadError::Other(shutting_down(error)))??)
}

/// Sends a file in parts. Returns its size.
async fn send_parts(upload: &mut dyn MultipartUpload, file: &Path) -> Result<u64, UploadError> {
    let mut file = tokio::fs::File::open(file).await?;
    let mut sent = 0;
    let mut uploads = FuturesUnordered::new();
    loop {
        let mut part = Vec::with_capacity(PART_BYTES);
        (&mut file).take(PART_BYTES as u64).read_to_end(&mut part).await?;
        sent += part.len() as u64;
        let is_last = part.len() < PART_BYTES;
        if !part.is_empty() {
            uploads.push(upload.put_part(part.into()));
        }
        while uploads.len() >= if is_last { 1 } else { CONCURRENT_PARTS } {
            uploads.next().await.transpose()?;
        }
        if is_last {
            return Ok(sent);
        }
    }
}

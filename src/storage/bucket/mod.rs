//! A library in an object store. Conditional writes replace the links, renames and locks of a folder.
//!
//! Owns the temporary objects under `.incoming`, uploads in parts, and the step that gives an upload its name.

mod capability_check;
mod upload;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future;
use futures_util::stream::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path as StorePath;
use object_store::{
    Error as StoreError, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload, UpdateVersion,
};
use once_cell::sync::OnceCell;
use tempfile::TempDir;

use self::upload::Source;
use super::digest::ClipDigest;
use super::error::{io_error, store_error};
use super::folder::{FileLocks, Index, open_part};
use super::object::Object;
use super::{
    Backend, DOCUMENT_SUFFIX, Document, ExistingSidecar, FilePresence, FinishedPart, INCOMING,
    MAX_DOCUMENT_BYTES, MAX_SIDECAR_BYTES, PART_SUFFIX, Part, Version, WriteCondition, blocking,
    document_name, document_too_large, sidecar_too_large, without_sidecar,
};
use crate::error::{Error, Result};
use crate::host::wall_clock;
use crate::ids::{CLIP_SUFFIX, ClipId, SIDECAR_SUFFIX};
use crate::text::quoted;

/// Clips up to this size are sent in one request. Larger ones are sent in parts of this size, which every store
/// accepts.
const PART_BYTES: usize = 8 << 20;
/// The maximum number of concurrent reads of sidecars.
const CONCURRENT_SIDECARS: usize = 16;

/// A library under a prefix of an object store.
#[derive(Clone)]
pub(crate) struct Bucket {
    store: Arc<dyn ObjectStore>,
    prefix: StorePath,
    /// The name in messages.
    label: String,
    /// Whether it was checked that the store supports conditional writes.
    is_checked: Arc<AtomicBool>,
    /// The private folder of unfinished files on this machine. Removed when the last clone is dropped.
    scratch: Arc<OnceCell<TempDir>>,
}

impl Bucket {
    /// Returns the library under a prefix. `label` is its name in messages, and defaults to the store and the prefix.
    pub(crate) fn new(store: Arc<dyn ObjectStore>, prefix: StorePath, label: Option<String>) -> Self {
        let label = label.unwrap_or_else(|| format!("{store}/{prefix}"));
        Self {
            store,
            prefix,
            label,
            is_checked: Arc::default(),
            scratch: Arc::default(),
        }
    }

    /// Returns the path of a name, which may contain slashes.
    fn location(&self, name: &str) -> Result<StorePath> {
        let prefix = self.prefix.as_ref();
        let path = if prefix.is_empty() {
            name.to_owned()
        } else {
            format!("{prefix}/{name}")
        };
        // `Path::from` would encode characters that names from other programs may contain.
        StorePath::parse(path)
            .map_err(|error| Error::invalid(format!("find {}", quoted(name))).with_source(error))
    }

    fn document(&self, folder: &str, name: &str) -> Result<StorePath> {
        self.location(&format!("{folder}/{name}{DOCUMENT_SUFFIX}"))
    }

    async fn object(&self, name: &str, action: &str) -> Result<Option<Object>> {
        Object::open(&self.store, self.location(name)?, action).await
    }

    async fn exists(&self, name: &str) -> Result<bool> {
        Ok(self.object(name, &format!("find {name}")).await?.is_some())
    }

    async fn read_sidecar(&self, id: &ClipId) -> Result<Option<Bytes>> {
        let name = id.sidecar_name();
        let action = format!("read sidecar {name:?}");
        let found = match self.store.get(&self.location(&name)?).await {
            Ok(found) => found,
            Err(StoreError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(store_error(&action, error)),
        };
        if found.meta.size > MAX_SIDECAR_BYTES as u64 {
            return Err(sidecar_too_large(&action));
        }
        let bytes = found.bytes().await;
        bytes.map(Some).map_err(|error| store_error(&action, error))
    }

    /// Writes a new object.
    async fn write_new(&self, name: &str, content: Vec<u8>) -> Result<()> {
        let content = Bytes::from(content);
        let path = self.location(name)?;
        let Err(error) = self.create(&path, content.clone()).await else {
            return Ok(());
        };
        let action = format!("write sidecar {name}");
        // The reply to a first attempt may have been lost, and the retry failed because the object exists.
        if let Ok(existing) = self.store.get(&path).await
            && existing.meta.size == content.len() as u64
            && existing.bytes().await.is_ok_and(|existing| existing == content)
        {
            return Ok(());
        }
        Err(if is_refusal(&error) {
            super::name_taken(name)
        } else {
            store_error(&action, error)
        })
    }

    /// Returns the ids of the objects directly under the prefix whose names have the suffix, newest first.
    async fn ids(&self, suffix: &str) -> Result<Vec<ClipId>> {
        let listed = self.store.list_with_delimiter(Some(&self.prefix)).await;
        let listed = listed.map_err(|error| store_error(&format!("list {self}"), error))?;
        let depth = self.prefix.parts().count() + 1;
        let ids = listed.objects.into_iter().filter_map(|object| {
            let is_flat = object.location.parts().count() == depth;
            let name = object.location.filename().filter(|_| is_flat)?;
            ClipId::parse(name.strip_suffix(suffix)?).ok()
        });
        let mut ids: Vec<ClipId> = ids.collect();
        ids.sort_unstable_by(|a, b| b.cmp(a));
        Ok(ids)
    }

    /// Removes the objects below `folder` whose names have the suffix and that have not changed for `age`. Returns how
    /// many. Compares the time of the store with that of this machine.
    async fn remove_old(&self, folder: &str, suffix: &'static str, age: Duration) -> Result<u64> {
        let action = format!("sweep {self}");
        let folder = self.location(folder)?;
        let now = wall_clock();
        let old = self.store.list(Some(&folder)).try_filter_map(move |object| {
            let since = now.duration_since(object.last_modified.into());
            let is_ours = object.location.as_ref().ends_with(suffix);
            let is_old = is_ours && since.is_ok_and(|since| since >= age);
            future::ready(Ok(is_old.then_some(object.location)))
        });
        let removed = self.store.delete_stream(old.boxed());
        removed
            .try_fold(0, |count, _| future::ready(Ok(count + 1)))
            .await
            .map_err(|error| store_error(&action, error))
    }

    async fn delete(&self, path: &StorePath, action: &str) -> Result<()> {
        match self.store.delete(path).await {
            Ok(()) | Err(StoreError::NotFound { .. }) => Ok(()),
            Err(error) => Err(store_error(action, error)),
        }
    }
}

#[async_trait]
impl Backend for Bucket {
    fn folder(&self) -> Option<&Path> {
        None
    }

    fn locks(&self) -> Option<FileLocks> {
        None
    }

    fn index(&self) -> Option<&Arc<Index>> {
        None
    }

    async fn check_writable(&self) -> Result<()> {
        self.check_capabilities().await
    }

    async fn clips(&self, before: Option<ClipId>, limit: usize) -> Result<Vec<ClipId>> {
        let mut ids = self.ids(CLIP_SUFFIX).await?;
        ids.retain(|id| before.as_ref().is_none_or(|before| id < before));
        ids.truncate(limit);
        Ok(ids)
    }

    async fn sidecars(&self) -> Result<Vec<ClipId>> {
        self.ids(SIDECAR_SUFFIX).await
    }

    async fn contents(&self) -> Result<Vec<(ClipId, FilePresence)>> {
        Ok(FilePresence::join(
            self.ids(CLIP_SUFFIX).await?,
            self.ids(SIDECAR_SUFFIX).await?,
        ))
    }

    async fn is_free(&self, id: &ClipId) -> Result<bool> {
        Ok(!self.exists(&id.file_name()).await? && !self.exists(&id.sidecar_name()).await?)
    }

    async fn size(&self, name: &str) -> Result<Option<u64>> {
        let object = self.object(name, &format!("find {name}")).await?;
        Ok(object.map(|object| object.size))
    }

    async fn open(&self, name: &str, action: &str) -> Result<Option<Object>> {
        self.object(name, action).await
    }

    async fn digest(&self, name: &str, action: &str) -> Result<Option<ClipDigest>> {
        match self.object(name, action).await? {
            Some(object) => object.digest(action).await.map(Some),
            None => Ok(None),
        }
    }

    async fn read_sidecars(&self, ids: &[ClipId]) -> Vec<Result<Option<Bytes>>> {
        future::join_all(ids.iter().map(|id| self.read_sidecar(id))).await
    }

    fn sidecar_batch(&self) -> (usize, usize) {
        (1, CONCURRENT_SIDECARS)
    }

    async fn write_sidecar(&self, id: &ClipId, json: Vec<u8>) -> Result<()> {
        let name = id.sidecar_name();
        let put = self.store.put(&self.location(&name)?, json.into()).await;
        put.map(drop)
            .map_err(|error| store_error(&format!("write sidecar {name}"), error))
    }

    async fn stage(&self, id: &ClipId) -> Result<Part> {
        self.refuse_taken(&id.file_name()).await?;
        let (scratch, id) = (Arc::clone(&self.scratch), id.clone());
        blocking(move || {
            let folder = scratch
                .get_or_try_init(private_folder)
                .map_err(|error| io_error("create a temporary folder", error))?;
            open_part(folder.path(), &id)
        })
        .await
    }

    async fn commit(
        &self,
        id: &ClipId,
        part: FinishedPart,
        sidecar: Vec<u8>,
        existing: ExistingSidecar,
    ) -> Result<()> {
        let name = id.sidecar_name();
        if existing == ExistingSidecar::Refuse {
            self.refuse_taken(&name).await?;
        }
        self.publish_from(id, Source::File(&part.path), &part.digest)
            .await?;
        let written = match existing {
            ExistingSidecar::Refuse => self.write_new(&name, sidecar).await,
            ExistingSidecar::Replace => self.write_sidecar(id, sidecar).await,
        };
        written.map_err(|error| without_sidecar(id, error))?;
        // The temporary folder is removed with the library.
        let _ = blocking(move || {
            let _ = std::fs::remove_file(&part.path);
            drop(part.file);
            Ok(())
        })
        .await;
        Ok(())
    }

    async fn publish(&self, id: &ClipId, from: &str, digest: &ClipDigest) -> Result<()> {
        self.publish_from(id, Source::Object(from), digest).await
    }

    async fn replace(&self, name: &str, part: FinishedPart) -> Result<()> {
        self.overwrite(name, &part.path, part.digest.bytes).await
    }

    async fn remove(&self, name: &str) -> Result<()> {
        self.delete(&self.location(name)?, &format!("remove {name} of {self}"))
            .await
    }

    async fn sweep(&self, age: Duration) -> Result<u64> {
        self.remove_old(INCOMING, PART_SUFFIX, age).await
    }

    async fn documents(&self, folder: &str) -> Result<Vec<String>> {
        let action = format!("list {folder} of {self}");
        let prefix = self.location(folder)?;
        let depth = prefix.parts().count() + 1;
        let listed = self.store.list(Some(&prefix));
        listed
            .try_filter_map(|object| async move {
                let is_flat = object.location.parts().count() == depth;
                let name = object.location.filename().filter(|_| is_flat);
                Ok(name.and_then(document_name).map(str::to_owned))
            })
            .try_collect()
            .await
            .map_err(|error| store_error(&action, error))
    }

    async fn folders(&self, folder: &str) -> Result<Vec<String>> {
        let action = format!("list {folder} of {self}");
        let prefix = self.location(folder)?;
        let listed = self.store.list_with_delimiter(Some(&prefix)).await;
        let listed = listed.map_err(|error| store_error(&action, error))?;
        let name = |path: &StorePath| path.filename().map(str::to_owned);
        let mut folders: Vec<String> = listed.common_prefixes.iter().filter_map(name).collect();
        folders.sort_unstable();
        Ok(folders)
    }

    async fn read_document(&self, folder: &str, name: &str) -> Result<Option<Document>> {
        let action = format!("read {folder}/{name}{DOCUMENT_SUFFIX} of {self}");
        let found = match self.store.get(&self.document(folder, name)?).await {
            Ok(found) => found,
            Err(StoreError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(store_error(&action, error)),
        };
        if found.meta.size > MAX_DOCUMENT_BYTES {
            return Err(document_too_large(&action));
        }
        let version = Version::Tag(UpdateVersion {
            e_tag: found.meta.e_tag.clone(),
            version: found.meta.version.clone(),
        });
        let json = found.bytes().await.map_err(|error| store_error(&action, error))?;
        Ok(Some(Document { json, version }))
    }

    async fn write_document(
        &self,
        folder: &str,
        name: &str,
        json: Vec<u8>,
        condition: WriteCondition,
    ) -> Result<Option<Version>> {
        let action = format!("write {folder}/{name}{DOCUMENT_SUFFIX} of {self}");
        if json.len() as u64 > MAX_DOCUMENT_BYTES {
            return Err(document_too_large(&action));
        }
        let mode = match condition {
            WriteCondition::Absent => PutMode::Create,
            WriteCondition::Unchanged(Version::Tag(tag)) => PutMode::Update(tag),
            // This is a version of a document in a folder.
            WriteCondition::Unchanged(Version::Hash(_)) => return Ok(None),
            WriteCondition::None => PutMode::Overwrite,
        };
        let (path, options) = (self.document(folder, name)?, PutOptions::from(mode));
        let json = Bytes::from(json);
        match self
            .store
            .put_opts(&path, PutPayload::from(json.clone()), options)
            .await
        {
            Ok(written) => Ok(Some(Version::Tag(UpdateVersion {
                e_tag: written.e_tag,
                version: written.version,
            }))),
            // If the reply to a first attempt was lost, the object already has this content, and the retry was refused.
            Err(error) if is_refusal(&error) || matches!(error, StoreError::NotFound { .. }) => {
                let existing = self.read_document(folder, name).await?;
                Ok(existing.and_then(|existing| (existing.json == json).then_some(existing.version)))
            }
            Err(error) => Err(store_error(&action, error)),
        }
    }

    async fn remove_document(&self, folder: &str, name: &str) -> Result<()> {
        let action = format!("remove {folder}/{name}{DOCUMENT_SUFFIX} of {self}");
        self.delete(&self.document(folder, name)?, &action).await
    }

    async fn remove_old_documents(&self, folder: &str, age: Duration) -> Result<()> {
        self.remove_old(folder, DOCUMENT_SUFFIX, age).await.map(drop)
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "library {}", self.label)
    }
}

/// Creates a temporary folder that only this user can read.
fn private_folder() -> std::io::Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("reelkin-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    builder.tempdir()
}

/// Returns whether the store refused a write because its condition did not hold.
const fn is_refusal(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::AlreadyExists { .. } | StoreError::Precondition { .. }
    )
}

//! A library in a folder.
//!
//! Lists names without opening files, locks files, syncs, and commits a clip with a hard link, which cannot overwrite a
//! file. The methods of the submodules are blocking. The implementation of [`Backend`] runs them on separate threads.

mod clips;
mod documents;
#[cfg(target_os = "linux")]
mod index;
#[cfg(not(target_os = "linux"))]
#[path = "no_index.rs"]
mod index;
mod locks;
mod staging;

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::path::Path as StorePath;
use tokio::sync::Semaphore;

pub(crate) use self::index::{Clock as IndexClock, INDEX, Index, Stamp};
pub(crate) use self::locks::FileLocks;
pub(super) use self::staging::open_part;

use super::digest::ClipDigest;
use super::error::{io_error, store_error};
use super::object::Object;
use super::{
    Backend, CHAINS, Document, ExistingSidecar, FilePresence, FinishedPart, INCOMING, JOBS, LEDGER, OWNERS,
    Part, QUARANTINE, Version, WriteCondition, blocking, temporary_name,
};
use crate::error::{Error, Result};
use crate::ids::ClipId;

/// The file that [`Folder::check_rename`] renames into the library. The name is fixed, so that the next check replaces
/// a file that a crash left.
const WRITABLE: &str = ".writable";
/// The suffix of lock files.
const LOCK_SUFFIX: &str = ".lock";
/// The folders of documents, except for the ledger, which has one folder per day.
const DOCUMENT_FOLDERS: [&str; 4] = [JOBS, OWNERS, CHAINS, QUARANTINE];
/// The maximum number of concurrent document writes by one client. More would occupy threads that wait for the same
/// lock and the same disk.
const MAX_WRITERS: usize = 4;
/// The number of sidecars that one call reads, and the number of concurrent calls. A call reads several, because
/// passing work to a thread takes longer than reading one sidecar.
const SIDECAR_BATCH: (usize, usize) = (16, 4);

/// A folder that is a library.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    root: PathBuf,
    index: Arc<Index>,
    /// The same folder as an object store, for reading clips in pieces.
    store: Arc<dyn ObjectStore>,
    writers: Arc<Semaphore>,
}

impl Folder {
    /// Opens an existing folder.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let action = || format!("open library {}", path.display());
        let meta = fs::metadata(path).map_err(|error| io_error(&action(), error))?;
        if !meta.is_dir() {
            return Err(Error::library(format!(
                "{}: it is a file, not a folder",
                action()
            )));
        }
        let root = fs::canonicalize(path).map_err(|error| io_error(&action(), error))?;
        let store = LocalFileSystem::new_with_prefix(&root).map_err(|error| store_error(&action(), error))?;
        Ok(Self {
            index: Arc::new(Index::new(&root, false)),
            store: Arc::new(store.with_fsync(true)),
            writers: Arc::new(Semaphore::new(MAX_WRITERS)),
            root,
        })
    }

    /// Opens a folder for writing, and creates it if it is missing.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        if let Err(error) = fs::create_dir_all(path) {
            // If something exists there, the error of `open` is more precise.
            if fs::metadata(path).is_err() {
                return Err(io_error(&format!("create library {}", path.display()), error));
            }
        }
        let mut folder = Self::open(path)?;
        folder.check_permission()?;
        folder.index = Arc::new(Index::new(&folder.root, true));
        Ok(folder)
    }

    /// Returns the path of a file in the library. `name` must be a file name of a [`ClipId`] or a name that this crate
    /// defines.
    fn join(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Checks the permissions of the library's folder, and that a file can be written in the folder of unfinished
    /// files. No name in the library changes, so the index remains valid.
    #[cfg(target_os = "linux")]
    fn check_permission(&self) -> Result<()> {
        use rustix::fs::{Access, AtFlags, CWD, accessat};

        let action = format!("write to {self}");
        let file = self.incoming()?.join(temporary_name(WRITABLE)?);
        let written = File::create_new(&file).and_then(|mut file| file.write_all(b"x"));
        let _ = fs::remove_file(&file);
        let permission = accessat(
            CWD,
            &self.root,
            Access::WRITE_OK | Access::EXEC_OK,
            AtFlags::EACCESS,
        );
        written
            .and(permission.map_err(io::Error::from))
            .map_err(|error| io_error(&action, error))
    }

    #[cfg(not(target_os = "linux"))]
    fn check_permission(&self) -> Result<()> {
        self.check_rename()
    }

    /// Writes a file and renames it, as every write of a sidecar or a document does. Also fails if a folder of
    /// documents or the ledger is not a folder, because the record of a paid job could then not be written.
    fn check_rename(&self) -> Result<()> {
        let action = format!("write to {self}");
        for name in DOCUMENT_FOLDERS.iter().chain([&LEDGER]) {
            match fs::symlink_metadata(self.root.join(name)) {
                Ok(meta) if !meta.is_dir() => {
                    let message = format!("{action}: {name} in it is not a folder");
                    return Err(Error::library(message));
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(io_error(&action, error)),
            }
        }
        let from = self.incoming()?.join(temporary_name(WRITABLE)?);
        let to = self.root.join(WRITABLE);
        self.index.watch();
        let write = || {
            File::create_new(&from)?.write_all(b"x")?;
            fs::rename(&from, &to)
        };
        let written = write();
        let _ = fs::remove_file(if written.is_ok() { &to } else { &from });
        written.map_err(|error| io_error(&action, error))
    }

    /// Runs `work` with a copy of this handle on a thread that may block.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let folder = self.clone();
        blocking(move || work(folder)).await
    }
}

#[async_trait]
impl Backend for Folder {
    fn folder(&self) -> Option<&Path> {
        Some(&self.root)
    }

    fn locks(&self) -> Option<FileLocks> {
        Some(FileLocks::new(&self.root))
    }

    fn index(&self) -> Option<&Arc<Index>> {
        Some(&self.index)
    }

    async fn check_writable(&self) -> Result<()> {
        self.run(|folder| folder.check_rename()).await
    }

    async fn clips(&self, before: Option<ClipId>, limit: usize) -> Result<Vec<ClipId>> {
        self.run(move |folder| folder.list_clips(before.as_ref(), limit))
            .await
    }

    async fn sidecars(&self) -> Result<Vec<ClipId>> {
        self.run(|folder| folder.list_sidecars()).await
    }

    async fn contents(&self) -> Result<Vec<(ClipId, FilePresence)>> {
        self.run(|folder| folder.list_contents()).await
    }

    async fn is_free(&self, id: &ClipId) -> Result<bool> {
        let part = format!("{INCOMING}/{}", staging::part_name(id));
        let names = [id.file_name(), id.sidecar_name(), part];
        self.run(move |folder| {
            let is_free = |name: &String| fs::symlink_metadata(folder.join(name)).is_err();
            Ok(names.iter().all(is_free))
        })
        .await
    }

    async fn size(&self, name: &str) -> Result<Option<u64>> {
        let name = name.to_owned();
        self.run(move |folder| folder.file_size(&name)).await
    }

    async fn open(&self, name: &str, action: &str) -> Result<Option<Object>> {
        if self.size(name).await?.is_none() {
            return Ok(None);
        }
        let path = StorePath::parse(name).map_err(|error| Error::invalid(action).with_source(error))?;
        Object::open(&self.store, path, action).await
    }

    async fn digest(&self, name: &str, _: &str) -> Result<Option<ClipDigest>> {
        let name = name.to_owned();
        self.run(move |folder| match folder.file_size(&name)? {
            Some(_) => ClipDigest::of_file(&folder.join(&name)).map(Some),
            None => Ok(None),
        })
        .await
    }

    async fn read_sidecars(&self, ids: &[ClipId]) -> Vec<Result<Option<Bytes>>> {
        let to_read = ids.to_vec();
        let read = self.run(move |folder| {
            let read = to_read.iter().map(|id| folder.read_sidecar(id));
            Ok(read.collect())
        });
        match read.await {
            Ok(read) => read,
            Err(error) => ids.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    fn sidecar_batch(&self) -> (usize, usize) {
        SIDECAR_BATCH
    }

    async fn write_sidecar(&self, id: &ClipId, json: Vec<u8>) -> Result<()> {
        let id = id.clone();
        self.run(move |folder| folder.replace_sidecar(&id, &json)).await
    }

    async fn stage(&self, id: &ClipId) -> Result<Part> {
        let id = id.clone();
        self.run(move |folder| folder.open_part_of(&id)).await
    }

    async fn commit(
        &self,
        id: &ClipId,
        part: FinishedPart,
        sidecar: Vec<u8>,
        existing: ExistingSidecar,
    ) -> Result<()> {
        let id = id.clone();
        self.run(move |folder| folder.commit_part(&id, &part, &sidecar, existing))
            .await
    }

    async fn publish(&self, id: &ClipId, from: &str, _: &ClipDigest) -> Result<()> {
        let (id, from) = (id.clone(), self.join(from));
        self.run(move |folder| folder.publish_file(&from, &id)).await
    }

    async fn replace(&self, name: &str, part: FinishedPart) -> Result<()> {
        let name = name.to_owned();
        self.run(move |folder| folder.replace_file(&name, &part)).await
    }

    async fn remove(&self, name: &str) -> Result<()> {
        let action = format!("remove {name} of {self}");
        let path = self.join(name);
        blocking(move || match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error(&action, error)),
            _ => Ok(()),
        })
        .await
    }

    async fn sweep(&self, age: Duration) -> Result<u64> {
        self.run(move |folder| folder.remove_old_parts(age)).await
    }

    async fn documents(&self, folder: &str) -> Result<Vec<String>> {
        let name = folder.to_owned();
        self.run(move |folder| folder.list_documents(&name)).await
    }

    async fn folders(&self, folder: &str) -> Result<Vec<String>> {
        let name = folder.to_owned();
        self.run(move |folder| folder.list_folders(&name)).await
    }

    async fn read_document(&self, folder: &str, name: &str) -> Result<Option<Document>> {
        let (inner, name) = (folder.to_owned(), name.to_owned());
        self.run(move |folder| folder.read_json(&inner, &name)).await
    }

    async fn write_document(
        &self,
        folder: &str,
        name: &str,
        json: Vec<u8>,
        condition: WriteCondition,
    ) -> Result<Option<Version>> {
        let (inner, name) = (folder.to_owned(), name.to_owned());
        let writer = Arc::clone(&self.writers).acquire_owned().await;
        self.run(move |folder| {
            let _writer = writer;
            folder.write_json(&inner, &name, &json, &condition)
        })
        .await
    }

    async fn remove_document(&self, folder: &str, name: &str) -> Result<()> {
        let (inner, name) = (folder.to_owned(), name.to_owned());
        self.run(move |folder| folder.remove_json(&inner, &name)).await
    }

    async fn remove_old_documents(&self, folder: &str, age: Duration) -> Result<()> {
        let inner = folder.to_owned();
        self.run(move |folder| folder.remove_old_json(&inner, age)).await
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "library {}", self.root.display())
    }
}

/// Returns whether `folder` is the library at `root`, or is within its folders of unfinished files and documents.
pub(crate) fn is_inside(root: &Path, folder: &Path) -> bool {
    folder == root
        || [INCOMING, LEDGER]
            .iter()
            .chain(&DOCUMENT_FOLDERS)
            .any(|name| folder.starts_with(root.join(name)))
}

fn is_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir())
}

fn is_old(file: &File, age: Duration) -> bool {
    let changed = file.metadata().and_then(|meta| meta.modified());
    changed.is_ok_and(|changed| {
        SystemTime::now()
            .duration_since(changed)
            .is_ok_and(|since| since >= age)
    })
}

/// Syncs a folder, so that new and changed names in it survive a power failure. Does nothing except on Unix.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    match File::open(path)?.sync_all() {
        // Some network filesystems cannot sync a folder, and report it in one of these ways.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
            ) =>
        {
            Ok(())
        }
        synced => synced,
    }
}

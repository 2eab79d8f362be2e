//! Small JSON documents beside the clips: each is written whole or not at all, and two who change one at the
//! same time find out.
//!
//! On a folder a document is a file that is renamed into place, and a lock in its folder stands for the
//! moment of comparing and renaming. On a store the service's own conditional writes do the same.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use object_store::path::Path as StorePath;
use object_store::{ObjectStoreExt as _, PutMode, PutOptions, PutPayload, UpdateVersion};
use sha2::{Digest as _, Sha256};

use super::bucket::is_refusal;
use super::fault::{io_fault, store_fault};
use super::folder::{Folder, sync_folder};
use super::lock::{INHERITED, Locked, LockedFile, check_regular, open_locked, try_for};
use super::name;
use super::{Library, blocking};
use crate::error::{Error, ErrorKind, Result};

const SUFFIX: &str = ".json";
pub(super) const LOCK: &str = ".lock";
/// Most bytes of a document: a chain of a hundred steps with the longest prompts has far less.
const MOST_BYTES: u64 = 8 << 20;
/// The lock is held for a rename. Who cannot get it for so long waits for a process that was stopped.
const LOCK_WAIT: Duration = Duration::from_secs(2);

/// Documents of one kind, in a folder of the library.
#[derive(Clone)]
pub(super) struct Documents {
    library: Library,
    folder: String,
}

/// A document as it was read.
pub(super) struct Document {
    pub(super) json: Bytes,
    pub(super) version: Version,
}

/// Which version of a document somebody has seen.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Version {
    Hash([u8; 32]),
    Tag(UpdateVersion),
}

impl Documents {
    /// `folder` is a name of ours, or several with slashes.
    pub(super) fn new(library: &Library, folder: impl Into<String>) -> Self {
        Self {
            library: library.clone(),
            folder: folder.into(),
        }
    }

    /// The names of all documents, without `.json`, in no order. None when the folder is not there.
    pub(super) async fn names(&self) -> Result<Vec<String>> {
        let doing = format!("list {} of {}", self.folder, self.library);
        if let Some(folder) = self.folder() {
            let path = self.folder_of(&folder);
            return blocking(move || names_in(folder.root(), &path).map_err(|error| io_fault(&doing, error)))
                .await;
        }
        let prefix = self.library.location(&self.folder)?;
        let depth = prefix.parts().count() + 1;
        let listed = self.library.inner.store.list(Some(&prefix));
        listed
            .try_filter_map(|object| async move {
                let flat = object.location.parts().count() == depth;
                let name = object.location.filename().filter(|_| flat);
                Ok(name.and_then(stem).map(str::to_owned))
            })
            .try_collect()
            .await
            .map_err(|error| store_fault(&doing, error))
    }

    /// The names of the folders in this folder, in order.
    pub(super) async fn folders(&self) -> Result<Vec<String>> {
        let doing = format!("list {} of {}", self.folder, self.library);
        let mut found = if let Some(folder) = self.folder() {
            let path = self.folder_of(&folder);
            blocking(move || folders_in(folder.root(), &path).map_err(|error| io_fault(&doing, error)))
                .await?
        } else {
            let prefix = self.library.location(&self.folder)?;
            let listed = self.library.inner.store.list_with_delimiter(Some(&prefix)).await;
            let listed = listed.map_err(|error| store_fault(&doing, error))?;
            let last = |path: &StorePath| path.filename().map(str::to_owned);
            listed.common_prefixes.iter().filter_map(last).collect()
        };
        found.sort_unstable();
        Ok(found)
    }

    /// A document. `None` if it is not there.
    pub(super) async fn read(&self, name: &str) -> Result<Option<Document>> {
        let doing = self.doing("read", name);
        if let Some(folder) = self.folder() {
            let (place, path) = (self.folder_of(&folder), self.path(&folder, name));
            let look = move || {
                inside(folder.root(), &place)?;
                check_regular(&path)?;
                read_bounded(&path)
            };
            let read = blocking(move || match look() {
                Ok(json) => Ok(Some(json)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(io_fault(&doing, error)),
            });
            return Ok(read.await?.map(|json| Document {
                version: Version::of(&json),
                json: json.into(),
            }));
        }
        let found = match self.library.inner.store.get(&self.place(name)?).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(store_fault(&doing, error)),
        };
        if found.meta.size > MOST_BYTES {
            return Err(too_large(&doing));
        }
        let version = Version::Tag(UpdateVersion {
            e_tag: found.meta.e_tag.clone(),
            version: found.meta.version.clone(),
        });
        let json = found.bytes().await.map_err(|error| store_fault(&doing, error))?;
        Ok(Some(Document { json, version }))
    }

    /// Writes a new document. `None` if the name is taken, which then stays as it is.
    pub(super) async fn create(&self, name: &str, json: Vec<u8>) -> Result<Option<Version>> {
        self.write(name, json, PutMode::Create, None).await
    }

    /// Writes a document over the version that the caller has seen. `None` if it is another one by now, or
    /// gone.
    pub(super) async fn replace(&self, name: &str, seen: &Version, json: Vec<u8>) -> Result<Option<Version>> {
        let mode = match seen {
            Version::Tag(tag) => PutMode::Update(tag.clone()),
            Version::Hash(_) => PutMode::Overwrite,
        };
        self.write(name, json, mode, Some(seen.clone())).await
    }

    /// Writes a document, over another one if there is one: for those that only one writes.
    pub(super) async fn put(&self, name: &str, json: Vec<u8>) -> Result<()> {
        self.write(name, json, PutMode::Overwrite, None).await.map(drop)
    }

    async fn write(
        &self,
        name: &str,
        json: Vec<u8>,
        mode: PutMode,
        seen: Option<Version>,
    ) -> Result<Option<Version>> {
        let doing = self.doing("write", name);
        if json.len() as u64 > MOST_BYTES {
            return Err(too_large(&doing));
        }
        if let Some(folder) = self.folder() {
            let place = self.folder_of(&folder);
            let name = format!("{name}{SUFFIX}");
            let write = match mode {
                PutMode::Create => Write::New,
                _ => seen.map_or(Write::Any, Write::Over),
            };
            // Hundreds of threads that try for one lock would do little else, and each has a stack.
            let writers = Arc::clone(&self.library.inner.writers);
            let writer = writers.acquire_owned().await;
            return blocking(move || {
                let _writer = writer;
                make_folders(folder.root(), &place)
                    .and_then(|()| write_to(&place, &name, &json, &write))
                    .map_err(|error| io_fault(&doing, error))
            })
            .await;
        }
        let (place, options) = (self.place(name)?, PutOptions::from(mode));
        let (store, json) = (&self.library.inner.store, Bytes::from(json));
        match store
            .put_opts(&place, PutPayload::from(json.clone()), options)
            .await
        {
            Ok(done) => Ok(Some(Version::Tag(UpdateVersion {
                e_tag: done.e_tag,
                version: done.version,
            }))),
            // Refused; or its reply was lost, and a second attempt found what the first had written.
            Err(error) if is_refusal(&error) || matches!(error, object_store::Error::NotFound { .. }) => {
                let there = self.read(name).await?;
                Ok(there.and_then(|there| (there.json == json).then_some(there.version)))
            }
            Err(error) => Err(store_fault(&doing, error)),
        }
    }

    /// Removes a document; one that is gone already is removed.
    pub(super) async fn remove(&self, name: &str) -> Result<()> {
        let doing = self.doing("remove", name);
        if let Some(folder) = self.folder() {
            let (place, path) = (self.folder_of(&folder), self.path(&folder, name));
            let remove = move || inside(folder.root(), &place).and_then(|()| fs::remove_file(&path));
            return blocking(move || match remove() {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_fault(&doing, error)),
                _ => Ok(()),
            })
            .await;
        }
        match self.library.inner.store.delete(&self.place(name)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(store_fault(&doing, error)),
        }
    }

    /// On a folder, a lock of its own name that lasts as long as the handle. `None` if somebody has it.
    /// Stores have no locks.
    pub(super) async fn lock(&self, name: &str) -> Result<Option<Option<LockedFile>>> {
        let Some(folder) = self.folder() else {
            return Ok(Some(None));
        };
        let doing = self.doing("lock", name);
        let place = self.folder_of(&folder);
        let path = place.join(format!("{name}{LOCK}"));
        // The lock's file stays when it is let go: who removed it could remove it from under the next.
        let is_held = |locked: &Locked| matches!(locked, Locked::Theirs);
        let locked = blocking(move || {
            make_folders(folder.root(), &place)
                .and_then(|()| try_for(INHERITED, || open_locked(&path), is_held))
                .map_err(|error| io_fault(&doing, error))
        });
        Ok(match locked.await? {
            Locked::Ours(file) | Locked::Twice(file) => Some(Some(file)),
            Locked::Theirs | Locked::Moved => None,
        })
    }

    fn folder(&self) -> Option<Folder> {
        self.library.inner.folder.clone()
    }

    fn folder_of(&self, folder: &Folder) -> PathBuf {
        folder.join(&self.folder)
    }

    fn path(&self, folder: &Folder, name: &str) -> PathBuf {
        self.folder_of(folder).join(format!("{name}{SUFFIX}"))
    }

    fn place(&self, name: &str) -> Result<StorePath> {
        self.library.location(&format!("{}/{name}{SUFFIX}", self.folder))
    }

    fn doing(&self, verb: &str, name: &str) -> String {
        format!("{verb} {}/{name}{SUFFIX} of {}", self.folder, self.library)
    }
}

impl Version {
    pub(super) fn of(json: &[u8]) -> Self {
        Self::Hash(Sha256::digest(json).into())
    }
}

fn too_large(doing: &str) -> Error {
    Error::new(
        ErrorKind::Library,
        format!("{doing}: it has more than {MOST_BYTES} bytes"),
    )
}

fn stem(name: &str) -> Option<&str> {
    let stem = name.strip_suffix(SUFFIX)?;
    (!stem.is_empty() && !stem.starts_with('.')).then_some(stem)
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut json = Vec::new();
    File::open(path)?.take(MOST_BYTES + 1).read_to_end(&mut json)?;
    if json.len() as u64 > MOST_BYTES {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(json)
}

fn names_in(root: &Path, path: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    each(root, path, |name, _| names.extend(stem(name).map(str::to_owned)))?;
    Ok(names)
}

fn folders_in(root: &Path, path: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    each(root, path, |name, kind| {
        if kind.is_dir() && !name.starts_with('.') {
            names.push(name.to_owned());
        }
    })?;
    Ok(names)
}

fn each(root: &Path, path: &Path, mut take: impl FnMut(&str, fs::FileType)) -> io::Result<()> {
    let entries = match inside(root, path).and_then(|()| fs::read_dir(path)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        if let (Some(name), Ok(kind)) = (entry.file_name().to_str(), entry.file_type()) {
            take(name, kind);
        }
    }
    Ok(())
}

/// Checks that a folder below the library's is one, on every level: a link would lead out of it.
fn inside(root: &Path, path: &Path) -> io::Result<()> {
    let below = path.strip_prefix(root).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut at = root.to_owned();
    for level in below {
        at.push(level);
        if !fs::symlink_metadata(&at)?.is_dir() {
            let message = format!("{} in the library is not a folder", below.display());
            return Err(io::Error::new(io::ErrorKind::NotADirectory, message));
        }
    }
    Ok(())
}

/// Makes a folder below the library's, level by level, none of them a link.
fn make_folders(root: &Path, path: &Path) -> io::Result<()> {
    let below = path.strip_prefix(root).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut at = root.to_owned();
    for level in below {
        let above = at.clone();
        at.push(level);
        match fs::create_dir(&at) {
            Ok(()) => sync_folder(&above)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => inside(root, &at)?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

enum Write {
    New,
    Over(Version),
    Any,
}

fn write_to(folder: &Path, name: &str, json: &[u8], write: &Write) -> io::Result<Option<Version>> {
    let random = name::random().map_err(io::Error::other)?;
    let temporary = folder.join(format!(".{name}.{random:08x}.part"));
    let target = folder.join(name);
    let write = || {
        let mut file = File::create_new(&temporary)?;
        file.write_all(json)?;
        file.sync_all()?;
        {
            let _turn = match write {
                Write::Any => None,
                _ => Some(turn(folder)?),
            };
            let fits = match (write, read_bounded(&target)) {
                (Write::Any, _) => true,
                (Write::Over(seen), Ok(now)) => Version::of(&now) == *seen,
                (Write::New, Err(error)) => error.kind() == io::ErrorKind::NotFound,
                _ => false,
            };
            if !fits {
                return io::Result::Ok(false);
            }
            fs::rename(&temporary, &target)?;
        }
        sync_folder(folder)?;
        Ok(true)
    };
    let written = write();
    if !matches!(written, Ok(true)) {
        let _ = fs::remove_file(&temporary);
    }
    Ok(written?.then(|| Version::of(json)))
}

/// The lock of a folder, held for the moment of a rename.
fn turn(folder: &Path) -> io::Result<LockedFile> {
    let path = folder.join(LOCK);
    let is_held = |locked: &Locked| matches!(locked, Locked::Theirs | Locked::Moved);
    match try_for(LOCK_WAIT, || open_locked(&path), is_held)? {
        Locked::Ours(file) | Locked::Twice(file) => Ok(file),
        Locked::Theirs | Locked::Moved => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "another process holds its lock and does not go on",
        )),
    }
}

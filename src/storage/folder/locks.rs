//! Locks by name, as files in a folder of the library.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::documents::make_folders;
use crate::error::Result;
use crate::storage::blocking;
use crate::storage::error::io_error;
use crate::storage::lock::{self, INHERITED, Locked, LockedFile, open_locked, try_for};

/// The suffix of lock files.
pub(super) const LOCK_SUFFIX: &str = ".lock";

/// The file locks of a library. A lock ends with its handle, at the latest when the process ends.
#[derive(Debug, Clone)]
pub(crate) struct FileLocks {
    root: PathBuf,
}

impl FileLocks {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// Returns the path of a lock file.
    pub(crate) fn path(&self, folder: &str, name: &str) -> PathBuf {
        self.root.join(folder).join(format!("{name}{LOCK_SUFFIX}"))
    }

    /// Takes a lock. Returns `None` if it is held. The file remains after the lock is released: removing it could
    /// remove the file of the next holder.
    pub(crate) async fn lock(&self, folder: &str, name: &str) -> Result<Option<LockedFile>> {
        let doing = format!("lock {folder}/{name} of library {}", self.root.display());
        let (root, path) = (self.root.clone(), self.path(folder, name));
        let folder = self.root.join(folder);
        let is_held = |locked: &Locked| matches!(locked, Locked::Held);
        let locked = blocking(move || {
            make_folders(&root, &folder)
                .and_then(|()| try_for(INHERITED, || open_locked(&path), is_held))
                .map_err(|error| io_error(&doing, error))
        });
        Ok(match locked.await? {
            Locked::Ours(file) | Locked::Linked(file) => Some(file),
            Locked::Held | Locked::Moved => None,
        })
    }

    /// Returns whether a lock is held, or `None` if its file does not exist.
    pub(crate) async fn is_held(&self, folder: &str, name: &str) -> Result<Option<bool>> {
        let path = self.path(folder, name);
        let doing = format!("find lock {folder}/{name} of library {}", self.root.display());
        blocking(move || lock::is_locked(&path).map_err(|error| io_error(&doing, error))).await
    }

    /// Returns the names of the lock files in a folder, held or not.
    pub(crate) async fn names(&self, folder: &str) -> Result<Vec<String>> {
        let doing = format!("list {folder} of library {}", self.root.display());
        let path = self.root.join(folder);
        blocking(move || match fs::read_dir(path) {
            Ok(entries) => Ok(entries
                .filter_map(|entry| {
                    let name = entry.ok()?.file_name().into_string().ok()?;
                    name.strip_suffix(LOCK_SUFFIX).map(str::to_owned)
                })
                .collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(io_error(&doing, error)),
        })
        .await
    }

    /// Removes the files of those locks that are not held.
    pub(crate) async fn remove_free(&self, folder: &str, names: Vec<String>) -> Result<()> {
        let doing = format!("remove locks in {folder} of library {}", self.root.display());
        let paths: Vec<_> = names.iter().map(|name| self.path(folder, name)).collect();
        blocking(move || {
            for path in paths {
                if let Locked::Ours(_lock) | Locked::Linked(_lock) =
                    open_locked(&path).map_err(|error| io_error(&doing, error))?
                {
                    let _ = fs::remove_file(&path);
                }
            }
            Ok(())
        })
        .await
    }
}

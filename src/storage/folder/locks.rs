//! Locks by name, as files in a folder of the library.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::LOCK_SUFFIX;
use super::documents::make_folders;
use crate::error::Result;
use crate::storage::blocking;
use crate::storage::error::io_error;
use crate::storage::lock::{self, LOCK_WAIT, Locked, LockedFile, open_locked, try_for};

/// The file locks of a library. A lock is released when its handle is closed, at the latest when the process ends.
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

    /// Takes a lock. Returns `None` if another handle holds it, or if its file was replaced during the attempt.
    ///
    /// On Windows the file is removed when the lock is released. On other systems it stays, because the next holder
    /// may have locked it already.
    pub(crate) async fn lock(&self, folder: &str, name: &str) -> Result<Option<LockedFile>> {
        let action = format!("lock {folder}/{name} of library {}", self.root.display());
        let (root, path) = (self.root.clone(), self.path(folder, name));
        let folder = self.root.join(folder);
        let is_held = |locked: &Locked| matches!(locked, Locked::Held);
        let locked = blocking(move || {
            make_folders(&root, &folder)
                .and_then(|()| try_for(LOCK_WAIT, || open_locked(&path), is_held))
                .map_err(|error| io_error(&action, error))
        });
        Ok(match locked.await? {
            Locked::Ours(file) | Locked::Linked(file) => Some(file),
            Locked::Held | Locked::Moved => None,
        })
    }

    /// Returns whether a lock is held, or `None` if its file does not exist.
    pub(crate) async fn is_held(&self, folder: &str, name: &str) -> Result<Option<bool>> {
        let path = self.path(folder, name);
        let action = format!("find lock {folder}/{name} of library {}", self.root.display());
        blocking(move || lock::is_locked(&path).map_err(|error| io_error(&action, error))).await
    }

    /// Returns the names of the lock files in a folder, held or not.
    pub(crate) async fn names(&self, folder: &str) -> Result<Vec<String>> {
        let action = format!("list {folder} of library {}", self.root.display());
        let path = self.root.join(folder);
        blocking(move || match fs::read_dir(path) {
            Ok(entries) => Ok(entries
                .filter_map(|entry| {
                    let name = entry.ok()?.file_name().into_string().ok()?;
                    name.strip_suffix(LOCK_SUFFIX).map(str::to_owned)
                })
                .collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(io_error(&action, error)),
        })
        .await
    }

    /// Removes the files of the named locks that are not held.
    pub(crate) async fn remove_free(&self, folder: &str, names: Vec<String>) -> Result<()> {
        let action = format!("remove locks in {folder} of library {}", self.root.display());
        let paths: Vec<_> = names.iter().map(|name| self.path(folder, name)).collect();
        blocking(move || {
            for path in paths {
                if let Locked::Ours(_lock) | Locked::Linked(_lock) =
                    open_locked(&path).map_err(|error| io_error(&action, error))?
                {
                    let _ = fs::remove_file(&path);
                }
            }
            Ok(())
        })
        .await
    }
}

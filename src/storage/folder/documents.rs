//! JSON documents in a folder.
//!
//! A document is written to a temporary file, which is then renamed. A lock is held while the stored version is
//! compared and the file is renamed.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::{Folder, LOCK_SUFFIX, is_old, sync_folder};
use crate::error::Result;
use crate::storage::error::io_error;
use crate::storage::lock::{Locked, LockedFile, check_regular, open_locked, try_for};
use crate::storage::{
    DOCUMENT_SUFFIX, Document, MAX_DOCUMENT_BYTES, Version, WriteCondition, document_name,
    document_too_large, temporary_name,
};

/// The maximum wait for the lock. It is held only for a rename, so a longer wait means that its holder was suspended.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);

impl Folder {
    pub(super) fn list_documents(&self, folder: &str) -> Result<Vec<String>> {
        let mut names = Vec::new();
        self.for_each_entry(folder, |name, _| {
            names.extend(document_name(name).map(str::to_owned));
        })?;
        Ok(names)
    }

    pub(super) fn list_folders(&self, folder: &str) -> Result<Vec<String>> {
        let mut names = Vec::new();
        self.for_each_entry(folder, |name, kind| {
            if kind.is_dir() && !name.starts_with('.') {
                names.push(name.to_owned());
            }
        })?;
        names.sort_unstable();
        Ok(names)
    }

    pub(super) fn read_json(&self, folder: &str, name: &str) -> Result<Option<Document>> {
        let (folder_path, path) = self.document_path(folder, name);
        let read = check_folders(&self.root, &folder_path)
            .and_then(|()| check_regular(&path))
            .and_then(|()| read_bounded(&path));
        match read {
            Ok(json) => Ok(Some(Document {
                version: version_of(&json),
                json: json.into(),
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error(&self.action("read", folder, name), error)),
        }
    }

    pub(super) fn write_json(
        &self,
        folder: &str,
        name: &str,
        json: &[u8],
        condition: &WriteCondition,
    ) -> Result<Option<Version>> {
        let action = self.action("write", folder, name);
        if json.len() as u64 > MAX_DOCUMENT_BYTES {
            return Err(document_too_large(&action));
        }
        let file_name = format!("{name}{DOCUMENT_SUFFIX}");
        let temporary = temporary_name(&format!(".{file_name}"))?;
        let folder = self.root.join(folder);
        make_folders(&self.root, &folder)
            .and_then(|()| write_if(&folder, &temporary, &file_name, json, condition))
            .map_err(|error| io_error(&action, error))
    }

    pub(super) fn remove_json(&self, folder: &str, name: &str) -> Result<()> {
        let (folder_path, path) = self.document_path(folder, name);
        match check_folders(&self.root, &folder_path).and_then(|()| fs::remove_file(&path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(io_error(&self.action("remove", folder, name), error))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn remove_old_json(&self, folder: &str, age: Duration) -> Result<()> {
        for name in self.list_documents(folder)? {
            let (_, path) = self.document_path(folder, &name);
            if File::open(&path).is_ok_and(|file| is_old(&file, age)) {
                self.remove_json(folder, &name)?;
            }
        }
        Ok(())
    }

    fn document_path(&self, folder: &str, name: &str) -> (PathBuf, PathBuf) {
        let folder = self.root.join(folder);
        let path = folder.join(format!("{name}{DOCUMENT_SUFFIX}"));
        (folder, path)
    }

    fn action(&self, verb: &str, folder: &str, name: &str) -> String {
        format!("{verb} {folder}/{name}{DOCUMENT_SUFFIX} of {self}")
    }

    fn for_each_entry(&self, folder: &str, mut visit: impl FnMut(&str, fs::FileType)) -> Result<()> {
        let path = self.root.join(folder);
        let fault = |error| io_error(&format!("list {folder} of {self}"), error);
        let entries = match check_folders(&self.root, &path).and_then(|()| fs::read_dir(&path)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(fault(error)),
        };
        for entry in entries {
            let entry = entry.map_err(fault)?;
            if let (Some(name), Ok(kind)) = (entry.file_name().to_str(), entry.file_type()) {
                visit(name, kind);
            }
        }
        Ok(())
    }
}

fn version_of(json: &[u8]) -> Version {
    Version::Hash(Sha256::digest(json).into())
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut json = Vec::new();
    File::open(path)?
        .take(MAX_DOCUMENT_BYTES + 1)
        .read_to_end(&mut json)?;
    if json.len() as u64 > MAX_DOCUMENT_BYTES {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(json)
}

/// Checks that every level of a path below the library is a folder. A link could lead out of the library.
fn check_folders(root: &Path, path: &Path) -> io::Result<()> {
    let below = path.strip_prefix(root).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut current = root.to_owned();
    for level in below {
        current.push(level);
        if !fs::symlink_metadata(&current)?.is_dir() {
            let message = format!("{} in the library is not a folder", below.display());
            return Err(io::Error::new(io::ErrorKind::NotADirectory, message));
        }
    }
    Ok(())
}

/// Creates a folder below the library, level by level.
pub(super) fn make_folders(root: &Path, path: &Path) -> io::Result<()> {
    let below = path.strip_prefix(root).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut current = root.to_owned();
    for level in below {
        let parent = current.clone();
        current.push(level);
        match fs::create_dir(&current) {
            Ok(()) => sync_folder(&parent)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => check_folders(root, &current)?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Writes a document if the condition holds. Returns `None` if it does not.
fn write_if(
    folder: &Path,
    temporary: &str,
    name: &str,
    json: &[u8],
    condition: &WriteCondition,
) -> io::Result<Option<Version>> {
    let (temporary, target) = (folder.join(temporary), folder.join(name));
    let write = || {
        let mut file = File::create_new(&temporary)?;
        file.write_all(json)?;
        file.sync_all()?;
        {
            let _lock = match condition {
                WriteCondition::None => None,
                _ => Some(lock_folder(folder)?),
            };
            let holds = match (condition, read_bounded(&target)) {
                (WriteCondition::None, _) => true,
                (WriteCondition::Unchanged(expected), Ok(stored)) => version_of(&stored) == *expected,
                (WriteCondition::Absent, Err(error)) => error.kind() == io::ErrorKind::NotFound,
                _ => false,
            };
            if !holds {
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
    Ok(written?.then(|| version_of(json)))
}

/// Takes the lock of a folder of documents.
fn lock_folder(folder: &Path) -> io::Result<LockedFile> {
    let path = folder.join(LOCK_SUFFIX);
    let is_held = |locked: &Locked| matches!(locked, Locked::Held | Locked::Moved);
    match try_for(LOCK_TIMEOUT, || open_locked(&path), is_held)? {
        Locked::Ours(file) | Locked::Linked(file) => Ok(file),
        Locked::Held | Locked::Moved => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "another process holds the lock of the folder and does not release it",
        )),
    }
}

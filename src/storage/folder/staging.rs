//! Unfinished files in a folder, and the steps that make them clips.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{DOCUMENT_FOLDERS, Folder, INDEX, LEDGER, WRITABLE, is_folder, is_old, sync_folder};
use crate::error::{Error, Result};
use crate::ids::ClipId;
use crate::storage::error::io_error;
use crate::storage::lock::{LOCK_WAIT, Locked, lock_to_remove, open_locked_part, try_for};
use crate::storage::{
    ExistingSidecar, FinishedPart, INCOMING, PART_SUFFIX, Part, QUARANTINE, name_taken, temporary_name,
    without_sidecar,
};

/// Maximum attempts to lock an unfinished file, which other processes may rename or remove meanwhile.
const MAX_ATTEMPTS: usize = 8;

impl Folder {
    /// Opens the unfinished file of a clip.
    pub(super) fn open_part_of(&self, id: &ClipId) -> Result<Part> {
        self.refuse_taken(&id.file_name())?;
        let part = open_part(&self.incoming()?, id)?;
        // Checked again with the lock held, because the previous holder may have finished meanwhile.
        if let Err(error) = self.refuse_taken(&id.file_name()) {
            if part.file.metadata().is_ok_and(|meta| meta.len() == 0) {
                let _ = fs::remove_file(&part.path);
            }
            return Err(error);
        }
        Ok(part)
    }

    /// Makes an unfinished file a clip, then writes its sidecar.
    pub(super) fn commit_part(
        &self,
        id: &ClipId,
        part: &FinishedPart,
        sidecar: &[u8],
        existing: ExistingSidecar,
    ) -> Result<()> {
        if existing == ExistingSidecar::Refuse {
            self.refuse_taken(&id.sidecar_name())?;
        }
        part.file
            .sync_all()
            .map_err(|error| io_error(&format!("save clip {}", id.file_name()), error))?;
        self.publish_file(&part.path, id)?;
        self.replace_sidecar(id, sidecar)
            .map_err(|error| without_sidecar(id, error))
    }

    /// Makes a synced, complete file the clip `id`, and overwrites nothing.
    ///
    /// A hard link is the only operation of the standard library that is atomic and fails if the name exists. A rename
    /// would overwrite, and creating the file first would show an empty clip. On filesystems without hard links (FAT,
    /// some network mounts), a check and a rename are used. The lock on the unfinished file excludes every writer of
    /// this crate in between. Only a file that another program creates under the same name at that moment would be
    /// overwritten.
    pub(super) fn publish_file(&self, part: &Path, id: &ClipId) -> Result<()> {
        let action = format!("save clip {}", id.file_name());
        self.refuse_taken(&id.file_name())?;
        self.index.watch();
        let target = self.join(&id.file_name());
        match fs::hard_link(part, &target) {
            // If this fails, a sweep removes the second name. The clip is complete in both cases.
            Ok(()) => drop(fs::remove_file(part)),
            Err(error) => match error.kind() {
                io::ErrorKind::AlreadyExists => return Err(name_taken(&id.file_name())),
                io::ErrorKind::NotFound
                | io::ErrorKind::StorageFull
                | io::ErrorKind::QuotaExceeded
                | io::ErrorKind::ReadOnlyFilesystem => return Err(io_error(&action, error)),
                _ => fs::rename(part, &target).map_err(|error| io_error(&action, error))?,
            },
        }
        sync_folder(&self.root).map_err(|error| io_error(&action, error))
    }

    /// Moves an unfinished file into a folder of the library, and replaces an existing file.
    pub(super) fn replace_file(&self, name: &str, part: &FinishedPart) -> Result<()> {
        let target = self.join(name);
        let folder = target.parent().unwrap_or(&self.root);
        let moved = part.file.sync_all().and_then(|()| {
            if !fs::symlink_metadata(folder)?.is_dir() {
                let message = format!("{QUARANTINE} in the library is not a folder");
                return Err(io::Error::new(io::ErrorKind::NotADirectory, message));
            }
            fs::rename(&part.path, &target)?;
            sync_folder(folder)
        });
        moved.map_err(|error| io_error(&format!("write {name}"), error))
    }

    /// Writes a sidecar, and replaces an existing one.
    pub(super) fn replace_sidecar(&self, id: &ClipId, json: &[u8]) -> Result<()> {
        let name = id.sidecar_name();
        let temporary = self.incoming()?.join(temporary_name(&name)?);
        self.index.watch();
        let write = || {
            let mut file = File::create_new(&temporary)?;
            file.write_all(json)?;
            file.sync_all()?;
            fs::rename(&temporary, self.join(&name))?;
            sync_folder(&self.root)
        };
        let written = write().map_err(|error| {
            let _ = fs::remove_file(&temporary);
            io_error(&format!("write sidecar {name}"), error)
        });
        self.index.follow();
        written
    }

    /// Removes temporary files that no process is writing and that have not changed for `age`. Returns how many.
    pub(super) fn remove_old_parts(&self, age: Duration) -> Result<u64> {
        let mut folders = vec![self.incoming()?];
        folders.extend(Some(self.root.join(INDEX)).filter(|index| is_folder(index)));
        folders.extend(self.document_folders()?);
        let mut removed = u64::from(sweep_file(&self.root.join(WRITABLE), age));
        for folder in folders {
            removed += sweep_folder(&folder, age)?;
        }
        Ok(removed)
    }

    /// Returns the folders of documents that exist and are not links.
    fn document_folders(&self) -> Result<Vec<PathBuf>> {
        let mut folders: Vec<_> = DOCUMENT_FOLDERS.iter().map(|name| self.root.join(name)).collect();
        let days = self.root.join(LEDGER);
        if is_folder(&days) {
            let fault = |error| io_error(&format!("sweep {}", days.display()), error);
            for entry in fs::read_dir(&days).map_err(fault)? {
                folders.push(entry.map_err(fault)?.path());
            }
        }
        folders.retain(|folder| is_folder(folder));
        Ok(folders)
    }

    fn refuse_taken(&self, name: &str) -> Result<()> {
        if fs::symlink_metadata(self.join(name)).is_ok() {
            return Err(name_taken(name));
        }
        Ok(())
    }

    /// Returns the folder of unfinished files, creating it if it is missing.
    pub(super) fn incoming(&self) -> Result<PathBuf> {
        let incoming = self.root.join(INCOMING);
        let action = || format!("write to {self}");
        match fs::create_dir(&incoming) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if !is_folder(&incoming) {
                    let message = format!("{}: {INCOMING} in it is not a folder", action());
                    return Err(Error::library(message));
                }
            }
            Err(error) => return Err(io_error(&action(), error)),
        }
        Ok(incoming)
    }
}

/// Returns the file name of a clip's unfinished file.
pub(super) fn part_name(id: &ClipId) -> String {
    format!("{}{PART_SUFFIX}", id.file_name())
}

/// Opens the unfinished file of a clip in `folder`, with the bytes that it has, and locks it against every other
/// process and task.
pub(crate) fn open_part(folder: &Path, id: &ClipId) -> Result<Part> {
    let path = folder.join(part_name(id));
    let action = format!("write clip {}", id.file_name());
    let fault = |error| io_error(&action, error);
    // Between opening and locking, the file may have become a clip or have been removed.
    for _ in 0..MAX_ATTEMPTS {
        let is_held = |locked: &Locked<_>| matches!(locked, Locked::Held);
        match try_for(LOCK_WAIT, || open_locked_part(&path), is_held).map_err(fault)? {
            Locked::Ours((file, lock)) => return Ok(Part { file, path, lock }),
            Locked::Held => {
                return Err(Error::library(format!("{action}: it is being written already")));
            }
            // A crash after the hard link left this second name of a complete clip.
            Locked::Linked(_lock) => fs::remove_file(&path).map_err(fault)?,
            Locked::Moved => {}
        }
    }
    Err(Error::library(format!(
        "{action}: its temporary file keeps changing"
    )))
}

fn sweep_folder(folder: &Path, age: Duration) -> Result<u64> {
    let fault = |error| io_error(&format!("sweep {}", folder.display()), error);
    let mut removed = 0;
    for entry in fs::read_dir(folder).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        let is_part = path.to_str().is_some_and(|path| path.ends_with(PART_SUFFIX));
        removed += u64::from(is_part && sweep_file(&path, age));
    }
    Ok(removed)
}

/// Removes a regular file that no process is writing and that has not changed for `age`. Returns whether it did.
fn sweep_file(path: &Path, age: Duration) -> bool {
    if !fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file()) {
        return false;
    }
    // If the file no longer exists, its writer has finished it.
    let Ok(file) = File::open(path) else { return false };
    // The lock is taken only for the removal, since other processes would mistake it for that of a writer.
    if !is_old(&file, age) {
        return false;
    }
    let lock = lock_to_remove(file, path);
    lock.is_some() && fs::remove_file(path).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publishing_fails_if_the_name_exists() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::create(root.path()).unwrap();
        let id: ClipId = "a".parse().unwrap();
        fs::write(root.path().join("a.mp4"), b"old").unwrap();
        let part = open_part(&root.path().join(".incoming"), &id).unwrap();
        let error = folder.publish_file(&part.path, &id).unwrap_err();
        assert!(error.to_string().contains("the name is taken"), "{error}");
        assert_eq!(fs::read(root.path().join("a.mp4")).unwrap(), b"old");
    }
}

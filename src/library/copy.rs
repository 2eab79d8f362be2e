//! Copies of clips outside the library.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use futures_util::StreamExt as _;
use object_store::ObjectStoreExt as _;

use super::fault::{io_fault, store_fault};
use super::folder::{self, Folder};
use super::{Clip, Library, blocking, name};
use crate::error::{Error, ErrorKind, Result};

impl Library {
    /// Copies a clip to the file `to` (`-o`). The copy appears whole or not at all; a file that is
    /// there is replaced in one step, as ima2-gen replaces it. Through a symbolic link the file it
    /// points to is replaced. Returns where the copy is.
    ///
    /// # Errors
    /// `NotFound` if the clip or the folder of `to` is missing; `InvalidRequest` if `to` is a folder
    /// or no regular file, or lies in the library itself; `Library` if it cannot be written.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the old file or the new one, whole; from a bucket perhaps a
    /// temporary file beside it.
    pub async fn copy_out(&self, clip: &Clip, to: impl AsRef<Path>) -> Result<PathBuf> {
        let to = to.as_ref().to_owned();
        let library = self.inner.folder.clone();
        let target = blocking(move || Target::new(&to, library.as_ref())).await?;
        self.copy(clip, target).await
    }

    /// Copies a clip under its own name into the folder `to` (`-d`), which is made if it is missing.
    /// Otherwise like [`copy_out`](Self::copy_out).
    ///
    /// # Errors
    /// As for [`copy_out`](Self::copy_out), and `Library` if the folder cannot be made.
    ///
    /// # Cancel safety
    /// As for [`copy_out`](Self::copy_out).
    pub async fn copy_into(&self, clip: &Clip, to: impl AsRef<Path>) -> Result<PathBuf> {
        let to = to.as_ref().to_owned();
        let library = self.inner.folder.clone();
        let name = clip.id.file_name();
        let target = blocking(move || {
            fs::create_dir_all(&to)
                .map_err(|error| io_fault(&format!("create folder {}", to.display()), error))?;
            Target::new(&to.join(name), library.as_ref())
        });
        self.copy(clip, target.await?).await
    }

    async fn copy(&self, clip: &Clip, target: Target) -> Result<PathBuf> {
        // Not the fields of `clip` that a caller can change: only its id, which is checked.
        let name = clip.id.file_name();
        if !self.has(&name).await? {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("copy clip {name:?} of {self}"),
            ));
        }
        let doing = format!("copy clip {name} to {}", target.path.display());
        if let Some(folder) = &self.inner.folder {
            let from = folder.join(&name);
            return blocking(move || {
                let copied = File::open(&from).and_then(|mut from| io::copy(&mut from, &mut &target.file));
                copied.map_err(|error| io_fault(&doing, error))?;
                target.finish(&doing)
            })
            .await;
        }
        let found = self
            .inner
            .store
            .get(&self.location(&name)?)
            .await
            .map_err(|error| store_fault(&doing, error))?;
        let mut chunks = found.into_stream();
        let mut target = target;
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| store_fault(&doing, error))?;
            let doing = doing.clone();
            target = blocking(move || {
                (&target.file)
                    .write_all(&chunk)
                    .map_err(|error| io_fault(&doing, error))?;
                Ok(target)
            })
            .await?;
        }
        blocking(move || target.finish(&doing)).await
    }
}

/// A temporary file beside the one it will replace.
struct Target {
    path: PathBuf,
    temporary: PathBuf,
    file: File,
}

impl Target {
    fn new(to: &Path, library: Option<&Folder>) -> Result<Self> {
        let doing = format!("copy a clip to {}", to.display());
        let refuse = |why: &str| Err(Error::invalid(format!("{doing}: {why}")));
        let old = match fs::metadata(to) {
            Ok(about) if about.is_dir() => return refuse("it is a folder; name a file in it"),
            Ok(about) if !about.is_file() => return refuse("it is not a regular file"),
            Ok(about) => Some(about),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if fs::symlink_metadata(to).is_ok() {
                    return refuse("it is a symbolic link to nothing");
                }
                None
            }
            Err(error) => return Err(io_fault(&doing, error)),
        };
        // A path that ends in `..` or is empty has no file name.
        let Some(name) = to.file_name() else {
            return refuse("it names no file");
        };
        let path = if old.is_some() {
            fs::canonicalize(to).map_err(|error| io_fault(&doing, error))?
        } else {
            let parent = to
                .parent()
                .filter(|parent| !parent.as_os_str().is_empty())
                .unwrap_or(Path::new("."));
            let real = fs::canonicalize(parent).map_err(|error| {
                io_fault(
                    &format!("{doing}: look into its folder {}", parent.display()),
                    error,
                )
            })?;
            real.join(name)
        };
        let parent = path.parent().unwrap_or(Path::new("/"));
        if library.is_some_and(|library| library.owns(parent)) {
            return refuse("it lies in the library, where every file is a clip of its own");
        }
        let temporary = parent.join(format!(".reelkin-{:08x}.part", name::random()?));
        let file = File::create_new(&temporary).map_err(|error| io_fault(&doing, error))?;
        if let Some(old) = old {
            // A copy over a file is to be as readable as that file was.
            let _ = file.set_permissions(old.permissions());
        }
        Ok(Self {
            path,
            temporary,
            file,
        })
    }

    fn finish(self, doing: &str) -> Result<PathBuf> {
        let finished = self
            .file
            .sync_all()
            .and_then(|()| fs::rename(&self.temporary, &self.path));
        finished.map_err(|error| io_fault(doing, error))?;
        // The copy is there; that its name survives a power cut is a courtesy.
        let _ = self.path.parent().map(folder::sync_folder);
        Ok(self.path.clone())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // After the rename the name is gone already.
        let _ = fs::remove_file(&self.temporary);
    }
}

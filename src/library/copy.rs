//! Copies of clips outside the library.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::TryStreamExt as _;

use super::fault::io_fault;
use super::folder::{self, Folder};
use super::staged::Scratch;
use super::{Clip, ClipReader, Inner, Library, blocking, name};
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
        let mut chunks = std::pin::pin!(self.object(&clip.id, &doing).await?.pieces(&doing));
        let mut target = target;
        while let Some(chunk) = chunks.try_next().await? {
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

impl Library {
    /// Brings a clip of a bucket into a private temporary file: what is too large for memory.
    pub(crate) async fn fetch(&self, clip: &ClipReader) -> Result<Fetched> {
        let inner = Arc::clone(&self.inner);
        let doing = format!("fetch a clip of {self}");
        let (mut file, fetched) = blocking({
            let doing = doing.clone();
            move || {
                let folder = &inner.scratch.get_or_try_init(Scratch::new)?.0;
                let path = folder.join(format!("{:08x}{:08x}.mp4", name::random()?, name::random()?));
                let file = File::create_new(&path).map_err(|error| io_fault(&doing, error))?;
                let library = Arc::clone(&inner);
                Ok((
                    file,
                    Fetched {
                        path,
                        _library: library,
                    },
                ))
            }
        })
        .await?;
        let mut pieces = std::pin::pin!(clip.pieces());
        while let Some(piece) = pieces.try_next().await? {
            let doing = doing.clone();
            file = blocking(move || {
                file.write_all(&piece).map_err(|error| io_fault(&doing, error))?;
                Ok(file)
            })
            .await?;
        }
        Ok(fetched)
    }
}

/// A clip that was fetched into a temporary file, which is removed with this.
pub(crate) struct Fetched {
    path: PathBuf,
    /// Its folder goes with the library.
    _library: Arc<Inner>,
}

impl Fetched {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Fetched {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetched").finish_non_exhaustive()
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
            return refuse("it lies in the library, where every file is a clip or a record of its own");
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

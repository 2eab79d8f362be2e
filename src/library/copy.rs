//! Copies clips out of the library.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use futures_util::TryStreamExt as _;
use tempfile::{NamedTempFile, TempPath};

use super::{Clip, ClipReader, Library};
use crate::error::{Error, Result};
use crate::storage::{blocking, io_error, is_inside, sync_folder};

impl Library {
    /// Copies a clip to the file `to` (`-o` of the program). The copy appears complete or not at all. An existing file
    /// is replaced in one step, as in ima2-gen; if it is a symbolic link, the file that it points to is replaced.
    /// Returns the path of the copy.
    ///
    /// # Errors
    /// `NotFound` if the clip or the folder of `to` does not exist. `InvalidRequest` if `to` is a folder or another
    /// file that is not regular, or is in the library. `Library` if it cannot be written.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the old file or the new one, complete.
    pub async fn copy_out(&self, clip: &Clip, to: impl AsRef<Path>) -> Result<PathBuf> {
        let to = to.as_ref().to_owned();
        let library = self.folder().map(Path::to_owned);
        let target = blocking(move || Target::new(&to, library.as_deref())).await?;
        self.copy(clip, target).await
    }

    /// Copies a clip under its own name to the folder `to` (`-d` of the program), which is created if it is missing.
    /// Otherwise like [`copy_out`](Self::copy_out).
    ///
    /// # Errors
    /// As for [`copy_out`](Self::copy_out), and `Library` if the folder cannot be created.
    ///
    /// # Cancel safety
    /// As for [`copy_out`](Self::copy_out).
    pub async fn copy_into(&self, clip: &Clip, to: impl AsRef<Path>) -> Result<PathBuf> {
        let to = to.as_ref().to_owned();
        let library = self.folder().map(Path::to_owned);
        let name = clip.id.file_name();
        let target = blocking(move || {
            fs::create_dir_all(&to)
                .map_err(|error| io_error(&format!("create folder {}", to.display()), error))?;
            Target::new(&to.join(name), library.as_deref())
        });
        self.copy(clip, target.await?).await
    }

    async fn copy(&self, clip: &Clip, mut target: Target) -> Result<PathBuf> {
        // The other fields of `clip` are not used, since a caller can change them. The id is always valid.
        let name = clip.id.file_name();
        let action = format!("copy clip {name} to {}", target.path.display());
        let missing = || Error::not_found(format!("copy clip {name:?} of {self}"));
        if let Some(folder) = self.folder() {
            let from = folder.join(&name);
            if !self.exists(&name).await? {
                return Err(missing());
            }
            return blocking(move || {
                let copied = File::open(&from).and_then(|mut from| io::copy(&mut from, &mut target.file));
                copied.map_err(|error| io_error(&action, error))?;
                target.finish(&action)
            })
            .await;
        }
        let object = self.backend.open(&name, &action).await?.ok_or_else(missing)?;
        let mut pieces = std::pin::pin!(object.pieces(&action));
        while let Some(piece) = pieces.try_next().await? {
            let action = action.clone();
            target = blocking(move || {
                let written = target.file.write_all(&piece);
                written.map_err(|error| io_error(&action, error))?;
                Ok(target)
            })
            .await?;
        }
        blocking(move || target.finish(&action)).await
    }

    /// Copies a clip to a private temporary file, which is removed with the returned path.
    pub(crate) async fn fetch(&self, clip: &ClipReader) -> Result<TempPath> {
        let action = format!("fetch a clip of {self}");
        let mut file = blocking({
            let action = action.clone();
            move || {
                let mut builder = tempfile::Builder::new();
                let created = builder.prefix("reelkin-").suffix(".mp4").tempfile();
                created.map_err(|error| io_error(&action, error))
            }
        })
        .await?;
        let mut pieces = std::pin::pin!(clip.pieces());
        while let Some(piece) = pieces.try_next().await? {
            let action = action.clone();
            file = blocking(move || {
                file.write_all(&piece).map_err(|error| io_error(&action, error))?;
                Ok(file)
            })
            .await?;
        }
        Ok(file.into_temp_path())
    }
}

/// A temporary file beside the one that it will replace.
struct Target {
    path: PathBuf,
    file: NamedTempFile,
}

impl Target {
    fn new(to: &Path, library: Option<&Path>) -> Result<Self> {
        let action = format!("copy a clip to {}", to.display());
        let refuse = |why: &str| Err(Error::invalid(format!("{action}: {why}")));
        let old = match fs::metadata(to) {
            Ok(meta) if meta.is_dir() => return refuse("it is a folder; name a file in it"),
            Ok(meta) if !meta.is_file() => return refuse("it is not a regular file"),
            Ok(meta) => Some(meta),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if fs::symlink_metadata(to).is_ok() {
                    return refuse("it is a symbolic link to a missing file");
                }
                None
            }
            Err(error) => return Err(io_error(&action, error)),
        };
        // A path that is empty or ends in `..` has no file name.
        let Some(name) = to.file_name() else {
            return refuse("it has no file name");
        };
        let path = if old.is_some() {
            fs::canonicalize(to).map_err(|error| io_error(&action, error))?
        } else {
            let parent = to
                .parent()
                .filter(|parent| !parent.as_os_str().is_empty())
                .unwrap_or(Path::new("."));
            let resolved = fs::canonicalize(parent).map_err(|error| {
                io_error(&format!("{action}: find its folder {}", parent.display()), error)
            })?;
            resolved.join(name)
        };
        let parent = path.parent().unwrap_or(Path::new("/"));
        if library.is_some_and(|library| is_inside(library, parent)) {
            return refuse("it is in the library, where every file is a clip or a record");
        }
        let mut builder = tempfile::Builder::new();
        builder.prefix(".reelkin-").suffix(".part");
        // Temporary files are private by default. The copy gets the permissions of any new file.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder
            .tempfile_in(parent)
            .map_err(|error| io_error(&action, error))?;
        if let Some(old) = old {
            // A copy over a file gets the permissions of that file.
            let _ = file.as_file().set_permissions(old.permissions());
        }
        Ok(Self { path, file })
    }

    fn finish(self, action: &str) -> Result<PathBuf> {
        self.file
            .as_file()
            .sync_all()
            .map_err(|error| io_error(action, error))?;
        let persisted = self.file.persist(&self.path);
        persisted.map_err(|error| io_error(action, error.error))?;
        // The copy exists. That its name may not survive a power failure is no reason for an error.
        let _ = self.path.parent().map(sync_folder);
        Ok(self.path)
    }
}

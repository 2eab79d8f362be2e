//! File locks: what keeps two processes, or two clients of one, from doing the same thing at once.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

/// What became of an attempt to lock a file.
pub(super) enum Locked {
    /// The file is ours, under the name it was opened by.
    Ours(File),
    /// Somebody else holds it.
    Theirs,
    /// The file is ours and has a second name: a crash left it, and what is written here changes both.
    Twice(File),
    /// The name was removed or given to another file while it was being locked.
    Moved,
}

/// Opens a file, made if it is missing, and locks it. The lock ends with the handle, and so with the process.
///
/// A filesystem without locks gives every lock to everybody: there its user has to see to it.
///
/// # Errors
/// Those of opening. A name that is there and no regular file is `InvalidInput`.
pub(super) fn open_locked(path: &Path) -> io::Result<Locked> {
    if fs::symlink_metadata(path).is_ok_and(|about| !about.is_file()) {
        return Err(not_regular());
    }
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    if !take(&file)? {
        return Ok(Locked::Theirs);
    }
    Ok(match named(&file, path)? {
        Named::Only => Locked::Ours(file),
        Named::Twice => Locked::Twice(file),
        Named::Otherwise => Locked::Moved,
    })
}

/// Takes the lock of an open file, if nobody has it.
pub(super) fn take(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether somebody holds the lock of a file; `None` if there is no such file. Two that look at once do not keep each
/// other out.
///
/// # Errors
/// Those of opening. A name that is there and no regular file is `InvalidInput`.
pub(super) fn is_locked(path: &Path) -> io::Result<Option<bool>> {
    match fs::symlink_metadata(path) {
        Ok(about) if about.is_file() => {}
        Ok(_) => return Err(not_regular()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(Some(false)),
        Err(TryLockError::WouldBlock) => Ok(Some(true)),
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(Some(false)),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether an open file still has the name that it was opened by.
pub(super) fn is_named(file: &File, path: &Path) -> io::Result<bool> {
    Ok(!matches!(named(file, path)?, Named::Otherwise))
}

fn not_regular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")
}

enum Named {
    /// The file has this name and no other.
    Only,
    /// The file has this name and another one.
    Twice,
    /// The name belongs to another file, or to none.
    Otherwise,
}

#[cfg(unix)]
fn named(file: &File, path: &Path) -> io::Result<Named> {
    use std::os::unix::fs::MetadataExt as _;
    let opened = file.metadata()?;
    Ok(match fs::symlink_metadata(path) {
        Ok(named) if (named.dev(), named.ino()) != (opened.dev(), opened.ino()) => Named::Otherwise,
        Ok(_) if opened.nlink() > 1 => Named::Twice,
        Ok(_) => Named::Only,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Named::Otherwise,
        Err(error) => return Err(error),
    })
}

/// Without inode numbers in the standard library the check of the final name has to be enough.
#[cfg(not(unix))]
fn named(_: &File, path: &Path) -> io::Result<Named> {
    Ok(if path.exists() {
        Named::Only
    } else {
        Named::Otherwise
    })
}

//! File locks: they keep two processes, or two clients in one process, from doing the same work at once.
//!
//! On Unix a lock is advisory: it excludes other lockers but not readers and writers. On Windows the standard
//! library's lock is mandatory: a second handle, even in the same process, can neither read nor write the file.
//! Therefore on Windows a file that is read by name is never locked. The lock of an unfinished clip is a separate file
//! beside it, which is locked by opening it without sharing; it is released and removed when the handle is closed.
//! The tests below exercise the layout with a separate lock file on every system.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long to wait for a lock before it counts as held. Between `fork` and `exec` a child process holds the open files
/// of its parent, including the locks of a parent that was killed in that moment.
pub(crate) const INHERITED: Duration = Duration::from_millis(200);

/// An open file and its lock, both released on drop. The lock is released before the file is closed: a child process
/// between `fork` and `exec` has a copy of the handle, and closing only ours would leave the lock held.
#[derive(Debug)]
pub(crate) struct LockedFile(File);

impl Drop for LockedFile {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

impl Deref for LockedFile {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl DerefMut for LockedFile {
    fn deref_mut(&mut self) -> &mut File {
        &mut self.0
    }
}

/// The result of an attempt to lock a file.
#[cfg_attr(
    windows,
    expect(dead_code, reason = "on Windows a locked file has one name and keeps it")
)]
pub(crate) enum Locked {
    /// This process holds the lock, and the file still has the name that it was opened by.
    Ours(LockedFile),
    /// Another process or client holds the lock.
    Held,
    /// This process holds the lock, and the file has a second name, which a crash left: writing changes both.
    Linked(LockedFile),
    /// The name was removed or given to another file during the attempt.
    Moved,
}

/// Whether the lock of a file that is read by name is a separate file.
const SEPARATE: bool = cfg!(windows);
/// The suffix of a separate lock file.
const SEPARATE_SUFFIX: &str = ".lock";

/// The result of an attempt to lock an unfinished file, which has one writer and may be read by name meanwhile.
pub(crate) enum LockedPart {
    /// This process holds the lock as long as both values exist.
    Ours(LockedFile, PartLock),
    /// See [`Locked::Held`].
    Held,
    /// See [`Locked::Linked`].
    Linked(PartLock),
    /// See [`Locked::Moved`].
    Moved,
}

/// The lock of an open file, where it is a separate file. Released on drop.
#[derive(Debug)]
pub(crate) struct PartLock {
    _file: Option<LockedFile>,
}

impl PartLock {
    /// Releases the lock before the value is dropped.
    pub(crate) fn release(&mut self) {
        drop(std::mem::replace(self, Self { _file: None }));
    }
}

/// Opens and locks a file that is read by name while it is locked. Creates it if it is missing.
///
/// # Errors
/// As [`open_locked`].
pub(crate) fn open_locked_part(path: &Path) -> io::Result<LockedPart> {
    locked_part(path, SEPARATE)
}

/// Repeats an attempt to take a lock while `is_held` returns true, for at most `wait`. Returns the last result.
pub(crate) fn try_for<T>(
    wait: Duration,
    attempt: impl Fn() -> io::Result<T>,
    is_held: impl Fn(&T) -> bool,
) -> io::Result<T> {
    let until = Instant::now() + wait;
    loop {
        let locked = attempt()?;
        if !is_held(&locked) || Instant::now() >= until {
            return Ok(locked);
        }
        std::thread::yield_now();
    }
}

fn locked_part(path: &Path, separate: bool) -> io::Result<LockedPart> {
    if !separate {
        return Ok(match open_locked(path)? {
            Locked::Ours(file) => LockedPart::Ours(file, PartLock { _file: None }),
            Locked::Held => LockedPart::Held,
            Locked::Linked(file) => LockedPart::Linked(PartLock { _file: Some(file) }),
            Locked::Moved => LockedPart::Moved,
        });
    }
    refuse_irregular(path)?;
    let lock = match open_locked(&separate_lock(path))? {
        Locked::Ours(lock) | Locked::Linked(lock) => PartLock { _file: Some(lock) },
        Locked::Held => return Ok(LockedPart::Held),
        Locked::Moved => return Ok(LockedPart::Moved),
    };
    let file = LockedFile(open(OpenOptions::new(), path)?);
    Ok(match check_name(&file, path)? {
        Named::Only => LockedPart::Ours(file, lock),
        Named::Linked => LockedPart::Linked(lock),
        Named::Gone => LockedPart::Moved,
    })
}

/// Locks an unfinished file before its removal. Returns `None` if it is being written.
pub(crate) fn lock_to_remove(file: File, path: &Path) -> Option<PartLock> {
    to_remove(file, path, SEPARATE)
}

fn to_remove(file: File, path: &Path, separate: bool) -> Option<PartLock> {
    if separate {
        return match open_locked(&separate_lock(path)) {
            Ok(Locked::Ours(lock) | Locked::Linked(lock)) => Some(PartLock { _file: Some(lock) }),
            Ok(Locked::Held | Locked::Moved) | Err(_) => None,
        };
    }
    // The lock is in the file.
    let is_free = !matches!(file.try_lock(), Err(TryLockError::WouldBlock));
    is_free.then_some(PartLock {
        _file: Some(LockedFile(file)),
    })
}

fn separate_lock(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(SEPARATE_SUFFIX);
    name.into()
}

fn refuse_irregular(path: &Path) -> io::Result<()> {
    match check_regular(path) {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Err(error),
        // A missing file is created, and other failures are reported by opening it.
        _ => Ok(()),
    }
}

fn open(mut options: OpenOptions, path: &Path) -> io::Result<File> {
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
}

/// Opens and locks a file, creating it if it is missing. The lock is released with the handle, at the latest when the
/// process ends. The file must not carry data: on Windows it can be neither read by others nor found afterwards.
///
/// On a filesystem without locks every attempt succeeds: there the user must run only one process.
///
/// # Errors
/// Those of opening. `InvalidInput` if the name exists and is not a regular file.
#[cfg(windows)]
pub(crate) fn open_locked(path: &Path) -> io::Result<Locked> {
    use std::os::windows::fs::OpenOptionsExt as _;

    const FILE_FLAG_DELETE_ON_CLOSE: u32 = 0x0400_0000;
    const ERROR_SHARING_VIOLATION: i32 = 32;
    refuse_irregular(path)?;
    let mut options = OpenOptions::new();
    // Nobody else can have the file open, so no other handle refers to a name that is about to be removed.
    options.share_mode(0).custom_flags(FILE_FLAG_DELETE_ON_CLOSE);
    match open(options, path) {
        Ok(file) => Ok(Locked::Ours(LockedFile(file))),
        Err(error) if error.raw_os_error() == Some(ERROR_SHARING_VIOLATION) => Ok(Locked::Held),
        Err(error) => Err(error),
    }
}

/// Opens and locks a file, creating it if it is missing. The lock is released with the handle, at the latest when the
/// process ends. The file must not carry data: on Windows it can be neither read by others nor found afterwards.
///
/// On a filesystem without locks every attempt succeeds: there the user must run only one process.
///
/// # Errors
/// Those of opening. `InvalidInput` if the name exists and is not a regular file.
#[cfg(not(windows))]
pub(crate) fn open_locked(path: &Path) -> io::Result<Locked> {
    refuse_irregular(path)?;
    let file = open(OpenOptions::new(), path)?;
    if !take(&file)? {
        return Ok(Locked::Held);
    }
    let file = LockedFile(file);
    Ok(match check_name(&file, path)? {
        Named::Only => Locked::Ours(file),
        Named::Linked => Locked::Linked(file),
        Named::Gone => Locked::Moved,
    })
}

/// Locks an open file, unless it is locked. Returns whether it is locked by this handle now.
#[cfg(not(windows))]
fn take(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Returns whether a file is locked, or `None` if it does not exist. Two concurrent calls do not affect each other.
///
/// # Errors
/// Those of opening. `InvalidInput` if the name exists and is not a regular file.
pub(crate) fn is_locked(path: &Path) -> io::Result<Option<bool>> {
    let file = match check_regular(path).and_then(|()| File::open(path)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.try_lock_shared() {
        Ok(()) => {
            let _ = file.unlock();
            Ok(Some(false))
        }
        Err(TryLockError::WouldBlock) => Ok(Some(true)),
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(Some(false)),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Returns whether an open file still has the name that it was opened by.
pub(crate) fn is_named(file: &File, path: &Path) -> io::Result<bool> {
    Ok(!matches!(check_name(file, path)?, Named::Gone))
}

/// Checks that a name is that of a regular file: following a link would leave the library, and opening a pipe would
/// wait forever.
pub(crate) fn check_regular(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_file() {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        "it is not a regular file",
    ))
}

enum Named {
    /// The file has this name and no other.
    Only,
    /// The file has this name and another one.
    Linked,
    /// The name belongs to another file, or to none.
    Gone,
}

#[cfg(unix)]
fn check_name(file: &File, path: &Path) -> io::Result<Named> {
    use std::os::unix::fs::MetadataExt as _;
    let opened = file.metadata()?;
    Ok(match fs::symlink_metadata(path) {
        Ok(named) if (named.dev(), named.ino()) != (opened.dev(), opened.ino()) => Named::Gone,
        Ok(_) if opened.nlink() > 1 => Named::Linked,
        Ok(_) => Named::Only,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Named::Gone,
        Err(error) => return Err(error),
    })
}

/// Only checks that the name exists: the standard library has no inode numbers on this system.
#[cfg(not(unix))]
fn check_name(_: &File, path: &Path) -> io::Result<Named> {
    Ok(if path.exists() { Named::Only } else { Named::Gone })
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn a_briefly_held_lock_is_waited_for() {
        let tries = Cell::new(0);
        let attempt = || {
            tries.set(tries.get() + 1);
            Ok(tries.get())
        };
        let third = try_for(Duration::from_secs(3600), attempt, |tries| *tries < 3);
        assert_eq!(third.unwrap(), 3);
        assert_eq!(
            try_for(Duration::ZERO, attempt, |_| true).unwrap(),
            4,
            "held all the time"
        );
    }

    /// Covers both layouts: that of this system, and the separate lock file of Windows.
    #[test]
    fn a_part_has_one_writer_and_any_reader() {
        for separate in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.mp4.part");
            let LockedPart::Ours(mut file, lock) = locked_part(&path, separate).unwrap() else {
                panic!("it is not locked");
            };
            file.write_all(b"clip").unwrap();
            assert!(matches!(locked_part(&path, separate).unwrap(), LockedPart::Held));
            // By name, as hashing and verification read it.
            let mut read = String::new();
            let mut reader = File::open(&path).unwrap();
            reader.read_to_string(&mut read).unwrap();
            assert_eq!(read, "clip");
            assert!(to_remove(File::open(&path).unwrap(), &path, separate).is_none());
            drop((file, lock));
            let lock = to_remove(reader, &path, separate).expect("it is not being written any more");
            assert!(matches!(locked_part(&path, separate).unwrap(), LockedPart::Held));
            drop(lock);
            assert!(matches!(
                locked_part(&path, separate).unwrap(),
                LockedPart::Ours(..)
            ));
        }
    }

    /// A child process between `fork` and `exec` has a copy of the handle.
    #[test]
    fn a_lock_is_released_even_if_a_copy_of_its_handle_exists() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.lock");
        let Locked::Ours(file) = open_locked(&path).unwrap() else {
            panic!("it is not locked");
        };
        let copy = file.try_clone().unwrap();
        assert_eq!(is_locked(&path).unwrap(), Some(true));
        drop(file);
        assert_eq!(is_locked(&path).unwrap(), Some(false));
        assert!(matches!(open_locked(&path).unwrap(), Locked::Ours(_)));
        drop(copy);
    }

    #[test]
    fn a_part_with_a_separate_lock_is_itself_never_locked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mp4.part");
        let LockedPart::Ours(file, _lock) = locked_part(&path, true).unwrap() else {
            panic!("it is not locked");
        };
        // A mandatory lock would forbid reading and writing: there is none on this file.
        let second = File::open(&path).unwrap();
        second.try_lock().unwrap();
        drop(file);
        assert!(folder.path().join("a.mp4.part.lock").is_file());
    }
}

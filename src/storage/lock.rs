//! File locks, which prevent two processes, or two clients in one process, from doing the same work at once.
//!
//! On Unix, a lock is advisory: it excludes other lockers, but not readers and writers. On Windows, the lock of the
//! standard library is mandatory: a second handle, even in the same process, can neither read nor write the file.
//! Therefore a file that is read by name is never locked on Windows. The lock of an unfinished clip is a separate file
//! next to it, which is locked by opening it without sharing. It is released and removed when the handle is closed. The
//! tests below cover the separate lock file on every system.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long to wait for a lock before it counts as held. Between `fork` and `exec`, a child process holds the open
/// files of its parent, and also the locks if the parent is killed at that moment.
pub(crate) const LOCK_WAIT: Duration = Duration::from_millis(200);

/// An open file and its lock, both released on drop. The lock is released explicitly: a child process between `fork`
/// and `exec` has a copy of the handle, so closing this one would not release the lock.
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
    expect(
        dead_code,
        reason = "on Windows a locked file has one name, which does not change"
    )
)]
pub(crate) enum Locked<T = LockedFile> {
    /// This process holds the lock, and the file still has the name under which it was opened.
    Ours(T),
    /// Another process or client holds the lock.
    Held,
    /// This process holds the lock, and the file has a second name, which a crash left. Writing would change both.
    Linked(T),
    /// The name was removed, or was given to another file, during the attempt.
    Moved,
}

impl<T> Locked<T> {
    /// Returns the result for a lock that this process holds. `names` is the result of [`count_names`].
    fn with_names(names: u64, lock: T) -> Self {
        match names {
            0 => Self::Moved,
            1 => Self::Ours(lock),
            _ => Self::Linked(lock),
        }
    }
}

/// The error of Windows for a file that another handle has opened without sharing it.
#[cfg(windows)]
const ERROR_SHARING_VIOLATION: i32 = 32;

/// Whether the lock of a file that is read by name is a separate file.
const HAS_LOCK_FILE: bool = cfg!(windows);
/// The suffix of a separate lock file.
const LOCK_FILE_SUFFIX: &str = ".lock";

/// An unfinished file, which has one writer and may be read by name at the same time, and its separate lock file, if the
/// system needs one. It is locked as long as both exist.
pub(crate) type PartFiles = (LockedFile, Option<LockedFile>);

/// Opens and locks a file that is read by name while it is locked. Creates it if it is missing.
///
/// # Errors
/// As for [`open_locked`].
pub(crate) fn open_locked_part(path: &Path) -> io::Result<Locked<PartFiles>> {
    lock_part(path, HAS_LOCK_FILE)
}

/// Repeats an attempt to take a lock while `is_held` returns true, for at most `wait`. Returns the last result.
pub(crate) fn try_for<T>(
    wait: Duration,
    attempt: impl Fn() -> io::Result<T>,
    is_held: impl Fn(&T) -> bool,
) -> io::Result<T> {
    let deadline = Instant::now() + wait;
    loop {
        let locked = attempt()?;
        if !is_held(&locked) || Instant::now() >= deadline {
            return Ok(locked);
        }
        std::thread::yield_now();
    }
}

/// Does what [`open_locked_part`] does, with or without a separate lock file.
fn lock_part(path: &Path, has_lock_file: bool) -> io::Result<Locked<PartFiles>> {
    if !has_lock_file {
        return Ok(match open_locked(path)? {
            Locked::Ours(file) => Locked::Ours((file, None)),
            Locked::Held => Locked::Held,
            Locked::Linked(file) => Locked::Linked((file, None)),
            Locked::Moved => Locked::Moved,
        });
    }
    reject_irregular(path)?;
    let lock = match open_locked(&lock_file_path(path))? {
        Locked::Ours(lock) | Locked::Linked(lock) => lock,
        Locked::Held => return Ok(Locked::Held),
        Locked::Moved => return Ok(Locked::Moved),
    };
    let file = LockedFile(open(OpenOptions::new(), path)?);
    Ok(Locked::with_names(count_names(&file, path)?, (file, Some(lock))))
}

/// Locks an unfinished file before its removal. Returns `None` if it is being written.
pub(crate) fn lock_to_remove(file: File, path: &Path) -> Option<LockedFile> {
    lock_part_to_remove(file, path, HAS_LOCK_FILE)
}

fn lock_part_to_remove(file: File, path: &Path, has_lock_file: bool) -> Option<LockedFile> {
    if has_lock_file {
        return match open_locked(&lock_file_path(path)) {
            Ok(Locked::Ours(lock) | Locked::Linked(lock)) => Some(lock),
            Ok(Locked::Held | Locked::Moved) | Err(_) => None,
        };
    }
    // Without a separate lock file, the file itself is locked.
    let is_free = !matches!(file.try_lock(), Err(TryLockError::WouldBlock));
    is_free.then_some(LockedFile(file))
}

fn lock_file_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(LOCK_FILE_SUFFIX);
    name.into()
}

/// Fails if the name exists and is not that of a regular file.
fn reject_irregular(path: &Path) -> io::Result<()> {
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

/// Opens and locks a file, and creates it if it is missing. The lock is released when the handle is closed, which is at
/// the latest when the process ends. The file must not contain data: on Windows, other handles cannot read it, and it
/// is removed with the handle.
///
/// On a filesystem without locks, every attempt succeeds. The user must run only one process there.
///
/// # Errors
/// The errors of opening. `InvalidInput` if the name exists and is not a regular file.
#[cfg(windows)]
pub(crate) fn open_locked(path: &Path) -> io::Result<Locked> {
    use std::os::windows::fs::OpenOptionsExt as _;

    const FILE_FLAG_DELETE_ON_CLOSE: u32 = 0x0400_0000;
    reject_irregular(path)?;
    let mut options = OpenOptions::new();
    // Without sharing, no other handle can refer to the file when it is removed.
    options.share_mode(0).custom_flags(FILE_FLAG_DELETE_ON_CLOSE);
    match open(options, path) {
        Ok(file) => Ok(Locked::Ours(LockedFile(file))),
        Err(error) if error.raw_os_error() == Some(ERROR_SHARING_VIOLATION) => Ok(Locked::Held),
        Err(error) => Err(error),
    }
}

/// Opens and locks a file, and creates it if it is missing. The lock is released when the handle is closed, which is at
/// the latest when the process ends. The file must not contain data: on Windows, other handles cannot read it, and it
/// is removed with the handle.
///
/// On a filesystem without locks, every attempt succeeds. The user must run only one process there.
///
/// # Errors
/// The errors of opening. `InvalidInput` if the name exists and is not a regular file.
#[cfg(not(windows))]
pub(crate) fn open_locked(path: &Path) -> io::Result<Locked> {
    reject_irregular(path)?;
    let file = open(OpenOptions::new(), path)?;
    if !try_lock(&file)? {
        return Ok(Locked::Held);
    }
    let file = LockedFile(file);
    Ok(Locked::with_names(count_names(&file, path)?, file))
}

/// Locks an open file, unless another handle has locked it. Returns whether this handle has the lock now.
#[cfg(not(windows))]
fn try_lock(file: &File) -> io::Result<bool> {
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
/// The errors of opening. `InvalidInput` if the name exists and is not a regular file.
pub(crate) fn is_locked(path: &Path) -> io::Result<Option<bool>> {
    let file = match check_regular(path).and_then(|()| File::open(path)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        // On Windows, a locked file cannot be opened.
        #[cfg(windows)]
        Err(error) if error.raw_os_error() == Some(ERROR_SHARING_VIOLATION) => return Ok(Some(true)),
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

/// Returns whether an open file still has the name under which it was opened.
pub(crate) fn is_named(file: &File, path: &Path) -> io::Result<bool> {
    Ok(count_names(file, path)? > 0)
}

/// Checks that a name is that of a regular file. Following a link would leave the library, and opening a pipe would
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

/// Returns how many names an open file has, or 0 if `path` now belongs to another file or to none.
#[cfg(unix)]
fn count_names(file: &File, path: &Path) -> io::Result<u64> {
    use std::os::unix::fs::MetadataExt as _;
    let opened = file.metadata()?;
    Ok(match fs::symlink_metadata(path) {
        Ok(named) if (named.dev(), named.ino()) != (opened.dev(), opened.ino()) => 0,
        // It has at least this name.
        Ok(_) => opened.nlink().max(1),
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    })
}

/// Returns 1 if the name exists, because the standard library has no inode numbers on this system.
#[cfg(not(unix))]
fn count_names(_: &File, path: &Path) -> io::Result<u64> {
    Ok(path.exists().into())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn an_attempt_to_lock_is_repeated_until_the_deadline() {
        let attempts = Cell::new(0);
        let attempt = || {
            attempts.set(attempts.get() + 1);
            Ok(attempts.get())
        };
        let third = try_for(Duration::from_secs(3600), attempt, |attempts| *attempts < 3);
        assert_eq!(third.unwrap(), 3);
        assert_eq!(
            try_for(Duration::ZERO, attempt, |_| true).unwrap(),
            4,
            "the deadline has passed after one attempt"
        );
    }

    /// Covers both the lock in the file and the separate lock file of Windows.
    #[test]
    fn a_part_has_one_writer_and_any_number_of_readers() {
        for has_lock_file in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.mp4.part");
            let Locked::Ours((mut file, lock)) = lock_part(&path, has_lock_file).unwrap() else {
                panic!("it is not locked");
            };
            file.write_all(b"clip").unwrap();
            assert!(matches!(lock_part(&path, has_lock_file).unwrap(), Locked::Held));
            // Hashing and verification open it by name.
            let mut read = String::new();
            let mut reader = File::open(&path).unwrap();
            reader.read_to_string(&mut read).unwrap();
            assert_eq!(read, "clip");
            assert!(lock_part_to_remove(File::open(&path).unwrap(), &path, has_lock_file).is_none());
            drop((file, lock));
            let lock =
                lock_part_to_remove(reader, &path, has_lock_file).expect("it is no longer being written");
            assert!(matches!(lock_part(&path, has_lock_file).unwrap(), Locked::Held));
            drop(lock);
            assert!(matches!(
                lock_part(&path, has_lock_file).unwrap(),
                Locked::Ours(_)
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
    fn a_part_with_a_separate_lock_file_is_not_locked_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mp4.part");
        let Locked::Ours((file, _lock)) = lock_part(&path, true).unwrap() else {
            panic!("it is not locked");
        };
        // There must be no lock on this file, since a mandatory one would prevent reading and writing.
        let second = File::open(&path).unwrap();
        second.try_lock().unwrap();
        drop(file);
        assert!(folder.path().join("a.mp4.part.lock").is_file());
    }
}

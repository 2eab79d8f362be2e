//! File locks: what keeps two processes, or two clients of one, from doing the same thing at once.
//!
//! On Unix a lock is advisory: it keeps other lockers out, and nobody from reading or writing. On Windows the standard
//! library's lock is mandatory: a second handle, of the same process too, can neither read nor write the file. So
//! there nothing that is read by its name is ever locked. The lock of an unfinished clip is a file beside it, and the
//! lock of any such file is that it is open and shared with nobody, which ends with the handle, and so with the
//! process; the file goes with it. Windows cannot be tested here; what can be is the layout with a lock of its own
//! file, which the tests below use on any system.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a lock is waited for before it counts as held by somebody. A process that is being started has the open files
/// of its parent until it runs its own program, and with them the locks of a parent that was killed meanwhile.
pub(super) const INHERITED: Duration = Duration::from_millis(200);

/// An open file with its lock, which ends with this value. The lock is given back before the file is closed: a process
/// that is just being started has a copy of the handle, and closing ours would leave the lock to it.
#[derive(Debug)]
pub(super) struct LockedFile(File);

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

/// What became of an attempt to lock a file.
#[cfg_attr(
    windows,
    expect(dead_code, reason = "there a locked file has one name, which stays")
)]
pub(super) enum Locked {
    /// The file is ours, under the name it was opened by.
    Ours(LockedFile),
    /// Somebody else holds it.
    Theirs,
    /// The file is ours and has a second name: a crash left it, and what is written here changes both.
    Twice(LockedFile),
    /// The name was removed or given to another file while it was being locked.
    Moved,
}

/// Whether the lock of a file that is read by its name is a file of its own.
const SEPARATE: bool = cfg!(windows);
/// What the name of such a lock ends with.
const SEPARATE_SUFFIX: &str = ".lock";

/// A file that one writer at a time may have, and that anybody may read by its name meanwhile.
pub(super) enum LockedPart {
    /// The file is ours as long as both handles live.
    Ours(LockedFile, PartLock),
    /// See [`Locked::Theirs`].
    Theirs,
    /// See [`Locked::Twice`].
    Twice(PartLock),
    /// See [`Locked::Moved`].
    Moved,
}

/// The lock of an open file, where it is not in the file itself. It ends with this value.
#[derive(Debug)]
pub(super) struct PartLock {
    _file: Option<LockedFile>,
}

impl PartLock {
    /// Ends a lock before its value goes.
    pub(super) fn release(&mut self) {
        drop(std::mem::replace(self, Self { _file: None }));
    }
}

/// Opens a file that is read by its name while it is locked, made if it is missing, and locks it.
///
/// # Errors
/// As [`open_locked`].
pub(super) fn open_locked_part(path: &Path) -> io::Result<LockedPart> {
    locked_part(path, SEPARATE)
}

/// Repeats an attempt to take a lock while `is_held`, for `wait` at most. Returns the last outcome.
///
/// # Errors
/// Those of the attempt.
pub(super) fn try_for<T>(
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
            Locked::Theirs => LockedPart::Theirs,
            Locked::Twice(file) => LockedPart::Twice(PartLock { _file: Some(file) }),
            Locked::Moved => LockedPart::Moved,
        });
    }
    refuse_irregular(path)?;
    let lock = match open_locked(&separate_lock(path))? {
        Locked::Ours(lock) | Locked::Twice(lock) => PartLock { _file: Some(lock) },
        Locked::Theirs => return Ok(LockedPart::Theirs),
        Locked::Moved => return Ok(LockedPart::Moved),
    };
    let file = LockedFile(open(OpenOptions::new(), path)?);
    Ok(match named(&file, path)? {
        Named::Only => LockedPart::Ours(file, lock),
        Named::Twice => LockedPart::Twice(lock),
        Named::Otherwise => LockedPart::Moved,
    })
}

/// Locks an unfinished file that is to be removed. `None` where somebody writes it.
pub(super) fn lock_to_remove(file: File, path: &Path) -> Option<PartLock> {
    to_remove(file, path, SEPARATE)
}

fn to_remove(file: File, path: &Path, separate: bool) -> Option<PartLock> {
    if separate {
        return match open_locked(&separate_lock(path)) {
            Ok(Locked::Ours(lock) | Locked::Twice(lock)) => Some(PartLock { _file: Some(lock) }),
            Ok(Locked::Theirs | Locked::Moved) | Err(_) => None,
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
        // What is missing is made, and other failures are those of opening.
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

/// Opens a file, made if it is missing, and locks it. The lock ends with the handle, and so with the process. Nobody
/// may count on what is in the file: on Windows it can be neither read by others nor found afterwards.
///
/// A filesystem without locks gives every lock to everybody: there its user has to see to it.
///
/// # Errors
/// Those of opening. A name that is there and no regular file is `InvalidInput`.
#[cfg(windows)]
pub(super) fn open_locked(path: &Path) -> io::Result<Locked> {
    use std::os::windows::fs::OpenOptionsExt as _;

    const FILE_FLAG_DELETE_ON_CLOSE: u32 = 0x0400_0000;
    const ERROR_SHARING_VIOLATION: i32 = 32;
    refuse_irregular(path)?;
    let mut options = OpenOptions::new();
    // Who has it open shares it with nobody, so no other handle can be at a name that is about to go.
    options.share_mode(0).custom_flags(FILE_FLAG_DELETE_ON_CLOSE);
    match open(options, path) {
        Ok(file) => Ok(Locked::Ours(LockedFile(file))),
        Err(error) if error.raw_os_error() == Some(ERROR_SHARING_VIOLATION) => Ok(Locked::Theirs),
        Err(error) => Err(error),
    }
}

/// Opens a file, made if it is missing, and locks it. The lock ends with the handle, and so with the process. Nobody
/// may count on what is in the file: on Windows it can be neither read by others nor found afterwards.
///
/// A filesystem without locks gives every lock to everybody: there its user has to see to it.
///
/// # Errors
/// Those of opening. A name that is there and no regular file is `InvalidInput`.
#[cfg(not(windows))]
pub(super) fn open_locked(path: &Path) -> io::Result<Locked> {
    refuse_irregular(path)?;
    let file = open(OpenOptions::new(), path)?;
    if !take(&file)? {
        return Ok(Locked::Theirs);
    }
    let file = LockedFile(file);
    Ok(match named(&file, path)? {
        Named::Only => Locked::Ours(file),
        Named::Twice => Locked::Twice(file),
        Named::Otherwise => Locked::Moved,
    })
}

/// Takes the lock of an open file, if nobody has it.
#[cfg(not(windows))]
fn take(file: &File) -> io::Result<bool> {
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

/// Whether an open file still has the name that it was opened by.
pub(super) fn is_named(file: &File, path: &Path) -> io::Result<bool> {
    Ok(!matches!(named(file, path)?, Named::Otherwise))
}

/// Checks that a name is that of a regular file: following a link would leave the library, and opening a pipe would wait
/// for ever.
pub(super) fn check_regular(path: &Path) -> io::Result<()> {
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn a_lock_that_is_held_for_a_moment_is_waited_for() {
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

    /// Both layouts: the one of this system, and the one that Windows needs.
    #[test]
    fn a_part_has_one_writer_and_any_reader() {
        for separate in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.mp4.part");
            let LockedPart::Ours(mut file, lock) = locked_part(&path, separate).unwrap() else {
                panic!("nobody has it");
            };
            file.write_all(b"clip").unwrap();
            assert!(matches!(
                locked_part(&path, separate).unwrap(),
                LockedPart::Theirs
            ));
            // By its name, as the hash and the check of the clip read it.
            let mut read = String::new();
            let mut reader = File::open(&path).unwrap();
            reader.read_to_string(&mut read).unwrap();
            assert_eq!(read, "clip");
            assert!(to_remove(File::open(&path).unwrap(), &path, separate).is_none());
            drop((file, lock));
            let lock = to_remove(reader, &path, separate).expect("nobody writes it any more");
            assert!(matches!(
                locked_part(&path, separate).unwrap(),
                LockedPart::Theirs
            ));
            drop(lock);
            assert!(matches!(
                locked_part(&path, separate).unwrap(),
                LockedPart::Ours(..)
            ));
        }
    }

    /// What a process that is being started does: it has a copy of the handle for a while.
    #[test]
    fn a_lock_ends_though_somebody_has_a_copy_of_its_handle() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.lock");
        let Locked::Ours(file) = open_locked(&path).unwrap() else {
            panic!("nobody has it");
        };
        let copy = file.try_clone().unwrap();
        assert_eq!(is_locked(&path).unwrap(), Some(true));
        drop(file);
        assert_eq!(is_locked(&path).unwrap(), Some(false));
        assert!(matches!(open_locked(&path).unwrap(), Locked::Ours(_)));
        drop(copy);
    }

    #[test]
    fn with_a_lock_of_its_own_the_part_itself_is_never_locked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mp4.part");
        let LockedPart::Ours(file, _lock) = locked_part(&path, true).unwrap() else {
            panic!("nobody has it");
        };
        // A mandatory lock would forbid reading and writing: there is none on this file.
        let second = File::open(&path).unwrap();
        second.try_lock().unwrap();
        drop(file);
        assert!(folder.path().join("a.mp4.part.lock").is_file());
    }
}

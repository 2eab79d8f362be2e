//! The stamp of a file or folder, and the clock that shows whether a stamp can be trusted.

use std::fs::{self, File, Metadata};
use std::io::{self, Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, FileType, StatxFlags, StatxTimestamp};
use serde::{Deserialize, Serialize};

use crate::storage::temporary_name;

/// Maximum wait for the next tick of a filesystem's clock, which ticks at least 100 times a second.
const TICK_TIMEOUT: Duration = Duration::from_millis(20);

/// Filesystems on which every change of a folder's names changes the folder's `ctime`, whoever makes it. FAT and exFAT
/// are missing because other systems do not update the time of their folders, and network filesystems because other
/// machines change their folders.
const TRUSTED: &[u64] = &[
    0xef53,      // ext2, ext3, ext4
    0x5846_5342, // XFS
    0x9123_683e, // Btrfs
    0xf2f5_2010, // F2FS
    0x2fc1_2fc1, // ZFS
    0xca45_1a4e, // bcachefs
    0x0102_1994, // tmpfs
    0x794c_7630, // overlay
];

/// What changes whenever a file or a folder changes. No program can set `ctime`: it differs for a copy, after a date was
/// restored, and for another folder of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    dev: u64,
    ino: u64,
    size: u64,
    mtime: (i64, i64),
    pub(super) ctime: (i64, i64),
}

impl Stamp {
    pub(crate) fn of(about: &Metadata) -> Self {
        Self {
            dev: about.dev(),
            ino: about.ino(),
            size: about.size(),
            mtime: (about.mtime(), about.mtime_nsec()),
            ctime: (about.ctime(), about.ctime_nsec()),
        }
    }

    pub(super) fn of_folder(path: &Path) -> io::Result<Self> {
        Ok(Self::of(&fs::symlink_metadata(path)?))
    }

    /// Returns whether this is a stamp of the same folder, and not an earlier one.
    pub(super) fn is_not_older(&self, than: &Self) -> bool {
        (self.dev, self.ino) == (than.dev, than.ino) && self.ctime >= than.ctime
    }

    /// Returns whether the last change was before `tick`. If so, every later change results in another stamp.
    pub(crate) fn is_before(&self, tick: Tick) -> bool {
        self.ctime < tick.0
    }
}

/// An open folder, for reading the stamps of its files: resolving the path of each would take half of the time.
pub(super) struct Folder(File);

impl Folder {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        File::open(path).map(Self)
    }

    /// Returns the stamp of a regular file.
    pub(super) fn stamp(&self, name: &str) -> Option<Stamp> {
        let mask =
            StatxFlags::TYPE | StatxFlags::INO | StatxFlags::SIZE | StatxFlags::MTIME | StatxFlags::CTIME;
        let about = rustix::fs::statx(&self.0, name, AtFlags::SYMLINK_NOFOLLOW, mask).ok()?;
        let time = |at: StatxTimestamp| (at.tv_sec, i64::from(at.tv_nsec));
        FileType::from_raw_mode(about.stx_mode.into())
            .is_file()
            .then(|| Stamp {
                dev: rustix::fs::makedev(about.stx_dev_major, about.stx_dev_minor),
                ino: about.stx_ino,
                size: about.stx_size,
                mtime: time(about.stx_mtime),
                ctime: time(about.stx_ctime),
            })
    }
}

/// An instant of the filesystem's clock, with its resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tick((i64, i64));

/// A temporary file whose times come from the clock that the filesystem uses for folders. Whatever the resolution of
/// that clock, a change made after this file was written gets the same time or a later one.
#[derive(Debug)]
pub(crate) struct Clock {
    path: PathBuf,
    file: File,
}

impl Clock {
    /// Creates the file in the index folder. Returns `None` where stamps cannot be trusted.
    pub(super) fn start(root: &Path, folder: &Path) -> Option<Self> {
        let kind = rustix::fs::statfs(root).ok()?.f_type;
        if !TRUSTED.contains(&u64::try_from(kind).ok()?) {
            return None;
        }
        let about = fs::symlink_metadata(folder).ok()?;
        if !about.is_dir() || about.dev() != fs::symlink_metadata(root).ok()?.dev() {
            return None;
        }
        let path = folder.join(temporary_name("index").ok()?);
        let file = File::create_new(&path).ok()?;
        let clock = Self { path, file };
        // Creating the file changed the folder: if the folder's time is earlier, it is not maintained.
        let made = clock.file.metadata().ok()?;
        let folder = Stamp::of_folder(folder).ok()?;
        (folder.ctime >= (made.ctime(), made.ctime_nsec()) && folder.ctime.0 > 0).then_some(clock)
    }

    /// Writes to the file, and returns its new time.
    pub(crate) fn tick(&self) -> io::Result<Tick> {
        let mut file = &self.file;
        file.rewind()?;
        file.write_all(b"\n")?;
        let about = file.metadata()?;
        Ok(Tick((about.mtime(), about.mtime_nsec())))
    }

    /// Returns a stamp of the folder such that every later change results in another one, or `None` if the folder is
    /// being changed.
    pub(super) fn settled(&self, path: &Path) -> Option<Stamp> {
        let until = Instant::now() + TICK_TIMEOUT;
        loop {
            let tick = self.tick().ok()?;
            let stamp = Stamp::of_folder(path).ok()?;
            if stamp.is_before(tick) {
                return Some(stamp);
            }
            if Instant::now() > until {
                return None;
            }
            std::thread::yield_now();
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes `text` to the file and renames it to `to`, over an old file if there is one.
    pub(super) fn persist(self, to: &Path, text: &[u8]) -> io::Result<()> {
        let mut file = &self.file;
        file.rewind()?;
        file.set_len(0)?;
        file.write_all(text)?;
        fs::rename(&self.path, to)
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        // Fails after `persist`, which has renamed the file.
        let _ = fs::remove_file(&self.path);
    }
}

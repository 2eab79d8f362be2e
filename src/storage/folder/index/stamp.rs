//! Detects changes of files and folders by their stamps, and determines whether a stamp can be trusted.

use std::fs::{self, File, Metadata};
use std::io::{self, Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, FileType, StatxFlags, StatxTimestamp};
use serde::{Deserialize, Serialize};

use crate::storage::temporary_name;

/// The maximum wait for the next tick of a filesystem's clock. It ticks at least 100 times per second.
const TICK_TIMEOUT: Duration = Duration::from_millis(20);

/// The filesystems on which every change of a name in a folder changes the `ctime` of the folder. FAT and exFAT are
/// excluded, because other systems do not update the times of folders on them. Network filesystems are excluded,
/// because other machines can change them.
const TRUSTED_FILESYSTEMS: &[u64] = &[
    0xef53,      // ext2, ext3, ext4
    0x5846_5342, // XFS
    0x9123_683e, // Btrfs
    0xf2f5_2010, // F2FS
    0x2fc1_2fc1, // ZFS
    0xca45_1a4e, // bcachefs
    0x0102_1994, // tmpfs
    0x794c_7630, // overlay
];

/// The metadata that changes whenever a file or a folder changes. No program can set `ctime`, so it also differs for a
/// copy, for a file whose date was restored, and for another folder with the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    dev: u64,
    ino: u64,
    size: u64,
    mtime: (i64, i64),
    pub(super) ctime: (i64, i64),
}

impl Stamp {
    pub(crate) fn of(meta: &Metadata) -> Self {
        Self {
            dev: meta.dev(),
            ino: meta.ino(),
            size: meta.size(),
            mtime: (meta.mtime(), meta.mtime_nsec()),
            ctime: (meta.ctime(), meta.ctime_nsec()),
        }
    }

    pub(super) fn of_folder(path: &Path) -> io::Result<Self> {
        Ok(Self::of(&fs::symlink_metadata(path)?))
    }

    /// Returns whether both are stamps of the same folder, and this one is not older.
    pub(super) fn is_not_older_than(&self, other: &Self) -> bool {
        (self.dev, self.ino) == (other.dev, other.ino) && self.ctime >= other.ctime
    }

    /// Returns whether the last change was before `tick`. Then every change after `tick` results in another stamp.
    pub(crate) fn is_before(&self, tick: (i64, i64)) -> bool {
        self.ctime < tick
    }
}

/// Returns the stamp of a regular file in an open folder. Resolving a path for each file would double the time.
pub(super) fn stamp_in(folder: &File, name: &str) -> Option<Stamp> {
    let mask = StatxFlags::TYPE | StatxFlags::INO | StatxFlags::SIZE | StatxFlags::MTIME | StatxFlags::CTIME;
    let meta = rustix::fs::statx(folder, name, AtFlags::SYMLINK_NOFOLLOW, mask).ok()?;
    let time = |time: StatxTimestamp| (time.tv_sec, i64::from(time.tv_nsec));
    FileType::from_raw_mode(meta.stx_mode.into())
        .is_file()
        .then(|| Stamp {
            dev: rustix::fs::makedev(meta.stx_dev_major, meta.stx_dev_minor),
            ino: meta.stx_ino,
            size: meta.stx_size,
            mtime: time(meta.stx_mtime),
            ctime: time(meta.stx_ctime),
        })
}

/// Reads the clock that the filesystem uses for the times of folders, by writing to a temporary file. A change after
/// such a write gets the same time or a later one, regardless of the resolution of the clock.
#[derive(Debug)]
pub(crate) struct Clock {
    path: PathBuf,
    file: File,
}

impl Clock {
    /// Creates the file in the index folder. Returns `None` if stamps cannot be trusted there.
    pub(super) fn start(root: &Path, folder: &Path) -> Option<Self> {
        let kind = rustix::fs::statfs(root).ok()?.f_type;
        if !TRUSTED_FILESYSTEMS.contains(&u64::try_from(kind).ok()?) {
            return None;
        }
        let meta = fs::symlink_metadata(folder).ok()?;
        if !meta.is_dir() || meta.dev() != fs::symlink_metadata(root).ok()?.dev() {
            return None;
        }
        let path = folder.join(temporary_name("index").ok()?);
        let file = File::create_new(&path).ok()?;
        let clock = Self { path, file };
        // Creating the file has changed the folder. If the folder has an earlier time, the filesystem does not update
        // it.
        let created = clock.file.metadata().ok()?;
        let folder = Stamp::of_folder(folder).ok()?;
        (folder.ctime >= (created.ctime(), created.ctime_nsec()) && folder.ctime.0 > 0).then_some(clock)
    }

    /// Writes to the file, and returns its new time in seconds and nanoseconds.
    pub(crate) fn tick(&self) -> io::Result<(i64, i64)> {
        let mut file = &self.file;
        file.rewind()?;
        file.write_all(b"\n")?;
        let meta = file.metadata()?;
        Ok((meta.mtime(), meta.mtime_nsec()))
    }

    /// Returns a stamp of the folder that every later change will alter, or `None` if the folder keeps changing.
    pub(super) fn settled_stamp(&self, path: &Path) -> Option<Stamp> {
        let deadline = Instant::now() + TICK_TIMEOUT;
        loop {
            let tick = self.tick().ok()?;
            let stamp = Stamp::of_folder(path).ok()?;
            if stamp.is_before(tick) {
                return Some(stamp);
            }
            if Instant::now() > deadline {
                return None;
            }
            std::thread::yield_now();
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes `text` to the file and renames it to `to`, which replaces an existing file.
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

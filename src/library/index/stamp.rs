//! The stamp of a file or folder, and the clock by which it can be trusted.

use std::fs::{self, File, Metadata};
use std::io::{self, Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, FileType, StatxFlags, StatxTimestamp};
use serde::{Deserialize, Serialize};

use crate::library::name;

/// The longest that a clock is waited for to go on: it ticks 100 times a second or more.
const TICK: Duration = Duration::from_millis(20);

/// Filesystems on which every change of a folder's names changes the folder's `ctime`, whoever makes it. Not among
/// them: FAT and exFAT, whose folders other systems do not date, and those whose folders another machine changes.
const DATED: &[u64] = &[
    0xef53,      // ext2, ext3, ext4
    0x5846_5342, // XFS
    0x9123_683e, // Btrfs
    0xf2f5_2010, // F2FS
    0x2fc1_2fc1, // ZFS
    0xca45_1a4e, // bcachefs
    0x0102_1994, // tmpfs
    0x794c_7630, // overlay
];

/// What changes with a file or a folder. No program can set `ctime`: a copy, a restored date or another folder in
/// its place has another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::library) struct Stamp {
    dev: u64,
    ino: u64,
    size: u64,
    mtime: (i64, i64),
    pub(super) ctime: (i64, i64),
}

impl Stamp {
    pub(in crate::library) fn of(about: &Metadata) -> Self {
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

    /// Whether it is of the same folder as another one, and not from before it.
    pub(super) fn is_not_older(&self, than: &Self) -> bool {
        (self.dev, self.ino) == (than.dev, than.ino) && self.ctime >= than.ctime
    }

    /// Whether what has this stamp was last changed before `tick`: every change after it gives another stamp.
    pub(in crate::library) fn is_before(&self, tick: Tick) -> bool {
        self.ctime < tick.0
    }
}

/// A folder that is open, whose files are asked for their stamps: half of what each costs is the way there.
pub(super) struct Folder(File);

impl Folder {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        File::open(path).map(Self)
    }

    /// The stamp of a file by its name, if it is a regular one.
    pub(super) fn stamp(&self, name: &str) -> Option<Stamp> {
        let nothing_more =
            StatxFlags::TYPE | StatxFlags::INO | StatxFlags::SIZE | StatxFlags::MTIME | StatxFlags::CTIME;
        let about = rustix::fs::statx(&self.0, name, AtFlags::SYMLINK_NOFOLLOW, nothing_more).ok()?;
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

/// An instant of the filesystem's own clock, as coarse as that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::library) struct Tick((i64, i64));

/// A temporary file, which the filesystem dates with the clock it dates folders with. Whatever that clock's
/// resolution: a change that is made after this file was touched gets its time or a later one.
#[derive(Debug)]
pub(in crate::library) struct Clock {
    path: PathBuf,
    file: File,
}

impl Clock {
    /// Makes the file in the folder of the index. `None` where stamps cannot be trusted.
    pub(super) fn start(root: &Path, folder: &Path) -> Option<Self> {
        let kind = rustix::fs::statfs(root).ok()?.f_type;
        if !DATED.contains(&u64::try_from(kind).ok()?) {
            return None;
        }
        let about = fs::symlink_metadata(folder).ok()?;
        if !about.is_dir() || about.dev() != fs::symlink_metadata(root).ok()?.dev() {
            return None;
        }
        let path = folder.join(format!("index.{:08x}.part", name::random().ok()?));
        let file = File::create_new(&path).ok()?;
        let clock = Self { path, file };
        // The folder was changed with the file: one that is dated earlier is not dated at all.
        let made = clock.file.metadata().ok()?;
        let folder = Stamp::of_folder(folder).ok()?;
        (folder.ctime >= (made.ctime(), made.ctime_nsec()) && folder.ctime.0 > 0).then_some(clock)
    }

    /// Touches the file.
    pub(in crate::library) fn tick(&self) -> io::Result<Tick> {
        let mut file = &self.file;
        file.rewind()?;
        file.write_all(b"\n")?;
        let about = file.metadata()?;
        Ok(Tick((about.mtime(), about.mtime_nsec())))
    }

    /// The stamp of a folder, after which every change gives another one. `None` while it is being changed.
    pub(super) fn settled(&self, path: &Path) -> Option<Stamp> {
        let until = Instant::now() + TICK;
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

    /// Puts bytes by, for `Index::load`.
    pub(in crate::library) fn keep(self, name: &str, bytes: &[u8]) {
        let to = self.path.with_file_name(name);
        // Without it everything is read again the next time.
        let _ = self.become_file(&to, &super::file::sealed(bytes));
    }

    /// Puts `text` in the file, and the file in the place of another one.
    pub(super) fn become_file(self, to: &Path, text: &[u8]) -> io::Result<()> {
        let mut file = &self.file;
        file.rewind()?;
        file.set_len(0)?;
        file.write_all(text)?;
        fs::rename(&self.path, to)
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        // After the rename the name is gone already.
        let _ = fs::remove_file(&self.path);
    }
}

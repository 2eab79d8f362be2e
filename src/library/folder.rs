//! The library as a folder: everything that a disk does faster or more safely than an object store.
//!
//! Owns names without a stat, locks, syncing and the rename that overwrites nothing. Blocking and
//! free of tokio: callers bring it to a thread of its own.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::fault::io_fault;
use super::index::{INDEX, Index};
use super::list::Parts;
use super::lock::{INHERITED, LockedFile, LockedPart, PartLock, lock_to_remove, open_locked_part, try_for};
use super::name::{self, CLIP_SUFFIX, ClipId, SIDECAR_SUFFIX};
use super::quarantine::QUARANTINE;
use super::record::{ClipRecord, MAX_SIDECAR_BYTES};
use crate::error::{Error, ErrorKind, Result};

/// Where unfinished files lie: in the library, so that the last step is a rename on one filesystem,
/// and hidden, so that neither a listing nor ima2-gen takes them for clips.
pub(super) const INCOMING: &str = ".incoming";
pub(super) const PART_SUFFIX: &str = ".part";
/// What a check for writing renames into the library. One name for all: the next check takes an old one along.
const WRITABLE: &str = ".writable";
/// Where records are written beside the clips, each under a temporary name first; in the ledger a folder a day.
const DOCUMENTS: [&str; 4] = ["jobs", "jobs/owners", "chains", QUARANTINE];
const LEDGER: &str = "ledger";

#[derive(Debug, Clone)]
pub(super) struct Folder {
    root: PathBuf,
    index: Arc<Index>,
}

impl Folder {
    /// Opens a folder that exists.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let doing = || format!("open library {}", path.display());
        let about = fs::metadata(path).map_err(|error| io_fault(&doing(), error))?;
        if !about.is_dir() {
            return Err(Error::new(
                ErrorKind::Library,
                format!("{}: it is a file, not a folder", doing()),
            ));
        }
        let root = fs::canonicalize(path).map_err(|error| io_fault(&doing(), error))?;
        let index = Arc::new(Index::new(&root, false));
        Ok(Self { root, index })
    }

    /// Opens a folder for writing, made if it is missing.
    pub(super) fn create(path: &Path) -> Result<Self> {
        if let Err(error) = fs::create_dir_all(path) {
            // Whatever stands there is described better by `open`.
            if fs::metadata(path).is_err() {
                return Err(io_fault(&format!("create library {}", path.display()), error));
            }
        }
        let mut folder = Self::open(path)?;
        folder.check_right_to_write()?;
        folder.index = Arc::new(Index::new(&folder.root, true));
        Ok(folder)
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Whether a file in `folder` would be a clip, an unfinished one, one in quarantine, or a record.
    pub(super) fn owns(&self, folder: &Path) -> bool {
        folder == self.root
            || [INCOMING, LEDGER]
                .iter()
                .chain(&DOCUMENTS)
                .any(|name| folder.starts_with(self.root.join(name)))
    }

    /// `name` is a file name of a [`ClipId`], so the path stays in the folder.
    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Writes a file beside the clips and asks for the right to write among them. The names of the library stay as
    /// they are: the index of a library that is only opened stays right.
    #[cfg(target_os = "linux")]
    fn check_right_to_write(&self) -> Result<()> {
        use rustix::fs::{Access, AtFlags, CWD, accessat};

        let doing = format!("write to library {}", self.root.display());
        let file = self
            .incoming()?
            .join(format!("{WRITABLE}.{:08x}{PART_SUFFIX}", name::random()?));
        let written = File::create_new(&file).and_then(|mut file| file.write_all(b"x"));
        let _ = fs::remove_file(&file);
        let right = accessat(
            CWD,
            &self.root,
            Access::WRITE_OK | Access::EXEC_OK,
            AtFlags::EACCESS,
        );
        written
            .and(right.map_err(io::Error::from))
            .map_err(|error| io_fault(&doing, error))
    }

    #[cfg(not(target_os = "linux"))]
    fn check_right_to_write(&self) -> Result<()> {
        self.check_writable()
    }

    /// Writes a file and renames it, as every commit does. What a kill in between leaves, a sweep removes. Folders of
    /// records need not be there yet; what has their name must be a folder, or the record of a paid job has no place.
    pub(super) fn check_writable(&self) -> Result<()> {
        let doing = format!("write to library {}", self.root.display());
        for name in DOCUMENTS.iter().chain([&LEDGER]) {
            match fs::symlink_metadata(self.root.join(name)) {
                Ok(about) if !about.is_dir() => {
                    let message = format!("{doing}: {name} in it is not a folder");
                    return Err(Error::new(ErrorKind::Library, message));
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(io_fault(&doing, error)),
            }
        }
        let from = self
            .incoming()?
            .join(format!("{WRITABLE}.{:08x}{PART_SUFFIX}", name::random()?));
        let to = self.root.join(WRITABLE);
        self.index.watch();
        let write = || {
            File::create_new(&from)?.write_all(b"x")?;
            fs::rename(&from, &to)
        };
        let written = write();
        let _ = fs::remove_file(if written.is_ok() { &to } else { &from });
        written.map_err(|error| io_fault(&doing, error))
    }

    /// Whether a regular file of that name is there. A symbolic link, a folder or a device is an
    /// error: following a link would leave the library, opening a pipe would wait for ever.
    pub(super) fn has(&self, name: &str) -> Result<bool> {
        if let Some((inner, _)) = name.rsplit_once('/')
            && fs::symlink_metadata(self.join(inner)).is_ok_and(|about| !about.is_dir())
        {
            let message = format!("read {name:?}: {inner} in the library is not a folder");
            return Err(Error::new(ErrorKind::Library, message));
        }
        match fs::symlink_metadata(self.join(name)) {
            Ok(about) if about.is_file() => Ok(true),
            Ok(_) => Err(Error::new(
                ErrorKind::Library,
                format!("read {name:?}: it is not a regular file"),
            )),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(io_fault(&format!("read {name:?}"), error)),
        }
    }

    /// Whether neither a clip, a sidecar nor an unfinished file has that name.
    pub(super) fn is_free(&self, id: &ClipId) -> bool {
        let part = self.root.join(INCOMING).join(part_name(id));
        [self.join(&id.file_name()), self.join(&id.sidecar_name()), part]
            .iter()
            .all(|path| fs::symlink_metadata(path).is_err())
    }

    /// The newest ids, at most `limit`, all older than `before`: from the index, or in one pass over the
    /// names of the folder. Nothing is opened, and the kind of a file comes with its name on common
    /// filesystems.
    pub(super) fn names(&self, before: Option<&ClipId>, limit: usize) -> Result<Vec<ClipId>> {
        if let Some(ids) = self.index.newest(before, limit) {
            return Ok(ids);
        }
        let doing = || format!("list library {}", self.root.display());
        let mut scan = self.index.scan();
        let mut clips = 0;
        let mut newest: BinaryHeap<Reverse<ClipId>> = BinaryHeap::new();
        for entry in fs::read_dir(&self.root).map_err(|error| io_fault(&doing(), error))? {
            let entry = entry.map_err(|error| io_fault(&doing(), error))?;
            let file_name = entry.file_name();
            if let (Some(scan), Some(name)) = (&mut scan, file_name.to_str())
                && entry.file_type().is_ok_and(|kind| kind.is_file())
            {
                scan.listing.add(name);
            }
            let Some(stem) = file_name.to_str().and_then(|name| name.strip_suffix(CLIP_SUFFIX)) else {
                continue;
            };
            clips += 1;
            let newer_than = |id: &ClipId| name::compare(stem, id.as_str()) == Ordering::Greater;
            if before.is_some_and(|before| name::compare(stem, before.as_str()) != Ordering::Less) {
                continue;
            }
            let full = newest.len() >= limit;
            if full && !newest.peek().is_some_and(|Reverse(oldest)| newer_than(oldest)) {
                continue;
            }
            let Ok(id) = ClipId::parse(stem) else { continue };
            if !entry.file_type().is_ok_and(|kind| kind.is_file()) {
                continue;
            }
            if full {
                newest.pop();
            }
            newest.push(Reverse(id));
        }
        match scan {
            Some(scan) => scan.keep(),
            None => self.index.create(clips),
        }
        Ok(newest
            .into_sorted_vec()
            .into_iter()
            .map(|Reverse(id)| id)
            .collect())
    }

    /// All ids in order, with what is there of each.
    pub(super) fn all(&self) -> Result<Vec<(ClipId, Parts)>> {
        match self.index.all() {
            Some(all) => Ok(all),
            None => Ok(Parts::join(self.names(None, usize::MAX)?, self.sidecars()?)),
        }
    }

    pub(super) fn index(&self) -> &Index {
        &self.index
    }

    /// The ids of all sidecars, with a clip or without. Nothing is opened.
    pub(super) fn sidecars(&self) -> Result<Vec<ClipId>> {
        if let Some(all) = self.index.all() {
            let sidecars = all.into_iter().filter(|(_, parts)| parts.sidecar);
            return Ok(sidecars.map(|(id, _)| id).collect());
        }
        let doing = || format!("list library {}", self.root.display());
        let mut ids = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(|error| io_fault(&doing(), error))? {
            let entry = entry.map_err(|error| io_fault(&doing(), error))?;
            let name = entry.file_name();
            let stem = name.to_str().and_then(|name| name.strip_suffix(SIDECAR_SUFFIX));
            if let Some(Ok(id)) = stem.map(ClipId::parse)
                && entry.file_type().is_ok_and(|kind| kind.is_file())
            {
                ids.push(id);
            }
        }
        Ok(ids)
    }

    /// The record of a clip. `None` if it has no sidecar.
    pub(super) fn record(&self, id: &ClipId) -> Result<Option<ClipRecord>> {
        let name = id.sidecar_name();
        if !self.has(&name)? {
            return Ok(None);
        }
        let mut json = Vec::new();
        let read = File::open(self.join(&name))
            .and_then(|file| file.take(MAX_SIDECAR_BYTES as u64 + 1).read_to_end(&mut json));
        match read {
            Ok(_) => ClipRecord::from_json(&name, &json).map(Some),
            // Removed since it was looked for.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_fault(&format!("read sidecar {name:?}"), error)),
        }
    }

    /// The size of a file, if it is there and regular.
    pub(super) fn size(&self, name: &str) -> Option<u64> {
        let about = fs::symlink_metadata(self.join(name)).ok()?;
        about.is_file().then_some(about.len())
    }

    /// Opens the unfinished file of a clip, see [`open_part`].
    pub(super) fn part(&self, id: &ClipId) -> Result<Part> {
        self.refuse_taken(id)?;
        let opened = open_part(&self.incoming()?, id)?;
        // Again under the lock: whoever held it may just have finished.
        if let Err(error) = self.refuse_taken(id) {
            if opened.file.metadata().is_ok_and(|about| about.len() == 0) {
                let _ = fs::remove_file(&opened.path);
            }
            return Err(error);
        }
        Ok(opened)
    }

    /// Makes a synced, whole file the clip `id`, and overwrites nothing.
    ///
    /// A hard link is the one call that is atomic, refuses a name that is taken, and exists in the
    /// standard library: rename overwrites, and creating first would show an empty clip. Filesystems
    /// without hard links (FAT, some network mounts) get a check and a rename; between the two the
    /// lock on the unfinished file keeps out every writer of this crate, and only a foreign program
    /// that draws the same random name in the same instant could be overwritten.
    pub(super) fn publish(&self, part: &Path, id: &ClipId) -> Result<()> {
        let doing = format!("save clip {}", id.file_name());
        self.refuse_taken(id)?;
        self.index.watch();
        let target = self.join(&id.file_name());
        match fs::hard_link(part, &target) {
            // What stays of the name when this fails is swept later; the clip is whole either way.
            Ok(()) => drop(fs::remove_file(part)),
            Err(error) => match error.kind() {
                io::ErrorKind::AlreadyExists => return Err(taken(&id.file_name())),
                io::ErrorKind::NotFound
                | io::ErrorKind::StorageFull
                | io::ErrorKind::QuotaExceeded
                | io::ErrorKind::ReadOnlyFilesystem => return Err(io_fault(&doing, error)),
                _ => fs::rename(part, &target).map_err(|error| io_fault(&doing, error))?,
            },
        }
        sync_folder(&self.root).map_err(|error| io_fault(&doing, error))
    }

    /// Writes a sidecar whole or not at all, over an old one if there is one.
    pub(super) fn write_sidecar(&self, id: &ClipId, json: &[u8]) -> Result<()> {
        let name = id.sidecar_name();
        let temporary = self
            .incoming()?
            .join(format!("{name}.{:08x}{PART_SUFFIX}", name::random()?));
        self.index.watch();
        let write = || {
            let mut file = File::create_new(&temporary)?;
            file.write_all(json)?;
            file.sync_all()?;
            fs::rename(&temporary, self.join(&name))?;
            sync_folder(&self.root)
        };
        let written = write().map_err(|error| {
            let _ = fs::remove_file(&temporary);
            io_fault(&format!("write sidecar {name}"), error)
        });
        self.index.follow();
        written
    }

    /// Removes unfinished files that nobody writes and that have not changed for `age`.
    pub(super) fn sweep(&self, age: Duration) -> Result<u64> {
        let mut folders = vec![self.incoming()?];
        folders.extend(Some(self.root.join(INDEX)).filter(|index| is_folder(index)));
        folders.extend(self.folders_of_documents()?);
        let of_check = u64::from(sweep_file(&self.root.join(WRITABLE), age));
        folders.iter().try_fold(of_check, |removed, folder| {
            Ok(removed + sweep_folder(folder, age)?)
        })
    }

    /// The folders in which records are written, as far as they are there and no links.
    fn folders_of_documents(&self) -> Result<Vec<PathBuf>> {
        let mut folders: Vec<_> = DOCUMENTS.iter().map(|name| self.root.join(name)).collect();
        let days = self.root.join(LEDGER);
        if is_folder(&days) {
            let fault = |error| io_fault(&format!("sweep {}", days.display()), error);
            for entry in fs::read_dir(&days).map_err(fault)? {
                folders.push(entry.map_err(fault)?.path());
            }
        }
        folders.retain(|folder| is_folder(folder));
        Ok(folders)
    }

    fn refuse_taken(&self, id: &ClipId) -> Result<()> {
        for name in [id.file_name(), id.sidecar_name()] {
            if fs::symlink_metadata(self.join(&name)).is_ok() {
                return Err(taken(&name));
            }
        }
        Ok(())
    }

    fn incoming(&self) -> Result<PathBuf> {
        let incoming = self.root.join(INCOMING);
        let doing = || format!("write to library {}", self.root.display());
        match fs::create_dir(&incoming) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if !fs::symlink_metadata(&incoming).is_ok_and(|about| about.is_dir()) {
                    let message = format!("{}: {INCOMING} in it is not a folder", doing());
                    return Err(Error::new(ErrorKind::Library, message));
                }
            }
            Err(error) => return Err(io_fault(&doing(), error)),
        }
        Ok(incoming)
    }
}

fn is_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|about| about.is_dir())
}

/// Removes the unfinished files of one folder.
fn sweep_folder(folder: &Path, age: Duration) -> Result<u64> {
    let fault = |error| io_fault(&format!("sweep {}", folder.display()), error);
    let mut removed = 0;
    for entry in fs::read_dir(folder).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        let ours = path.to_str().is_some_and(|path| path.ends_with(PART_SUFFIX));
        removed += u64::from(ours && sweep_file(&path, age));
    }
    Ok(removed)
}

/// Removes a regular file that nobody writes and that has not changed for `age`, and says whether it did.
fn sweep_file(path: &Path, age: Duration) -> bool {
    if !fs::symlink_metadata(path).is_ok_and(|about| about.is_file()) {
        return false;
    }
    // Gone in the meantime: its writer has finished.
    let Ok(file) = File::open(path) else { return false };
    let changed = file.metadata().and_then(|about| about.modified());
    let old = changed.is_ok_and(|changed| {
        SystemTime::now()
            .duration_since(changed)
            .is_ok_and(|since| since >= age)
    });
    // Locked only when it is to go: a lock held here looks like a writer to everybody else.
    if !old {
        return false;
    }
    let lock = lock_to_remove(file, path);
    lock.is_some() && fs::remove_file(path).is_ok()
}

pub(super) fn taken(name: &str) -> Error {
    Error::new(
        ErrorKind::Library,
        format!("save {name:?}: the name is taken, and nothing is overwritten"),
    )
}

fn part_name(id: &ClipId) -> String {
    format!("{}{PART_SUFFIX}", id.file_name())
}

/// The unfinished file of a clip, which nobody else writes as long as `file` and `lock` live.
pub(super) struct Part {
    pub(super) file: LockedFile,
    pub(super) path: PathBuf,
    pub(super) lock: PartLock,
}

/// Opens the unfinished file of a clip in `folder`, with what it holds, and locks it against every
/// other process and task that would write it.
pub(super) fn open_part(folder: &Path, id: &ClipId) -> Result<Part> {
    let path = folder.join(part_name(id));
    let doing = format!("write clip {}", id.file_name());
    let fault = |error| io_fault(&doing, error);
    // Between opening and locking the name may have become a clip, or have been removed.
    for _ in 0..8 {
        let is_held = |locked: &LockedPart| matches!(locked, LockedPart::Theirs);
        match try_for(INHERITED, || open_locked_part(&path), is_held).map_err(fault)? {
            LockedPart::Ours(file, lock) => return Ok(Part { file, path, lock }),
            LockedPart::Theirs => {
                return Err(Error::new(
                    ErrorKind::Library,
                    format!("{doing}: it is being written already"),
                ));
            }
            // The clip has its own name; this one is what a crash after the link left.
            LockedPart::Twice(_lock) => fs::remove_file(&path).map_err(fault)?,
            LockedPart::Moved => {}
        }
    }
    Err(Error::new(
        ErrorKind::Library,
        format!("{doing}: its temporary file keeps changing"),
    ))
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    match File::open(path)?.sync_all() {
        // Some network filesystems cannot sync a folder and say so in one of these ways.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
            ) =>
        {
            Ok(())
        }
        synced => synced,
    }
}

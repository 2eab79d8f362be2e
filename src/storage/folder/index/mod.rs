//! The index of the names in a folder, so that listing a page takes O(page size) instead of O(library size).
//!
//! Owns the hidden folder `.index`, with the sorted names and the changes since they were sorted. Does not know what a
//! clip or a sidecar contains. The index can be removed at any time. If it is not certain to be valid, its methods
//! return `None` and never an error, and the caller reads the names from the folder.
//!
//! The index is valid while the folder has the stamp that it had when the index was made. There is no index on
//! filesystems whose stamps cannot be trusted, nor in a library that cannot be written.

mod file;
mod listing;
mod stamp;
mod watch;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

pub(crate) use self::stamp::{Clock, Stamp};

use self::file::Lines;
use self::listing::Listing;
use self::stamp::stamp_in;
use self::watch::FolderWatcher;
use crate::ids::ClipId;
use crate::storage::FilePresence;
use crate::sync::lock;

pub(crate) const INDEX: &str = ".index";
const NAMES: &str = "names";
const CHANGES: &str = "changes";
/// The minimum number of clips for an index. Fewer are listed in one or two milliseconds.
const MIN_CLIPS: usize = 1000;
/// The minimum size of the names for recording changes. Fewer names are read from the folder equally fast.
const MIN_NAMES_BYTES: u64 = 64 << 10;
/// The maximum size of the file of changes.
const MAX_CHANGES_BYTES: u64 = 8 * MIN_NAMES_BYTES;
/// The maximum number of ids that are read from the end of the file. For more, the whole file is read.
const MAX_TAIL: usize = 1001;

#[derive(Debug)]
pub(crate) struct Index {
    root: PathBuf,
    folder: PathBuf,
    /// Whether the index folder may be created.
    may_create: bool,
    /// Records changes, beginning with the first change through this handle.
    watch: Mutex<Option<FolderWatcher>>,
}

/// The contents of the index.
struct Contents {
    names: Lines,
    /// The ids that changed since the names were sorted, each with which of its files exist.
    changes: BTreeMap<ClipId, FilePresence>,
    /// The stamp that the folder had with these contents.
    stamp: Stamp,
}

/// A scan of all names that may become the new index.
#[derive(Debug)]
pub(crate) struct Scan {
    clock: Clock,
    stamp: Stamp,
    root: PathBuf,
    to: PathBuf,
    listing: Listing,
}

impl Index {
    /// Returns the index of a library. Without `may_create`, only an existing index folder is used.
    pub(crate) fn new(root: &Path, may_create: bool) -> Self {
        Self {
            may_create,
            root: root.to_owned(),
            folder: root.join(INDEX),
            watch: Mutex::new(None),
        }
    }

    /// Creates the index folder if the library has enough clips. The next scan fills it, because creating the folder
    /// has changed the stamp of the library.
    pub(crate) fn create(&self, clips: usize) {
        if self.may_create && clips >= MIN_CLIPS {
            let _ = fs::create_dir(&self.folder);
        }
    }

    /// Returns the newest clips older than `before`, newest first, at most `limit`.
    pub(crate) fn newest(&self, before: Option<&ClipId>, limit: usize) -> Option<Vec<ClipId>> {
        if limit > MAX_TAIL {
            let all = self.all()?.into_iter().rev();
            let clips = all.filter(|(id, presence)| presence.clip && before.is_none_or(|before| id < before));
            return Some(clips.map(|(id, _)| id).take(limit).collect());
        }
        let contents = self.current()?;
        let is_unchanged =
            |id: &ClipId, presence: FilePresence| presence.clip && !contents.changes.contains_key(id);
        let mut ids = contents.names.last(before, limit, is_unchanged)?;
        let changed = contents
            .changes
            .iter()
            .filter(|(id, presence)| presence.clip && before.is_none_or(|before| *id < before));
        ids.extend(changed.map(|(id, _)| id.clone()));
        ids.sort_unstable_by(|a, b| b.cmp(a));
        ids.truncate(limit);
        // If one of the clips does not exist, the index is damaged.
        let all_exist = ids.iter().all(|id| is_file(&self.root.join(id.file_name())));
        all_exist.then_some(ids)
    }

    /// Returns all ids, oldest first, each with which of its files exist.
    pub(crate) fn all(&self) -> Option<Vec<(ClipId, FilePresence)>> {
        let contents = self.current()?;
        let mut all = contents.names.all()?;
        if !contents.changes.is_empty() {
            all.retain(|(id, _)| !contents.changes.contains_key(id));
            all.extend(contents.changes);
            all.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        }
        Some(all)
    }

    /// Begins a scan. [`Scan::keep`] makes the names that were added to its listing the new index, unless the folder
    /// has changed meanwhile.
    pub(crate) fn scan(&self) -> Option<Scan> {
        let clock = self.clock()?;
        let stamp = clock.settled_stamp(&self.root)?;
        Some(Scan {
            clock,
            stamp,
            root: self.root.clone(),
            to: self.folder.join(NAMES),
            listing: Listing::default(),
        })
    }

    /// Returns a clock for the stamps of files in this library, or `None` if stamps cannot be trusted there.
    pub(crate) fn clock(&self) -> Option<Clock> {
        Clock::start(&self.root, &self.folder)
    }

    /// Returns the stamps of sidecars, with `None` for those that are not regular files.
    pub(crate) fn stamps(&self, sidecars: &[ClipId]) -> Vec<Option<Stamp>> {
        let folder = File::open(&self.root);
        let stamp = |id: &ClipId| stamp_in(folder.as_ref().ok()?, &id.sidecar_name());
        sidecars.iter().map(stamp).collect()
    }

    /// Returns the bytes that [`Clock::keep`] stored.
    pub(crate) fn load(&self, name: &str) -> Option<Vec<u8>> {
        fs::symlink_metadata(&self.folder)
            .ok()
            .filter(fs::Metadata::is_dir)?;
        file::load(&self.folder.join(name))
    }

    /// Starts to record changes. Called before a change, for [`follow`](Self::follow).
    pub(crate) fn watch(&self) {
        let mut watch = lock(&self.watch);
        if watch.as_ref().is_some_and(FolderWatcher::is_ours) {
            return;
        }
        *watch = self
            .read()
            .filter(|contents| contents.names.bytes() > MIN_NAMES_BYTES)
            .and_then(|_| FolderWatcher::start(&self.root, || Some(self.current()?.stamp)));
    }

    /// Adds all changes since [`watch`](Self::watch) to the index, including those by other processes. If the changes
    /// are not known, the next listing reads all names.
    pub(crate) fn follow(&self) {
        let mut watch = lock(&self.watch);
        let followed = watch.as_ref().and_then(|watch| self.write_changes(watch));
        match (&mut *watch, followed) {
            (Some(watch), Some(stamp)) => watch.since = stamp,
            (watch, _) => *watch = None,
        }
    }

    fn write_changes(&self, watch: &FolderWatcher) -> Option<Stamp> {
        if !watch.is_ours() {
            return None;
        }
        let clock = self.clock()?;
        let stamp = clock.settled_stamp(&self.root)?;
        let changed = watch.changed(&self.root)?;
        // Another process may have written the index meanwhile. It must not be older than the watch.
        let contents = self
            .read()
            .filter(|contents| contents.stamp.is_not_older_than(&watch.since))?;
        let mut changes = contents.changes;
        for id in changed {
            let presence = FilePresence {
                clip: is_file(&self.root.join(id.file_name())),
                sidecar: is_file(&self.root.join(id.sidecar_name())),
            };
            changes.insert(id, presence);
        }
        if changes.len() > watch::MAX_CHANGED {
            return None;
        }
        let mut lines = String::new();
        for (id, presence) in &changes {
            lines.push(presence.to_letter());
            lines.push_str(id.as_str());
            lines.push('\n');
        }
        let text = file::to_text(stamp, Some(contents.names.header.folder), &lines).ok()?;
        clock.persist(&self.folder.join(CHANGES), &text).ok()?;
        Some(stamp)
    }

    /// Returns the contents if the folder has not changed since they were written.
    fn current(&self) -> Option<Contents> {
        let contents = self.read()?;
        (Stamp::of_folder(&self.root).ok()? == contents.stamp).then_some(contents)
    }

    fn read(&self) -> Option<Contents> {
        if !fs::symlink_metadata(&self.folder).ok()?.is_dir() {
            return None;
        }
        let names = Lines::open(&self.folder.join(NAMES)).filter(|names| names.header.since.is_none())?;
        let changes = Lines::open(&self.folder.join(CHANGES)).filter(|changes| {
            changes.header.since == Some(names.header.folder) && changes.bytes() < MAX_CHANGES_BYTES
        });
        let (changes, stamp) = match changes {
            Some(lines) => (lines.all()?.into_iter().collect(), lines.header.folder),
            None => (BTreeMap::new(), names.header.folder),
        };
        Some(Contents {
            names,
            changes,
            stamp,
        })
    }
}

impl Scan {
    /// Adds the name of a regular file.
    pub(crate) fn add(&mut self, file_name: &str) {
        self.listing.add(file_name);
    }

    /// Writes the listing as the new index, unless the folder has changed since the scan began.
    pub(crate) fn keep(self) {
        if !Stamp::of_folder(&self.root).is_ok_and(|stamp| stamp == self.stamp) {
            return;
        }
        if let Some(lines) = self.listing.into_lines()
            && let Ok(text) = file::to_text(self.stamp, None, &lines)
        {
            let _ = self.clock.persist(&self.to, &text);
        }
    }
}

impl Clock {
    /// Stores bytes in the index folder under a name, for [`Index::load`].
    pub(crate) fn keep(self, name: &str, bytes: &[u8]) {
        let to = self.path().with_file_name(name);
        // If it cannot be written, everything is read again the next time.
        let _ = self.persist(&to, &file::seal(bytes));
    }
}

fn is_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file())
}

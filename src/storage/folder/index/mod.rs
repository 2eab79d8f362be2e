//! An index of a folder's names, so that listing a page takes O(page size) instead of O(library size).
//!
//! Owns the hidden folder `.index`: the sorted names, and the changes since they were sorted. Does not know what is in a
//! clip or a sidecar. All of it is derived and can be removed at any time. Whenever its validity is in doubt its answer
//! is `None`, never an error, and the caller reads the names from the folder.
//!
//! The index is valid as long as the folder has the stamp that the index was made with. There is no index on filesystems
//! whose stamps cannot be trusted, nor in a library that cannot be written.

mod file;
mod listing;
mod stamp;
mod watch;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

pub(crate) use self::listing::Listing;
pub(crate) use self::stamp::{Clock, Stamp, Tick};

use self::file::Lines;
use self::stamp::Folder;
use self::watch::Watch;
use crate::ids::ClipId;
use crate::storage::FilePresence;

pub(crate) const INDEX: &str = ".index";
const NAMES: &str = "names";
const CHANGES: &str = "changes";
/// Minimum number of clips for an index: fewer are listed in a millisecond or two.
const MIN_CLIPS: usize = 1000;
/// Minimum size of the names for recording changes: fewer names are read from the folder as quickly.
const MIN_NAMES_BYTES: u64 = 64 << 10;
/// The maximum size of the file of changes.
const MAX_CHANGES_BYTES: u64 = 8 * MIN_NAMES_BYTES;
/// Up to this many newest ids are read from the end of the file; for more, all of it is read.
const MAX_TAIL: usize = 1001;

#[derive(Debug)]
pub(crate) struct Index {
    root: PathBuf,
    folder: PathBuf,
    /// Whether the index folder may be created.
    writes: bool,
    /// Records changes, from the first change that this handle made.
    watch: Mutex<Option<Watch>>,
}

/// The contents of the index.
struct Contents {
    names: Lines,
    /// The existing files of the ids that changed since.
    changes: BTreeMap<ClipId, FilePresence>,
    /// The stamp of the folder that this describes.
    stamp: Stamp,
}

/// A scan of all names that may become the new index.
#[derive(Debug)]
pub(crate) struct Scan {
    clock: Clock,
    stamp: Stamp,
    root: PathBuf,
    to: PathBuf,
    pub(crate) listing: Listing,
}

impl Index {
    /// Without `writes` only an existing index folder is used.
    pub(crate) fn new(root: &Path, writes: bool) -> Self {
        Self {
            writes,
            root: root.to_owned(),
            folder: root.join(INDEX),
            watch: Mutex::new(None),
        }
    }

    /// Creates the index folder if the library has enough clips. The next scan fills it, since creating the folder
    /// has changed the stamp of the library.
    pub(crate) fn create(&self, clips: usize) {
        if self.writes && clips >= MIN_CLIPS {
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
        let unchanged =
            |id: &ClipId, presence: FilePresence| presence.clip && !contents.changes.contains_key(id);
        let mut ids = contents.names.last(before, limit, unchanged)?;
        let changed = contents
            .changes
            .iter()
            .filter(|(id, presence)| presence.clip && before.is_none_or(|before| *id < before));
        ids.extend(changed.map(|(id, _)| id.clone()));
        ids.sort_unstable_by(|a, b| b.cmp(a));
        ids.truncate(limit);
        // If a clip does not exist, the index is damaged.
        let all_exist = ids.iter().all(|id| is_file(&self.root.join(id.file_name())));
        all_exist.then_some(ids)
    }

    /// Returns all ids, oldest first, with the files that exist.
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

    /// Begins a scan. The names that are added to its listing become the index with [`keep`](Scan::keep), unless the
    /// folder was changed in the meantime.
    pub(crate) fn scan(&self) -> Option<Scan> {
        let clock = self.clock()?;
        let stamp = clock.settled(&self.root)?;
        Some(Scan {
            clock,
            stamp,
            root: self.root.clone(),
            to: self.folder.join(NAMES),
            listing: Listing::default(),
        })
    }

    /// Returns a clock for the stamps of files in this library, or `None` where stamps cannot be trusted.
    pub(crate) fn clock(&self) -> Option<Clock> {
        Clock::start(&self.root, &self.folder)
    }

    /// Returns the stamps of those sidecars that are regular files.
    pub(crate) fn stamps(&self, sidecars: &[ClipId]) -> Vec<Option<Stamp>> {
        let folder = Folder::open(&self.root);
        let stamp = |id: &ClipId| folder.as_ref().ok()?.stamp(&id.sidecar_name());
        sidecars.iter().map(stamp).collect()
    }

    /// Returns what [`Clock::keep`] stored.
    pub(crate) fn load(&self, name: &str) -> Option<Vec<u8>> {
        fs::symlink_metadata(&self.folder)
            .ok()
            .filter(fs::Metadata::is_dir)?;
        file::load(&self.folder.join(name))
    }

    /// Starts to record changes. Called before a change, for [`follow`](Self::follow).
    pub(crate) fn watch(&self) {
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        if watch.as_ref().is_some_and(Watch::is_ours) {
            return;
        }
        *watch = self
            .read()
            .filter(|contents| contents.names.bytes() > MIN_NAMES_BYTES)
            .and_then(|_| Watch::start(&self.root, || Some(self.current()?.stamp)));
    }

    /// Adds everything that changed since [`watch`](Self::watch) to the index, whoever changed it. If the changes are
    /// not known, the next listing reads all names.
    pub(crate) fn follow(&self) {
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        let followed = watch.as_ref().and_then(|watch| self.write_changes(watch));
        match (&mut *watch, followed) {
            (Some(watch), Some(stamp)) => watch.since = stamp,
            (watch, _) => *watch = None,
        }
    }

    fn write_changes(&self, watch: &Watch) -> Option<Stamp> {
        if !watch.is_ours() {
            return None;
        }
        let clock = self.clock()?;
        let stamp = clock.settled(&self.root)?;
        let changed = watch.changed(&self.root)?;
        // An index that another process wrote meanwhile is as good, but not one from before the watch.
        let contents = self
            .read()
            .filter(|contents| contents.stamp.is_not_older(&watch.since))?;
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
        let text = file::text(stamp, Some(contents.names.header.folder), &lines).ok()?;
        clock.persist(&self.folder.join(CHANGES), &text).ok()?;
        Some(stamp)
    }

    /// Returns the contents if they describe the folder as it is now.
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
    pub(crate) fn keep(self) {
        let unchanged = || Some(Stamp::of_folder(&self.root).ok()? == self.stamp);
        if unchanged() != Some(true) {
            return;
        }
        if let Some(lines) = self.listing.into_lines()
            && let Ok(text) = file::text(self.stamp, None, &lines)
        {
            let _ = self.clock.persist(&self.to, &text);
        }
    }
}

impl Clock {
    /// Stores bytes in the index folder under a name, for [`Index::load`].
    pub(crate) fn keep(self, name: &str, bytes: &[u8]) {
        let to = self.path().with_file_name(name);
        // Only a cache: if it cannot be written, everything is read again the next time.
        let _ = self.persist(&to, &file::sealed(bytes));
    }
}

fn is_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|about| about.is_file())
}

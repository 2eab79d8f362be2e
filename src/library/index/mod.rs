//! An index of a folder's names, so that a page costs what a page costs, and not what the library has.
//!
//! Owns the hidden folder `.index`: the names in order, and what changed since. Knows nothing of what is in a clip or
//! a sidecar. All of it is derived and can be removed at any time; where anything about it is in doubt its answer is
//! `None`, and the names are read from the folder. It is never an error.
//!
//! It is right as long as the folder has the stamp that it was made with. Filesystems on which that cannot be told
//! have no index, and neither has a library that cannot be written.

mod file;
mod listing;
mod stamp;
mod watch;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

pub(super) use self::listing::Listing;
pub(super) use self::stamp::{Clock, Stamp, Tick};

use self::file::Lines;
use self::stamp::Folder;
use self::watch::Watch;
use super::list::Parts;
use super::{ClipId, MAX_PAGE};

pub(super) const INDEX: &str = ".index";
const NAMES: &str = "names";
const CHANGES: &str = "changes";
/// How many clips a library has that gets an index: fewer are listed in a millisecond or two.
const WORTH_IT: usize = 1000;
/// Names of fewer bytes are read from the folder as quickly as they are kept.
const SMALL: u64 = 64 << 10;

#[derive(Debug)]
pub(super) struct Index {
    root: PathBuf,
    folder: PathBuf,
    /// Whether the folder may be made.
    writes: bool,
    /// Since the first change that this handle made.
    watch: Mutex<Option<Watch>>,
}

/// What is known without reading the folder.
struct Known {
    names: Lines,
    /// What is there of the ids that changed since.
    changes: BTreeMap<ClipId, Parts>,
    /// The folder, as this describes it.
    stamp: Stamp,
}

/// A scan that may become an index.
#[derive(Debug)]
pub(super) struct Scan {
    clock: Clock,
    stamp: Stamp,
    root: PathBuf,
    to: PathBuf,
    pub(super) listing: Listing,
}

impl Index {
    /// Without the right to write only an index that is there is kept.
    pub(super) fn new(root: &Path, writes: bool) -> Self {
        Self {
            writes,
            root: root.to_owned(),
            folder: root.join(INDEX),
            watch: Mutex::new(None),
        }
    }

    /// Makes the folder, where there is none and a library has so many clips that it is worth it. The next scan
    /// fills it: this changed the library.
    pub(super) fn create(&self, clips: usize) {
        if self.writes && clips >= WORTH_IT {
            let _ = fs::create_dir(&self.folder);
        }
    }

    /// The newest clips, at most `limit`, all older than `before`.
    pub(super) fn newest(&self, before: Option<&ClipId>, limit: usize) -> Option<Vec<ClipId>> {
        if limit > MAX_PAGE + 1 {
            let all = self.all()?.into_iter().rev();
            let clips = all.filter(|(id, parts)| parts.clip && before.is_none_or(|before| id < before));
            return Some(clips.map(|(id, _)| id).take(limit).collect());
        }
        let known = self.current()?;
        let unchanged = |id: &ClipId, parts: Parts| parts.clip && !known.changes.contains_key(id);
        let mut ids = known.names.last(before, limit, unchanged)?;
        let changed = known
            .changes
            .iter()
            .filter(|(id, parts)| parts.clip && before.is_none_or(|before| *id < before));
        ids.extend(changed.map(|(id, _)| id.clone()));
        ids.sort_unstable_by(|a, b| b.cmp(a));
        ids.truncate(limit);
        // A page of clips that are not there is of a damaged index.
        let there = ids.iter().all(|id| is_file(&self.root.join(id.file_name())));
        there.then_some(ids)
    }

    /// All ids, oldest first, with what is there of each.
    pub(super) fn all(&self) -> Option<Vec<(ClipId, Parts)>> {
        let known = self.current()?;
        let mut all = known.names.all()?;
        if !known.changes.is_empty() {
            all.retain(|(id, _)| !known.changes.contains_key(id));
            all.extend(known.changes);
            all.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        }
        Some(all)
    }

    /// Begins a scan: what is added to its listing until [`keep`](Scan::keep) becomes the index, unless the folder
    /// is changed in the meantime.
    pub(super) fn scan(&self) -> Option<Scan> {
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

    /// A clock for stamps of the files in this library. `None` where they cannot be trusted.
    pub(super) fn clock(&self) -> Option<Clock> {
        Clock::start(&self.root, &self.folder)
    }

    /// The stamps of sidecars, of those that are regular files. The way to the folder is walked once.
    pub(super) fn stamps(&self, sidecars: &[ClipId]) -> Vec<Option<Stamp>> {
        let folder = Folder::open(&self.root);
        let stamp = |id: &ClipId| folder.as_ref().ok()?.stamp(&id.sidecar_name());
        sidecars.iter().map(stamp).collect()
    }

    /// What [`Clock::keep`] has put by.
    pub(super) fn load(&self, name: &str) -> Option<Vec<u8>> {
        fs::symlink_metadata(&self.folder)
            .ok()
            .filter(fs::Metadata::is_dir)?;
        file::load(&self.folder.join(name))
    }

    /// To be called before a change of ours, so that [`follow`](Self::follow) can tell what it was.
    pub(super) fn watch(&self) {
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        if watch.as_ref().is_some_and(Watch::is_ours) {
            return;
        }
        *watch = self
            .read()
            .filter(|known| known.names.bytes() > SMALL)
            .and_then(|_| Watch::start(&self.root, || Some(self.current()?.stamp)));
    }

    /// After a change of ours: writes down what changed since [`watch`](Self::watch), whoever changed it. Where that
    /// is not known, the next who lists reads all names.
    pub(super) fn follow(&self) {
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
        // What others wrote in the meantime will do as well, but nothing from before the watch.
        let known = self
            .read()
            .filter(|known| known.stamp.is_not_older(&watch.since))?;
        let mut changes = known.changes;
        for id in changed {
            let parts = Parts {
                clip: is_file(&self.root.join(id.file_name())),
                sidecar: is_file(&self.root.join(id.sidecar_name())),
            };
            changes.insert(id, parts);
        }
        if changes.len() > watch::MOST {
            return None;
        }
        let mut lines = String::new();
        for (id, parts) in &changes {
            lines.push(parts.letter());
            lines.push_str(id.as_str());
            lines.push('\n');
        }
        let text = file::text(stamp, Some(known.names.head.folder), &lines).ok()?;
        clock.become_file(&self.folder.join(CHANGES), &text).ok()?;
        Some(stamp)
    }

    /// What is known, if it is of the folder as it is now.
    fn current(&self) -> Option<Known> {
        let known = self.read()?;
        (Stamp::of_folder(&self.root).ok()? == known.stamp).then_some(known)
    }

    fn read(&self) -> Option<Known> {
        if !fs::symlink_metadata(&self.folder).ok()?.is_dir() {
            return None;
        }
        let names = Lines::open(&self.folder.join(NAMES)).filter(|names| names.head.since.is_none())?;
        let changes = Lines::open(&self.folder.join(CHANGES))
            .filter(|changes| changes.head.since == Some(names.head.folder) && changes.bytes() < SMALL * 8);
        let (changes, stamp) = match changes {
            Some(lines) => (lines.all()?.into_iter().collect(), lines.head.folder),
            None => (BTreeMap::new(), names.head.folder),
        };
        Some(Known {
            names,
            changes,
            stamp,
        })
    }
}

impl Scan {
    pub(super) fn keep(self) {
        let unchanged = || Some(Stamp::of_folder(&self.root).ok()? == self.stamp);
        if unchanged() != Some(true) {
            return;
        }
        if let Some(lines) = self.listing.into_lines()
            && let Ok(text) = file::text(self.stamp, None, &lines)
        {
            let _ = self.clock.become_file(&self.to, &text);
        }
    }
}

fn is_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|about| about.is_file())
}

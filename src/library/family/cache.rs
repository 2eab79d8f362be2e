//! Caches the lineage in sidecars, so that only changed sidecars of a folder are read.
//!
//! A change is detected by the stamp of the file. A sidecar is not cached if it changed in the clock tick in which it
//! was read, since a later change in the same tick would not change the stamp, or if a part of it could not be read.
//! Then it is read again the next time.

use std::sync::Arc;

use futures_util::future::{join, join_all};

use crate::ids::ClipId;
use crate::library::Library;
use crate::lineage::{LineageEntry, MemberState};
use crate::storage::{FilePresence, Index, IndexClock, Stamp, blocking};

/// The name of the cache in the index.
const CACHE_NAME: &str = "kin";
/// The number of threads that read stamps.
const THREADS: usize = 4;
/// The cache is written again when at least one in this many sidecars is missing in it. Until then the missing ones are
/// read each time.
const REWRITE_RATIO: usize = 100;

/// The valid entries of the cache, and those that are added to it.
pub(super) struct LineageCache {
    /// The clock of the index, and its time before the sidecars were read.
    clock: Option<(IndexClock, (i64, i64))>,
    valid: Vec<(Stamp, LineageEntry)>,
    /// The stamps of the sidecars that are being read, sorted by id.
    stamps: Vec<(ClipId, Stamp)>,
    new: Vec<(Stamp, LineageEntry)>,
}

impl Library {
    /// Returns the cache for the given sidecars, which are sorted, and those sidecars that must be read.
    pub(super) async fn lineage_cache(
        &self,
        sidecars: Vec<(ClipId, FilePresence)>,
    ) -> (LineageCache, Vec<(ClipId, FilePresence)>) {
        let mut cache = LineageCache {
            clock: None,
            valid: Vec::new(),
            stamps: Vec::new(),
            new: Vec::new(),
        };
        let Some(index) = self.backend.index() else {
            return (cache, sidecars);
        };
        let started = {
            let index = Arc::clone(index);
            blocking(move || {
                let clock = index.clock();
                Ok(clock.and_then(|clock| Some((clock.tick().ok()?, clock))))
            })
        };
        let Ok(clock) = started.await else {
            return (cache, sidecars);
        };
        let load = {
            let index = Arc::clone(index);
            blocking(move || Ok(load(&index)))
        };
        let (cached, stamps) = if clock.is_some() {
            let (cached, stamps) = join(load, stamps(index, &sidecars)).await;
            (cached.unwrap_or_default(), stamps)
        } else {
            // Nothing can be added, and usually the cache is empty.
            let cached = load.await.unwrap_or_default();
            if cached.is_empty() {
                return (cache, sidecars);
            }
            (cached, stamps(index, &sidecars).await)
        };
        cache.clock = clock.map(|(tick, clock)| (clock, tick));
        let mut cached = cached.into_iter().peekable();
        let mut changed = Vec::new();
        for ((id, presence), stamp) in sidecars.into_iter().zip(stamps) {
            // `!=` is cheaper than `<`.
            while cached
                .next_if(|(_, entry)| entry.id != id && entry.id < id)
                .is_some()
            {}
            let found = cached.next_if(|(_, entry)| entry.id == id);
            match (found, stamp) {
                (Some((cached_stamp, mut entry)), Some(stamp)) if cached_stamp == stamp => {
                    entry.state = if presence.clip {
                        MemberState::Present
                    } else {
                        MemberState::Missing
                    };
                    cache.valid.push((stamp, entry));
                }
                (_, stamp) => {
                    cache.stamps.extend(stamp.map(|stamp| (id.clone(), stamp)));
                    changed.push((id, presence));
                }
            }
        }
        (cache, changed)
    }
}

/// Reads the stamps of sidecars on several threads.
async fn stamps(index: &Arc<Index>, sidecars: &[(ClipId, FilePresence)]) -> Vec<Option<Stamp>> {
    let read = |sidecars: &[(ClipId, FilePresence)]| {
        let index = Arc::clone(index);
        let ids: Vec<ClipId> = sidecars.iter().map(|(id, _)| id.clone()).collect();
        async move {
            let count = ids.len();
            let stamps = blocking(move || Ok(index.stamps(&ids)));
            stamps.await.unwrap_or_else(|_| vec![None; count])
        }
    };
    let chunk = sidecars.len().div_ceil(THREADS).max(1);
    join_all(sidecars.chunks(chunk).map(read)).await.concat()
}

impl LineageCache {
    /// Adds the lineage of a sidecar that was read after its stamp.
    pub(super) fn add(&mut self, entry: &LineageEntry) {
        let Some((_, tick)) = &self.clock else { return };
        if let Ok(index) = self.stamps.binary_search_by(|(id, _)| id.cmp(&entry.id))
            && self.stamps[index].1.is_before(*tick)
        {
            self.new.push((self.stamps[index].1, entry.clone()));
        }
    }

    /// Writes the cache if enough entries are new, and returns the valid ones.
    pub(super) async fn finish(self) -> Vec<LineageEntry> {
        let is_worth_writing = !self.new.is_empty() && self.new.len() * REWRITE_RATIO >= self.valid.len();
        let valid = Arc::new(self.valid);
        if let Some((clock, _)) = self.clock
            && is_worth_writing
        {
            let (valid, new) = (Arc::clone(&valid), self.new);
            let write = blocking(move || {
                let mut all: Vec<&(Stamp, LineageEntry)> = valid.iter().chain(&new).collect();
                all.sort_unstable_by(|a, b| a.1.id.cmp(&b.1.id));
                if let Ok(bytes) = postcard::to_stdvec(&all) {
                    clock.keep(CACHE_NAME, &bytes);
                }
                Ok(())
            });
            // If it fails, everything is read again the next time.
            let _ = write.await;
        }
        Arc::unwrap_or_clone(valid)
            .into_iter()
            .map(|(_, entry)| entry)
            .collect()
    }
}

/// Returns the cached entries, sorted by id. Empty if the cache is damaged in any way.
fn load(index: &Index) -> Vec<(Stamp, LineageEntry)> {
    let read = || {
        let bytes = index.load(CACHE_NAME)?;
        let all: Vec<(Stamp, LineageEntry)> = postcard::from_bytes(&bytes).ok()?;
        let is_valid =
            all.iter().all(|(_, entry)| entry.is_valid()) && all.is_sorted_by(|a, b| a.1.id < b.1.id);
        is_valid.then_some(all)
    };
    read().unwrap_or_default()
}

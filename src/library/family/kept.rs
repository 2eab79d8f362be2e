//! What sidecars said the last time, so that in a folder only those that changed are read.
//!
//! A sidecar is known by its stamp. One that was changed in the tick of the clock in which it was read is not kept,
//! nor one that had something wrong: it is read again the next time.

use std::sync::Arc;

use futures_util::future::{join, join_all};

use super::kin::Kin;
use crate::library::folder::Folder;
use crate::library::index::{Clock, Stamp, Tick};
use crate::library::list::Parts;
use crate::library::{ClipId, Library, blocking};
use crate::lineage::MemberState;

/// The name in the index.
const KIN: &str = "kin";
/// How many threads ask for stamps.
const THREADS: usize = 4;
/// It is written anew when it lacks one sidecar of so many. Until then those that it lacks are read each time.
const WORTH_WRITING: usize = 100;

/// What is kept, as far as it holds, and what is to be kept.
pub(super) struct Kept {
    clock: Option<(Clock, Tick)>,
    hold: Vec<(Stamp, Kin)>,
    /// By id, of those that are read now.
    stamps: Vec<(ClipId, Stamp)>,
    new: Vec<(Stamp, Kin)>,
}

impl Library {
    /// What is kept of sidecars, which are in order, and those that have to be read.
    pub(super) async fn kept_kin(&self, sidecars: Vec<(ClipId, Parts)>) -> (Kept, Vec<(ClipId, Parts)>) {
        let mut kept = Kept {
            clock: None,
            hold: Vec::new(),
            stamps: Vec::new(),
            new: Vec::new(),
        };
        let Some(folder) = self.inner.folder.clone() else {
            return (kept, sidecars);
        };
        let begun = {
            let folder = folder.clone();
            blocking(move || {
                let clock = folder.index().clock();
                Ok(clock.and_then(|clock| Some((clock.tick().ok()?, clock))))
            })
        };
        let Ok(clock) = begun.await else {
            return (kept, sidecars);
        };
        let known = blocking(move || Ok(load(&folder)));
        let (known, stamps) = if clock.is_some() {
            let (known, stamps) = join(known, self.stamps(&sidecars)).await;
            (known.unwrap_or_default(), stamps)
        } else {
            // Nothing can be kept, and in most such libraries nothing is.
            let known = known.await.unwrap_or_default();
            if known.is_empty() {
                return (kept, sidecars);
            }
            (known, self.stamps(&sidecars).await)
        };
        kept.clock = clock.map(|(tick, clock)| (clock, tick));
        let mut known = known.into_iter().peekable();
        let mut changed = Vec::new();
        for ((id, parts), stamp) in sidecars.into_iter().zip(stamps) {
            // Whether it is the same is quickly said, which is older is not.
            while known.next_if(|(_, kin)| kin.id != id && kin.id < id).is_some() {}
            let held = known.next_if(|(_, kin)| kin.id == id);
            match (held, stamp) {
                (Some((then, mut kin)), Some(now)) if then == now => {
                    kin.state = if parts.clip {
                        MemberState::Present
                    } else {
                        MemberState::Missing
                    };
                    kept.hold.push((then, kin));
                }
                (_, stamp) => {
                    kept.stamps.extend(stamp.map(|now| (id.clone(), now)));
                    changed.push((id, parts));
                }
            }
        }
        (kept, changed)
    }

    async fn stamps(&self, sidecars: &[(ClipId, Parts)]) -> Vec<Option<Stamp>> {
        let ask = |sidecars: &[(ClipId, Parts)]| {
            let folder = self.inner.folder.clone();
            let ids: Vec<ClipId> = sidecars.iter().map(|(id, _)| id.clone()).collect();
            async move {
                let count = ids.len();
                let stamps = blocking(move || {
                    let folder = folder.as_ref();
                    Ok(folder.map_or_else(|| vec![None; ids.len()], |folder| folder.index().stamps(&ids)))
                });
                stamps.await.unwrap_or_else(|_| vec![None; count])
            }
        };
        let chunk = sidecars.len().div_ceil(THREADS).max(1);
        join_all(sidecars.chunks(chunk).map(ask)).await.concat()
    }
}

impl Kept {
    /// Takes in what a sidecar says that was read after its stamp was.
    pub(super) fn add(&mut self, kin: &Kin) {
        let Some((_, tick)) = &self.clock else { return };
        if let Ok(at) = self.stamps.binary_search_by(|(id, _)| id.cmp(&kin.id))
            && self.stamps[at].1.is_before(*tick)
        {
            self.new.push((self.stamps[at].1, kin.clone()));
        }
    }

    /// Keeps what is new, if that is worth it, and returns what held.
    pub(super) async fn finish(self) -> Vec<Kin> {
        let worth = !self.new.is_empty() && self.new.len() * WORTH_WRITING >= self.hold.len();
        let hold = Arc::new(self.hold);
        if let Some((clock, _)) = self.clock
            && worth
        {
            let (hold, new) = (Arc::clone(&hold), self.new);
            let write = blocking(move || {
                let mut all: Vec<&(Stamp, Kin)> = hold.iter().chain(&new).collect();
                all.sort_unstable_by(|a, b| a.1.id.cmp(&b.1.id));
                if let Ok(bytes) = postcard::to_stdvec(&all) {
                    clock.keep(KIN, &bytes);
                }
                Ok(())
            });
            // Without it everything is read again the next time.
            let _ = write.await;
        }
        Arc::unwrap_or_clone(hold)
            .into_iter()
            .map(|(_, kin)| kin)
            .collect()
    }
}

/// All that is kept, in the order of ids. Nothing, if anything about it is wrong.
fn load(folder: &Folder) -> Vec<(Stamp, Kin)> {
    let read = || {
        let bytes = folder.index().load(KIN)?;
        let all: Vec<(Stamp, Kin)> = postcard::from_bytes(&bytes).ok()?;
        let sound = all.iter().all(|(_, kin)| kin.is_sound()) && all.is_sorted_by(|a, b| a.1.id < b.1.id);
        sound.then_some(all)
    };
    read().unwrap_or_default()
}

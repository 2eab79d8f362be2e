//! Listing: newest first, a page at a time, reading only the sidecars of the page.

use std::collections::HashMap;

use futures_util::future;
use futures_util::stream::{self, Stream, StreamExt as _, TryStreamExt as _};

use super::name::{CLIP_SUFFIX, ClipId, SIDECAR_SUFFIX};
use super::{Clip, ClipRecord, Library, blocking};
use crate::error::Result;

/// The most clips that one page holds.
pub const MAX_PAGE: usize = 1000;

/// How many sidecars are read at once.
const AT_ONCE: usize = 8;

/// How many sidecars one thread reads in one go, where all are read.
const BATCH: usize = 16;

/// How many such threads there are.
const BATCHES: usize = 4;

/// What is there of a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Parts {
    pub(super) clip: bool,
    pub(super) sidecar: bool,
}

impl Parts {
    /// Each id once, in order, with what is there of it.
    pub(super) fn join(clips: Vec<ClipId>, sidecars: Vec<ClipId>) -> Vec<(ClipId, Self)> {
        let mut all: HashMap<ClipId, Self> = HashMap::with_capacity(clips.len());
        for id in clips {
            all.entry(id).or_default().clip = true;
        }
        for id in sidecars {
            all.entry(id).or_default().sidecar = true;
        }
        let mut all: Vec<_> = all.into_iter().collect();
        all.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        all
    }
}

/// Which clips a page holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListOptions {
    /// How many clips, from 1 to [`MAX_PAGE`]; other numbers are moved into that range. 50 unless
    /// set.
    pub limit: usize,
    /// Only clips older than this one, which need not exist any more. From [`Page::next`].
    pub before: Option<ClipId>,
}

impl Default for ListOptions {
    fn default() -> Self {
        Self {
            limit: 50,
            before: None,
        }
    }
}

/// One page of a listing.
#[derive(Debug)]
#[non_exhaustive]
pub struct Page {
    /// The clips, newest first.
    pub clips: Vec<Entry>,
    /// Goes into [`ListOptions::before`] for the next page. `None` when this was the last.
    pub next: Option<ClipId>,
}

/// One clip of a listing.
#[derive(Debug)]
#[non_exhaustive]
pub struct Entry {
    /// The clip's id.
    pub id: ClipId,
    /// The clip, or why its sidecar cannot be read: one damaged sidecar hides no other clip.
    pub clip: Result<Clip>,
}

impl Library {
    /// A page of clips, newest first by the time in their names; then clips with other names, in
    /// the order of [`ClipId`] backwards.
    ///
    /// Only the sidecars of the page are opened. A large folder has an index of its names, from which
    /// the page is read; without one, or after somebody else changed the folder, its names are read
    /// once. On a bucket all names are listed for each page. Clips that come or go in the meantime are or are
    /// not in the page; none is shown twice.
    ///
    /// # Errors
    /// `NotFound` or `Library` if the library itself cannot be read. A damaged sidecar is a matter
    /// of its [`Entry`].
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn list(&self, options: ListOptions) -> Result<Page> {
        let limit = options.limit.clamp(1, MAX_PAGE);
        let mut ids = self.ids(options.before, limit + 1).await?;
        let more = ids.len() > limit;
        ids.truncate(limit);
        let next = if more { ids.last().cloned() } else { None };
        let clips = stream::iter(ids)
            .map(|id| self.clone().entry(id))
            .buffered(AT_ONCE)
            .filter_map(future::ready)
            .collect()
            .await;
        Ok(Page { clips, next })
    }

    /// All clips in the order of [`list`](Self::list). Names are read once at the start, sidecars
    /// as the stream is read.
    ///
    /// # Errors
    /// One item, the first, if the library cannot be read.
    pub fn entries(&self) -> impl Stream<Item = Result<Entry>> + Send + use<> {
        let library = self.clone();
        stream::once(async move {
            let ids = library.ids(None, usize::MAX).await?;
            let read = stream::iter(ids)
                .map(move |id| library.clone().entry(id))
                .buffered(AT_ONCE);
            Ok(read.filter_map(|entry| future::ready(entry.map(Ok))))
        })
        .try_flatten()
    }

    async fn entry(self, id: ClipId) -> Option<Entry> {
        let clip = match self.record(&id).await {
            // A clip without a sidecar, or one that was removed since its name was read.
            Ok(None) => match self.has(&id.file_name()).await {
                Ok(false) => return None,
                Ok(true) => Ok(self.assemble(id.clone(), None)),
                Err(error) => Err(error),
            },
            Ok(record) => Ok(self.assemble(id.clone(), record)),
            Err(error) => Err(error),
        };
        Some(Entry { id, clip })
    }

    /// The newest ids, at most `limit`, older than `before`.
    pub(super) async fn ids(&self, before: Option<ClipId>, limit: usize) -> Result<Vec<ClipId>> {
        if let Some(folder) = self.inner.folder.clone() {
            return blocking(move || folder.names(before.as_ref(), limit)).await;
        }
        let mut ids = self.inner.bucket.ids(CLIP_SUFFIX).await?;
        ids.retain(|id| before.as_ref().is_none_or(|before| id < before));
        ids.sort_unstable_by(|a, b| b.cmp(a));
        ids.truncate(limit);
        Ok(ids)
    }

    /// The ids of all sidecars, newest first, with a clip or without.
    pub(super) async fn sidecar_ids(&self) -> Result<Vec<ClipId>> {
        let mut ids = match self.inner.folder.clone() {
            Some(folder) => blocking(move || folder.sidecars()).await?,
            None => self.inner.bucket.ids(SIDECAR_SUFFIX).await?,
        };
        ids.sort_unstable_by(|a, b| b.cmp(a));
        Ok(ids)
    }

    /// All ids in order, with what is there of each.
    pub(super) async fn all_ids(&self) -> Result<Vec<(ClipId, Parts)>> {
        match self.inner.folder.clone() {
            Some(folder) => blocking(move || folder.all()).await,
            None => Ok(Parts::join(
                self.ids(None, usize::MAX).await?,
                self.sidecar_ids().await?,
            )),
        }
    }

    /// Many sidecars, in any order. From a folder several at a time by one thread: handing over costs more
    /// than reading.
    pub(super) fn records(
        &self,
        ids: Vec<ClipId>,
    ) -> impl Stream<Item = (ClipId, Result<Option<ClipRecord>>)> + Send + use<> {
        let batch = if self.inner.folder.is_some() { BATCH } else { 1 };
        let at_once = if self.inner.folder.is_some() {
            BATCHES
        } else {
            2 * AT_ONCE
        };
        let mut ids = ids.into_iter();
        let batches = std::iter::from_fn(move || {
            let batch: Vec<ClipId> = ids.by_ref().take(batch).collect();
            (!batch.is_empty()).then_some(batch)
        });
        let library = self.clone();
        stream::iter(batches)
            .map(move |batch| library.clone().batch(batch))
            .buffer_unordered(at_once)
            .flat_map(stream::iter)
    }

    async fn batch(self, ids: Vec<ClipId>) -> Vec<(ClipId, Result<Option<ClipRecord>>)> {
        if let Some(folder) = self.inner.folder.clone() {
            let names = ids.clone();
            let read = blocking(move || Ok(names.iter().map(|id| folder.record(id)).collect::<Vec<_>>()));
            return match read.await {
                Ok(records) => ids.into_iter().zip(records).collect(),
                Err(error) => ids.into_iter().map(|id| (id, Err(error.clone()))).collect(),
            };
        }
        let mut records = Vec::with_capacity(ids.len());
        for id in ids {
            let record = self.record(&id).await;
            records.push((id, record));
        }
        records
    }
}

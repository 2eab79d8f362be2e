//! Lists clips, newest first, one page at a time. Reads only the sidecars of the page.

use futures_util::future;
use futures_util::stream::{self, Stream, StreamExt as _, TryStreamExt as _};

use super::{Clip, ClipRecord, Library};
use crate::error::{Error, Result};
use crate::ids::ClipId;
use crate::storage::blocking;

/// The maximum number of clips in a page.
pub const MAX_PAGE: usize = 1000;

/// The maximum number of concurrent reads of sidecars for a page.
const CONCURRENT_READS: usize = 8;

/// Selects the clips of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListOptions {
    /// The number of clips, clamped to the range from 1 to [`MAX_PAGE`]. Defaults to 50.
    pub limit: usize,
    /// Selects only clips older than this one, which need not exist. Usually [`Page::next`].
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
    /// The value of [`ListOptions::before`] for the next page. `None` if this is the last page.
    pub next: Option<ClipId>,
}

/// One clip of a listing.
#[derive(Debug)]
#[non_exhaustive]
pub struct Entry {
    /// The id of the clip.
    pub id: ClipId,
    /// The clip, or the error if its sidecar cannot be read. A damaged sidecar does not hide other clips.
    pub clip: Result<Clip>,
}

impl Library {
    /// Returns a page of clips in the reverse order of [`ClipId`]: newest first by the time in their names, then clips
    /// with other names.
    ///
    /// Opens only the sidecars of the page. In a large folder, the page is read from an index of the names, in O(page
    /// size). Without an index, or after another program has changed the folder, all names are read once. In a bucket,
    /// all names are listed for each page. A clip that is added or removed meanwhile may or may not be in the page. No
    /// clip is returned twice.
    ///
    /// # Errors
    /// `NotFound` or `Library` if the library cannot be read. A damaged sidecar is reported in its [`Entry`].
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn list(&self, options: ListOptions) -> Result<Page> {
        let limit = options.limit.clamp(1, MAX_PAGE);
        let mut ids = self.backend.clips(options.before, limit + 1).await?;
        let has_more = ids.len() > limit;
        ids.truncate(limit);
        let next = if has_more { ids.last().cloned() } else { None };
        let clips = stream::iter(ids)
            .map(|id| self.clone().entry(id))
            .buffered(CONCURRENT_READS)
            .filter_map(future::ready)
            .collect()
            .await;
        Ok(Page { clips, next })
    }

    /// Returns all clips in the order of [`list`](Self::list). Reads the names once at the start, and sidecars as the
    /// stream is polled.
    ///
    /// # Errors
    /// The first and only item is an error if the library cannot be read.
    pub fn entries(&self) -> impl Stream<Item = Result<Entry>> + Send + use<> {
        let library = self.clone();
        stream::once(async move {
            let ids = library.backend.clips(None, usize::MAX).await?;
            let read = stream::iter(ids)
                .map(move |id| library.clone().entry(id))
                .buffered(CONCURRENT_READS);
            Ok::<_, Error>(read.filter_map(|entry| future::ready(entry.map(Ok))))
        })
        .try_flatten()
    }

    async fn entry(self, id: ClipId) -> Option<Entry> {
        let clip = match self.record(&id).await {
            // The clip has no sidecar, or was removed after its name was read.
            Ok(None) => match self.exists(&id.file_name()).await {
                Ok(false) => return None,
                Ok(true) => Ok(self.assemble(id.clone(), None)),
                Err(error) => Err(error),
            },
            Ok(record) => Ok(self.assemble(id.clone(), record)),
            Err(error) => Err(error),
        };
        Some(Entry { id, clip })
    }

    /// Reads many sidecars, in any order.
    pub(super) fn records(
        &self,
        ids: Vec<ClipId>,
    ) -> impl Stream<Item = (ClipId, Result<Option<ClipRecord>>)> + Send + use<> {
        let (batch, concurrent) = self.backend.sidecar_batch();
        let mut ids = ids.into_iter();
        let batches = std::iter::from_fn(move || {
            let batch: Vec<ClipId> = ids.by_ref().take(batch).collect();
            (!batch.is_empty()).then_some(batch)
        });
        let library = self.clone();
        stream::iter(batches)
            .map(move |ids| {
                let library = library.clone();
                async move { library.read_batch(ids).await }
            })
            .buffer_unordered(concurrent)
            .flat_map(stream::iter)
    }

    pub(super) async fn read_batch(&self, ids: Vec<ClipId>) -> Vec<(ClipId, Result<Option<ClipRecord>>)> {
        let read = self.backend.read_sidecars(&ids).await;
        let to_parse = ids.clone();
        // Sidecars of other programs can be large, so they are not parsed on a thread of the runtime.
        let parsed = blocking(move || {
            let records = to_parse.into_iter().zip(read).map(|(id, json)| {
                let parse = |json: bytes::Bytes| ClipRecord::from_json(&id.sidecar_name(), &json);
                let record = json.and_then(|json| json.map(parse).transpose());
                (id, record)
            });
            Ok(records.collect())
        });
        match parsed.await {
            Ok(records) => records,
            Err(error) => ids.into_iter().map(|id| (id, Err(error.clone()))).collect(),
        }
    }
}

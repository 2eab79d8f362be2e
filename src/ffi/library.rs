//! Exports [`crate::Library`].

use std::ops::Bound;
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _};

use super::error::{Result, VideoError};
use super::family::Family;
use super::journal::{self, JobRecord, StuckJob};
use super::runtime::{self, ProcessBound};
use crate::Timestamp;
use crate::library::{ClipId, Entry, ListOptions, Verdict};
use crate::{Clip, QuarantinedClip, Settlement, Spent};

/// A library of clips.
#[derive(uniffi::Object)]
pub struct Library(ProcessBound<crate::Library>);

/// One page of a listing.
#[derive(Debug, Clone, uniffi::Record)]
pub struct Page {
    /// The clips, newest first.
    pub clips: Vec<PageEntry>,
    /// Where the next page starts. Not set on the last page.
    pub next: Option<String>,
}

/// One entry of a listing: a clip, or the reason why its sidecar cannot be read.
#[derive(Debug, Clone, uniffi::Record)]
pub struct PageEntry {
    /// The id of the clip.
    pub id: String,
    /// The clip.
    pub clip: Option<Clip>,
    /// Why the sidecar cannot be read.
    pub error: Option<VideoError>,
}

impl From<Entry> for PageEntry {
    fn from(entry: Entry) -> Self {
        let (clip, error) = match entry.clip {
            Ok(clip) => (Some(clip), None),
            Err(error) => (None, Some(error.into())),
        };
        Self {
            id: entry.id.as_str().to_owned(),
            clip,
            error,
        }
    }
}

impl Library {
    pub(super) fn new(library: crate::Library) -> Arc<Self> {
        Arc::new(Self(ProcessBound::new(library)))
    }

    fn core(&self) -> Result<crate::Library> {
        Ok(self.0.get()?.clone())
    }
}

#[uniffi::export]
impl Library {
    /// Opens a folder as a library. Creates the folder if it does not exist.
    #[uniffi::constructor]
    pub fn open(folder: String) -> Result<Arc<Self>> {
        let _runtime = runtime::handle()?.enter();
        Ok(Self::new(crate::Library::open(folder)?))
    }

    /// Opens an existing folder for reading.
    #[uniffi::constructor]
    pub fn open_to_read(folder: String) -> Result<Arc<Self>> {
        let _runtime = runtime::handle()?.enter();
        Ok(Self::new(crate::Library::open_to_read(folder)?))
    }

    /// Returns the folder of the library, if it is stored in a folder.
    pub fn folder(&self) -> Result<Option<String>> {
        let folder = self.0.get()?.folder();
        Ok(folder.map(|folder| folder.to_string_lossy().into_owned()))
    }

    /// Finds a clip by its id, file name or path.
    pub async fn clip(&self, name: String) -> Result<Clip> {
        let library = self.core()?;
        runtime::run(async move { Ok(library.resolve(&name).await?) }).await
    }

    /// Lists a page of clips, newest first. `before` is `next` of the previous page.
    pub async fn list(&self, limit: u32, before: Option<String>) -> Result<Page> {
        let library = self.core()?;
        let before = before
            .map(|id| ClipId::parse(&id))
            .transpose()
            .map_err(crate::Error::from)?;
        let options = ListOptions {
            limit: limit as usize,
            before,
        };
        runtime::run(async move {
            let page = library.list(options).await?;
            Ok(Page {
                clips: journal::convert_all(page.clips),
                next: page.next.map(|id| id.as_str().to_owned()),
            })
        })
        .await
    }

    /// Returns the family of a clip.
    pub async fn family(&self, clip: String) -> Result<Arc<Family>> {
        let library = self.core()?;
        runtime::run(async move {
            let clip = library.resolve(&clip).await?;
            Ok(Family::new(library.family(&clip).await?))
        })
        .await
    }

    /// Verifies every clip against its recorded hash. Reads all clips.
    pub async fn verify(&self) -> Result<Vec<Verdict>> {
        let library = self.core()?;
        runtime::run(async move { Ok(library.verify().try_collect().await?) }).await
    }

    /// Verifies the clips of a family against their recorded hashes.
    pub async fn verify_family(&self, family: Arc<Family>) -> Result<Vec<Verdict>> {
        let library = self.core()?;
        runtime::run(async move { Ok(library.verify_family(family.core()).collect().await) }).await
    }

    /// Reads the bytes of a clip. Fails if there are more than `limit`.
    pub async fn read(&self, clip: String, limit: u64) -> Result<Vec<u8>> {
        let library = self.core()?;
        runtime::run(async move {
            let clip = library.resolve(&clip).await?;
            Ok(library.read(&clip.id, limit).await?.into())
        })
        .await
    }

    /// Lists the open paid requests, oldest first.
    pub async fn jobs(&self) -> Result<Vec<JobRecord>> {
        let library = self.core()?;
        runtime::run(async move { Ok(journal::convert_all(library.jobs().await?)) }).await
    }

    /// Lists the records that a recovery cannot process.
    pub async fn stuck_jobs(&self) -> Result<Vec<StuckJob>> {
        let library = self.core()?;
        runtime::run(async move { Ok(journal::convert_all(library.stuck_jobs().await?)) }).await
    }

    /// Lists downloads that failed verification. They are kept until a recovery replaces them, or until they are
    /// accepted or discarded.
    pub async fn quarantined(&self) -> Result<Vec<QuarantinedClip>> {
        let library = self.core()?;
        runtime::run(async move { Ok(library.quarantined().await?) }).await
    }

    /// Deletes the quarantined download of a record. Returns whether there was one. The record stays unchanged.
    pub async fn discard_quarantined(&self, record_id: String) -> Result<bool> {
        let library = self.core()?;
        runtime::run(async move { Ok(library.discard_quarantined(&record_id).await?) }).await
    }

    /// Returns the record of a paid request, open or settled, by the record's id.
    pub async fn job_record(&self, id: String) -> Result<JobRecord> {
        let library = self.core()?;
        runtime::run(async move { Ok(library.job_record(&id).await?.into()) }).await
    }

    /// Settles an open paid request by hand, with what the account page shows about it.
    pub async fn settle(&self, id: String, settlement: Settlement) -> Result<JobRecord> {
        let library = self.core()?;
        runtime::run(async move { Ok(library.settle(&id, settlement).await?.into()) }).await
    }

    /// Returns what was spent on requests started at or after `from` and before `before`. A missing bound is open.
    pub async fn spent(&self, from: Option<Timestamp>, before: Option<Timestamp>) -> Result<Spent> {
        let library = self.core()?;
        let start = from.map_or(Bound::Unbounded, Bound::Included);
        let time = (start, before.map_or(Bound::Unbounded, Bound::Excluded));
        runtime::run(async move { Ok(library.spent(time).await?) }).await
    }
}

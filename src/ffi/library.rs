//! A library of clips: what is in it, whether it is whole, what was paid.

use std::ops::Bound;
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _};

use super::error::{Result, VideoError};
use super::family::Family;
use super::journal::{self, JobRecord, StuckJob};
use super::runtime::{self, Owned};
use crate::library::{ClipId, Entry, ListOptions, Verdict};
use crate::{Clip, QuarantinedClip, Settlement, Spent};

/// A library of clips.
#[derive(uniffi::Object)]
pub struct Library(Owned<crate::Library>);

/// One page of a listing.
#[derive(Debug, Clone, uniffi::Record)]
pub struct Page {
    /// The clips, newest first.
    pub clips: Vec<PageEntry>,
    /// Where the next page begins. Nothing when this was the last.
    pub next: Option<String>,
}

/// One clip of a listing: the clip, or why its sidecar cannot be read.
#[derive(Debug, Clone, uniffi::Record)]
pub struct PageEntry {
    /// The clip's id.
    pub id: String,
    /// The clip.
    pub clip: Option<Clip>,
    /// Why it cannot be read.
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
        Arc::new(Self(Owned::new(library)))
    }

    fn core(&self) -> Result<crate::Library> {
        Ok(self.0.get()?.clone())
    }
}

#[uniffi::export]
impl Library {
    /// Opens a folder as a library, and makes it if it is missing.
    #[uniffi::constructor]
    pub fn open(folder: String) -> Result<Arc<Self>> {
        let _within = runtime::handle()?.enter();
        Ok(Self::new(crate::Library::open(folder)?))
    }

    /// Opens a folder that exists, to read it.
    #[uniffi::constructor]
    pub fn open_to_read(folder: String) -> Result<Arc<Self>> {
        let _within = runtime::handle()?.enter();
        Ok(Self::new(crate::Library::open_to_read(folder)?))
    }

    /// The folder, if the library is one.
    pub fn folder(&self) -> Result<Option<String>> {
        let folder = self.0.get()?.folder();
        Ok(folder.map(|folder| folder.to_string_lossy().into_owned()))
    }

    /// A clip by its id, its file name, or the path of its file.
    pub async fn clip(&self, name: String) -> Result<Clip> {
        let library = self.core()?;
        runtime::run(async move { Ok(library.resolve(&name).await?) }).await
    }

    /// A page of clips, newest first. `before` comes from the page before.
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
                clips: journal::all(page.clips),
                next: page.next.map(|id| id.as_str().to_owned()),
            })
        })
        .await
    }

    /// The family of a clip.
    pub async fn family(&self, clip: String) -> Result<Arc<Family>> {
        let library = self.core()?;
        runtime::run(async move {
            let clip = library.resolve(&clip).await?;
            Ok(Family::new(library.family(&clip).await?))
        })
        .await
    }

    /// Holds every clip's bytes against what is on record. Reads all of them.
    pub async fn verify(&self) -> Result<Vec<Verdict>> {
        let library = self.core()?;
        runtime::run(async move { Ok(library.verify().try_collect().await?) }).await
    }

    /// The same for the clips of a family.
    pub async fn verify_family(&self, family: Arc<Family>) -> Result<Vec<Verdict>> {
        let library = self.core()?;
        runtime::run(async move { Ok(library.verify_family(family.core()).collect().await) }).await
    }

    /// The bytes of a clip, at most so many of them.
    pub async fn read(&self, clip: String, limit: u64) -> Result<Vec<u8>> {
        let library = self.core()?;
        runtime::run(async move {
            let clip = library.resolve(&clip).await?;
            Ok(library.read(&clip.id, limit).await?.into())
        })
        .await
    }

    /// Paid requests that are open, oldest first.
    pub async fn jobs(&self) -> Result<Vec<JobRecord>> {
        let library = self.core()?;
        runtime::run(async move { Ok(journal::all(library.jobs().await?)) }).await
    }

    /// Records that cannot be taken up, and why.
    pub async fn stuck_jobs(&self) -> Result<Vec<StuckJob>> {
        let library = self.core()?;
        runtime::run(async move { Ok(journal::all(library.stuck_jobs().await?)) }).await
    }

    /// Bytes that were paid for and failed verification. They are kept until a recovery succeeds, or they are accepted
    /// or discarded.
    pub async fn quarantined(&self) -> Result<Vec<QuarantinedClip>> {
        let library = self.core()?;
        runtime::run(async move { Ok(library.quarantined().await?) }).await
    }

    /// Removes what is in quarantine of a record, and says whether there was anything. The record stays as it is.
    pub async fn discard_quarantined(&self, record: String) -> Result<bool> {
        let library = self.core()?;
        runtime::run(async move { Ok(library.discard_quarantined(&record).await?) }).await
    }

    /// The record of a paid request by its id, open or settled.
    pub async fn job_record(&self, id: String) -> Result<JobRecord> {
        let library = self.core()?;
        runtime::run(async move { Ok(library.job_record(&id).await?.into()) }).await
    }

    /// Marks what became of a paid request that is open, as a person knows from the account page.
    pub async fn settle(&self, id: String, settlement: Settlement) -> Result<JobRecord> {
        let library = self.core()?;
        runtime::run(async move { Ok(library.settle(&id, settlement).await?.into()) }).await
    }

    /// What was spent on requests that were begun in a time, in milliseconds since 1970 UTC; without ends, on all.
    pub async fn spent(&self, from: Option<u64>, before: Option<u64>) -> Result<Spent> {
        let library = self.core()?;
        let time = between(from, before);
        runtime::run(async move { Ok(library.spent(time).await?) }).await
    }
}

/// The time between two instants, either of which may be left open.
pub(super) fn between(from: Option<u64>, before: Option<u64>) -> (Bound<u64>, Bound<u64>) {
    let first = from.map_or(Bound::Unbounded, Bound::Included);
    (first, before.map_or(Bound::Unbounded, Bound::Excluded))
}

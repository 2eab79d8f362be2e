//! An object store that counts the requests it gets and the bytes it sends.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path as StorePath;
use object_store::{
    CopyMode, CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result as StoreResult,
};

/// A counting store in memory, which can be told to misbehave.
#[derive(Debug, Default)]
pub(crate) struct CountingStore {
    pub(crate) inner: InMemory,
    sent: AtomicU64,
    /// Requests for content.
    gets: AtomicU64,
    /// Requests for content and for metadata.
    pub(crate) asked: AtomicU64,
    pub(crate) lists: AtomicU64,
    pub(crate) ignores_conditions: AtomicBool,
    /// Whether the next request for a clip panics.
    pub(crate) panics_once: AtomicBool,
    /// Whether an update ignores the expected version.
    pub(crate) ignores_versions: AtomicBool,
    /// Requests for content fail if the path contains this text.
    pub(crate) fails_for: Mutex<Option<String>>,
    /// Whether requests for content never return, and how many of them are waiting.
    pub(crate) hangs: AtomicBool,
    pub(crate) waiting: AtomicU64,
}

/// One waiting request.
struct Waiting<'a>(&'a AtomicU64);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl CountingStore {
    /// Returns the bytes and requests since the last call.
    #[cfg(feature = "cli")]
    pub(crate) fn take(&self) -> (u64, u64) {
        (
            self.sent.swap(0, Ordering::Relaxed),
            self.gets.swap(0, Ordering::Relaxed),
        )
    }
}

impl fmt::Display for CountingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("metered")
    }
}

#[async_trait::async_trait]
impl ObjectStore for CountingStore {
    async fn put_opts(
        &self,
        at: &StorePath,
        payload: PutPayload,
        mut options: PutOptions,
    ) -> StoreResult<PutResult> {
        if self.ignores_conditions.load(Ordering::Relaxed) {
            options.mode = PutMode::Overwrite;
        }
        if self.ignores_versions.load(Ordering::Relaxed) && matches!(options.mode, PutMode::Update(_)) {
            options.mode = PutMode::Overwrite;
        }
        self.inner.put_opts(at, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        at: &StorePath,
        options: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(at, options).await
    }

    async fn get_opts(&self, at: &StorePath, options: GetOptions) -> StoreResult<GetResult> {
        let is_clip = at.as_ref().contains(".mp4");
        assert!(
            !is_clip || !self.panics_once.swap(false, Ordering::Relaxed),
            "a defect of the store"
        );
        self.asked.fetch_add(1, Ordering::Relaxed);
        let head = options.head;
        let fails_for = self
            .fails_for
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if fails_for.is_some_and(|text| at.as_ref().contains(&text)) {
            return Err(object_store::Error::Generic {
                store: "counting",
                source: "no answer".into(),
            });
        }
        if !head && self.hangs.load(Ordering::Relaxed) {
            self.waiting.fetch_add(1, Ordering::Relaxed);
            let _waiting = Waiting(&self.waiting);
            std::future::pending::<()>().await;
        }
        let got = self.inner.get_opts(at, options).await?;
        if !head {
            self.sent
                .fetch_add(got.range.end - got.range.start, Ordering::Relaxed);
            self.gets.fetch_add(1, Ordering::Relaxed);
        }
        Ok(got)
    }

    fn delete_stream(
        &self,
        all: BoxStream<'static, StoreResult<StorePath>>,
    ) -> BoxStream<'static, StoreResult<StorePath>> {
        self.inner.delete_stream(all)
    }

    fn list(&self, prefix: Option<&StorePath>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.lists.fetch_add(1, Ordering::Relaxed);
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&StorePath>) -> StoreResult<ListResult> {
        self.lists.fetch_add(1, Ordering::Relaxed);
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &StorePath, to: &StorePath, mut options: CopyOptions) -> StoreResult<()> {
        if self.ignores_conditions.load(Ordering::Relaxed) {
            options.mode = CopyMode::Overwrite;
        }
        self.inner.copy_opts(from, to, options).await
    }
}

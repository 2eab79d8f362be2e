//! A store that counts what is asked of it and what it sends.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path as StorePath;
use object_store::{
    CopyMode, CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result as StoreResult,
};

/// A store in memory that counts; it may take conditions lightly.
#[derive(Debug, Default)]
pub(crate) struct Metered {
    pub(crate) inner: InMemory,
    sent: AtomicU64,
    /// Requests for content, and with those for facts alone.
    gets: AtomicU64,
    pub(crate) asked: AtomicU64,
    pub(crate) lists: AtomicU64,
    pub(crate) careless: AtomicBool,
    /// Whether whoever asks for a clip next panics.
    pub(crate) panics_once: AtomicBool,
    /// Whether an update is carried out whatever version it is for.
    pub(crate) forgetful: AtomicBool,
    /// Whether content never comes, and for how many requests it is being waited.
    pub(crate) silent: AtomicBool,
    pub(crate) waiting: AtomicU64,
}

/// One request that waits.
struct Waiting<'a>(&'a AtomicU64);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Metered {
    /// Bytes and requests since the last time.
    #[cfg(feature = "cli")]
    pub(crate) fn take(&self) -> (u64, u64) {
        (
            self.sent.swap(0, Ordering::Relaxed),
            self.gets.swap(0, Ordering::Relaxed),
        )
    }
}

impl fmt::Display for Metered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("metered")
    }
}

#[async_trait::async_trait]
impl ObjectStore for Metered {
    async fn put_opts(
        &self,
        at: &StorePath,
        payload: PutPayload,
        mut options: PutOptions,
    ) -> StoreResult<PutResult> {
        if self.careless.load(Ordering::Relaxed) {
            options.mode = PutMode::Overwrite;
        }
        if self.forgetful.load(Ordering::Relaxed) && matches!(options.mode, PutMode::Update(_)) {
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
        if !head && self.silent.load(Ordering::Relaxed) {
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
        if self.careless.load(Ordering::Relaxed) {
            options.mode = CopyMode::Overwrite;
        }
        self.inner.copy_opts(from, to, options).await
    }
}

//! A bucket in memory with the faults of a real one. Operations stall, fail before or after they take effect, or lose
//! their reply. Writes may arrive after their process has ended.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt as _, StreamExt as _};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::oneshot;

use super::checks::Record;
use super::world::{World, time_of_day};

/// A fault of an operation on the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The operation takes effect after this time. A write does so even if no process waits for it any more.
    Stall(Duration),
    /// The operation has no effect and fails.
    Refused,
    /// The operation takes effect and fails.
    ReplyLost,
    /// The operation takes effect, its reply is lost, and the client of the store repeats it. A conditional write then
    /// finds its own result.
    Repeated,
}

/// The contents of the bucket, shared by all processes.
#[derive(Debug, Default)]
pub(super) struct Contents {
    objects: InMemory,
    /// The time at which each object was written, by the clock of the store.
    written: Mutex<BTreeMap<String, Duration>>,
    /// The objects that are records, parsed when they were written.
    records: Mutex<BTreeMap<String, Arc<Record>>>,
}

/// A write that has been sent and has not arrived. It arrives even if its process has ended.
pub(super) struct Write {
    pub(super) process: usize,
    pub(super) arrives: Duration,
    pub(super) at: Path,
    pub(super) payload: PutPayload,
    pub(super) options: PutOptions,
    /// Closed when no process waits for the reply any more.
    pub(super) reply: oneshot::Sender<Result<PutResult>>,
}

impl Contents {
    /// Writes an object.
    pub(super) fn put(&self, at: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let done = self.objects.put_opts(at, payload, options).now_or_never();
        done.unwrap_or_else(|| Err(failed("the store in memory waits")))
    }

    /// Returns all objects below a prefix, sorted by name.
    pub(super) fn below(&self, prefix: &str) -> Vec<(String, Bytes)> {
        let names: Vec<String> = self
            .written
            .lock()
            .unwrap()
            .keys()
            .filter(|name| name.starts_with(prefix))
            .cloned()
            .collect();
        names
            .into_iter()
            .filter_map(|name| Some((name.clone(), self.get(&name)?)))
            .collect()
    }

    /// Returns all records, sorted by name.
    pub(super) fn records(&self) -> Vec<Arc<Record>> {
        self.records.lock().unwrap().values().cloned().collect()
    }

    pub(super) fn get(&self, name: &str) -> Option<Bytes> {
        let found = self.objects.get(&Path::from(name)).now_or_never()?.ok()?;
        found.bytes().now_or_never()?.ok()
    }

    /// Records the time at which an object was written, and parses it if it is a record.
    pub(super) fn note(&self, name: &Path, at: Duration) -> Result<(), String> {
        let name = name.to_string();
        self.written.lock().unwrap().insert(name.clone(), at);
        if Record::is_name(&name) {
            let record = self.get(&name).and_then(|json| Record::read(&name, &json));
            let record = record.ok_or_else(|| format!("{name} is no record"))?;
            self.records.lock().unwrap().insert(name, Arc::new(record));
        }
        Ok(())
    }

    /// Returns when an object was written.
    pub(super) fn written_at(&self, name: &str) -> Option<Duration> {
        self.written.lock().unwrap().get(name).copied()
    }

    fn forget(&self, name: &Path) {
        self.written.lock().unwrap().remove(name.as_ref());
        self.records.lock().unwrap().remove(name.as_ref());
    }
}

/// The store as one process accesses it.
#[derive(Clone)]
pub(super) struct Bucket {
    pub(super) world: Arc<World>,
    pub(super) process: usize,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bucket")
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("simulated")
    }
}

fn failed(what: &str) -> Error {
    Error::Generic {
        store: "simulated",
        source: what.into(),
    }
}

impl Bucket {
    fn contents(&self) -> &Contents {
        &self.world.contents
    }

    /// Sends an operation. A process can be killed before and after its effect.
    async fn send(&self, what: &str, at: &Path) -> Result<Option<Fault>> {
        tokio::task::yield_now().await;
        let fault = self.world.store_fault(self.process, what, at.as_ref());
        match fault {
            Some(Fault::Refused) => Err(failed("no answer")),
            fault => Ok(fault),
        }
    }

    /// Sends an operation that has no effect if its future is dropped before it arrives.
    async fn begin(&self, what: &str, at: &Path) -> Result<Option<Fault>> {
        let fault = self.send(what, at).await?;
        match fault {
            // While libav reads, nothing else runs and time does not pass.
            Some(Fault::Stall(_)) if Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread => {}
            Some(Fault::Stall(time)) => tokio::time::sleep(time).await,
            _ => {}
        }
        Ok(fault)
    }

    /// Sends a write that arrives after a delay.
    async fn put_slowly(
        &self,
        time: Duration,
        at: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let (reply, done) = oneshot::channel();
        self.world.lock(|state| {
            state.writes.push(Write {
                process: self.process,
                arrives: state.now + time,
                at: at.clone(),
                payload,
                options,
                reply,
            });
        });
        done.await.unwrap_or_else(|_| Err(failed("the write was lost")))
    }

    /// Returns the reply to an operation that took effect or was refused.
    async fn end<T>(&self, fault: Option<Fault>, done: Result<T>) -> Result<T> {
        tokio::task::yield_now().await;
        match fault {
            Some(Fault::ReplyLost) => Err(failed("the reply was lost")),
            _ => done,
        }
    }
}

#[async_trait::async_trait]
impl ObjectStore for Bucket {
    async fn put_opts(&self, at: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let fault = self.send("put", at).await?;
        if let Some(Fault::Stall(time)) = fault {
            let done = self.put_slowly(time, at, payload, options).await;
            return self.end(fault, done).await;
        }
        let mode = options.mode.clone();
        let mut done = self
            .contents()
            .objects
            .put_opts(at, payload.clone(), options.clone())
            .await;
        if done.is_ok() {
            self.world.written(self.process, at);
            if fault == Some(Fault::Repeated) && !matches!(mode, PutMode::Overwrite) {
                done = self.contents().objects.put_opts(at, payload, options).await;
            }
        }
        self.end(fault, done).await
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        // Clips are small here, so no upload has parts.
        Err(Error::NotImplemented {
            operation: "put_multipart".to_owned(),
            implementer: "simulated".to_owned(),
        })
    }

    async fn get_opts(&self, at: &Path, options: GetOptions) -> Result<GetResult> {
        let fault = self.begin("get", at).await?;
        let done = self.contents().objects.get_opts(at, options).await;
        self.end(fault, done).await
    }

    async fn get_ranges(&self, at: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let fault = self.begin("get", at).await?;
        let done = self.contents().objects.get_ranges(at, ranges).await;
        self.end(fault, done).await
    }

    fn delete_stream(&self, all: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let bucket = self.clone();
        let deleted = all.then(move |at| {
            let bucket = bucket.clone();
            async move {
                let at = at?;
                let fault = bucket.begin("delete", &at).await?;
                let done = bucket.contents().objects.delete(&at).await;
                if done.is_ok() {
                    bucket.contents().forget(&at);
                    bucket.world.deleted(bucket.process, at.as_ref());
                }
                bucket.end(fault, done.map(|()| at)).await
            }
        });
        deleted.boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (bucket, prefix) = (self.clone(), prefix.cloned());
        let listed = async move {
            let place = prefix.clone().unwrap_or_default();
            let fault = bucket.begin("list", &place).await?;
            let found: Vec<_> = bucket.contents().objects.list(prefix.as_ref()).collect().await;
            let dated: Vec<_> = {
                let written = bucket.contents().written.lock().unwrap();
                let dated = found.into_iter().map(|about| {
                    let mut about: ObjectMeta = about?;
                    let at = written.get(about.location.as_ref()).copied();
                    about.last_modified = time_of_day(at.unwrap_or_default()).into();
                    Ok(about)
                });
                dated.collect()
            };
            bucket.end(fault, Ok(dated)).await
        };
        futures_util::stream::once(listed)
            .flat_map(|listed| match listed {
                Ok(all) => futures_util::stream::iter(all).left_stream(),
                Err(error) => futures_util::stream::iter([Err(error)]).right_stream(),
            })
            .boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let place = prefix.cloned().unwrap_or_default();
        let fault = self.begin("list", &place).await?;
        let done = self.contents().objects.list_with_delimiter(prefix).await;
        self.end(fault, done).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let fault = self.begin("copy", to).await?;
        let done = self.contents().objects.copy_opts(from, to, options).await;
        if done.is_ok() {
            self.world.written(self.process, to);
        }
        self.end(fault, done).await
    }
}

//! The library in an object store: what a folder does with a link and a rename, with conditional writes.
//!
//! Owns the temporary names under `.incoming`, the upload in parts, the step by which an upload gets its
//! name without overwriting anything, and reading in pieces. Each object that is read in several requests
//! is held to its entity tag, so that pieces of two objects never become one clip.

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future;
use futures_util::stream::{self, FuturesUnordered, Stream, StreamExt as _, TryStreamExt as _};
use object_store::path::Path as StorePath;
use object_store::{
    Error as StoreError, GetOptions, GetRange, MultipartUpload, ObjectStore, ObjectStoreExt as _, PutMode,
    PutPayload, PutResult, UpdateVersion,
};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;

use super::fault::{io_fault, store_fault};
use super::folder::{self, INCOMING, PART_SUFFIX};
use super::name::{ClipId, quoted};
use super::staged::ClipDigest;
use super::{cut_off, name, record};
use crate::error::{Error, ErrorKind, Result};
use crate::host::{spawn_blocking, wall_clock};

/// Up to this a clip is one request; a larger one goes in parts of this size, which every store takes.
const PART: usize = 8 << 20;
/// Parts on their way at once.
const PARTS_AT_ONCE: usize = 3;
/// Pieces of a clip that are fetched at once, where all of it is read.
const PIECES_AT_ONCE: usize = 2;
/// How often a clip is offered when the store speaks of a conflict and yet holds no such clip.
const OFFERS: usize = 3;

#[derive(Clone)]
pub(super) struct Bucket {
    store: Arc<dyn ObjectStore>,
    prefix: StorePath,
    /// How messages call it.
    shown: String,
    /// Whether the store was seen to refuse to overwrite.
    proven: Arc<AtomicBool>,
}

impl Bucket {
    pub(super) fn new(store: Arc<dyn ObjectStore>, prefix: StorePath, shown: Option<String>) -> Self {
        let shown = shown.unwrap_or_else(|| format!("{store}/{prefix}"));
        Self {
            store,
            prefix,
            shown,
            proven: Arc::default(),
        }
    }

    /// The object of that name, which may hold slashes.
    pub(super) fn location(&self, name: &str) -> Result<StorePath> {
        let prefix = self.prefix.as_ref();
        let path = if prefix.is_empty() {
            name.to_owned()
        } else {
            format!("{prefix}/{name}")
        };
        // Not `Path::from`, which would encode characters that a foreign name may hold.
        StorePath::parse(path)
            .map_err(|error| Error::invalid(format!("find {}", quoted(name))).with_source(error))
    }

    pub(super) async fn has(&self, name: &str) -> Result<bool> {
        Ok(self.object(name, &format!("find {name}")).await?.is_some())
    }

    /// An object that is there, to be read.
    pub(super) async fn object(&self, name: &str, doing: &str) -> Result<Option<Object>> {
        Object::find(&self.store, self.location(name)?, doing).await
    }

    /// A small object in one request. `None` if it is not there.
    pub(super) async fn small(&self, name: &str, limit: usize, doing: &str) -> Result<Option<Bytes>> {
        let found = match self.store.get(&self.location(name)?).await {
            Ok(found) => found,
            Err(StoreError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(store_fault(doing, error)),
        };
        if found.meta.size > limit as u64 {
            return Err(record::too_large("read", name));
        }
        let bytes = found.bytes().await;
        bytes.map(Some).map_err(|error| store_fault(doing, error))
    }

    /// Writes an object over the old one, if there is one.
    pub(super) async fn write(&self, name: &str, content: Vec<u8>) -> Result<()> {
        let put = self.store.put(&self.location(name)?, content.into()).await;
        put.map(drop)
            .map_err(|error| store_fault(&format!("write sidecar {name}"), error))
    }

    /// Writes an object where there is none.
    pub(super) async fn write_new(&self, name: &str, content: Vec<u8>) -> Result<()> {
        let content = Bytes::from(content);
        let place = self.location(name)?;
        let Err(error) = self.create(&place, content.clone()).await else {
            return Ok(());
        };
        let doing = format!("write sidecar {name}");
        // A reply that was lost: the second attempt found what the first one had written.
        if let Ok(Some(there)) = self.small(name, content.len(), &doing).await
            && there == content
        {
            return Ok(());
        }
        Err(if is_refusal(&error) {
            folder::taken(name)
        } else {
            store_fault(&doing, error)
        })
    }

    /// The ids of what lies right under the prefix with a name of that ending. What lies deeper is not
    /// even listed.
    pub(super) async fn ids(&self, suffix: &str) -> Result<Vec<ClipId>> {
        let listed = self.store.list_with_delimiter(Some(&self.prefix)).await;
        let listed = listed.map_err(|error| store_fault(&format!("list {self}"), error))?;
        let depth = self.prefix.parts().count() + 1;
        let ids = listed.objects.into_iter().filter_map(|object| {
            let flat = object.location.parts().count() == depth;
            let name = object.location.filename().filter(|_| flat)?;
            ClipId::parse(name.strip_suffix(suffix)?).ok()
        });
        Ok(ids.collect())
    }

    /// Gives a clip its name in the store, whole or not at all, and overwrites nothing.
    pub(super) async fn publish(&self, id: &ClipId, from: Content<'_>, digest: &ClipDigest) -> Result<()> {
        let name = id.file_name();
        let doing = format!("save clip {name}");
        for name in [&name, &id.sidecar_name()] {
            if self.has(name).await? {
                return Err(folder::taken(name));
            }
        }
        let place = self.location(&name)?;
        for _ in 0..OFFERS {
            let offered = match from {
                Content::File(file) if digest.bytes <= PART as u64 => self.offer_whole(&place, file).await,
                Content::File(file) => self.offer_parts(&name, &place, file).await,
                Content::Object(object) => self.offer_copy(object, &place).await,
            };
            let error = match offered {
                Ok(()) => return Ok(()),
                Err(Offer::Disk(error)) => return Err(io_fault(&doing, error)),
                Err(Offer::Other(error)) => return Err(error),
                Err(Offer::Store(error)) => error,
            };
            // Whose clip is there, if one is? A reply may have been lost, and the clip be ours.
            match (self.holds(&name, digest).await, is_refusal(&error)) {
                (Ok(Some(true)), _) => return Ok(()),
                (Ok(Some(false)), true) => return Err(folder::taken(&name)),
                (Ok(None), true) => {}
                _ => return Err(store_fault(&doing, error)),
            }
        }
        Err(Error::new(
            ErrorKind::Library,
            format!("{doing}: the store keeps speaking of a conflict with another writer"),
        ))
    }

    async fn offer_whole(&self, place: &StorePath, file: &Path) -> Result<(), Offer> {
        let bytes = read(file).await?;
        self.create(place, bytes.into()).await?;
        Ok(())
    }

    async fn offer_copy(&self, object: &str, place: &StorePath) -> Result<(), Offer> {
        let object = self.location(object)?;
        Ok(self.store.copy_if_not_exists(&object, place).await?)
    }

    /// Writes a file to an object, whole or not at all, over the old object if there is one.
    pub(super) async fn replace_with_file(&self, name: &str, file: &Path, bytes: u64) -> Result<()> {
        let place = self.location(name)?;
        let write = async {
            if bytes <= PART as u64 {
                let bytes = read(file).await?;
                self.store.put(&place, bytes.into()).await?;
                return Ok(());
            }
            let mut upload = self.store.put_multipart(&place).await?;
            let written = match send_parts(&mut *upload, file).await {
                Ok(_) => upload.complete().await.map(drop).map_err(Offer::Store),
                Err(error) => Err(error),
            };
            if written.is_err() {
                // A store bills for the parts of an upload that was never ended.
                let _ = upload.abort().await;
            }
            written
        };
        let doing = format!("write {name}");
        write.await.map_err(|error| match error {
            Offer::Disk(error) => io_fault(&doing, error),
            Offer::Store(error) => store_fault(&doing, error),
            Offer::Other(error) => error,
        })
    }

    /// Uploads to a name of its own, then copies within the store on the condition that nothing is there.
    async fn offer_parts(&self, name: &str, place: &StorePath, file: &Path) -> Result<(), Offer> {
        let temporary = self.temporary(name)?;
        let mut upload = self.store.put_multipart(&temporary).await?;
        let sent = match send_parts(&mut *upload, file).await {
            Ok(sent) => match upload.complete().await {
                // Complete all the same: its reply was lost, and the second attempt found no upload.
                Err(_) if self.size(&temporary).await == Some(sent) => Ok(()),
                completed => completed.map(drop).map_err(Offer::Store),
            },
            Err(error) => Err(error),
        };
        let offered = match sent {
            Ok(()) => self.store.copy_if_not_exists(&temporary, place).await,
            Err(error) => {
                // A store bills for the parts of an upload that was never ended.
                let _ = upload.abort().await;
                let _ = self.store.delete(&temporary).await;
                return Err(error);
            }
        };
        // What stays of it is swept later; the clip is whole either way.
        let _ = self.store.delete(&temporary).await;
        Ok(offered?)
    }

    async fn size(&self, place: &StorePath) -> Option<u64> {
        self.store.head(place).await.ok().map(|about| about.size)
    }

    /// Whether the object of that name has this content. `None` if there is none.
    async fn holds(&self, name: &str, digest: &ClipDigest) -> Result<Option<bool>> {
        let doing = format!("read clip {name:?}");
        match self.object(name, &doing).await? {
            None => Ok(None),
            Some(object) if object.size != digest.bytes => Ok(Some(false)),
            Some(object) => Ok(Some(object.digest(&doing).await? == *digest)),
        }
    }

    async fn create(&self, place: &StorePath, content: Bytes) -> Result<PutResult, StoreError> {
        let payload = PutPayload::from_bytes(content);
        self.store.put_opts(place, payload, PutMode::Create.into()).await
    }

    async fn update(
        &self,
        place: &StorePath,
        seen: UpdateVersion,
        content: Bytes,
    ) -> Result<PutResult, StoreError> {
        let payload = PutPayload::from_bytes(content);
        self.store
            .put_opts(place, payload, PutMode::Update(seen).into())
            .await
    }

    /// Checks that a clip could be saved now: that objects can be written and deleted, and, once, that the
    /// store keeps to conditions. It has to refuse to overwrite, by a put and by a copy, and to refuse to update an
    /// object that changed since it was read: the journal of paid requests depends on that.
    pub(super) async fn check_writable(&self) -> Result<()> {
        let doing = format!("write to {self}");
        let fault = |error| store_fault(&doing, error);
        let (one, other) = (self.temporary("writable")?, self.temporary("writable")?);
        let probe = || Bytes::from_static(b"x");
        if self.proven.load(Ordering::Relaxed) {
            self.create(&one, probe()).await.map_err(fault)?;
            return self.store.delete(&one).await.map_err(fault);
        }
        let made = future::join(self.create(&one, probe()), self.create(&other, probe())).await;
        let (first, _) = made.0.and_then(|one| Ok((one, made.1?))).map_err(fault)?;
        let again = self.create(&one, probe());
        let copied = self.store.copy_if_not_exists(&one, &other);
        let (again, copied) = future::join(again, copied).await;
        let refused = match self
            .refused(again.map(drop), "write")
            .and(self.refused(copied, "copy"))
        {
            Ok(()) => self.check_update(&one, first).await,
            Err(error) => Err(error),
        };
        let gone = future::join(self.store.delete(&one), self.store.delete(&other)).await;
        refused?;
        gone.0.and(gone.1).map_err(fault)?;
        self.proven.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Checks that an update with the newest version is carried out, and one with an older version refused.
    async fn check_update(&self, place: &StorePath, written: PutResult) -> Result<()> {
        let cannot = || self.cannot("update", "the object is the one that was read");
        let first = UpdateVersion {
            e_tag: written.e_tag,
            version: written.version,
        };
        if first.e_tag.is_none() && first.version.is_none() {
            return Err(cannot());
        }
        match self
            .update(place, first.clone(), Bytes::from_static(b"second"))
            .await
        {
            Ok(_) => {}
            Err(StoreError::NotImplemented { .. } | StoreError::NotSupported { .. }) => return Err(cannot()),
            Err(error) if is_refusal(&error) => return Err(cannot()),
            Err(error) => return Err(store_fault(&format!("write to {self}"), error)),
        }
        let stale = self.update(place, first, Bytes::from_static(b"third")).await;
        self.judge(stale.map(drop), cannot)
    }

    /// What a store is to answer that was asked to overwrite something.
    fn refused(&self, answer: Result<(), StoreError>, what: &str) -> Result<()> {
        self.judge(answer, || self.cannot(what, "nothing is overwritten"))
    }

    fn judge(&self, answer: Result<(), StoreError>, cannot: impl Fn() -> Error) -> Result<()> {
        match answer {
            Err(error) if is_refusal(&error) => Ok(()),
            Ok(()) | Err(StoreError::NotImplemented { .. } | StoreError::NotSupported { .. }) => {
                Err(cannot())
            }
            Err(error) => Err(store_fault(&format!("write to {self}"), error)),
        }
    }

    fn cannot(&self, what: &str, condition: &str) -> Error {
        Error::new(
            ErrorKind::Library,
            format!("write to {self}: the store cannot {what} on the condition that {condition}"),
        )
        .with_guidance("use a store with conditional writes, or a folder")
    }

    /// Removes temporary objects that have not changed for `age`.
    pub(super) async fn sweep(&self, age: Duration) -> Result<u64> {
        self.remove_old(INCOMING, PART_SUFFIX, age).await
    }

    /// Removes the objects below `folder` whose names end like that and that have not changed for `age`, by
    /// the store's clock against this machine's.
    pub(super) async fn remove_old(&self, folder: &str, suffix: &'static str, age: Duration) -> Result<u64> {
        let doing = format!("sweep {self}");
        let folder = self.location(folder)?;
        let now = wall_clock();
        let old = self.store.list(Some(&folder)).try_filter_map(move |object| {
            let since = now.duration_since(object.last_modified.into());
            let ours = object.location.as_ref().ends_with(suffix);
            let old = ours && since.is_ok_and(|since| since >= age);
            future::ready(Ok(old.then_some(object.location)))
        });
        let removed = self.store.delete_stream(old.boxed());
        removed
            .try_fold(0, |count, _| future::ready(Ok(count + 1)))
            .await
            .map_err(|error| store_fault(&doing, error))
    }

    fn temporary(&self, name: &str) -> Result<StorePath> {
        let (high, low) = (name::random()?, name::random()?);
        self.location(&format!("{INCOMING}/{name}.{high:08x}{low:08x}{PART_SUFFIX}"))
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "library {}", self.shown)
    }
}

/// Where the bytes of a clip are before it has its name.
#[derive(Clone, Copy)]
pub(super) enum Content<'a> {
    File(&'a Path),
    /// Another object of the library, by its name.
    Object(&'a str),
}

/// Why a clip did not get its name.
enum Offer {
    Disk(std::io::Error),
    Store(StoreError),
    Other(Error),
}

impl From<std::io::Error> for Offer {
    fn from(error: std::io::Error) -> Self {
        Self::Disk(error)
    }
}

impl From<StoreError> for Offer {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Error> for Offer {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

pub(super) const fn is_refusal(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::AlreadyExists { .. } | StoreError::Precondition { .. }
    )
}

/// The bytes of a file that fits into one part.
async fn read(file: &Path) -> Result<Vec<u8>, Offer> {
    let file = file.to_owned();
    let read = spawn_blocking(move || std::fs::read(file)).await;
    Ok(read.map_err(|error| Offer::Other(cut_off(error)))??)
}

/// Sends a file, and says how much that was.
async fn send_parts(upload: &mut dyn MultipartUpload, file: &Path) -> Result<u64, Offer> {
    let mut file = tokio::fs::File::open(file).await?;
    let mut sent = 0;
    let mut flying = FuturesUnordered::new();
    loop {
        let mut part = Vec::with_capacity(PART);
        (&mut file).take(PART as u64).read_to_end(&mut part).await?;
        sent += part.len() as u64;
        let last = part.len() < PART;
        if !part.is_empty() {
            flying.push(upload.put_part(part.into()));
        }
        while flying.len() >= if last { 1 } else { PARTS_AT_ONCE } {
            flying.next().await.transpose()?;
        }
        if last {
            return Ok(sent);
        }
    }
}

/// An object as it was when it was looked for.
#[derive(Debug, Clone)]
pub(super) struct Object {
    store: Arc<dyn ObjectStore>,
    place: StorePath,
    pub(super) size: u64,
    tag: Option<String>,
}

impl Object {
    pub(super) async fn find(
        store: &Arc<dyn ObjectStore>,
        place: StorePath,
        doing: &str,
    ) -> Result<Option<Self>> {
        match store.head(&place).await {
            Ok(about) => Ok(Some(Self {
                store: Arc::clone(store),
                place,
                size: about.size,
                tag: about.e_tag,
            })),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(store_fault(doing, error)),
        }
    }

    /// Exactly these bytes of it.
    pub(super) async fn range(&self, range: Range<u64>, doing: &str) -> Result<Bytes> {
        let wanted = range.end - range.start;
        let options = GetOptions {
            range: Some(GetRange::Bounded(range)),
            if_match: self.tag.clone(),
            ..GetOptions::default()
        };
        let changed = |why: &str| Error::new(ErrorKind::Library, format!("{doing}: {why}"));
        let got = async { self.store.get_opts(&self.place, options).await?.bytes().await };
        match got.await {
            Ok(bytes) if bytes.len() as u64 == wanted => Ok(bytes),
            Ok(_) => Err(changed("the store sent another part of it than was asked for")),
            Err(StoreError::Precondition { .. }) => Err(changed("it was replaced while it was being read")),
            Err(error) => Err(store_fault(doing, error)),
        }
    }

    /// All of it in order, in pieces of a bounded size, each a request with a deadline of its own.
    pub(super) fn pieces(self, doing: &str) -> impl Stream<Item = Result<Bytes>> + Send + use<> {
        let doing: Arc<str> = doing.into();
        let (size, step) = (self.size, PART as u64);
        let starts = (0..size.div_ceil(step)).map(move |number| number * step);
        stream::iter(starts)
            .map(move |start| {
                let (object, doing) = (self.clone(), Arc::clone(&doing));
                async move { object.range(start..size.min(start + step), &doing).await }
            })
            .buffered(PIECES_AT_ONCE)
    }

    pub(super) async fn whole(self, doing: &str) -> Result<Bytes> {
        let mut bytes = BytesMut::with_capacity(usize::try_from(self.size).unwrap_or(0));
        let mut pieces = std::pin::pin!(self.pieces(doing));
        while let Some(piece) = pieces.try_next().await? {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes.freeze())
    }

    pub(super) async fn digest(self, doing: &str) -> Result<ClipDigest> {
        let (mut hash, bytes) = (Sha256::new(), self.size);
        let mut pieces = std::pin::pin!(self.pieces(doing));
        while let Some(piece) = pieces.next().await {
            hash.update(&piece?);
        }
        Ok(ClipDigest::new(hash, bytes))
    }
}

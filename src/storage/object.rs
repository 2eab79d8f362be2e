//! Reads one version of an object in several requests.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, Stream, StreamExt as _, TryStreamExt as _};
use object_store::path::Path as StorePath;
use object_store::{Error as StoreError, GetOptions, GetRange, ObjectStore, ObjectStoreExt as _};
use sha2::{Digest as _, Sha256};

use super::digest::ClipDigest;
use super::error::store_error;
use crate::error::{Error, Result};

/// The size of the requests while a whole object is read.
const REQUEST_BYTES: u64 = 8 << 20;
/// The maximum number of concurrent requests while a whole object is read.
const CONCURRENT_READS: usize = 2;

/// A version of an object. If the store returns an entity tag, every request is conditional on it, so that pieces of
/// two versions are never combined.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    store: Arc<dyn ObjectStore>,
    path: StorePath,
    pub(crate) size: u64,
    tag: Option<String>,
}

impl Object {
    /// Opens an object. Returns `None` if it does not exist.
    pub(crate) async fn open(
        store: &Arc<dyn ObjectStore>,
        path: StorePath,
        action: &str,
    ) -> Result<Option<Self>> {
        match store.head(&path).await {
            Ok(meta) => Ok(Some(Self {
                store: Arc::clone(store),
                path,
                size: meta.size,
                tag: meta.e_tag,
            })),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(store_error(action, error)),
        }
    }

    /// Reads exactly the bytes of a range. Fails if the object has been replaced since it was opened.
    pub(crate) async fn range(&self, range: Range<u64>, action: &str) -> Result<Bytes> {
        let expected = range.end - range.start;
        let options = GetOptions {
            range: Some(GetRange::Bounded(range)),
            if_match: self.tag.clone(),
            ..GetOptions::default()
        };
        let failed = |reason: &str| Error::library(format!("{action}: {reason}"));
        let read = async { self.store.get_opts(&self.path, options).await?.bytes().await };
        match read.await {
            Ok(bytes) if bytes.len() as u64 == expected => Ok(bytes),
            Ok(_) => Err(failed("the store returned a range other than the requested one")),
            Err(StoreError::Precondition { .. }) => Err(failed("it was replaced while it was being read")),
            Err(error) => Err(store_error(action, error)),
        }
    }

    /// Reads the object as a stream of pieces in order. Each piece is one request of at most [`REQUEST_BYTES`].
    pub(crate) fn pieces(self, action: &str) -> impl Stream<Item = Result<Bytes>> + Send + use<> {
        let action: Arc<str> = action.into();
        let (size, step) = (self.size, REQUEST_BYTES);
        let starts = (0..size.div_ceil(step)).map(move |number| number * step);
        stream::iter(starts)
            .map(move |start| {
                let (object, action) = (self.clone(), Arc::clone(&action));
                async move { object.range(start..size.min(start + step), &action).await }
            })
            .buffered(CONCURRENT_READS)
    }

    /// Reads the object into memory.
    pub(crate) async fn read_all(self, action: &str) -> Result<Bytes> {
        let mut bytes = BytesMut::with_capacity(usize::try_from(self.size).unwrap_or(0));
        let mut pieces = std::pin::pin!(self.pieces(action));
        while let Some(piece) = pieces.try_next().await? {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes.freeze())
    }

    /// Computes the size and hash of the object by reading it.
    pub(crate) async fn digest(self, action: &str) -> Result<ClipDigest> {
        let (mut hash, bytes) = (Sha256::new(), self.size);
        let mut pieces = std::pin::pin!(self.pieces(action));
        while let Some(piece) = pieces.next().await {
            hash.update(&piece?);
        }
        Ok(ClipDigest::new(hash, bytes))
    }
}

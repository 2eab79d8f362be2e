//! Checks that a store can be written and that it keeps its conditional writes: the journal of paid requests depends
//! on them, and some stores only accept the headers.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures_util::future;
use object_store::path::Path as StorePath;
use object_store::{Error as StoreError, ObjectStoreExt as _, PutMode, PutPayload, PutResult, UpdateVersion};

use super::{Bucket, is_refusal};
use crate::error::{Error, ErrorKind, Result};
use crate::storage::error::store_error;

impl Bucket {
    /// Writes and deletes an object. The first time, also checks that the store refuses to overwrite by a put and by a
    /// copy, and refuses to update an object that changed since it was read.
    pub(super) async fn check_conditions(&self) -> Result<()> {
        let doing = format!("write to {self}");
        let fault = |error| store_error(&doing, error);
        let (one, other) = (self.temporary("writable")?, self.temporary("writable")?);
        let content = || Bytes::from_static(b"x");
        if self.is_checked.load(Ordering::Relaxed) {
            self.create(&one, content()).await.map_err(fault)?;
            return self.store.delete(&one).await.map_err(fault);
        }
        let made = future::join(self.create(&one, content()), self.create(&other, content())).await;
        let (first, _) = made.0.and_then(|one| Ok((one, made.1?))).map_err(fault)?;
        let again = self.create(&one, content());
        let copied = self.store.copy_if_not_exists(&one, &other);
        let (again, copied) = future::join(again, copied).await;
        let refused = match self
            .expect_refusal(again.map(drop), "write", "nothing is overwritten")
            .and(self.expect_refusal(copied, "copy", "nothing is overwritten"))
        {
            Ok(()) => self.check_update(&one, first).await,
            Err(error) => Err(error),
        };
        let deleted = future::join(self.store.delete(&one), self.store.delete(&other)).await;
        refused?;
        deleted.0.and(deleted.1).map_err(fault)?;
        self.is_checked.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Checks that an update of the newest version takes effect, and that one of an older version is refused.
    async fn check_update(&self, path: &StorePath, written: PutResult) -> Result<()> {
        const CONDITION: &str = "the object is the one that was read";
        let first = UpdateVersion {
            e_tag: written.e_tag,
            version: written.version,
        };
        if first.e_tag.is_none() && first.version.is_none() {
            return Err(self.unsupported("update", CONDITION));
        }
        match self
            .update(path, first.clone(), Bytes::from_static(b"second"))
            .await
        {
            Ok(_) => {}
            Err(StoreError::NotImplemented { .. } | StoreError::NotSupported { .. }) => {
                return Err(self.unsupported("update", CONDITION));
            }
            Err(error) if is_refusal(&error) => return Err(self.unsupported("update", CONDITION)),
            Err(error) => return Err(store_error(&format!("write to {self}"), error)),
        }
        let stale = self.update(path, first, Bytes::from_static(b"third")).await;
        self.expect_refusal(stale.map(drop), "update", CONDITION)
    }

    /// Succeeds if the store refused the operation.
    fn expect_refusal(&self, reply: Result<(), StoreError>, what: &str, condition: &str) -> Result<()> {
        match reply {
            Err(error) if is_refusal(&error) => Ok(()),
            Ok(()) | Err(StoreError::NotImplemented { .. } | StoreError::NotSupported { .. }) => {
                Err(self.unsupported(what, condition))
            }
            Err(error) => Err(store_error(&format!("write to {self}"), error)),
        }
    }

    fn unsupported(&self, what: &str, condition: &str) -> Error {
        Error::new(
            ErrorKind::Library,
            format!("write to {self}: the store cannot {what} on the condition that {condition}"),
        )
        .with_guidance("use a store with conditional writes, or a folder")
    }

    async fn update(
        &self,
        path: &StorePath,
        seen: UpdateVersion,
        content: Bytes,
    ) -> Result<PutResult, StoreError> {
        let payload = PutPayload::from_bytes(content);
        self.store
            .put_opts(path, payload, PutMode::Update(seen).into())
            .await
    }
}

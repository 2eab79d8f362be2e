//! Checks that a store can be written and that it supports conditional writes. The journal of paid requests depends on
//! them, and some stores accept the headers and ignore them.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures_util::future;
use object_store::path::Path as StorePath;
use object_store::{Error as StoreError, ObjectStoreExt as _, PutMode, PutPayload, PutResult, UpdateVersion};

use super::{Bucket, is_refusal};
use crate::error::{Error, Result};
use crate::storage::error::store_error;

impl Bucket {
    /// Writes and deletes an object. The first call also checks that the store refuses to overwrite an object by a put
    /// or a copy, and to update an object that changed since it was read.
    pub(super) async fn check_capabilities(&self) -> Result<()> {
        let action = format!("write to {self}");
        let fault = |error| store_error(&action, error);
        let (first, second) = (self.temporary("writable")?, self.temporary("writable")?);
        let content = || Bytes::from_static(b"x");
        if self.is_checked.load(Ordering::Relaxed) {
            self.create(&first, content()).await.map_err(fault)?;
            return self.store.delete(&first).await.map_err(fault);
        }
        let created = future::join(self.create(&first, content()), self.create(&second, content())).await;
        let (written, _) = created.0.and_then(|put| Ok((put, created.1?))).map_err(fault)?;
        let overwritten = self.create(&first, content());
        let copied = self.store.copy_if_not_exists(&first, &second);
        let (overwritten, copied) = future::join(overwritten, copied).await;
        let checked = match self
            .expect_refusal(overwritten.map(drop), "write", "nothing is overwritten")
            .and(self.expect_refusal(copied, "copy", "nothing is overwritten"))
        {
            Ok(()) => self.check_update(&first, written).await,
            Err(error) => Err(error),
        };
        let deleted = future::join(self.store.delete(&first), self.store.delete(&second)).await;
        checked?;
        deleted.0.and(deleted.1).map_err(fault)?;
        self.is_checked.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Checks that an update of the newest version succeeds, and that one of an older version is refused.
    async fn check_update(&self, path: &StorePath, written: PutResult) -> Result<()> {
        const CONDITION: &str = "the object has not changed since it was read";
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

    /// Checks that the store refused an operation.
    fn expect_refusal(&self, reply: Result<(), StoreError>, operation: &str, condition: &str) -> Result<()> {
        match reply {
            Err(error) if is_refusal(&error) => Ok(()),
            Ok(()) | Err(StoreError::NotImplemented { .. } | StoreError::NotSupported { .. }) => {
                Err(self.unsupported(operation, condition))
            }
            Err(error) => Err(store_error(&format!("write to {self}"), error)),
        }
    }

    fn unsupported(&self, operation: &str, condition: &str) -> Error {
        Error::library(format!(
            "write to {self}: the store cannot {operation} on the condition that {condition}"
        ))
        .with_guidance("use a store with conditional writes, or a folder")
    }

    async fn update(
        &self,
        path: &StorePath,
        version: UpdateVersion,
        content: Bytes,
    ) -> Result<PutResult, StoreError> {
        let payload = PutPayload::from_bytes(content);
        self.store
            .put_opts(path, payload, PutMode::Update(version).into())
            .await
    }
}

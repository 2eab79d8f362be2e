//! Reads and writes the JSON documents in one folder of the library.

use std::fmt;
use std::sync::Arc;

use super::{Backend, Document, Version, WriteCondition};
use crate::error::Result;

/// The documents in one folder of a library. A write is complete or has no effect. Of two clients that replace the same
/// version, one fails.
#[derive(Clone)]
pub(crate) struct JsonStore {
    backend: Arc<dyn Backend>,
    folder: String,
}

impl JsonStore {
    /// Returns the store for `folder`, which may contain slashes and must not come from a user or a server.
    pub(crate) fn new(backend: &Arc<dyn Backend>, folder: impl Into<String>) -> Self {
        Self {
            backend: Arc::clone(backend),
            folder: folder.into(),
        }
    }

    /// Returns the names of all documents, unsorted.
    pub(crate) async fn names(&self) -> Result<Vec<String>> {
        self.backend.documents(&self.folder).await
    }

    /// Returns the names of the folders in this folder, sorted.
    pub(crate) async fn folders(&self) -> Result<Vec<String>> {
        self.backend.folders(&self.folder).await
    }

    /// Reads a document. Returns `None` if it does not exist.
    pub(crate) async fn read(&self, name: &str) -> Result<Option<Document>> {
        self.backend.read_document(&self.folder, name).await
    }

    /// Writes a new document. Returns `None` if the name is taken.
    pub(crate) async fn create(&self, name: &str, json: Vec<u8>) -> Result<Option<Version>> {
        self.write(name, json, WriteCondition::Absent).await
    }

    /// Replaces the version that the caller has read. Returns `None` if the document has changed or was removed since.
    pub(crate) async fn replace(
        &self,
        name: &str,
        current: &Version,
        json: Vec<u8>,
    ) -> Result<Option<Version>> {
        self.write(name, json, WriteCondition::Unchanged(current.clone()))
            .await
    }

    /// Writes a document, and replaces any version. For documents with a single writer.
    pub(crate) async fn put(&self, name: &str, json: Vec<u8>) -> Result<()> {
        self.write(name, json, WriteCondition::None).await.map(drop)
    }

    /// Removes a document. Succeeds if it does not exist.
    pub(crate) async fn remove(&self, name: &str) -> Result<()> {
        self.backend.remove_document(&self.folder, name).await
    }

    async fn write(&self, name: &str, json: Vec<u8>, condition: WriteCondition) -> Result<Option<Version>> {
        self.backend
            .write_document(&self.folder, name, json, condition)
            .await
    }
}

impl fmt::Debug for JsonStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JsonStore({} of {})", self.folder, self.backend)
    }
}

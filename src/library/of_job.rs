//! The clip of a job, found by its name.
//!
//! A job that is picked up a second time must not be saved a second time. The digits of a clip's name
//! are therefore drawn from its job's id, so that a look at the names alone tells whether the clip is
//! there; its sidecar confirms it.

use std::fs;
use std::io;

use object_store::ObjectStoreExt as _;
use sha2::{Digest as _, Sha256};

use super::fault::{io_fault, store_fault};
use super::{Clip, ClipId, ClipRecord, Library, blocking};
use crate::error::Result;

impl ClipId {
    /// A new name for the clip of a job: now, and digits that belong to the job.
    pub fn of_job(job_id: &str) -> Self {
        Self::at_now(digits(job_id))
    }
}

impl Library {
    /// The clip that a job made, if it is in the library. Reads all names, and the sidecars of those
    /// that fit: in practice none or one.
    ///
    /// # Errors
    /// `Library` if the library cannot be read, or the clip's sidecar is there and cannot.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn clip_of_job(&self, job_id: &str) -> Result<Option<Clip>> {
        let ending = format!("_{:08x}", digits(job_id));
        for id in self.ids(None, usize::MAX).await? {
            if id.as_str().ends_with(&ending)
                && let Some(record) = self.record(&id).await?
                && is_of_job(&record, job_id)
            {
                return Ok(Some(self.assemble(id, Some(record))));
            }
        }
        Ok(None)
    }
}

impl Library {
    /// Removes the sidecar of a job's clip that was deleted before its record was closed: what it is of is gone,
    /// and the clip that is fetched again brings its own. Any other sidecar stays.
    pub(crate) async fn drop_orphan(&self, id: &ClipId, job_id: &str) -> Result<()> {
        if self.has(&id.file_name()).await? {
            return Ok(());
        }
        let record = self.record(id).await?;
        if !record.is_some_and(|record| is_of_job(&record, job_id)) {
            return Ok(());
        }
        let name = id.sidecar_name();
        let doing = format!("remove sidecar {name}, whose clip is gone");
        if let Some(folder) = self.inner.folder.clone() {
            return blocking(move || match fs::remove_file(folder.join(&name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_fault(&doing, error)),
                _ => Ok(()),
            })
            .await;
        }
        match self.inner.store.delete(&self.location(&name)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(store_fault(&doing, error)),
        }
    }
}

fn digits(job_id: &str) -> u32 {
    let hash = Sha256::digest(job_id.as_bytes());
    u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]])
}

fn is_of_job(record: &ClipRecord, job_id: &str) -> bool {
    let ours = record.reelkin.as_ref().and_then(|ours| ours.job_id.as_deref());
    let theirs = record
        .video
        .as_ref()
        .and_then(|video| video.xai_video_request_id.as_deref());
    ours.or(theirs) == Some(job_id)
}

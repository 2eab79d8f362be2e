//! The clip of a job, found by its name.
//!
//! A job that is picked up a second time must not be saved a second time. The digits of a clip's name
//! are therefore drawn from its job's id, so that a look at the names alone tells whether the clip is
//! there; its sidecar confirms it.

use sha2::{Digest as _, Sha256};

use super::{Clip, ClipId, ClipRecord, Library};
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

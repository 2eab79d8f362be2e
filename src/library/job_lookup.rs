//! Finds the clip of a job.
//!
//! A job that is picked up twice must be saved once. The digits of a clip's id are therefore derived from the job id.
//! The names show which clips may belong to the job, and their sidecars confirm it.

use super::{Clip, ClipRecord, Library};
use crate::error::Result;
use crate::ids::{ClipId, is_same_job};
use crate::storage::{ExistingSidecar, name_taken};

impl Library {
    /// Returns the clip that a job made, if it is in the library. Reads all names, and the sidecars of the clips whose
    /// names match: usually none or one.
    ///
    /// # Errors
    /// `Library` if the library or the sidecar of the clip cannot be read.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn clip_of_job(&self, job_id: &str) -> Result<Option<Clip>> {
        let suffix = ClipId::job_suffix(job_id);
        for id in self.backend.clips(None, usize::MAX).await? {
            if id.as_str().ends_with(&suffix)
                && let Some(record) = self.record(&id).await?
                && is_of_job(&record, job_id)
            {
                return Ok(Some(self.assemble(id, Some(record))));
            }
        }
        Ok(None)
    }

    /// Returns what the commit of a new clip does about an existing sidecar: it replaces one of the same job, which
    /// remained when the clip was deleted.
    ///
    /// # Errors
    /// `Library` if there is a sidecar that is not the job's.
    pub(super) async fn sidecar_to_replace(
        &self,
        id: &ClipId,
        job_id: Option<&str>,
    ) -> Result<ExistingSidecar> {
        let name = id.sidecar_name();
        if !self.exists(&name).await? {
            return Ok(ExistingSidecar::Refuse);
        }
        let Some(job_id) = job_id else {
            return Err(name_taken(&name));
        };
        match self.record(id).await? {
            Some(record) if is_of_job(&record, job_id) => Ok(ExistingSidecar::Replace),
            _ => Err(name_taken(&name)),
        }
    }
}

fn is_of_job(record: &ClipRecord, job_id: &str) -> bool {
    let in_reelkin = record.reelkin.as_ref().and_then(|ours| ours.job_id.as_deref());
    let in_video = record
        .video
        .as_ref()
        .and_then(|video| video.xai_video_request_id.as_deref());
    in_reelkin.or(in_video).is_some_and(|id| is_same_job(id, job_id))
}

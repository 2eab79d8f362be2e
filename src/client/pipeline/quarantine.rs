//! What becomes of a download that is whole and no clip for this build: it is kept, and the job stays open.

use crate::client::VideoClient;
use crate::client::pipeline::content_checks::CheckResults;
use crate::client::pipeline::sidecar::ClipDraft;
use crate::client::pipeline::verify::VerifiedClip;
use crate::error::{Error, Result, RetryAdvice};
use crate::ids::{ClipId, JobId};
use crate::journal::{JobRecord, OwnedRecord};
use crate::library::{Library, RejectedClip, Staged};
use crate::provider::FinishedJob;

/// Keeps what failed verification of one job.
pub(crate) struct Quarantine<'a> {
    pub(crate) client: &'a VideoClient,
    pub(crate) id: &'a JobId,
    pub(crate) name: &'a ClipId,
    pub(crate) file: &'a mut OwnedRecord,
}

impl Quarantine<'_> {
    /// Puts what is staged into quarantine, with the sidecar that it gets when a person accepts it. Nothing is staged
    /// afterwards. That it could not be kept is no error: the next attempt may succeed.
    ///
    /// # Errors
    /// `Library` when nothing can be staged any more.
    pub(crate) async fn keep(
        &mut self,
        staged: &mut Staged,
        finished: &FinishedJob,
        why: &Error,
    ) -> Result<()> {
        let kept = match self.mark().await {
            Ok(()) => staged.quarantine(self.rejected(finished, why)).await,
            Err(error) => Err(error),
        };
        let Err(error) = kept else {
            tracing::info!(job = %self.id, reason = %why, "the download failed verification and is in quarantine");
            return Ok(());
        };
        tracing::warn!(job = %self.id, %error, "a download that failed verification could not be kept");
        // Without a file for the next attempt, the first cause is what counts.
        staged.truncate(0).await.map_err(|_| error)
    }

    /// Writes down, before the bytes are there, that there may be some.
    async fn mark(&mut self) -> Result<()> {
        if self.file.record().quarantined {
            return Ok(());
        }
        self.file.change(|record| record.quarantined = true).await
    }

    fn rejected(&self, finished: &FinishedJob, why: &Error) -> RejectedClip {
        let record = self.file.record();
        let reason = why.to_string();
        let brief = ClipDraft::from_record(record);
        let (verified, found) = (VerifiedClip::default(), CheckResults::default());
        let mut sidecar = brief.into_record(self.client, self.id, self.name, finished, &verified, found);
        if let Some(ours) = &mut sidecar.reelkin {
            let delivery = ours.delivery.get_or_insert_default();
            delivery.unverified(&reason);
            let warnings = ours.warnings.get_or_insert_default();
            warnings.push(format!("accepted without verification: {reason}"));
        }
        RejectedClip {
            record: record.id.clone(),
            job_id: self.id.clone(),
            reason,
            sidecar,
        }
    }
}

/// Adds to an error of a job which of its bytes are kept. Such a job stays open, whatever the service says of it now.
pub(crate) async fn explain(library: &Library, record: &JobRecord, error: Error) -> Error {
    if !record.quarantined {
        return error;
    }
    match library.quarantined_clip(&record.id).await {
        Ok(Some(kept)) => error
            .with_suffix(&format!("what was downloaded is kept as {}", kept.file_name))
            .with_record_id(&record.id)
            .with_advice(RetryAdvice::Resume)
            .with_guidance(
                "the bytes in quarantine are paid for: play them, and accept them as the clip, or recover the job again later",
            ),
        Ok(None) => error,
        Err(unread) => {
            tracing::warn!(record = %record.id, error = %unread, "the quarantine was not looked at");
            error.with_advice(RetryAdvice::Resume)
        }
    }
}

/// Removes what earlier attempts of a job left in quarantine, now that its clip is saved.
pub(crate) async fn clear(library: &Library, record: &JobRecord) {
    if record.quarantined
        && let Err(error) = library.discard_quarantined(&record.id).await
    {
        tracing::warn!(record = %record.id, %error, "the clip is saved, and bytes of earlier attempts stay in quarantine");
    }
}

//! Keeps complete downloads that failed verification, so that a person can accept them. Their jobs stay open.
//!
//! Where the bytes are stored is the library's matter.

use crate::client::VideoClient;
use crate::client::pipeline::content_checks::CheckResults;
use crate::client::pipeline::sidecar::ClipDraft;
use crate::client::pipeline::verify::VerifiedClip;
use crate::error::{Error, Result, RetryAdvice};
use crate::ids::{ClipId, JobId};
use crate::journal::{JobRecord, OwnedRecord};
use crate::library::{ClipRecord, Library, Staged};
use crate::provider::FinishedJob;

/// Moves downloads of a job that failed verification into quarantine.
pub(crate) struct Quarantine<'a> {
    pub(crate) client: &'a VideoClient,
    pub(crate) job_id: &'a JobId,
    pub(crate) clip_id: &'a ClipId,
    pub(crate) owned: &'a mut OwnedRecord,
}

impl Quarantine<'_> {
    /// Moves the staged bytes into quarantine, with the sidecar that they get if a person accepts them. The staged file
    /// is empty afterwards. A failure to keep the bytes is only logged, because the next attempt may succeed.
    ///
    /// # Errors
    /// `Library` if the staged file cannot be emptied.
    pub(crate) async fn keep(
        &mut self,
        staged: &mut Staged,
        finished: &FinishedJob,
        reason: &Error,
    ) -> Result<()> {
        let result = match self.mark().await {
            Ok(()) => {
                let text = reason.to_string();
                let sidecar = self.sidecar(finished, &text);
                let record_id = self.owned.record().id.clone();
                staged
                    .quarantine(record_id, self.job_id.clone(), text, sidecar)
                    .await
            }
            Err(error) => Err(error),
        };
        let Err(error) = result else {
            tracing::info!(job = %self.job_id, %reason, "the download failed verification and is in quarantine");
            return Ok(());
        };
        tracing::warn!(job = %self.job_id, %error, "a download that failed verification could not be kept");
        // If the staged file is unusable as well, the first error is the cause.
        staged.truncate(0).await.map_err(|_| error)
    }

    /// Records that the job may have bytes in quarantine, before they are written.
    async fn mark(&mut self) -> Result<()> {
        if self.owned.record().quarantined {
            return Ok(());
        }
        self.owned.change(|record| record.quarantined = true).await
    }

    /// Returns the sidecar that the bytes get if a person accepts them.
    fn sidecar(&self, finished: &FinishedJob, reason: &str) -> ClipRecord {
        let draft = ClipDraft::from_record(self.owned.record());
        let (verified, results) = (VerifiedClip::default(), CheckResults::default());
        let mut sidecar = draft.into_record(
            self.client,
            self.job_id,
            self.clip_id,
            finished,
            &verified,
            results,
        );
        if let Some(ours) = &mut sidecar.reelkin {
            let delivery = ours.delivery.get_or_insert_default();
            delivery.unverified(reason);
            let warnings = ours.warnings.get_or_insert_default();
            warnings.push(format!("accepted without verification: {reason}"));
        }
        sidecar
    }
}

/// Adds to an error of a job where its quarantined bytes are. Such a job stays open, even if the service no longer
/// knows it.
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
        Err(library_error) => {
            tracing::warn!(record = %record.id, error = %library_error, "the quarantine could not be read");
            error.with_advice(RetryAdvice::Resume)
        }
    }
}

/// Removes the bytes that earlier attempts of a job left in quarantine, now that its clip is saved.
pub(crate) async fn clear(library: &Library, record: &JobRecord) {
    if record.quarantined
        && let Err(error) = library.discard_quarantined(&record.id).await
    {
        tracing::warn!(record = %record.id, %error, "the clip is saved, but bytes of earlier attempts could not be removed from quarantine");
    }
}

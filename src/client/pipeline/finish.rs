//! Waits for a job of the service, then downloads, verifies and saves its clip.
//!
//! Also writes the result of the job to the journal. Sends no paid request.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use crate::client::VideoClient;
use crate::client::pipeline::quarantine::{self, Quarantine};
use crate::client::pipeline::sidecar::ClipDraft;
use crate::client::pipeline::verify;
use crate::error::{Charge, Error, ErrorKind, Result, RetryAdvice};
use crate::http::{DownloadError, Sink};
use crate::ids::{ClipId, JobId};
use crate::job::{self, JobEvent, PollStart, Reporter};
use crate::journal::{JobError, JobRecord, JobState, JsonText, OwnedRecord};
use crate::library::{Clip, Staged};
use crate::money::UsdTicks;
use crate::mutation::{Mutation, is_on};
use crate::provider::FinishedJob;

/// Maximum number of times that one clip is downloaded. After an expired link or a damaged file, the next attempt uses
/// a fresh link.
const MAX_FRESH_LINKS: u32 = 3;

/// A job of the service whose clip is not saved yet.
pub(crate) struct PendingJob {
    job_id: JobId,
    /// The id of the clip, which may not exist yet.
    clip_id: ClipId,
    owned: OwnedRecord,
    /// The group of jobs with similar durations that the job belongs to; `None` for a resumed job.
    kind: Option<String>,
    /// Whether its clip may be in the library under another id.
    may_have_clip: bool,
    /// `None` if the record has the draft, so that a waiting job does not hold it in memory.
    draft: Option<Box<ClipDraft>>,
    /// When the work began on the monotonic clock, which the draft in the record does not contain.
    started: Option<Instant>,
    /// The delay before the first poll that the service requested, if any.
    poll_after: Option<Duration>,
}

impl PendingJob {
    /// Creates a pending job. `in_record` is whether the record has the draft. Such a draft is kept in memory only if
    /// an input was given as bytes, which the record does not store.
    pub(crate) fn new(
        job_id: JobId,
        clip_id: ClipId,
        owned: OwnedRecord,
        draft: Box<ClipDraft>,
        in_record: bool,
    ) -> Self {
        Self {
            job_id,
            clip_id,
            may_have_clip: draft.picked_up || owned.record().job_known_late,
            owned,
            kind: draft.kind(),
            started: draft.started,
            poll_after: None,
            draft: (!in_record || draft.checks.has_bytes()).then_some(draft),
        }
    }

    /// Sets the time after which the service expects the first poll.
    pub(crate) fn with_poll_after(mut self, poll_after: Option<Duration>) -> Self {
        self.poll_after = poll_after;
        self
    }

    /// Returns the draft, and reads it from the record if it is not in memory.
    fn take_draft(&mut self) -> Box<ClipDraft> {
        self.draft.take().unwrap_or_else(|| {
            let mut draft = ClipDraft::from_record(self.owned.record());
            draft.started = self.started;
            Box::new(draft)
        })
    }

    pub(crate) const fn job_id(&self) -> &JobId {
        &self.job_id
    }

    /// Reads a pending job from its record in the journal.
    ///
    /// # Errors
    /// `Library` if the record has no job id.
    pub(crate) fn from_record(owned: OwnedRecord) -> Result<Box<Self>> {
        let record = owned.record();
        let Some(job_id) = record.job_id.clone() else {
            let message = format!("finish the job of record {}: the record has no job id", record.id);
            return Err(Error::library(message));
        };
        let clip_id = record
            .clip
            .clone()
            .unwrap_or_else(|| ClipId::of_job(job_id.as_str()));
        let in_record = record.draft.is_some();
        let draft = Box::new(ClipDraft::from_record(record));
        Ok(Box::new(Self::new(job_id, clip_id, owned, draft, in_record)))
    }
}

/// Finishes a job and records the result in the journal.
///
/// # Errors
/// The reason why there is no clip, with the id of the job.
pub(crate) async fn finish(client: &VideoClient, reporter: &Reporter, job: Box<PendingJob>) -> Result<Clip> {
    let finished = Box::pin(finish_with_record(client, reporter, job)).await;
    finished.map_err(|(error, _)| error)
}

/// Finishes a job like [`finish`], and returns the updated record next to an error.
pub(crate) async fn finish_with_record(
    client: &VideoClient,
    reporter: &Reporter,
    mut job: Box<PendingJob>,
) -> Result<Clip, (Error, Box<JobRecord>)> {
    // Most of this time is spent waiting for the service. The futures before and after the wait are boxed, so that ten
    // thousand waiting jobs do not hold memory for them.
    let result = Box::pin(run_job(client, reporter, &mut job)).await;
    Box::pin(record_result(client, reporter, job, result)).await
}

/// Writes the result of a job to the journal and reports it.
async fn record_result(
    client: &VideoClient,
    reporter: &Reporter,
    job: Box<PendingJob>,
    result: Result<(Clip, Option<UsdTicks>)>,
) -> Result<Clip, (Error, Box<JobRecord>)> {
    let PendingJob { job_id, owned, .. } = *job;
    let library = &client.inner.library;
    match result {
        Ok((clip, cost)) => {
            quarantine::clear(library, owned.record()).await;
            let closed = owned.close(|record| {
                record.state = JobState::Saved;
                record.clip = Some(clip.id.clone());
                record.cost = cost.or(record.cost);
                record.error = None;
                record.quarantined = false;
            });
            if let Err(error) = closed.await {
                tracing::warn!(job = %job_id, %error, "the clip is saved, but its record could not be closed and stays open until the next recovery");
            }
            tracing::info!(job = %job_id, clip = %clip.id, "saved");
            reporter.emit(JobEvent::Saved {
                clip: clip.id.clone(),
                path: clip.path.clone(),
            });
            Ok(clip)
        }
        Err(error) => {
            let mut error = error.with_job_id(&job_id);
            if error.kind() == ErrorKind::InvalidRequest && is_unknown_pickup(owned.record(), &error) {
                error = error
                    .with_advice(RetryAdvice::Change)
                    .with_guidance("check the id of the job: the service does not accept it");
            }
            let error = quarantine::explain(library, owned.record(), error).await;
            let mut unchanged = owned.record().clone();
            let updated = record_error(owned, &error).await.unwrap_or_else(|journal_error| {
                tracing::warn!(job = %job_id, error = %journal_error, "the error of the job could not be written to the journal");
                unchanged.error = Some(JobError::from(&error));
                unchanged
            });
            Err((error, Box::new(updated)))
        }
    }
}

/// Records why there is no clip. Closes the record if the error is final, or if the service does not know the job id
/// that a caller passed. Otherwise the record stays open for a later attempt.
async fn record_error(mut owned: OwnedRecord, error: &Error) -> Result<JobRecord> {
    if error.is_final() || is_unknown_pickup(owned.record(), error) || is_on(Mutation::CloseUnsavedJob) {
        return owned.fail(error, error.cost_ticks().map(UsdTicks::new)).await;
    }
    let recorded = JobError::from(error);
    // Without an owner in the record, any process can resume the job.
    owned
        .change(|record| {
            record.owner = None;
            record.error = Some(recorded.clone());
        })
        .await?;
    Ok(owned.record().clone())
}

/// Returns whether the record only exists because a caller named a job id that the service does not know.
fn is_unknown_pickup(record: &JobRecord, error: &Error) -> bool {
    let is_unknown = matches!(
        (error.kind(), error.status()),
        (ErrorKind::NotFound, Some(404 | 410)) | (ErrorKind::InvalidRequest, Some(400))
    );
    record.is_new_pickup() && is_unknown
}

/// Returns the clip of a job and its cost. Waits for the job and saves the clip, unless the library already has the
/// clip and its sidecar.
async fn run_job(
    client: &VideoClient,
    reporter: &Reporter,
    job: &mut PendingJob,
) -> Result<(Clip, Option<UsdTicks>)> {
    // A crash may have left the clip with its sidecar, or the clip alone.
    let mut existing = Box::pin(find_existing_clip(client, job)).await?.map(Box::new);
    if existing.is_some() {
        // A person may have accepted the clip from quarantine, in a process that ended before the acceptance was
        // complete.
        let accepted = client.inner.library.finish_acceptance(job.owned.record());
        if let Some(accepted) = Box::pin(accepted).await? {
            existing = Some(Box::new(accepted));
        }
    }
    let unfinished = match existing {
        Some(clip) if clip.record.is_some() => {
            let cost = clip.cost();
            return Ok((*clip, cost));
        }
        unfinished => unfinished,
    };
    let finished = Box::pin(wait(client, reporter, job)).await?;
    if job.may_have_clip
        && let Some(clip) = client.inner.library.clip_of_job(job.job_id.as_str()).await?
    {
        // Another process has saved it meanwhile.
        let cost = clip.cost();
        return Ok((clip, cost));
    }
    Box::pin(save_clip(client, reporter, job, unfinished, finished)).await
}

/// Downloads, verifies and saves the clip of a finished job. If `existing` is a clip without a sidecar, writes the
/// sidecar and downloads nothing.
async fn save_clip(
    client: &VideoClient,
    reporter: &Reporter,
    job: &mut PendingJob,
    existing: Option<Box<Clip>>,
    finished: FinishedJob,
) -> Result<(Clip, Option<UsdTicks>)> {
    let mut draft = job.take_draft();
    let (job_id, clip_id, owned) = (&job.job_id, &job.clip_id, &mut job.owned);
    let inner = &client.inner;
    let cost = finished.cost;
    let raw = finished.raw.as_ref().and_then(|raw| JsonText::new(raw).ok());
    let done = owned.change(|record| {
        record.state = JobState::Done;
        record.cost = cost.or(record.cost);
        // A result that was read from the saved reply has no raw reply, and the saved reply is kept.
        if raw.is_some() {
            record.reply.clone_from(&raw);
        }
    });
    if let Err(error) = done.await {
        // The clip is paid for, so it is downloaded nevertheless.
        tracing::warn!(job = %job_id, %error, "the end of the job could not be written to the journal");
    }

    let permit = async { Ok(inner.finishing.acquire().await) };
    let _permit = reporter.until_stopped(permit).await?;
    if let Some(clip) = existing {
        let (verified, results) = match &clip.path {
            Some(path) => {
                let verified = verify::verify_clip(path, inner.verification)
                    .await
                    .map_err(paid)?;
                (verified, draft.check_content(client, path).await)
            }
            None => Default::default(),
        };
        let record = draft.into_record(client, job_id, clip_id, &finished, &verified, results);
        let clip = inner.library.complete(clip_id, record).await.map_err(paid)?;
        return Ok((clip, finished.cost));
    }
    let mut staged = inner.library.stage_for_job(clip_id, job_id.as_str()).await?;
    let mut quarantine = Quarantine {
        client,
        job_id,
        clip_id,
        owned,
    };
    let fetched = Box::pin(download_verified(
        reporter,
        finished,
        &draft,
        &mut staged,
        &mut quarantine,
    ));
    let (finished, verified) = reporter.until_stopped(fetched).await?;
    let results = draft.check_content(client, staged.path()).await;
    let record = draft.into_record(client, job_id, clip_id, &finished, &verified, results);
    let clip = staged.commit(record).await.map_err(paid)?;
    Ok((clip, finished.cost))
}

/// Waits for the end of a job. If polling fails, for example because the service no longer knows the job, falls back to
/// the reply that was saved when the job ended, if there is one. The link in that reply may still be valid.
async fn wait(client: &VideoClient, reporter: &Reporter, job: &PendingJob) -> Result<FinishedJob> {
    let inner = &client.inner;
    let provider = &*inner.provider;
    let start = match &job.kind {
        Some(kind) => PollStart::Submitted {
            stats: &inner.times,
            kind,
            poll_after: job.poll_after,
        },
        None => PollStart::Resumed,
    };
    let wait = job::wait_until_over(provider, &job.job_id, &inner.poll, reporter, start);
    let error = match reporter.until_stopped(wait).await {
        Ok(finished) => return Ok(finished),
        Err(error) => error,
    };
    let is_verdict = error.is_final() && error.kind() != ErrorKind::JobExpired;
    if is_verdict || error.kind() == ErrorKind::Stopped {
        return Err(error);
    }
    let reply = job.owned.record().reply.as_ref();
    let saved = reply.and_then(|reply| provider.parse_saved_reply(&reply.parse()));
    saved.ok_or(error)
}

/// Returns the clip of a job if the library already has it, with or without its sidecar.
async fn find_existing_clip(client: &VideoClient, job: &PendingJob) -> Result<Option<Clip>> {
    let library = &client.inner.library;
    match library.clip(&job.clip_id).await {
        Ok(clip) => return Ok(Some(clip)),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    if job.may_have_clip {
        return library.clip_of_job(job.job_id.as_str()).await;
    }
    Ok(None)
}

/// Downloads a clip until it passes verification, at most `MAX_FRESH_LINKS` times. Each further attempt uses a fresh
/// link from the service.
async fn download_verified(
    reporter: &Reporter,
    mut finished: FinishedJob,
    draft: &ClipDraft,
    staged: &mut Staged,
    quarantine: &mut Quarantine<'_>,
) -> Result<(FinishedJob, verify::VerifiedClip)> {
    let (client, job_id) = (quarantine.client, quarantine.job_id);
    let mut attempts = 0;
    loop {
        let error = match download(reporter, &finished, draft, staged, quarantine).await {
            Ok(()) => {
                staged.flush().await?;
                match verify::verify_clip(staged.path(), client.inner.verification).await {
                    Ok(verified) => return Ok((finished, verified)),
                    Err(error) => {
                        quarantine.keep(staged, &finished, &error).await?;
                        error
                    }
                }
            }
            // The clip exists and is paid for, so a later attempt may get it.
            Err(DownloadError::LinkExpired(error)) => error.with_advice(RetryAdvice::Resume),
            Err(DownloadError::Failed(error)) => return Err(paid(error)),
        };
        attempts += 1;
        if attempts >= MAX_FRESH_LINKS {
            return Err(paid(error));
        }
        tracing::debug!(job = %job_id, error = error.kind().code(), "asking for a fresh link");
        job::pause(client.inner.poll.first).await;
        let provider = &*client.inner.provider;
        finished =
            job::wait_until_over(provider, job_id, &client.inner.poll, reporter, PollStart::Resumed).await?;
    }
}

/// Marks an error as charged: a finished job is paid for even if its download fails.
fn paid(error: Error) -> Error {
    error.with_charge(Charge::Yes)
}

/// Downloads a clip once into the staged file.
async fn download(
    reporter: &Reporter,
    finished: &FinishedJob,
    draft: &ClipDraft,
    staged: &mut Staged,
    quarantine: &mut Quarantine<'_>,
) -> Result<(), DownloadError> {
    let client = quarantine.client;
    let provider = &client.inner.provider;
    let url = match &draft.fetch_url {
        Some(url) => provider.parse_clip_url(url).map(Some),
        None => provider.clip_url(finished),
    };
    let url = url
        .map_err(DownloadError::Failed)?
        .ok_or_else(|| no_link(finished, draft))?;
    let mut sink = StagedSink {
        position: staged.written(),
        staged,
        finished,
        quarantine,
    };
    let mut progress = |received, total| reporter.emit(JobEvent::Downloading { received, total });
    provider.download(&url, &mut sink, &mut progress).await
}

/// Returns the error for a job that is done and has no link.
fn no_link(finished: &FinishedJob, draft: &ClipDraft) -> DownloadError {
    if draft.uploaded {
        DownloadError::Failed(Error::not_found(
            "download the clip: the service put it at the upload URL and returned no link; give a fetch URL to save it in the library",
        ))
    } else if finished.no_video {
        // The service is known to return no video only if moderation withheld the clip.
        DownloadError::Failed(Error::new(
            ErrorKind::Moderated,
            "moderation withheld the clip: the service reports the job as done and returns no video",
        ))
    } else {
        DownloadError::LinkExpired(
            Error::new(
                ErrorKind::JobFailed,
                "download the clip: the service reports the job as done and returns no link",
            )
            .with_service_code("done_without_url"),
        )
    }
}

/// Writes a download to the library's staged file.
struct StagedSink<'a, 'q> {
    staged: &'a mut Staged,
    position: u64,
    finished: &'a FinishedJob,
    quarantine: &'a mut Quarantine<'q>,
}

impl Sink for StagedSink<'_, '_> {
    fn position(&self) -> u64 {
        self.position
    }

    fn append(&mut self, chunk: Bytes) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let length = chunk.len() as u64;
            self.staged.append_bytes(chunk).await?;
            self.position += length;
            Ok(())
        })
    }

    fn restart(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.staged.settle().await?;
            self.staged.truncate(0).await?;
            self.position = 0;
            Ok(())
        })
    }

    fn reject<'a>(&'a mut self, reason: &'a Error) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.quarantine.keep(self.staged, self.finished, reason).await?;
            self.position = 0;
            Ok(())
        })
    }
}

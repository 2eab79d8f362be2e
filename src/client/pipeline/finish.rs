//! From a job's id to a clip in the library: wait, download, verify, commit.

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::client::VideoClient;
use crate::client::pipeline::quarantine::{self, Quarantine};
use crate::client::pipeline::sidecar::{ClipDraft, PendingDraft};
use crate::client::pipeline::verify;
use crate::error::{Charge, Error, ErrorKind, Result, RetryAdvice};
use crate::http::{DownloadError, Sink};
use crate::ids::{ClipId, JobId};
use crate::job::{self, JobEvent, PollStart, Reporter};
use crate::journal::{JobError, JobRecord, JobState, OwnedRecord};
use crate::library::{Clip, Staged};
use crate::money::UsdTicks;
use crate::mutation::{Mutation, is_on};
use crate::provider::FinishedJob;

/// How often a link that went stale, or a file that arrived damaged, is fetched anew.
const MAX_FRESH_LINKS: u32 = 3;

/// A job of the service that is to become a clip.
pub(crate) struct PendingJob {
    id: JobId,
    /// The name that its clip has or will have.
    name: ClipId,
    file: OwnedRecord,
    /// What jobs take alike long that have it in common.
    kind: Option<String>,
    picked_up: bool,
    brief: PendingDraft,
}

impl PendingJob {
    /// `written`: whether the brief is in the record, and need not be held.
    pub(crate) fn new(
        id: JobId,
        name: ClipId,
        file: OwnedRecord,
        brief: Box<ClipDraft>,
        written: bool,
    ) -> Self {
        Self {
            id,
            name,
            file,
            kind: brief.kind(),
            picked_up: brief.picked_up,
            brief: brief.held(written),
        }
    }

    pub(crate) const fn id(&self) -> &JobId {
        &self.id
    }

    /// One that the journal has.
    pub(crate) fn from_record(file: OwnedRecord) -> Result<Box<Self>> {
        let record = file.record();
        let Some(id) = record.job_id.clone() else {
            let message = format!("finish the job of record {}: it names no job", record.id);
            return Err(Error::new(ErrorKind::Library, message));
        };
        let name = record.clip.clone().unwrap_or_else(|| ClipId::of_job(id.as_str()));
        let written = record.draft.is_some();
        let brief = Box::new(ClipDraft::from_record(record));
        Ok(Box::new(Self::new(id, name, file, brief, written)))
    }
}

/// Finishes a job, and writes down how. Every error has its id.
pub(crate) async fn finish(client: &VideoClient, reporter: &Reporter, job: Box<PendingJob>) -> Result<Clip> {
    let concluded = Box::pin(conclude(client, reporter, job)).await;
    concluded.map_err(|(error, _)| error)
}

/// As [`finish`]. Beside an error stands the record as it is now, which the journal need not be searched for.
pub(crate) async fn conclude(
    client: &VideoClient,
    reporter: &Reporter,
    mut job: Box<PendingJob>,
) -> Result<Clip, (Error, Box<JobRecord>)> {
    // Most of a job's life is the wait. What comes before and after it is in boxes of its own, so that ten thousand
    // that wait hold no memory for it.
    let made = Box::pin(run_job(client, reporter, &mut job)).await;
    Box::pin(record_result(client, reporter, job, made)).await
}

/// Writes down how a job ended, and tells it.
async fn record_result(
    client: &VideoClient,
    reporter: &Reporter,
    job: Box<PendingJob>,
    made: Result<(Clip, Option<UsdTicks>)>,
) -> Result<Clip, (Error, Box<JobRecord>)> {
    let PendingJob { id, file, .. } = *job;
    let library = &client.inner.library;
    match made {
        Ok((clip, cost)) => {
            quarantine::clear(library, file.record()).await;
            let closed = file.close(|record| {
                record.state = JobState::Saved;
                record.clip = Some(clip.id.clone());
                record.cost = cost.or(record.cost);
                record.error = None;
                record.quarantined = false;
            });
            if let Err(error) = closed.await {
                tracing::warn!(job = %id, %error, "the clip is saved, and its record is open until the next recovery");
            }
            tracing::info!(job = %id, clip = %clip.id, "saved");
            reporter.emit(JobEvent::Saved {
                clip: clip.id.to_string(),
                path: clip.path.clone(),
            });
            Ok(clip)
        }
        Err(error) => {
            let error = error.with_job_id(&id);
            let error = quarantine::explain(library, file.record(), error).await;
            let mut unnoted = file.record().clone();
            let noted = note(file, &error).await.unwrap_or_else(|unwritten| {
                tracing::warn!(job = %id, error = %unwritten, "the journal does not say how the job stands");
                unnoted.error = Some(JobError::from(&error));
                unnoted
            });
            Err((error, Box::new(noted)))
        }
    }
}

/// Writes down why there is no clip: for good, or until somebody looks again.
async fn note(mut file: OwnedRecord, error: &Error) -> Result<JobRecord> {
    let told = JobError::from(error);
    if error.is_final() || is_mistyped(file.record(), error) || is_on(Mutation::CloseUnsavedJob) {
        let closed = file.close(|record| {
            record.state = JobState::Failed;
            record.error = Some(told.clone());
        });
        return closed.await;
    }
    // Any process may go on with it now.
    file.change(|record| {
        record.owner = None;
        record.error = Some(told.clone());
    })
    .await?;
    Ok(file.record().clone())
}

/// Whether a record was only made because somebody named a job, and the service did not know it.
fn is_mistyped(record: &JobRecord, error: &Error) -> bool {
    record.is_pickup()
        && record.changed_at == record.created_at
        && error.kind() == ErrorKind::NotFound
        && error.status() == Some(404)
}

async fn run_job(
    client: &VideoClient,
    reporter: &Reporter,
    job: &mut PendingJob,
) -> Result<(Clip, Option<UsdTicks>)> {
    // What a crash left: the clip with its sidecar, or the clip alone.
    let there = Box::pin(find_existing_clip(client, job)).await?.map(Box::new);
    match there {
        Some(clip) if clip.record.is_some() => {
            let cost = saved_cost(&clip);
            return Ok((*clip, cost));
        }
        Some(_) => {}
        None => {
            let library = &client.inner.library;
            Box::pin(library.remove_orphaned_sidecar(&job.name, job.id.as_str())).await?;
        }
    }
    let finished = Box::pin(wait(client, reporter, job)).await?;
    Box::pin(save_clip(client, reporter, job, there, finished)).await
}

/// From a job that is done to its clip.
async fn save_clip(
    client: &VideoClient,
    reporter: &Reporter,
    job: &mut PendingJob,
    there: Option<Box<Clip>>,
    finished: FinishedJob,
) -> Result<(Clip, Option<UsdTicks>)> {
    let mut brief = job.brief.take(job.file.record());
    let (id, name, file) = (&job.id, &job.name, &mut job.file);
    let inner = &client.inner;
    let (cost, raw) = (finished.cost, finished.raw.clone());
    let done = file.change(|record| {
        record.state = JobState::Done;
        record.cost = cost;
        record.reply = raw.as_ref().map(Into::into);
    });
    if let Err(error) = done.await {
        // What is paid is fetched all the same.
        tracing::warn!(job = %id, %error, "the journal does not have the end of the job");
    }

    let turn = async { Ok(inner.finishing.acquire().await) };
    let _turn = reporter.until_stopped(turn).await?;
    if let Some(clip) = there {
        // Accepted by a person, and cut off before its sidecar was written.
        if let Some(clip) = inner.library.finish_acceptance(file.record()).await? {
            return Ok((clip, finished.cost));
        }
        let (verified, found) = match &clip.path {
            Some(path) => {
                let verified = verify::clip(path, inner.verification).await.map_err(paid)?;
                (verified, brief.compare(client, path).await)
            }
            None => Default::default(),
        };
        let record = brief.into_record(client, id, name, &finished, &verified, found);
        let clip = inner.library.complete(name, record).await.map_err(paid)?;
        return Ok((clip, finished.cost));
    }
    let mut staged = inner.library.stage(name).await?;
    let mut quarantine = Quarantine {
        client,
        id,
        name,
        file,
    };
    let fetched = Box::pin(fetch(reporter, finished, &brief, &mut staged, &mut quarantine));
    let (finished, verified) = reporter.until_stopped(fetched).await?;
    let found = brief.compare(client, staged.path()).await;
    let record = brief.into_record(client, id, name, &finished, &verified, found);
    let clip = staged.commit(record).await.map_err(paid)?;
    Ok((clip, finished.cost))
}

/// Waits for the end of a job. When the service does not know it any more, its last word counts: the link in
/// it may well be good.
async fn wait(client: &VideoClient, reporter: &Reporter, job: &PendingJob) -> Result<FinishedJob> {
    let inner = &client.inner;
    let provider = &*inner.provider;
    let start = match &job.kind {
        Some(kind) => PollStart::Submitted {
            stats: &inner.times,
            kind,
        },
        None => PollStart::Resumed,
    };
    let wait = job::wait_until_over(provider, &job.id, &inner.poll, reporter, start);
    match reporter.until_stopped(wait).await {
        Err(error) if matches!(error.kind(), ErrorKind::JobExpired | ErrorKind::NotFound) => {
            let reply = job.file.record().reply.as_ref();
            let kept = reply.and_then(|reply| provider.parse_saved_reply(&reply.parse()));
            kept.ok_or(error)
        }
        waited => waited,
    }
}

/// The clip of a job, if it is in the library already, with or without its sidecar.
async fn find_existing_clip(client: &VideoClient, job: &PendingJob) -> Result<Option<Clip>> {
    let library = &client.inner.library;
    match library.clip(&job.name).await {
        Ok(clip) => return Ok(Some(clip)),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    if job.picked_up {
        return library.clip_of_job(job.id.as_str()).await;
    }
    Ok(None)
}

fn saved_cost(clip: &Clip) -> Option<UsdTicks> {
    let ours = clip.record.as_ref()?.reelkin.as_ref()?;
    ours.cost_usd_ticks.map(UsdTicks::new)
}

async fn fetch(
    reporter: &Reporter,
    mut finished: FinishedJob,
    brief: &ClipDraft,
    staged: &mut Staged,
    quarantine: &mut Quarantine<'_>,
) -> Result<(FinishedJob, verify::VerifiedClip)> {
    let (client, id) = (quarantine.client, quarantine.id);
    let mut fresh = 0;
    loop {
        let error = match download(reporter, &finished, brief, staged, quarantine).await {
            Ok(()) => {
                staged.flush().await?;
                match verify::clip(staged.path(), client.inner.verification).await {
                    Ok(verified) => return Ok((finished, verified)),
                    Err(error) => {
                        quarantine.keep(staged, &finished, &error).await?;
                        error
                    }
                }
            }
            // The clip is there and paid for: a later look may find it.
            Err(DownloadError::LinkExpired(error)) => error.with_advice(RetryAdvice::Resume),
            Err(DownloadError::Failed(error)) => return Err(paid(error)),
        };
        fresh += 1;
        if fresh >= MAX_FRESH_LINKS {
            return Err(paid(error));
        }
        tracing::debug!(job = %id, error = %error, "asking for a fresh link");
        job::pause(client.inner.poll.first).await;
        let provider = &*client.inner.provider;
        finished =
            job::wait_until_over(provider, id, &client.inner.poll, reporter, PollStart::Resumed).await?;
    }
}

/// A finished job was charged, whatever becomes of its download.
fn paid(error: Error) -> Error {
    error.with_charge(Charge::Yes)
}

async fn download(
    reporter: &Reporter,
    finished: &FinishedJob,
    brief: &ClipDraft,
    staged: &mut Staged,
    quarantine: &mut Quarantine<'_>,
) -> Result<(), DownloadError> {
    let client = quarantine.client;
    let provider = &client.inner.provider;
    let url = match &brief.fetch_url {
        Some(url) => provider.parse_clip_url(url).map(Some),
        None => provider.clip_url(finished),
    };
    let url = url
        .map_err(DownloadError::Failed)?
        .ok_or_else(|| no_link(finished, brief))?;
    let mut sink = StagedSink {
        position: staged.written(),
        staged,
        finished,
        quarantine,
    };
    let mut progress = |received, total| reporter.emit(JobEvent::Downloading { received, total });
    provider.download(&url, &mut sink, &mut progress).await
}

/// A job is done, and there is no link.
fn no_link(finished: &FinishedJob, brief: &ClipDraft) -> DownloadError {
    if brief.uploaded {
        DownloadError::Failed(Error::new(
            ErrorKind::NotFound,
            "download the clip: the service put it at the upload url and named no link; give a fetch url to save it in the library",
        ))
    } else if finished.no_video {
        // Seen only where moderation withheld the clip.
        DownloadError::Failed(Error::new(
            ErrorKind::Moderated,
            "moderation withheld the clip: the service calls the job done and sends no video",
        ))
    } else {
        DownloadError::LinkExpired(
            Error::new(
                ErrorKind::JobFailed,
                "download the clip: the service calls the job done and names no clip",
            )
            .with_service_code("done_without_url"),
        )
    }
}

/// The library's temporary file as the download's sink.
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

    fn reject<'a>(&'a mut self, why: &'a Error) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.quarantine.keep(self.staged, self.finished, why).await?;
            self.position = 0;
            Ok(())
        })
    }
}

//! Taking up what was begun: one job by its id, or everything that is open.

use std::collections::HashMap;
use std::future::{Future, IntoFuture};
use std::pin::Pin;

use futures_util::{StreamExt as _, stream};
use serde::Serialize;
use tokio::time::Instant;

use crate::client::VideoClient;
use crate::client::pipeline::finish;
use crate::error::{Charge, Error, ErrorKind, Result, RetryAdvice};
use crate::ids::{JobId, RecordId};
use crate::job::{self, Event, Handle, JobEvent, Reporter, Sealed};
use crate::journal::{
    Claim, JobError, JobRecord, JobState, LEASE_DURATION, OpenJob, OwnedRecord, StuckJob, WATCH_INTERVAL,
};
use crate::library::Clip;
use crate::money::UsdTicks;
use crate::mutation::{Mutation, is_on};
use crate::telemetry::Verb;

/// How many jobs are waited for at a time, oldest first. How many are finished at a time is the client's.
const CONCURRENT_JOBS: usize = 1024;

/// A recovery on its way.
pub type RecoveryHandle = Handle<Recovered, RecoveryEvent>;

/// What a recovery found and did.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Recovered {
    /// Clips that were saved, oldest job first.
    pub saved: Vec<Clip>,
    /// Jobs that are over without a clip. [`JobRecord::failure`] says why.
    pub failed: Vec<JobRecord>,
    /// Jobs that could not be finished now, and stay open: [`JobRecord::failure`] says why, and the next
    /// recovery tries again.
    pub open: Vec<JobRecord>,
    /// Creates that were sent without a known answer. Only a person can find out, on the service's account
    /// page; [`Library::settle`](crate::Library::settle) takes the answer.
    pub unsettled: Vec<JobRecord>,
    /// Records that cannot be taken up: damaged, of a newer version, or the disk refuses. None of them keeps
    /// another job from being finished; a person has to look.
    pub stuck: Vec<StuckJob>,
    /// Jobs that another process is at work on.
    pub elsewhere: Vec<JobRecord>,
    /// Jobs that were sent to another service than this client's, as [`JobRecord::service`] says. They are left as
    /// they are: recover them with a client of that service.
    pub other_service: Vec<JobRecord>,
    /// How many requests had been prepared and never sent. They are dropped.
    pub dropped: u64,
}

/// One thing that happened in a recovery.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum RecoveryEvent {
    /// So much is open.
    Found {
        /// Records in the journal, those of other processes included.
        jobs: u64,
    },
    /// Something happened to a job.
    Job {
        /// The service's id of it.
        job_id: JobId,
        /// What happened.
        job: JobEvent,
    },
    /// One of them is done, whatever came of it.
    Looked {
        /// How many are.
        done: u64,
        /// Of so many.
        of: u64,
    },
}

impl Sealed for RecoveryEvent {}

impl Event for RecoveryEvent {
    type Id = ();

    fn is_droppable(&self) -> bool {
        match self {
            Self::Job { job, .. } => job.is_droppable(),
            Self::Looked { .. } => true,
            Self::Found { .. } => false,
        }
    }

    fn name(error: Error, (): &()) -> Error {
        error
    }
}

/// A recovery; see [`VideoClient::recover`]. Does nothing until it is awaited or started.
#[derive(Debug)]
#[must_use = "nothing is recovered until it is awaited or started"]
pub struct Recover {
    client: VideoClient,
}

impl VideoClient {
    /// Finishes every job of the library that a crash, a kill, a full disk or a lost network interrupted:
    /// waits for it, downloads, checks and saves its clip, with the sidecar that it would have had. Await it
    /// for what was found, or [`start`](Recover::start) it for a handle with events.
    ///
    /// Jobs that another process is at work on are left to it. In a library on a folder that is known at once; in
    /// a bucket it takes up to 20 s to be sure that a process is dead.
    ///
    /// # Errors
    /// `Library` when the journal cannot be read. What happens to one job is in [`Recovered`].
    ///
    /// # Cancel safety
    /// Dropping the future once it was polled stops nothing: the work goes on.
    ///
    /// # Cost
    /// Nothing: looking at jobs and downloading their clips are free, and nothing is sent again.
    pub fn recover(&self) -> Recover {
        Recover { client: self.clone() }
    }
}

impl Recover {
    /// Begins. The rest goes on by itself.
    pub fn start(self) -> RecoveryHandle {
        let Self { client } = self;
        let stop = client.stop_signal().clone();
        let work = move |reporter| async move { Box::pin(all(&client, &reporter)).await };
        job::spawn(Verb::Recover.span(), &stop, work).with_id(())
    }
}

impl IntoFuture for Recover {
    type Output = Result<Recovered>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Recovered>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.start().wait().await })
    }
}

/// Takes up one job of the service, whoever sent it.
pub(crate) async fn one(client: &VideoClient, reporter: &Reporter, id: &JobId) -> Result<Clip> {
    let library = &client.inner.library;
    let service = client.inner.provider.origin();
    let deadline = Instant::now() + client.inner.poll.deadline;
    let named = |error: Error| error.with_job_id(id);
    let mut watched: Option<RecordId> = None;
    loop {
        match library.journal().pick_up(id, &service).await.map_err(named)? {
            Claim::Ours(file) => {
                // Somebody had it and has ended it: what became of it is in the ledger.
                if let Some(watched) = watched.take()
                    && file.record().is_pickup()
                {
                    file.discard().await.map_err(named)?;
                    return ended(client, &watched).await.map_err(named);
                }
                let job = finish::PendingJob::from_record(file).map_err(named)?;
                return Box::pin(finish::finish(client, reporter, job)).await;
            }
            // What others only picked up never comes to the ledger, and is looked for like any other.
            Claim::HeldByOther { record, .. } | Claim::Ended(record) if record.is_pickup() => {}
            Claim::HeldByOther { record, .. } | Claim::Ended(record) => watched = Some(record.id),
            Claim::OtherService(record) => return Err(named(other_service_error(&record, &service))),
            Claim::Gone => {}
        }
        if Instant::now() >= deadline {
            return Err(named(Error::new(
                ErrorKind::Timeout,
                "wait for the job: another process is at work on it, and has not finished",
            )));
        }
        let pause = async {
            job::pause(WATCH_INTERVAL).await;
            Ok(())
        };
        reporter.until_stopped(pause).await.map_err(named)?;
    }
}

/// A job that this client's service does not know, since it was sent to another one.
pub(crate) fn other_service_error(record: &JobRecord, ours: &str) -> Error {
    let theirs = record.service.as_deref().unwrap_or("another service");
    Error::new(
        ErrorKind::Config,
        format!(
            "take up the job of record {}: it was sent to {theirs}, and the base URL of this client is at {ours}; use the base URL that it was sent to, or settle the record",
            record.id
        ),
    )
    .with_charge(Charge::Unknown)
    .with_advice(RetryAdvice::Resume)
}

/// What became of a job that somebody else has ended.
async fn ended(client: &VideoClient, record: &RecordId) -> Result<Clip> {
    let library = &client.inner.library;
    let record = library.job_record(record).await?;
    if let Some(error) = record.failure() {
        return Err(error);
    }
    match &record.clip {
        Some(clip) => library.clip(clip).await,
        None => Err(Error::new(
            ErrorKind::NotFound,
            "find the clip of a job that another process has finished",
        )),
    }
}

async fn all(client: &VideoClient, reporter: &Reporter<RecoveryEvent>) -> Result<Recovered> {
    let library = &client.inner.library;
    let mut left = library.journal().open_jobs().await?;
    let of = left.len() as u64;
    reporter.emit(RecoveryEvent::Found { jobs: of });
    let began = Instant::now();
    let mut recovered = Recovered::default();
    let mut elsewhere: HashMap<RecordId, JobRecord> = HashMap::new();
    let mut saved: Vec<(RecordId, Clip)> = Vec::new();
    let mut done = 0;
    loop {
        // One that is not ready must not hold up those that are.
        let mut looks = stream::iter(left.drain(..))
            .map(|job| async move {
                let part = |job_id: JobId| {
                    reporter.part(move |job| RecoveryEvent::Job {
                        job_id: job_id.clone(),
                        job,
                    })
                };
                (recover_one(client, part, &job).await, job)
            })
            .buffer_unordered(CONCURRENT_JOBS);
        let mut busy: Vec<OpenJob> = Vec::new();
        let mut has_unknown_owners = false;
        while let Some((outcome, job)) = looks.next().await {
            elsewhere.remove(job.id());
            let outcome =
                outcome.unwrap_or_else(|error| RecoveryResult::Stuck(StuckJob::new(job.id(), error)));
            match outcome {
                RecoveryResult::HeldByOther { record, is_alive } => {
                    elsewhere.insert(job.id().clone(), record);
                    if !is_alive {
                        has_unknown_owners = true;
                    }
                    busy.push(job);
                    continue;
                }
                RecoveryResult::OtherService(record) => recovered.other_service.push(record),
                RecoveryResult::Saved(clip) => saved.push((job.id().clone(), *clip)),
                RecoveryResult::Failed(record) => recovered.failed.push(record),
                RecoveryResult::Open(record) => recovered.open.push(record),
                RecoveryResult::Unsettled(record) => recovered.unsettled.push(record),
                RecoveryResult::Stuck(stuck) => recovered.stuck.push(stuck),
                RecoveryResult::Dropped => recovered.dropped += 1,
                RecoveryResult::Gone => {}
            }
            done += 1;
            reporter.emit(RecoveryEvent::Looked { done, of });
        }
        drop(looks);
        // Only owners that may be dead have to be watched for a while.
        let is_watched = !has_unknown_owners || began.elapsed() > LEASE_DURATION + WATCH_INTERVAL;
        if is_watched || reporter.is_stopped() {
            break;
        }
        left = busy;
        reporter
            .stop_signal()
            .run_until_stopped(job::pause(WATCH_INTERVAL * 2))
            .await;
    }
    saved.sort_by(|a, b| a.0.cmp(&b.0));
    recovered.saved = saved.into_iter().map(|(_, clip)| clip).collect();
    for records in [
        &mut recovered.failed,
        &mut recovered.open,
        &mut recovered.unsettled,
        &mut recovered.other_service,
    ] {
        records.sort_by(|a, b| a.id.cmp(&b.id));
    }
    recovered.stuck.sort_by(|a, b| a.record.cmp(&b.record));
    recovered.elsewhere = elsewhere.into_values().collect();
    recovered.elsewhere.sort_by(|a, b| a.id.cmp(&b.id));
    if let Err(error) = library.journal().remove_stale_leases().await {
        tracing::warn!(%error, "the leases of dead processes were not removed");
    }
    Ok(recovered)
}

/// What became of one record.
pub(crate) enum RecoveryResult {
    Saved(Box<Clip>),
    Failed(JobRecord),
    Open(JobRecord),
    Unsettled(JobRecord),
    HeldByOther {
        record: JobRecord,
        /// Whether whoever works on it was seen to be alive.
        is_alive: bool,
    },
    OtherService(JobRecord),
    /// Only of a recovery of many.
    Stuck(StuckJob),
    Dropped,
    Gone,
}

/// Takes one record up, as far as software can. `part` is who is told of a job, by its id.
pub(crate) async fn recover_one(
    client: &VideoClient,
    part: impl FnOnce(JobId) -> Reporter + Send,
    job: &OpenJob,
) -> Result<RecoveryResult> {
    let turn = client.inner.finishing.acquire().await;
    let origin = client.inner.provider.origin();
    let claim = client.inner.library.journal().claim(job, Some(&origin)).await?;
    drop(turn);
    resume_claimed(client, part, claim).await
}

/// As [`look`], for a record that was claimed.
pub(crate) async fn resume_claimed(
    client: &VideoClient,
    part: impl FnOnce(JobId) -> Reporter + Send,
    claim: Claim,
) -> Result<RecoveryResult> {
    let library = &client.inner.library;
    let mut file = match claim {
        Claim::Ours(file) => file,
        Claim::HeldByOther { record, is_alive } => {
            return Ok(RecoveryResult::HeldByOther {
                record: *record,
                is_alive,
            });
        }
        Claim::OtherService(record) => return Ok(RecoveryResult::OtherService(*record)),
        Claim::Ended(record) => {
            return Ok(match (record.state, &record.clip) {
                (JobState::Saved, Some(clip)) => RecoveryResult::Saved(Box::new(library.clip(clip).await?)),
                (JobState::Failed, _) => RecoveryResult::Failed(*record),
                _ => RecoveryResult::Gone,
            });
        }
        Claim::Gone => return Ok(RecoveryResult::Gone),
    };
    match file.record().state {
        JobState::Reserved => drop_reservation(file).await,
        JobState::Intended if is_on(Mutation::DropIntended) => drop_reservation(file).await,
        JobState::Intended if file.record().is_question() => {
            close_lost_query(file).await.map(RecoveryResult::Failed)
        }
        JobState::Intended | JobState::Unknown if file.record().job_id.is_none() => {
            mark_unresolved(&mut file).await?;
            let record = file.record();
            if record.state.is_over() {
                // Whoever ended it meanwhile reports that.
                return Ok(RecoveryResult::Gone);
            }
            if record.job_id.is_none() {
                return Ok(RecoveryResult::Unsettled(record.clone()));
            }
            // Its owner lived after all, and has named the job. The record is ours.
            finish(client, part, file).await
        }
        _ => finish(client, part, file).await,
    }
}

/// Finishes a job whose id the record has.
async fn finish(
    client: &VideoClient,
    part: impl FnOnce(JobId) -> Reporter + Send,
    file: OwnedRecord,
) -> Result<RecoveryResult> {
    let job = finish::PendingJob::from_record(file)?;
    let id = job.id().clone();
    let part = part(id.clone());
    part.submitted(&id, None);
    Ok(match Box::pin(finish::conclude(client, &part, job)).await {
        Ok(clip) => RecoveryResult::Saved(Box::new(clip)),
        Err((_, record)) if record.state.is_over() && record.state != JobState::Saved => {
            RecoveryResult::Failed(*record)
        }
        Err((_, record)) => RecoveryResult::Open(*record),
    })
}

/// Nothing was sent for it but, perhaps, a question.
async fn drop_reservation(file: OwnedRecord) -> Result<RecoveryResult> {
    let record = file.record();
    if record.questions.is_none() && !record.unpriced_question {
        file.discard().await?;
    } else {
        close_lost_query(file).await?;
    }
    Ok(RecoveryResult::Dropped)
}

/// A question may have been asked, and its answer is lost with the process that waited for it.
async fn close_lost_query(file: OwnedRecord) -> Result<JobRecord> {
    file.close(|record| {
        record.state = JobState::Failed;
        record.estimate = Some(UsdTicks::ZERO);
        let error = Error::new(
            ErrorKind::Stopped,
            "ask a language model: broken off, and whether it was asked and paid is not known",
        );
        record.error = Some(JobError::from(&error.with_charge(Charge::Unknown)));
    })
    .await
}

/// A create was being sent when its process ended, or was sent without an answer.
async fn mark_unresolved(file: &mut OwnedRecord) -> Result<()> {
    let found = file.record().state;
    file.change(|record| {
        // Its owner lives after all, and knows the job.
        if record.job_id.is_some() {
            return;
        }
        record.state = JobState::Unknown;
        record.owner = None;
        if found == JobState::Intended {
            let error = Error::new(
                ErrorKind::SubmissionUnknown,
                "submit the job: broken off while it was being sent; it may exist and may be charged, so it was not sent again",
            );
            record.error = Some(JobError::from(&error));
        }
    })
    .await
}

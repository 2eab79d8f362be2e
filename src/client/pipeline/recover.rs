//! Resumes interrupted jobs: a single job by its id, or every open record of the journal.
//!
//! Only finds out in which state a record is and who owns it. Jobs are finished in `finish`, and nothing is ever sent
//! again.

use std::collections::{HashMap, HashSet};
use std::future::{Future, IntoFuture};
use std::pin::Pin;

use futures_util::{StreamExt as _, stream};
use serde::Serialize;
use tokio::time::Instant;

use crate::backoff::jitter;
use crate::client::VideoClient;
use crate::client::pipeline::finish;
use crate::error::{Charge, Error, ErrorKind, Result, RetryAdvice};
use crate::ids::{JobId, RecordId};
use crate::job::{self, JobEvent, Reporter, Sealed, WorkEvent, WorkHandle};
use crate::journal::{
    Claim, JobError, JobRecord, JobState, LEASE_DURATION, OpenJob, OwnedRecord, StuckJob, WATCH_INTERVAL,
};
use crate::library::Clip;
use crate::money::UsdTicks;
use crate::mutation::{Mutation, is_on};
use crate::telemetry::Verb;

/// Maximum number of jobs that are waited for at the same time, oldest first. The client limits how many are
/// downloaded and saved at the same time.
const CONCURRENT_JOBS: usize = 1024;

/// A handle to a running recovery.
pub type RecoveryHandle = WorkHandle<Recovered, RecoveryEvent>;

/// The result of a recovery.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Recovered {
    /// Clips that were saved, oldest job first.
    pub saved: Vec<Clip>,
    /// Jobs that ended without a clip. [`JobRecord::failure`] returns the reason.
    pub failed: Vec<JobRecord>,
    /// Jobs that could not be finished now and stay open. [`JobRecord::failure`] returns the reason, and the next
    /// recovery tries again.
    pub open: Vec<JobRecord>,
    /// Create requests that were sent and whose answer is unknown. Only a person can find out on the account page of
    /// the service whether there is a job; [`Library::settle`](crate::Library::settle) records the answer.
    pub unsettled: Vec<JobRecord>,
    /// Records that cannot be resumed, because they are damaged, of a newer version, or not readable. They do not
    /// prevent other jobs from being finished, and need the attention of a person.
    pub stuck: Vec<StuckJob>,
    /// Jobs that another client or process is working on.
    pub held_by_others: Vec<JobRecord>,
    /// Jobs that were sent to another service than this client's, as [`JobRecord::service`] says. They are left
    /// unchanged; recover them with a client of that service.
    pub other_service: Vec<JobRecord>,
    /// Number of requests that were prepared and never sent. They are dropped.
    pub dropped: u64,
}

/// An event of a recovery.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum RecoveryEvent {
    /// The open records were counted.
    Found {
        /// Number of open records in the journal, including those of other processes.
        jobs: u64,
    },
    /// A job has an event.
    Job {
        /// The service's id of the job.
        job_id: JobId,
        /// The event of the job.
        job: JobEvent,
    },
    /// A record was handled, with any result.
    Looked {
        /// Number of records handled so far.
        done: u64,
        /// Number of open records that the recovery found.
        of: u64,
    },
}

impl Sealed for RecoveryEvent {}

impl WorkEvent for RecoveryEvent {
    type Id = ();

    fn is_droppable(&self) -> bool {
        match self {
            Self::Job { job, .. } => job.is_droppable(),
            Self::Looked { .. } => true,
            Self::Found { .. } => false,
        }
    }

    fn add_id(error: Error, (): &()) -> Error {
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
    /// Finishes every job of the library that a crash, a kill, a full disk or a lost network interrupted.
    ///
    /// For each job it waits, downloads the clip, verifies it, and saves it with the same sidecar that it would have
    /// had without the interruption. Only the comparison with an input that was given as bytes is missing, because such
    /// an input ends with its process; the sidecar has a warning instead. Await the future for the result, or
    /// [`start`](Recover::start) it for a handle with events.
    ///
    /// Jobs that another process is working on are left to that process. In a library on a folder, a dead process is
    /// detected at once; on Windows, and in a bucket, that takes up to 20 s.
    ///
    /// # Errors
    /// `Library` if the journal cannot be read. The result of each job is in [`Recovered`].
    ///
    /// # Cancel safety
    /// Dropping the future after its first poll stops nothing: the work continues.
    ///
    /// # Cost
    /// None. Polling jobs and downloading their clips are free, and nothing is sent again.
    pub fn recover(&self) -> Recover {
        Recover { client: self.clone() }
    }
}

impl Recover {
    /// Starts the recovery in a background task and returns its handle.
    pub fn start(self) -> RecoveryHandle {
        let Self { client } = self;
        let stop = client.stop_signal().clone();
        let work = move |reporter| async move { Box::pin(recover_all(&client, &reporter)).await };
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

/// Resumes a job of the service by its id, even if another process or another library sent it.
pub(crate) async fn resume_job(client: &VideoClient, reporter: &Reporter, id: &JobId) -> Result<Clip> {
    let library = &client.inner.library;
    let service = client.inner.provider.origin();
    let deadline = Instant::now() + client.inner.poll.deadline;
    let with_id = |error: Error| error.with_job_id(id);
    let mut watched: Option<RecordId> = None;
    let mut read_at: Option<Instant> = None;
    loop {
        let claim = match library.journal().pick_up(id, &service).await {
            // A wait that has begun outlasts a short failure of the store.
            Err(error) if read_at.is_some_and(|at| at.elapsed() < LEASE_DURATION) => {
                tracing::warn!(job = %id, %error, "the records of the job could not be read, and are read again");
                Claim::Gone
            }
            claim => {
                read_at = Some(Instant::now());
                claim.map_err(with_id)?
            }
        };
        match claim {
            Claim::Ours(owned) => {
                let Some(watched) = watched.take().filter(|_| owned.record().is_new_pickup()) else {
                    let job = finish::PendingJob::from_record(owned).map_err(with_id)?;
                    return Box::pin(finish::finish(client, reporter, job)).await;
                };
                // Another process had the job and has probably ended it.
                let ended = ended_job_clip(client, &watched).await;
                let discarded = owned.discard().await;
                if let Some(clip) = ended.map_err(with_id)? {
                    return Ok(clip);
                }
                discarded.map_err(with_id)?;
            }
            // A record that only picks up a job never reaches the ledger, so there is nothing to watch.
            Claim::HeldByOther { record, .. } | Claim::Ended(record) if record.is_pickup() => {}
            Claim::HeldByOther { record, .. } | Claim::Ended(record) => watched = Some(record.id),
            Claim::OtherService(record) => return Err(with_id(other_service_error(&record, &service))),
            Claim::Gone | Claim::Superseded(_) => {}
        }
        if Instant::now() >= deadline {
            return Err(with_id(Error::new(
                ErrorKind::Timeout,
                "wait for the job: another process is working on it and has not finished",
            )));
        }
        let pause = async {
            // Two processes that give way to each other must not do so again and again.
            job::pause(jitter(WATCH_INTERVAL, 0.5)).await;
            Ok(())
        };
        reporter.until_stopped(pause).await.map_err(with_id)?;
    }
}

/// Returns the error for a job that was sent to another service than this client's.
pub(crate) fn other_service_error(record: &JobRecord, ours: &str) -> Error {
    let theirs = record.service.as_deref().unwrap_or("another service");
    Error::config(format!(
            "resume the job of record {}: it was sent to {theirs}, and the base URL of this client is at {ours}; use the base URL that it was sent to, or settle the record",
            record.id
        ),
    )
    .with_charge(Charge::Unknown)
    .with_advice(RetryAdvice::Resume)
}

/// Returns the clip of a job that another process has ended, or its error. `None` if its record is still open, and could
/// not be read when it was looked for.
async fn ended_job_clip(client: &VideoClient, record_id: &RecordId) -> Result<Option<Clip>> {
    let library = &client.inner.library;
    let record = library.job_record(record_id).await?;
    if !record.state.is_over() {
        return Ok(None);
    }
    if let Some(error) = record.failure() {
        return Err(error);
    }
    match &record.clip {
        Some(clip) => library.clip(clip).await.map(Some),
        None => Err(Error::not_found(
            "find the clip of a job that another process has finished: its record names no clip",
        )),
    }
}

/// Resumes every open record of the journal.
async fn recover_all(client: &VideoClient, reporter: &Reporter<RecoveryEvent>) -> Result<Recovered> {
    let library = &client.inner.library;
    let (mut pending, stuck) = library.journal().open_and_misnamed_jobs().await?;
    let of = pending.len() as u64;
    reporter.emit(RecoveryEvent::Found { jobs: of });
    let mut started = Instant::now();
    let mut recovered = Recovered {
        stuck,
        ..Recovered::default()
    };
    let mut held: HashMap<RecordId, JobRecord> = HashMap::new();
    let mut superseded: HashMap<RecordId, JobRecord> = HashMap::new();
    let mut saved: Vec<(RecordId, Clip)> = Vec::new();
    let mut done = 0;
    loop {
        let may_watch = started.elapsed() <= LEASE_DURATION + WATCH_INTERVAL;
        // Concurrent, so that a job that is not ready does not delay those that are.
        let mut results = stream::iter(pending.drain(..))
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
        let done_before = done;
        while let Some((result, job)) = results.next().await {
            held.remove(job.id());
            superseded.remove(job.id());
            match result.unwrap_or_else(|error| RecoveryResult::Stuck(StuckJob::new(job.id(), error))) {
                RecoveryResult::HeldByOther { record, is_alive } => {
                    held.insert(job.id().clone(), record);
                    if !is_alive {
                        has_unknown_owners = true;
                    }
                    busy.push(job);
                    continue;
                }
                RecoveryResult::Superseded(record) => {
                    superseded.insert(job.id().clone(), record);
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
        drop(results);
        if reporter.is_stopped() {
            break;
        }
        pending = busy;
        // The record that another one waited for may have been handled in this round.
        if !pending.is_empty() && done > done_before {
            if !superseded.is_empty() {
                started = Instant::now();
            }
            continue;
        }
        // An owner that may be dead is watched until its lease would have expired.
        if !has_unknown_owners || !may_watch {
            break;
        }
        reporter
            .stop_signal()
            .run_until_stopped(job::pause(WATCH_INTERVAL * 2))
            .await;
    }
    saved.sort_by(|a, b| a.0.cmp(&b.0));
    recovered.saved = saved.into_iter().map(|(_, clip)| clip).collect();
    // Several records of one job have one clip.
    let mut known = HashSet::new();
    recovered.saved.retain(|clip| known.insert(clip.id.clone()));
    recovered.open.extend(superseded.into_values());
    for records in [
        &mut recovered.failed,
        &mut recovered.open,
        &mut recovered.unsettled,
        &mut recovered.other_service,
    ] {
        records.sort_by(|a, b| a.id.cmp(&b.id));
    }
    recovered.stuck.sort_by(|a, b| a.record_id.cmp(&b.record_id));
    recovered.held_by_others = held.into_values().collect();
    recovered.held_by_others.sort_by(|a, b| a.id.cmp(&b.id));
    if let Err(error) = library.journal().remove_stale_leases().await {
        tracing::warn!(%error, "the leases of dead processes could not be removed");
    }
    Ok(recovered)
}

/// The result of resuming a record.
pub(crate) enum RecoveryResult {
    Saved(Box<Clip>),
    Failed(JobRecord),
    Open(JobRecord),
    Unsettled(JobRecord),
    HeldByOther {
        record: JobRecord,
        /// Whether its owner is known to be alive.
        is_alive: bool,
    },
    OtherService(JobRecord),
    /// Another record of the job is finished first.
    Superseded(JobRecord),
    /// The record cannot be resumed. Only [`recover_all`] returns this.
    Stuck(StuckJob),
    Dropped,
    Gone,
}

/// Claims a record and resumes it. `part` returns the reporter for the job with the given id.
pub(crate) async fn recover_one(
    client: &VideoClient,
    part: impl FnOnce(JobId) -> Reporter + Send,
    job: &OpenJob,
) -> Result<RecoveryResult> {
    let permit = client.inner.finishing.acquire().await;
    let origin = client.inner.provider.origin();
    let claim = client
        .inner
        .library
        .journal()
        .claim_to_finish(job, &origin)
        .await?;
    drop(permit);
    resume_claimed(client, part, claim).await
}

/// Resumes a record that was claimed, as far as that is possible without a person.
pub(crate) async fn resume_claimed(
    client: &VideoClient,
    part: impl FnOnce(JobId) -> Reporter + Send,
    claim: Claim,
) -> Result<RecoveryResult> {
    let library = &client.inner.library;
    let mut owned = match claim {
        Claim::Ours(owned) => owned,
        Claim::HeldByOther { record, is_alive } => {
            return Ok(RecoveryResult::HeldByOther {
                record: *record,
                is_alive,
            });
        }
        Claim::Superseded(record) => return Ok(RecoveryResult::Superseded(*record)),
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
    match owned.record().state {
        JobState::Reserved => drop_reservation(owned).await,
        JobState::Intended if is_on(Mutation::DropIntended) => drop_reservation(owned).await,
        JobState::Intended if owned.record().is_query() => {
            close_lost_query(owned).await.map(RecoveryResult::Failed)
        }
        JobState::Intended | JobState::Unknown if owned.record().job_id.is_none() => {
            mark_unresolved(&mut owned).await?;
            let record = owned.record();
            if record.state.is_over() {
                // Another process has ended it meanwhile and reports the result.
                return Ok(RecoveryResult::Gone);
            }
            if record.job_id.is_none() {
                return Ok(RecoveryResult::Unsettled(record.clone()));
            }
            // Its former owner was alive after all and has recorded the job. The record now belongs to this client.
            finish_job(client, part, owned).await
        }
        _ => finish_job(client, part, owned).await,
    }
}

/// Finishes a job whose id is in the record, unless it is a job of another service.
async fn finish_job(
    client: &VideoClient,
    part: impl FnOnce(JobId) -> Reporter + Send,
    mut owned: OwnedRecord,
) -> Result<RecoveryResult> {
    // A record without a job is claimed whatever its service is, and its job may have been recorded since then.
    let origin = client.inner.provider.origin();
    if !owned.record().is_for_service(&origin) && !is_on(Mutation::FinishAnyService) {
        owned.release().await?;
        // Its former owner has ended it meanwhile and reports the result.
        if owned.record().state.is_over() {
            return Ok(RecoveryResult::Gone);
        }
        return Ok(RecoveryResult::OtherService(owned.record().clone()));
    }
    let job = finish::PendingJob::from_record(owned)?;
    let id = job.job_id().clone();
    let part = part(id.clone());
    part.submitted(&id, None);
    Ok(
        match Box::pin(finish::finish_with_record(client, &part, job)).await {
            Ok(clip) => RecoveryResult::Saved(Box::new(clip)),
            Err((_, record)) if record.state.is_over() && record.state != JobState::Saved => {
                RecoveryResult::Failed(*record)
            }
            Err((_, record)) => RecoveryResult::Open(*record),
        },
    )
}

/// Removes a reservation whose create request was not sent. A query to the planner may have been sent.
async fn drop_reservation(owned: OwnedRecord) -> Result<RecoveryResult> {
    let record = owned.record();
    // A query on its own is marked as intended before it is sent. Only the query that plans a prompt is sent before.
    let was_queried = !record.is_query() && (record.query_cost.is_some() || record.has_unpriced_query);
    if was_queried {
        close_lost_query(owned).await?;
    } else {
        owned.discard().await?;
    }
    Ok(RecoveryResult::Dropped)
}

/// Closes the record of a query that may have been sent, and whose answer is lost with the process that waited for it.
async fn close_lost_query(owned: OwnedRecord) -> Result<JobRecord> {
    owned
        .close(|record| {
            record.state = JobState::Failed;
            record.estimate = Some(UsdTicks::ZERO);
            let error = Error::stopped("ask a language model: the process was interrupted, and whether the query was sent and charged is unknown",
            );
            record.error = Some(JobError::from(&error.with_charge(Charge::Unknown)));
        })
        .await
}

/// Marks a create request as sent without a known answer. Its process ended while it was sent or before the answer.
async fn mark_unresolved(owned: &mut OwnedRecord) -> Result<()> {
    let is_intended = owned.record().state == JobState::Intended;
    let error = is_intended.then(|| {
        Error::new(
            ErrorKind::SubmissionUnknown,
            "submit the job: interrupted while the request was being sent; the job may exist and may be charged, so it was not sent again",
        )
    });
    owned.mark_unknown(error.as_ref()).await
}

//! The only poll loop: waits for one job until it is over or its deadline passes.

use std::time::Duration;

use tokio::time::Instant;
use tracing::Instrument as _;
use tracing::field::Empty;

use super::duration_stats::{DurationStats, ExpectedDuration};
use super::progress::ProgressEstimator;
use super::{JobEvent, PollPolicy, Reporter};
use crate::backoff::{Backoff, jitter};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::JobId;
use crate::model::VideoModel;
use crate::mutation::{Mutation, is_on};
use crate::provider::{FinishedJob, PollFailure, PollFailureKind, PollReply, Provider};
use crate::telemetry;

/// Number of doubtful refusals, or of "unknown job" answers for a resumed job, after which waiting ends.
const MAX_DOUBTFUL_POLLS: u32 = 4;
/// Shortest and longest timeout of the last poll, which is made at the deadline.
const LAST_POLL_TIMEOUT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));
/// Random share of a pause, so that jobs started together are not polled together.
pub(super) const JITTER: f64 = 0.1;

/// The state of a job when polling begins.
#[derive(Debug, Clone, Copy)]
pub(crate) enum PollStart<'a> {
    /// The job was just submitted. Its expected duration comes from earlier jobs of its kind, and its own duration is
    /// recorded.
    Submitted {
        stats: &'a DurationStats,
        kind: &'a str,
        /// The time after which the service expects the first poll, if it said so.
        poll_after: Option<Duration>,
    },
    /// The job has been running for an unknown time and may be over.
    Resumed,
}

/// Polls until the job is over and returns its result.
///
/// # Errors
/// The error with which the job ended, [`ErrorKind::Timeout`] at the deadline, or the error of the last poll. Every error
/// carries the job's id.
pub(crate) async fn wait_until_over(
    provider: &dyn Provider,
    job: &JobId,
    policy: &PollPolicy,
    reporter: &Reporter,
    start: PollStart<'_>,
) -> Result<FinishedJob> {
    let guessed = ExpectedDuration::guessed(policy.expected);
    let mut poll_loop = PollLoop {
        policy,
        reporter,
        start,
        started_at: Instant::now(),
        pending_at: Duration::ZERO,
        progress: match start {
            PollStart::Submitted { stats, kind, .. } => {
                ProgressEstimator::submitted(stats.get(kind).unwrap_or(guessed))
            }
            PollStart::Resumed => ProgressEstimator::resumed(guessed),
        },
        changed_at: Instant::now(),
        polls: 0,
    };
    let span = tracing::info_span!(
        "poll",
        otel.name = "video.poll",
        otel.kind = "client",
        otel.status_code = Empty,
        "error.type" = Empty,
        gen_ai.response.id = job.as_str(),
        gen_ai.response.model = Empty,
        gen_ai.usage.cost_in_usd_ticks = Empty,
        reelkin.polls = Empty,
    );
    let result = poll_loop.run(provider, job).instrument(span.clone()).await;
    span.record("reelkin.polls", telemetry::to_signed(poll_loop.polls));
    match result {
        Ok(finished) => {
            span.record(
                "gen_ai.response.model",
                finished.model.as_ref().map(VideoModel::as_str),
            );
            if let Some(cost) = finished.cost {
                span.record(
                    "gen_ai.usage.cost_in_usd_ticks",
                    telemetry::to_signed(cost.ticks()),
                );
            }
            Ok(finished)
        }
        Err(error) => {
            telemetry::mark_failed(&span, &error);
            Err(error.with_job_id(job))
        }
    }
}

struct PollLoop<'a> {
    policy: &'a PollPolicy,
    reporter: &'a Reporter,
    start: PollStart<'a>,
    started_at: Instant,
    /// When the job was last seen pending, measured from the start.
    pending_at: Duration,
    progress: ProgressEstimator,
    /// When the progress last increased.
    changed_at: Instant,
    polls: u64,
}

impl PollLoop<'_> {
    async fn run(&mut self, provider: &dyn Provider, job: &JobId) -> Result<FinishedJob> {
        let deadline = self.started_at + self.policy.deadline;
        let exists = matches!(self.start, PollStart::Submitted { .. }) && !is_on(Mutation::EndUnknownJobs);
        let mut backoff = self.backoff();
        let mut doubtful = 0;
        let mut last_failure;
        let mut pause = match self.start {
            PollStart::Submitted { poll_after, .. } => jitter(self.policy.first_pause(poll_after), JITTER),
            PollStart::Resumed => Duration::ZERO,
        };
        loop {
            // The last pause ends at the deadline, so that a last poll is made there.
            let at = (Instant::now() + pause).min(deadline);
            tokio::time::sleep_until(at).await;
            let is_last_poll = Instant::now() >= deadline;
            // A poll that hangs or waits for the rate limit must not outlast the deadline.
            let until = if is_last_poll {
                Instant::now()
                    + self
                        .policy
                        .deadline
                        .clamp(LAST_POLL_TIMEOUT.0, LAST_POLL_TIMEOUT.1)
            } else {
                deadline
            };
            self.polls += 1;
            let polled_at = Instant::now();
            let reply = tokio::time::timeout_at(until, provider.poll(job)).await;
            let reply = reply.unwrap_or_else(|_| Err(no_answer()));
            match reply {
                Ok(PollReply::Done(finished)) => {
                    self.record_duration();
                    return Ok(*finished);
                }
                Ok(PollReply::Failed(error)) => return Err(error),
                Ok(PollReply::Pending { progress }) => {
                    (backoff, doubtful, last_failure) = (self.backoff(), 0, None);
                    self.report(progress);
                    self.pending_at = self.started_at.elapsed();
                    let next = self
                        .policy
                        .next_pause(self.pending_at, &self.progress, polled_at.elapsed());
                    pause = jitter(next, JITTER);
                }
                Err(failure) => {
                    let error = &failure.error;
                    // Without the text of the service, which can quote the prompt.
                    tracing::debug!(job = %job, error = error.kind().code(), status = error.status(), "poll failed");
                    let ends = match failure.kind {
                        PollFailureKind::Permanent => true,
                        PollFailureKind::Transient => false,
                        // This process submitted the job, so it exists.
                        PollFailureKind::UnknownJob if exists => false,
                        PollFailureKind::PossiblyPermanent | PollFailureKind::UnknownJob => {
                            doubtful += 1;
                            doubtful >= MAX_DOUBTFUL_POLLS
                        }
                    };
                    if ends && failure.kind == PollFailureKind::UnknownJob && is_on(Mutation::EndUnknownJobs)
                    {
                        return Err(Error::new(ErrorKind::JobExpired, "poll the job: it expired"));
                    }
                    if ends {
                        return Err(failure.error);
                    }
                    // `Retry-After: 0` does not permit polling without a pause.
                    pause = backoff
                        .next(failure.error.retry_after())
                        .max(self.policy.shortest);
                    if failure.error.kind() == ErrorKind::RateLimited {
                        provider.pause(pause);
                    }
                    last_failure = Some(failure.error);
                    self.report(None);
                }
            }
            if is_last_poll {
                return Err(self.timed_out(last_failure));
            }
        }
    }

    fn backoff(&self) -> Backoff {
        Backoff::new(
            self.policy.shortest,
            Duration::from_secs(30).max(self.policy.longest),
        )
    }

    /// Emits the progress, which never decreases, and whether the job is stalled.
    fn report(&mut self, progress: Option<f64>) {
        let now = Instant::now();
        let elapsed = now - self.started_at;
        if progress.is_some_and(|fraction| self.progress.record(fraction, elapsed)) {
            self.changed_at = now;
        }
        self.reporter.emit(JobEvent::Progress {
            fraction: self.progress.fraction(),
            elapsed,
            stalled: now - self.changed_at >= self.policy.stalled_after,
        });
    }

    /// Records the duration of a finished job: the middle between the last two polls.
    fn record_duration(&self) {
        if let PollStart::Submitted { stats, kind, .. } = self.start {
            stats.record(kind, (self.pending_at + self.started_at.elapsed()) / 2);
        }
    }

    fn timed_out(&self, last_failure: Option<Error>) -> Error {
        let line = format!(
            "wait for the job: not ready after {} s; the job continues at the service and can be resumed by its id",
            self.policy.deadline.as_secs_f64()
        );
        let error = Error::new(ErrorKind::Timeout, line);
        let Some(cause) = last_failure else {
            return error;
        };
        let guidance = cause.guidance().map(str::to_owned);
        let error = error.with_source(cause);
        error.with(guidance, Error::with_guidance)
    }
}

fn no_answer() -> PollFailure {
    PollFailure {
        error: Error::network("poll the job: no answer before the deadline"),
        kind: PollFailureKind::Transient,
    }
}

//! The poll loop. There is no other.

use std::time::Duration;

use tokio::time::Instant;
use tracing::Instrument as _;
use tracing::field::Empty;

use super::pace::Pace;
use super::times::{Expected, Times};
use super::{JobEvent, PollPolicy, Reporter};
use crate::backoff::{Backoff, jitter};
use crate::error::{Error, ErrorKind, Result};
use crate::model::VideoModel;
use crate::mutation::{Mutation, is_on};
use crate::provider::{Finished, JobId, PollFailure, PollReply, Provider, Verdict};
use crate::telemetry;

/// Polls with a doubtful refusal, or for an earlier job that the service does not know, before waiting ends.
const DOUBTFUL_POLLS: u32 = 4;
/// How long the last look may take at the least and at the most; it comes after the deadline.
const LAST_LOOK: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));
/// So that jobs started together are not polled together.
pub(super) const JITTER: f64 = 0.1;

/// Where a job is when waiting for it begins.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Begin<'a> {
    /// It was submitted just now: how long jobs of its kind take is known from others, and learned from it.
    Submitted { times: &'a Times, kind: &'a str },
    /// It has been going on for a while, and may be over.
    Found,
}

/// Waits until a job is over and returns what it made.
///
/// # Errors
/// How the job ended when it made nothing, [`ErrorKind::Timeout`] at the deadline, or why the service
/// would not say; always with the job's id.
pub(crate) async fn wait_until_over(
    provider: &dyn Provider,
    job: &JobId,
    policy: &PollPolicy,
    reporter: &Reporter,
    begin: Begin<'_>,
) -> Result<Finished> {
    let guessed = Expected::guessed(policy.expected);
    let mut watch = Watch {
        policy,
        reporter,
        begin,
        start: Instant::now(),
        pending_at: Duration::ZERO,
        pace: match begin {
            Begin::Submitted { times, kind } => Pace::of_new(times.of(kind).unwrap_or(guessed)),
            Begin::Found => Pace::of_found(guessed),
        },
        changed: Instant::now(),
        stalled: false,
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
    let result = watch.run(provider, job).instrument(span.clone()).await;
    span.record("reelkin.polls", telemetry::to_signed(watch.polls));
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
            Err(error.with_job_id(job.as_str()))
        }
    }
}

struct Watch<'a> {
    policy: &'a PollPolicy,
    reporter: &'a Reporter,
    begin: Begin<'a>,
    start: Instant,
    /// When it was last seen not to be ready.
    pending_at: Duration,
    pace: Pace,
    changed: Instant,
    stalled: bool,
    polls: u64,
}

impl Watch<'_> {
    async fn run(&mut self, provider: &dyn Provider, job: &JobId) -> Result<Finished> {
        let deadline = self.start + self.policy.deadline;
        let is_known = matches!(self.begin, Begin::Submitted { .. }) && !is_on(Mutation::EndUnknownJobs);
        let mut backoff = self.backoff();
        let mut doubtful = 0;
        let mut last_failure;
        let mut pause = match self.begin {
            Begin::Submitted { .. } => jitter(self.policy.first, JITTER),
            Begin::Found => Duration::ZERO,
        };
        loop {
            // The last pause ends at the deadline, so that one look is taken there.
            let at = (Instant::now() + pause).min(deadline);
            tokio::time::sleep_until(at).await;
            let last_look = Instant::now() >= deadline;
            // A poll that hangs, or waits for its turn, must not outlast the deadline.
            let until = if last_look {
                Instant::now() + self.policy.deadline.clamp(LAST_LOOK.0, LAST_LOOK.1)
            } else {
                deadline
            };
            self.polls += 1;
            let asked = Instant::now();
            let reply = tokio::time::timeout_at(until, provider.poll(job)).await;
            let reply = reply.unwrap_or_else(|_| Err(no_answer()));
            match reply {
                Ok(PollReply::Done(finished)) => {
                    self.learn();
                    return Ok(*finished);
                }
                Ok(PollReply::Over(error)) => return Err(error),
                Ok(PollReply::Pending { progress }) => {
                    (backoff, doubtful, last_failure) = (self.backoff(), 0, None);
                    self.note(progress);
                    self.pending_at = self.start.elapsed();
                    let next = self
                        .policy
                        .pause(self.start.elapsed(), &self.pace, asked.elapsed());
                    pause = jitter(next, JITTER);
                }
                Err(failure) => {
                    tracing::debug!(job = %job, error = %failure.error, "poll failed");
                    let ends = match failure.verdict {
                        Verdict::Final => true,
                        Verdict::Transient => false,
                        // It was made by this process, so it exists.
                        Verdict::UnknownJob if is_known => false,
                        Verdict::Doubtful | Verdict::UnknownJob => {
                            doubtful += 1;
                            doubtful >= DOUBTFUL_POLLS
                        }
                    };
                    if ends && failure.verdict == Verdict::UnknownJob && is_on(Mutation::EndUnknownJobs) {
                        return Err(Error::new(ErrorKind::JobExpired, "poll the job: it expired"));
                    }
                    if ends {
                        return Err(failure.error);
                    }
                    // `Retry-After: 0` is no leave to ask without a pause.
                    pause = backoff
                        .next(failure.error.retry_after())
                        .max(self.policy.shortest);
                    if failure.error.kind() == ErrorKind::RateLimited {
                        provider.pause(pause);
                    }
                    last_failure = Some(failure.error);
                    self.note(None);
                }
            }
            if last_look {
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

    /// Tells the watchers. Progress never runs backwards, and a stall is marked until it ends.
    fn note(&mut self, progress: Option<f64>) {
        let now = Instant::now();
        let elapsed = now - self.start;
        if progress.is_some_and(|fraction| self.pace.note(fraction, elapsed)) {
            self.changed = now;
        }
        self.stalled = now - self.changed >= self.policy.stalled_after;
        self.reporter.tell(JobEvent::Progress {
            fraction: self.pace.fraction(),
            elapsed,
            stalled: self.stalled,
        });
    }

    /// It was ready at some time between the last two polls.
    fn learn(&self) {
        if let Begin::Submitted { times, kind } = self.begin {
            times.learn(kind, (self.pending_at + self.start.elapsed()) / 2);
        }
    }

    fn timed_out(&self, last_failure: Option<Error>) -> Error {
        let line = format!(
            "wait for the job: not ready after {} s; it goes on, and can be picked up by its id",
            self.policy.deadline.as_secs()
        );
        match last_failure {
            Some(cause) => {
                let guidance = cause.guidance().map(str::to_owned);
                let error = Error::new(ErrorKind::Timeout, line).with_source(cause);
                match guidance {
                    Some(guidance) => error.with_guidance(guidance),
                    None => error,
                }
            }
            None => Error::new(ErrorKind::Timeout, line),
        }
    }
}

fn no_answer() -> PollFailure {
    PollFailure {
        error: Error::new(ErrorKind::Network, "poll the job: no answer before the deadline"),
        verdict: Verdict::Transient,
    }
}

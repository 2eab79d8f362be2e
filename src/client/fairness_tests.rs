//! Runs many jobs under one rate limit, with the real poll loop and limiter and a paused clock.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tracing::Span;
use url::Url;

use crate::error::Result;
use crate::http::{DownloadError, RateLimit, RateLimiter, RequestKind, Sink};
use crate::ids::JobId;
use crate::job::rows::Row;
use crate::job::{DurationStats, PollPolicy, PollStart, pause, spawn, wait_until_over};
use crate::provider::{
    AcceptedJob, FinishedJob, ModelAnswer, ModelQuery, PollFailure, PollReply, Provider, Submission, Upload,
    VisibleModel,
};
use crate::stop::{BeforeSend, StopSignal};

const JOBS: usize = 200;
const PER_SECOND: f64 = 2.0;
/// Seconds in which the limiter can serve every job once.
const ROUND: f64 = 100.0;
/// When another job is started.
const LATER: Duration = Duration::from_secs(150);

/// The history of one job. Times are measured from the start of the test.
#[derive(Debug, Clone, Default)]
struct Story {
    /// How long its create request waited for the limiter.
    create_waited: Duration,
    taken: Duration,
    ready: Duration,
    polls: Vec<Duration>,
}

impl Story {
    fn longest_gap(&self) -> Duration {
        let from = std::iter::once(&self.taken).chain(&self.polls);
        let gaps = from
            .zip(&self.polls)
            .map(|(before, after)| after.saturating_sub(*before));
        gaps.max().unwrap_or_default()
    }

    /// Polls per second while the job was running.
    fn rate(&self) -> f64 {
        let last = self.polls.last().copied().unwrap_or_default();
        f64::from(u32::try_from(self.polls.len()).unwrap()) / last.saturating_sub(self.taken).as_secs_f64()
    }

    fn late(&self) -> Duration {
        self.polls
            .last()
            .copied()
            .unwrap_or_default()
            .saturating_sub(self.ready)
    }
}

/// A service without a network, to which the limiter of the client applies.
struct Service {
    limiter: RateLimiter,
    start: Instant,
    stories: Mutex<HashMap<String, Story>>,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Service")
    }
}

impl Service {
    async fn create(&self, id: &JobId, takes: Duration) {
        let asked = self.start.elapsed();
        self.limiter.acquire(RequestKind::Create).await;
        let taken = self.start.elapsed();
        let story = Story {
            create_waited: taken.saturating_sub(asked),
            taken,
            ready: taken + takes,
            polls: Vec::new(),
        };
        self.stories.lock().unwrap().insert(id.to_string(), story);
    }

    fn answer_poll(&self, job: &JobId) -> PollReply {
        let now = self.start.elapsed();
        let mut stories = self.stories.lock().unwrap();
        let story = stories.get_mut(job.as_str()).unwrap();
        story.polls.push(now);
        if now >= story.ready {
            return PollReply::Done(Box::default());
        }
        let share = now.saturating_sub(story.taken).as_secs_f64()
            / story.ready.saturating_sub(story.taken).as_secs_f64();
        PollReply::Pending {
            progress: Some((share * 100.0).floor() / 100.0),
        }
    }
}

impl Provider for Service {
    fn poll<'a>(&'a self, job: &'a JobId) -> BoxFuture<'a, Result<PollReply, PollFailure>> {
        Box::pin(async move {
            self.limiter.acquire(RequestKind::Other).await;
            Ok(self.answer_poll(job))
        })
    }

    fn pause(&self, pause: Duration) {
        self.limiter.pause(pause);
    }

    fn name(&self) -> &'static str {
        unreachable!("jobs are polled, and nothing else")
    }
    fn origin(&self) -> String {
        unreachable!("jobs are polled, and nothing else")
    }
    fn submit<'a>(&'a self, _: &'a Submission, _: BeforeSend<'a>) -> BoxFuture<'a, Result<AcceptedJob>> {
        unreachable!("jobs are polled, and nothing else")
    }
    fn parse_saved_reply(&self, _: &serde_json::Value) -> Option<FinishedJob> {
        unreachable!("jobs are polled, and nothing else")
    }
    fn clip_url(&self, _: &FinishedJob) -> Result<Option<Url>> {
        unreachable!("jobs are polled, and nothing else")
    }
    fn parse_clip_url(&self, _: &str) -> Result<Url> {
        unreachable!("jobs are polled, and nothing else")
    }
    fn download<'a>(
        &'a self,
        _: &'a Url,
        _: &'a mut dyn Sink,
        _: &'a mut (dyn FnMut(u64, Option<u64>) + Send),
    ) -> BoxFuture<'a, Result<(), DownloadError>> {
        unreachable!("jobs are polled, and nothing else")
    }
    fn visible_models(&self) -> BoxFuture<'_, Result<Vec<VisibleModel>>> {
        unreachable!("jobs are polled, and nothing else")
    }
    fn upload<'a>(&'a self, _: &'a Upload) -> BoxFuture<'a, Result<String>> {
        unreachable!("jobs are polled, and nothing else")
    }
    fn delete_file<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<()>> {
        unreachable!("jobs are polled, and nothing else")
    }
    fn query_model<'a>(&'a self, _: &'a ModelQuery, _: &'a StopSignal) -> BoxFuture<'a, Result<ModelAnswer>> {
        unreachable!("jobs are polled, and nothing else")
    }
}

/// Runs all jobs at once, and another one that starts later.
fn run(from: f64, to: f64) -> Shared {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let service = Arc::new(Service {
            limiter: RateLimiter::new(RateLimit::per_second(PER_SECOND, PER_SECOND)),
            start: Instant::now(),
            stories: Mutex::default(),
        });
        let times = Arc::new(DurationStats::default());
        let mut works = Vec::new();
        for number in 0..=JOBS {
            // Every duration once, in a mixed order.
            let share = count(number * 37 % JOBS) / count(JOBS);
            let takes = Duration::from_secs_f64(from + share * (to - from));
            let (service, times) = (Arc::clone(&service), Arc::clone(&times));
            let work = spawn(Span::none(), &StopSignal::default(), move |reporter| async move {
                if number == JOBS {
                    pause(LATER).await;
                }
                let id = JobId::parse(&format!("job-{number}"))?;
                service.create(&id, takes).await;
                reporter.submitted(&id, None);
                let start = PollStart::Submitted {
                    stats: &times,
                    kind: "any",
                    poll_after: None,
                };
                let policy = PollPolicy {
                    deadline: Duration::from_secs(7200),
                    ..PollPolicy::default()
                };
                wait_until_over(&*service, &id, &policy, &reporter, start).await?;
                Ok(())
            });
            works.push(work);
        }
        for work in works {
            work.handle().await.unwrap().wait().await.unwrap();
        }
        let mut stories = service.stories.lock().unwrap();
        let later = stories.remove(&format!("job-{JOBS}")).unwrap();
        Shared::of(&stories.values().collect::<Vec<_>>(), &later)
    })
}

/// Returns Jain's index of fairness: 1 if all shares are equal, 1 / n if one share is everything.
fn jain(shares: &[f64]) -> f64 {
    let (sum, squares): (f64, f64) = (
        shares.iter().sum(),
        shares.iter().map(|share| share * share).sum(),
    );
    sum * sum / (count(shares.len()) * squares)
}

fn most(times: impl Iterator<Item = Duration>) -> f64 {
    times.max().unwrap_or_default().as_secs_f64()
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap())
}

/// How the jobs shared the limit. Times in seconds.
#[derive(Debug)]
struct Shared {
    /// Jain's index of the polls per second of each job.
    jain: f64,
    longest_gap: f64,
    /// When the limiter let the last of the simultaneous create requests pass.
    last_create: f64,
    /// How long the later create request waited while polls used the whole limit.
    later_create: f64,
    mean_late: f64,
    latest: f64,
    polls: f64,
}

impl Shared {
    fn of(stories: &[&Story], later: &Story) -> Self {
        let rates: Vec<f64> = stories.iter().map(|story| story.rate()).collect();
        let late = stories.iter().map(|story| story.late().as_secs_f64());
        Self {
            jain: jain(&rates),
            longest_gap: most(stories.iter().map(|story| story.longest_gap())),
            last_create: most(stories.iter().map(|story| story.create_waited)),
            later_create: later.create_waited.as_secs_f64(),
            mean_late: late.sum::<f64>() / count(stories.len()),
            latest: most(stories.iter().map(|story| story.late())),
            polls: count(stories.iter().map(|story| story.polls.len()).sum()) / count(stories.len()),
        }
    }
}

/// Longer than it takes to poll all jobs several times.
fn long() -> Shared {
    run(1000.0, 1100.0)
}

/// Durations like those of the service.
fn real() -> Shared {
    run(24.0, 100.0)
}

#[test]
fn two_hundred_jobs_share_two_requests_a_second() {
    let shared = long();
    assert!(shared.jain > 0.9, "{shared:?}");
    // Create requests have priority: a poll passes after eight of them.
    assert!(shared.last_create < 1.2 * ROUND, "{shared:?}");
    assert!(shared.longest_gap < 2.5 * ROUND, "{shared:?}");
    assert!(shared.later_create < 2.0 / PER_SECOND, "{shared:?}");
}

#[test]
fn two_hundred_jobs_of_the_real_length_are_all_noticed() {
    let shared = real();
    assert!(shared.last_create < 1.2 * ROUND, "{shared:?}");
    assert!(shared.latest < 2.0 * ROUND, "{shared:?}");
}

#[test]
#[ignore = "prints the rows of the benchmark"]
fn rows() {
    let case = "200 jobs of 1000 s, 2 requests a second";
    let shared = long();
    let row = |case, figure, unit, ours| Row::new("waiting", case, figure, unit, ours);
    row(case, "unevenness, 1 / Jain's index", "", 1.0 / shared.jain)
        .at_most(1.1)
        .print();
    row(case, "longest time without a turn", "s", shared.longest_gap).print();
    row(case, "a create among polls waits", "s", shared.later_create)
        .at_most(1.0)
        .print();
    let case = "200 jobs of 24 to 100 s, 2 requests a second";
    let shared = real();
    row(case, "delay", "s", shared.mean_late).print();
    row(case, "longest delay", "s", shared.latest).print();
    row(case, "requests", "a job", shared.polls).print();
}

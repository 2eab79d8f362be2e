//! Measures the delay until a finished job is noticed and the number of polls that takes, on a simulated clock: the
//! schedule of the poll loop compared with a poll of the same jobs every five seconds.
//!
//! A unit-test module of `src/job`, whose private parts it measures. `scripts/bench.sh waiting` prints the figures.

mod jobs;

use std::time::Duration;

use self::jobs::{Job, Random, Reporting};
use super::PollPolicy;
use super::duration_stats::{DurationStats, ExpectedDuration};
use super::poll::JITTER;
use super::progress::ProgressEstimator;
use super::rows::Row;

/// The pause that the service's samples and most clients use.
const FIXED_PAUSE: Duration = Duration::from_secs(5);

/// Totals over many jobs.
#[derive(Debug, Default)]
struct Totals {
    jobs: f64,
    seconds_late: f64,
    polls: f64,
}

impl Totals {
    fn add(&mut self, (late, polls): (Duration, u32)) {
        self.jobs += 1.0;
        self.seconds_late += late.as_secs_f64();
        self.polls += f64::from(polls);
    }

    fn mean_delay(&self) -> f64 {
        self.seconds_late / self.jobs
    }

    fn mean_polls(&self) -> f64 {
        self.polls / self.jobs
    }
}

/// Waits for one job as the poll loop does. Returns the delay and the number of polls.
fn wait(
    policy: &PollPolicy,
    stats: Option<&DurationStats>,
    job: &Job,
    random: &mut Random,
) -> (Duration, u32) {
    let guessed = ExpectedDuration::guessed(policy.expected);
    let learned = stats.and_then(|stats| stats.get(&job.kind));
    let mut progress = ProgressEstimator::submitted(learned.unwrap_or(guessed));
    let (mut now, mut pending_at, mut polls) = (random.jitter(policy.first, JITTER), Duration::ZERO, 1);
    while now < job.duration {
        if let Some(fraction) = job.report(now, random) {
            progress.record(fraction, now);
        }
        pending_at = now;
        now += random.jitter(policy.next_pause(now, &progress, Duration::ZERO), JITTER);
        polls += 1;
    }
    if let Some(stats) = stats {
        stats.record(&job.kind, (pending_at + now) / 2);
    }
    (now.saturating_sub(job.duration), polls)
}

/// Waits for one job with a fixed pause.
fn wait_fixed(job: &Job) -> (Duration, u32) {
    let mut polls = 1;
    while FIXED_PAUSE * polls < job.duration {
        polls += 1;
    }
    ((FIXED_PAUSE * polls).saturating_sub(job.duration), polls)
}

/// Waits for the same jobs with the schedule and with the fixed pause.
fn compare(reporting: Reporting, spread: Spread, number: u32) -> (Totals, Totals) {
    let policy = PollPolicy::default();
    let stats = DurationStats::default();
    let mut random = Random::new(1);
    let (mut ours, mut fixed) = (Totals::default(), Totals::default());
    let kinds: Vec<f64> = (0..12).map(|_| random.between(24.0, 100.0)).collect();
    for _ in 0..number {
        let job = match spread {
            Spread::Uniform => Job::new(
                "any".to_owned(),
                random.between(24.0, 100.0),
                reporting,
                &mut random,
            ),
            Spread::ByKind(share) => {
                let kind = random.below(kinds.len());
                Job::new(
                    kind.to_string(),
                    kinds[kind] * (share * random.normal()).exp(),
                    reporting,
                    &mut random,
                )
            }
        };
        let stats = matches!(spread, Spread::ByKind(_)).then_some(&stats);
        ours.add(wait(&policy, stats, &job, &mut random));
        fixed.add(wait_fixed(&job));
    }
    (ours, fixed)
}

/// The distribution of job durations.
#[derive(Debug, Clone, Copy)]
enum Spread {
    /// Uniformly between 24 and 100 s.
    Uniform,
    /// Twelve kinds with a mean between 24 and 100 s each. The value is the relative deviation from the mean.
    ByKind(f64),
}

/// The cases that meet the target: a mean delay below 0.7 s with no more polls than the fixed pause.
const MET: [(&str, Reporting, Spread); 9] = [
    ("progress, steady", Reporting::Steady, Spread::Uniform),
    (
        "progress, steady, by kind",
        Reporting::Steady,
        Spread::ByKind(0.1),
    ),
    ("progress, in fits and starts", Reporting::Noisy, Spread::Uniform),
    (
        "progress, ever slower or faster",
        Reporting::Curved,
        Spread::Uniform,
    ),
    (
        "progress, stands at 0 and jumps",
        Reporting::Late,
        Spread::Uniform,
    ),
    ("progress in steps of 10", Reporting::Steps(10), Spread::Uniform),
    ("progress in every other answer", Reporting::Gaps, Spread::Uniform),
    (
        "no progress, kinds of ±3 %",
        Reporting::Nothing,
        Spread::ByKind(0.03),
    ),
    (
        "no progress, kinds of ±5 %",
        Reporting::Nothing,
        Spread::ByKind(0.05),
    ),
];

/// The cases that do not meet the target.
const MISSED: [(&str, Reporting, Spread); 5] = [
    ("progress in steps of 25", Reporting::Steps(25), Spread::Uniform),
    ("progress, stands at 99", Reporting::Tail, Spread::Uniform),
    (
        "no progress, kinds of ±10 %",
        Reporting::Nothing,
        Spread::ByKind(0.1),
    ),
    (
        "no progress, kinds of ±20 %",
        Reporting::Nothing,
        Spread::ByKind(0.2),
    ),
    ("no progress, nothing known", Reporting::Nothing, Spread::Uniform),
];

#[test]
fn jobs_are_noticed_quickly_with_no_more_polls_than_every_five_seconds() {
    for (case, reporting, spread) in MET {
        let (ours, fixed) = compare(reporting, spread, 2000);
        assert!(ours.mean_delay() < 0.7, "{case}: {} s", ours.mean_delay());
        assert!(
            ours.mean_polls() <= fixed.mean_polls(),
            "{case}: {} requests, {} every five seconds",
            ours.mean_polls(),
            fixed.mean_polls()
        );
    }
}

#[test]
fn an_unpredictable_end_is_noticed_no_later_than_with_a_fixed_pause() {
    for (case, reporting, spread) in MISSED {
        let (ours, fixed) = compare(reporting, spread, 2000);
        assert!(
            ours.mean_delay() <= fixed.mean_delay(),
            "{case}: {ours:?} {fixed:?}"
        );
        assert!(
            ours.mean_polls() <= 1.3 * fixed.mean_polls(),
            "{case}: {ours:?} {fixed:?}"
        );
    }
}

#[test]
#[ignore = "prints the rows of the benchmark"]
fn rows() {
    let rows = MET.iter().chain(&MISSED);
    for (case, reporting, spread) in rows {
        let (ours, fixed) = compare(*reporting, *spread, 20_000);
        Row::new("waiting", case, "delay", "s", ours.mean_delay())
            .beside("a poll every 5 s", fixed.mean_delay())
            .at_most(0.7 / fixed.mean_delay())
            .exact()
            .note("the limit is 0.7 s")
            .print();
        Row::new("waiting", case, "requests", "a job", ours.mean_polls())
            .beside("a poll every 5 s", fixed.mean_polls())
            .at_most(1.0)
            .exact()
            .print();
    }
}

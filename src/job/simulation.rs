//! How late jobs are noticed and what that costs, on a simulated clock: the schedule that runs, beside a poll
//! every five seconds of the same jobs.
//!
//! `scripts/bench.sh waiting` prints the figures.

mod jobs;

use std::time::Duration;

use self::jobs::{Dice, Job, Telling};
use super::PollPolicy;
use super::pace::Pace;
use super::poll::JITTER;
use super::rows::Row;
use super::times::{Expected, Times};

/// What the service's own samples and most clients do.
const FIXED: Duration = Duration::from_secs(5);

/// Of many jobs: how late they were noticed, and the requests they took.
#[derive(Debug, Default)]
struct Waited {
    jobs: f64,
    seconds: f64,
    polls: f64,
}

impl Waited {
    fn add(&mut self, (late, polls): (Duration, u32)) {
        self.jobs += 1.0;
        self.seconds += late.as_secs_f64();
        self.polls += f64::from(polls);
    }

    fn delay(&self) -> f64 {
        self.seconds / self.jobs
    }

    fn requests(&self) -> f64 {
        self.polls / self.jobs
    }
}

/// Waits for one job as the poll loop does.
fn wait(policy: &PollPolicy, times: Option<&Times>, job: &Job, dice: &mut Dice) -> (Duration, u32) {
    let guessed = Expected::guessed(policy.expected);
    let learned = times.and_then(|times| times.of(&job.kind));
    let mut pace = Pace::of_new(learned.unwrap_or(guessed));
    let (mut now, mut before, mut polls) = (dice.about(policy.first, JITTER), Duration::ZERO, 1);
    while now < job.takes {
        if let Some(fraction) = job.told(now, dice) {
            pace.note(fraction, now);
        }
        before = now;
        now += dice.about(policy.pause(now, &pace, Duration::ZERO), JITTER);
        polls += 1;
    }
    if let Some(times) = times {
        times.learn(&job.kind, (before + now) / 2);
    }
    (now.saturating_sub(job.takes), polls)
}

fn wait_fixed(job: &Job) -> (Duration, u32) {
    let mut polls = 1;
    while FIXED * polls < job.takes {
        polls += 1;
    }
    ((FIXED * polls).saturating_sub(job.takes), polls)
}

/// The same jobs, waited for here and every five seconds.
fn both(telling: Telling, spread: Spread, number: u32) -> (Waited, Waited) {
    let policy = PollPolicy::default();
    let times = Times::default();
    let mut dice = Dice::new(1);
    let (mut ours, mut fixed) = (Waited::default(), Waited::default());
    let kinds: Vec<f64> = (0..12).map(|_| dice.between(24.0, 100.0)).collect();
    for _ in 0..number {
        let job = match spread {
            Spread::Uniform => Job::new("any".to_owned(), dice.between(24.0, 100.0), telling, &mut dice),
            Spread::ByKind(share) => {
                let kind = dice.below(kinds.len());
                Job::new(
                    kind.to_string(),
                    kinds[kind] * (share * dice.normal()).exp(),
                    telling,
                    &mut dice,
                )
            }
        };
        let learning = matches!(spread, Spread::ByKind(_)).then_some(&times);
        ours.add(wait(&policy, learning, &job, &mut dice));
        fixed.add(wait_fixed(&job));
    }
    (ours, fixed)
}

/// How long jobs take.
#[derive(Debug, Clone, Copy)]
enum Spread {
    /// 24 to 100 s, and nobody knows more.
    Uniform,
    /// As long as twelve kinds, each of 24 to 100 s, give or take a share.
    ByKind(f64),
}

/// Where the aim is met: less than 0.7 s at no more requests.
const MET: [(&str, Telling, Spread); 9] = [
    ("progress, steady", Telling::Steady, Spread::Uniform),
    ("progress, steady, by kind", Telling::Steady, Spread::ByKind(0.1)),
    ("progress, in fits and starts", Telling::Noisy, Spread::Uniform),
    (
        "progress, ever slower or faster",
        Telling::Curved,
        Spread::Uniform,
    ),
    ("progress, stands at 0 and jumps", Telling::Late, Spread::Uniform),
    ("progress in steps of 10", Telling::Steps(10), Spread::Uniform),
    ("progress in every other answer", Telling::Gaps, Spread::Uniform),
    (
        "no progress, kinds of ±3 %",
        Telling::Nothing,
        Spread::ByKind(0.03),
    ),
    (
        "no progress, kinds of ±5 %",
        Telling::Nothing,
        Spread::ByKind(0.05),
    ),
];

/// Where it is not.
const MISSED: [(&str, Telling, Spread); 5] = [
    ("progress in steps of 25", Telling::Steps(25), Spread::Uniform),
    ("progress, stands at 99", Telling::Tail, Spread::Uniform),
    (
        "no progress, kinds of ±10 %",
        Telling::Nothing,
        Spread::ByKind(0.1),
    ),
    (
        "no progress, kinds of ±20 %",
        Telling::Nothing,
        Spread::ByKind(0.2),
    ),
    ("no progress, nothing known", Telling::Nothing, Spread::Uniform),
];

#[test]
fn jobs_are_noticed_within_a_moment_at_no_more_requests_than_every_five_seconds() {
    for (case, telling, spread) in MET {
        let (ours, fixed) = both(telling, spread, 2000);
        assert!(ours.delay() < 0.7, "{case}: {} s", ours.delay());
        assert!(
            ours.requests() <= fixed.requests(),
            "{case}: {} requests, {} every five seconds",
            ours.requests(),
            fixed.requests()
        );
    }
}

#[test]
fn where_the_end_cannot_be_known_it_is_no_worse_than_every_five_seconds() {
    for (case, telling, spread) in MISSED {
        let (ours, fixed) = both(telling, spread, 2000);
        assert!(ours.delay() <= fixed.delay(), "{case}: {ours:?} {fixed:?}");
        assert!(
            ours.requests() <= 1.3 * fixed.requests(),
            "{case}: {ours:?} {fixed:?}"
        );
    }
}

#[test]
#[ignore = "prints the rows of the benchmark"]
fn rows() {
    let rows = MET.iter().chain(&MISSED);
    for (case, telling, spread) in rows {
        let (ours, fixed) = both(*telling, *spread, 20_000);
        Row::new("waiting", case, "delay", "s", ours.delay())
            .beside("a poll every 5 s", fixed.delay())
            .at_most(0.7 / fixed.delay())
            .exact()
            .note("the limit is 0.7 s")
            .print();
        Row::new("waiting", case, "requests", "a job", ours.requests())
            .beside("a poll every 5 s", fixed.requests())
            .at_most(1.0)
            .exact()
            .print();
    }
}

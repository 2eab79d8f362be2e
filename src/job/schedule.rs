//! Decides when to poll next. Pure arithmetic on durations, without a clock.

use std::time::Duration;

use super::duration_stats::ExpectedDuration;
use super::progress::ProgressEstimator;
use crate::backoff::MAX_WAIT;
use crate::mutation::{Mutation, is_on};

/// Share of the time until the earliest end that is slept at once. The rest allows for a rate that changes.
const SLEEP_SHARE: f64 = 0.6;
/// Number of polls between the earliest and the latest end.
const POLLS_NEAR_END: u32 = 4;
/// After the latest end, a pause is the time since then divided by this.
const OVERDUE_DIVISOR: u32 = 3;
/// Without progress, polls become dense this many scales before the mean: hardly any job ends earlier.
const DENSE_FROM_SCALES: f64 = 2.5;
/// Without progress, a job is polled as many times as with a fixed pause of this share of [`PollPolicy::longest`].
const FIXED_PAUSE_SHARE: f64 = 0.7;

/// How often and how long a job is polled. Durations above 365 days count as 365 days.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct PollPolicy {
    /// Time from the submission to the first poll; no clip is ready earlier. It is shorter if the reply to the create
    /// request has a shorter `Retry-After`, such as that of the sandbox. A resumed job is polled immediately.
    pub first: Duration,
    /// Expected duration of a job, used while the service reports no progress and the client has observed no job
    /// of the same kind.
    pub expected: Duration,
    /// Shortest pause between two polls.
    pub shortest: Duration,
    /// Longest pause between two polls. Half of it, while no progress is reported and no job of the kind was observed.
    pub longest: Duration,
    /// Time after which waiting ends, from the submission, from when the job was resumed, or from when a new link to its
    /// clip was requested. A last poll is made before the timeout is reported.
    pub deadline: Duration,
    /// Time without any change after which a job counts as stalled.
    pub stalled_after: Duration,
}

impl Default for PollPolicy {
    /// Polls first after 5 s, then every 0.75 to 10 s, for 15 minutes. A job is stalled after 180 s. Jobs were
    /// reported to take 24 to 100 s.
    fn default() -> Self {
        Self {
            first: Duration::from_secs(5),
            expected: Duration::from_secs(60),
            shortest: Duration::from_millis(750),
            longest: Duration::from_secs(10),
            deadline: Duration::from_secs(15 * 60),
            stalled_after: Duration::from_secs(180),
        }
    }
}

impl PollPolicy {
    /// Returns the policy with every duration limited to [`MAX_WAIT`].
    pub(crate) fn clamped(self) -> Self {
        if is_on(Mutation::SkipClamping) {
            return self;
        }
        Self {
            first: self.first.min(MAX_WAIT),
            expected: self.expected.min(MAX_WAIT),
            shortest: self.shortest.min(MAX_WAIT),
            longest: self.longest.min(MAX_WAIT),
            deadline: self.deadline.min(MAX_WAIT),
            stalled_after: self.stalled_after.min(MAX_WAIT),
        }
    }

    /// Returns the time from the submission to the first poll. The service can only shorten it, with `poll_after`.
    pub(super) fn first_pause(&self, poll_after: Option<Duration>) -> Duration {
        poll_after.map_or(self.first, |asked| self.first.min(asked.max(self.shortest)))
    }

    /// Computes the pause after a poll that found the job pending.
    ///
    /// With progress, most of the time until the earliest end is slept at once, and a few polls are made between the
    /// earliest and the latest end. Without progress, polls are dense where jobs of the kind usually end.
    ///
    /// `waited` is how long the poll waited for the rate limit. After a long wait polls are scarce, so the pause may be
    /// as long.
    pub(super) fn next_pause(
        &self,
        elapsed: Duration,
        progress: &ProgressEstimator,
        waited: Duration,
    ) -> Duration {
        let pause = match progress.estimate_end() {
            Some((earliest, latest)) if elapsed <= latest => {
                let sleep = earliest.saturating_sub(elapsed).mul_f64(SLEEP_SHARE);
                sleep.max(latest.saturating_sub(earliest) / POLLS_NEAR_END)
            }
            Some((_, latest)) => elapsed.saturating_sub(latest) / OVERDUE_DIVISOR,
            None => self.pause_without_progress(elapsed, progress.expected),
        };
        pause.min(self.longest.max(waited)).max(self.shortest)
    }

    /// Computes the pause from the distribution of durations alone.
    ///
    /// If each poll and each second of delay has a fixed cost, the best pause is proportional to the square root of the
    /// number of jobs still running divided by the number that end per second. For a logistic distribution and a given
    /// number of polls, this is `2 scale / polls * sqrt(1 + e^-z)`.
    fn pause_without_progress(&self, elapsed: Duration, expected: ExpectedDuration) -> Duration {
        let ExpectedDuration {
            mean,
            scale,
            is_learned,
        } = expected;
        let elapsed = elapsed.as_secs_f64();
        let z = (elapsed - mean) / scale;
        let polls = mean / (FIXED_PAUSE_SHARE * self.longest.as_secs_f64());
        let seconds = if z < -DENSE_FROM_SCALES {
            mean - DENSE_FROM_SCALES * scale - elapsed
        } else if elapsed < 2.0 * mean {
            2.0 * scale / polls * (1.0 + (-z).exp()).sqrt()
        } else {
            elapsed / 20.0
        };
        let longest = if is_learned {
            self.longest
        } else {
            self.longest / 2
        };
        // A policy of zeros gives NaN.
        Duration::try_from_secs_f64(seconds)
            .unwrap_or(longest)
            .min(longest)
    }
}

/// Sleeps on behalf of modules that must not call `sleep` themselves (`tests/layering.rs`).
pub(crate) async fn pause(wait: Duration) {
    tokio::time::sleep(wait).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_service_can_only_ask_for_an_earlier_first_poll() {
        let policy = PollPolicy::default();
        let shortest = policy.shortest;
        for (asked, pause) in [
            (None, s(5)),
            (Some(s(2)), s(2)),
            (Some(Duration::ZERO), shortest),
            (Some(s(60)), s(5)),
        ] {
            assert_eq!(policy.first_pause(asked), pause, "{asked:?}");
        }
    }

    fn submitted(policy: &PollPolicy) -> ProgressEstimator {
        ProgressEstimator::submitted(ExpectedDuration::guessed(policy.expected))
    }

    /// Polls a job that ends after `ready`. Returns the delay until the end is noticed and the number of polls.
    fn simulate(policy: &PollPolicy, ready: Duration, reports_progress: bool) -> (Duration, u32) {
        let (mut now, mut polls) = (policy.first, 1);
        let mut progress = submitted(policy);
        while now < ready {
            if reports_progress {
                let fraction = (now.as_secs_f64() / ready.as_secs_f64() * 100.0).floor() / 100.0;
                progress.record(fraction, now);
            }
            now += policy.next_pause(now, &progress, Duration::ZERO);
            polls += 1;
        }
        (now.saturating_sub(ready), polls)
    }

    #[test]
    fn with_progress_the_mean_delay_is_below_0_8_seconds() {
        let policy = PollPolicy::default();
        let late: Duration = (24..=100).map(|ready| simulate(&policy, s(ready), true).0).sum();
        assert!(late / 77 < Duration::from_millis(800), "mean {:?}", late / 77);
    }

    #[test]
    fn without_progress_the_end_is_noticed_within_five_seconds() {
        let policy = PollPolicy::default();
        for ready in 6..=400 {
            let (late, polls) = simulate(&policy, s(ready), false);
            assert!(late <= s(5), "{ready}: {late:?}");
            assert!(u64::from(polls) <= ready / 2 + 4, "{ready}: {polls}");
        }
    }

    #[test]
    fn a_poll_that_waited_for_the_rate_limit_lengthens_the_pause() {
        let policy = PollPolicy::default();
        let mut progress = submitted(&policy);
        progress.record(0.09, s(9));
        progress.record(0.1, s(10));
        assert_eq!(
            policy.next_pause(s(10), &progress, Duration::ZERO),
            policy.longest
        );
        let pause = policy.next_pause(s(10), &progress, s(60));
        assert!(pause > s(30) && pause < s(60), "{pause:?} until an end at 100 s");
    }

    #[test]
    fn a_job_that_stays_at_a_hundred_percent_is_polled_again() {
        let policy = PollPolicy::default();
        let mut progress = submitted(&policy);
        progress.record(1.0, s(50));
        let pause = policy.next_pause(s(50), &progress, Duration::ZERO);
        assert!(pause >= policy.shortest && pause <= policy.longest);
    }
}

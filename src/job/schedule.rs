//! When to ask next: arithmetic on times, no clock of its own.

use std::time::Duration;

use super::pace::Pace;
use super::times::Expected;
use crate::backoff::MAX_WAIT;
use crate::mutation::{Mutation, is_on};

/// Of the time until the earliest end so much is slept at once. What is left is for a pace that changes.
const STRIDE: f64 = 0.6;
/// Looks in the time within which the end must lie.
const LOOKS: u32 = 4;
/// After the time for it the pauses grow with what the job is late, to a look in every so much of it.
const LATE: u32 = 3;
/// Without progress nearly every job ends later than so many scales before the mean.
const EARLY: f64 = 2.5;
/// Without progress as many polls are spent as one in this share of `longest` would make.
const SPENT: f64 = 0.7;

/// How a job is waited for. A time of more than 365 days counts as 365 days.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct PollPolicy {
    /// When the first poll is made: before that no clip was ever ready. A job that is picked up is looked at
    /// at once.
    pub first: Duration,
    /// How long a job is expected to take while the service tells no progress, and the client has seen none of
    /// its kind.
    pub expected: Duration,
    /// Shortest pause between two polls.
    pub shortest: Duration,
    /// Longest pause between two polls; half of it while nothing is known of when the job ends.
    pub longest: Duration,
    /// When waiting ends, counted from the submit. One last look comes before that is declared.
    pub deadline: Duration,
    /// After how long without a change a job counts as stalled.
    pub stalled_after: Duration,
}

impl Default for PollPolicy {
    /// First poll after 5 s, then every 0.75 to 10 s, for 15 minutes; stalled after 180 s. Jobs were
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
    /// Returns the policy with no time above [`MAX_WAIT`].
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

    /// The pause after a poll that found the job not ready.
    ///
    /// With progress the time until the earliest end is taken in strides, and the time within which the end
    /// must lie in looks. Without, polls are dense where jobs of the kind end, and sparse long after it.
    ///
    /// A poll that waited for its turn tells that turns are scarce: then the pause may be as long as that wait.
    pub(super) fn pause(&self, elapsed: Duration, pace: &Pace, waited: Duration) -> Duration {
        let pause = match pace.end() {
            Some((earliest, latest)) if elapsed <= latest => {
                let stride = earliest.saturating_sub(elapsed).mul_f64(STRIDE);
                stride.max(latest.saturating_sub(earliest) / LOOKS)
            }
            Some((_, latest)) => elapsed.saturating_sub(latest) / LATE,
            None => self.unaided(elapsed, pace.expected),
        };
        pause.min(self.longest.max(waited)).max(self.shortest)
    }

    /// Where looking costs as much as being late, pauses go with the root of how many jobs are left to how
    /// many end. Of a logistic distribution, `2 scale / polls * sqrt(1 + e^-z)`, for so many polls in all.
    fn unaided(&self, elapsed: Duration, expected: Expected) -> Duration {
        let Expected {
            mean,
            scale,
            is_learned,
        } = expected;
        let passed = elapsed.as_secs_f64();
        let z = (passed - mean) / scale;
        let polls = mean / (SPENT * self.longest.as_secs_f64());
        let seconds = if z < -EARLY {
            mean - EARLY * scale - passed
        } else if passed < 2.0 * mean {
            2.0 * scale / polls * (1.0 + (-z).exp()).sqrt()
        } else {
            passed / 20.0
        };
        let most = if is_learned {
            self.longest
        } else {
            self.longest / 2
        };
        // No number comes of a policy of zeros.
        Duration::try_from_secs_f64(seconds).unwrap_or(most).min(most)
    }
}

/// A pause between two looks at something that ends without a word.
pub(crate) async fn pause(wait: Duration) {
    tokio::time::sleep(wait).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Polls a job that is ready at a time; returns how late it was noticed and with how many polls.
    fn simulate(policy: &PollPolicy, ready: Duration, progress: bool) -> (Duration, u32) {
        let (mut now, mut polls) = (policy.first, 1);
        let mut pace = Pace::of_new(Expected::guessed(policy.expected));
        while now < ready {
            if progress {
                let fraction = (now.as_secs_f64() / ready.as_secs_f64() * 100.0).floor() / 100.0;
                pace.note(fraction, now);
            }
            now += policy.pause(now, &pace, Duration::ZERO);
            polls += 1;
        }
        (now.saturating_sub(ready), polls)
    }

    #[test]
    fn with_progress_the_end_is_met_closely() {
        let policy = PollPolicy::default();
        let late: Duration = (24..=100).map(|ready| simulate(&policy, s(ready), true).0).sum();
        assert!(late / 77 < Duration::from_millis(800), "mean {:?}", late / 77);
    }

    #[test]
    fn without_progress_it_is_no_worse_than_every_five_seconds() {
        let policy = PollPolicy::default();
        for ready in 6..=400 {
            let (late, polls) = simulate(&policy, s(ready), false);
            assert!(late <= s(5), "{ready}: {late:?}");
            assert!(u64::from(polls) <= ready / 2 + 4, "{ready}: {polls}");
        }
    }

    #[test]
    fn where_turns_are_scarce_nobody_asks_again_sooner_than_it_has_to() {
        let policy = PollPolicy::default();
        let mut pace = Pace::of_new(Expected::guessed(policy.expected));
        pace.note(0.09, s(9));
        pace.note(0.1, s(10));
        assert_eq!(policy.pause(s(10), &pace, Duration::ZERO), policy.longest);
        let pause = policy.pause(s(10), &pace, s(60));
        assert!(pause > s(30) && pause < s(60), "{pause:?} until an end at 100 s");
    }

    #[test]
    fn a_clip_that_stands_at_a_hundred_percent_is_asked_for_again() {
        let policy = PollPolicy::default();
        let mut pace = Pace::of_new(Expected::guessed(policy.expected));
        pace.note(1.0, s(50));
        let pause = policy.pause(s(50), &pace, Duration::ZERO);
        assert!(pause >= policy.shortest && pause <= policy.longest);
    }
}

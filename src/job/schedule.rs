//! When to ask next: arithmetic on times, no clock of its own.

use std::time::Duration;

/// How a job is waited for.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct PollPolicy {
    /// When the first poll is made: before that no clip was ever ready.
    pub first: Duration,
    /// How long a job is expected to take while the service tells no progress.
    pub expected: Duration,
    /// Shortest pause between two polls.
    pub shortest: Duration,
    /// Longest pause between two polls.
    pub longest: Duration,
    /// When waiting ends, counted from the submit. One last look comes before that is declared.
    pub deadline: Duration,
    /// After how long without a change a job counts as stalled.
    pub stalled_after: Duration,
}

impl Default for PollPolicy {
    /// First poll after 5 s, then every 1 to 5 s, for 15 minutes; stalled after 180 s. Jobs were
    /// reported to take 24 to 100 s.
    fn default() -> Self {
        Self {
            first: Duration::from_secs(5),
            expected: Duration::from_secs(40),
            shortest: Duration::from_secs(1),
            longest: Duration::from_secs(5),
            deadline: Duration::from_secs(15 * 60),
            stalled_after: Duration::from_secs(180),
        }
    }
}

/// What is known of a job's pace.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pace {
    /// Last progress, 0 to 1, and when it was first seen.
    pub(super) seen: Option<(f64, Duration)>,
}

impl PollPolicy {
    /// The pause after a poll that found the job not ready.
    ///
    /// With progress the rest is extrapolated, and half of it slept: the pauses shrink as the end
    /// comes near. Without, polls are dense around the expected time and sparse long after it.
    pub(super) fn pause(&self, elapsed: Duration, pace: Pace) -> Duration {
        let rest = match pace.seen {
            // The first few percent say little about the pace.
            Some((fraction, at)) if (0.05..1.0).contains(&fraction) => {
                let whole = at.div_f64(fraction);
                whole.saturating_sub(elapsed).div_f64(2.0)
            }
            _ if elapsed < self.expected => self.expected.saturating_sub(elapsed).div_f64(2.0),
            // Twice the expected time over: somewhat slower with every poll.
            _ => elapsed.div_f64(20.0),
        };
        rest.clamp(self.shortest, self.longest)
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
        let (mut now, mut polls, mut pace) = (policy.first, 1, Pace::default());
        while now < ready {
            if progress {
                let fraction = (now.as_secs_f64() / ready.as_secs_f64() * 100.0).floor() / 100.0;
                if pace.seen.is_none_or(|(seen, _)| fraction > seen) {
                    pace.seen = Some((fraction, now));
                }
            }
            now += policy.pause(now, pace);
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
    fn a_clip_that_stands_at_a_hundred_percent_is_asked_for_again() {
        let policy = PollPolicy::default();
        let pause = policy.pause(
            s(50),
            Pace {
                seen: Some((1.0, s(50))),
            },
        );
        assert!(pause >= policy.shortest && pause <= policy.longest);
    }
}

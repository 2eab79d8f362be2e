//! Estimates the end of a job from the progress it reports. Pure arithmetic on durations, without a clock.

use std::time::Duration;

use super::duration_stats::ExpectedDuration;

/// Estimates when a job ends, from the progress reported so far.
///
/// All durations are measured from the same moment: the submission, or the first poll of a resumed job.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProgressEstimator {
    /// The estimate to use while no progress is reported.
    pub(super) expected: ExpectedDuration,
    /// The progress and the time from which the rate is measured.
    origin: Option<(f64, Duration)>,
    /// The latest progress, 0 to 1, and when it was first reported.
    latest: Option<(f64, Duration)>,
    /// When the latest progress was last reported.
    confirmed_at: Duration,
    /// The step in which the service reports progress, in percent; 0 before the first report.
    step: u32,
}

impl ProgressEstimator {
    /// Creates the estimator of a job that was just submitted.
    pub(super) const fn submitted(expected: ExpectedDuration) -> Self {
        Self {
            origin: Some((0.0, Duration::ZERO)),
            ..Self::resumed(expected)
        }
    }

    /// Creates the estimator of a job that has been running for an unknown time. Its rate is known from the second
    /// progress on.
    pub(super) const fn resumed(expected: ExpectedDuration) -> Self {
        Self {
            expected,
            origin: None,
            latest: None,
            confirmed_at: Duration::ZERO,
            step: 0,
        }
    }

    /// Returns the latest progress, 0 to 1.
    pub(super) fn fraction(&self) -> Option<f64> {
        self.latest.map(|(fraction, _)| fraction)
    }

    /// Records the progress that a poll reported and returns whether it increased. Ignores a decrease.
    pub(super) fn record(&mut self, fraction: f64, elapsed: Duration) -> bool {
        let previous = self.fraction();
        if previous.is_some_and(|previous| fraction < previous) {
            return false;
        }
        self.confirmed_at = elapsed;
        if previous == Some(fraction) {
            return false;
        }
        self.latest = Some((fraction, elapsed));
        self.origin.get_or_insert((fraction, elapsed));
        self.step = common_step(self.step, fraction);
        true
    }

    /// Returns the earliest and the latest end of the job at a constant rate, or `None` while the rate is unknown.
    ///
    /// Progress is reported in steps. It was at least the latest value when that was first reported, and below the next
    /// value when the latest one was last confirmed. Each bound is the line from the origin through one of these points.
    pub(super) fn estimate_end(&self) -> Option<(Duration, Duration)> {
        let ((origin, origin_at), (latest, latest_at)) = (self.origin?, self.latest?);
        let next = (latest + f64::from(self.step) / 100.0).min(1.0);
        let extrapolate = |at: Duration, fraction: f64| {
            let total = at.saturating_sub(origin_at).as_secs_f64() * (1.0 - origin) / (fraction - origin);
            Duration::try_from_secs_f64(total).map_or(Duration::MAX, |total| origin_at.saturating_add(total))
        };
        (latest > origin).then(|| {
            (
                extrapolate(self.confirmed_at, next),
                extrapolate(latest_at, latest),
            )
        })
    }
}

/// Returns the largest step in percent that divides both the step so far and a new fraction. The first fraction is its
/// own step.
fn common_step(step: u32, fraction: f64) -> u32 {
    let percent = fraction * 100.0;
    if (percent - percent.round()).abs() > 1e-6 {
        return 1;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to 100, and whole"
    )]
    let (mut a, mut b) = (step, percent.round() as u32);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn guess() -> ExpectedDuration {
        ExpectedDuration::guessed(s(60))
    }

    #[test]
    fn the_end_lies_between_the_bounds() {
        let mut progress = ProgressEstimator::submitted(guess());
        assert_eq!(progress.estimate_end(), None);
        for at in (5..=45_u32).step_by(10) {
            // A job of 50 s that reports whole percent.
            progress.record(f64::from(at * 2) / 100.0, s(u64::from(at)));
        }
        let (earliest, latest) = progress.estimate_end().unwrap();
        assert!(
            earliest < s(50) && latest >= s(50) && latest <= s(51),
            "{earliest:?} {latest:?}"
        );
    }

    #[test]
    fn unchanged_progress_moves_only_the_earliest_end() {
        let mut progress = ProgressEstimator::submitted(guess());
        assert!(progress.record(0.5, s(20)));
        let before = progress.estimate_end().unwrap();
        assert!(!progress.record(0.5, s(25)));
        let after = progress.estimate_end().unwrap();
        assert!(after.0 > before.0 && after.1 == before.1);
    }

    #[test]
    fn decreasing_progress_is_ignored() {
        let mut progress = ProgressEstimator::submitted(guess());
        progress.record(0.5, s(20));
        let before = progress.estimate_end();
        assert!(!progress.record(0.2, s(30)));
        assert_eq!(
            (progress.fraction(), progress.estimate_end()),
            (Some(0.5), before)
        );
    }

    #[test]
    fn the_rate_of_a_resumed_job_starts_at_its_first_progress() {
        let mut progress = ProgressEstimator::resumed(guess());
        progress.record(0.5, s(0));
        assert_eq!(progress.estimate_end(), None);
        progress.record(0.75, s(10));
        assert_eq!(progress.estimate_end().unwrap().1, s(20));
    }

    #[test]
    fn coarse_steps_widen_the_bounds() {
        let width = |reports: &[(f64, u64)]| {
            let mut progress = ProgressEstimator::submitted(guess());
            for (fraction, at) in reports {
                progress.record(*fraction, s(*at));
            }
            let (earliest, latest) = progress.estimate_end().unwrap();
            latest.saturating_sub(earliest)
        };
        assert!(width(&[(0.25, 10), (0.5, 20)]) > 4 * width(&[(0.24, 10), (0.49, 20)]));
    }
}

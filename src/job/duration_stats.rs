//! Statistics of the durations of finished jobs, from which the progress of a job that reports none is estimated.
//!
//! Callers measure the durations: this module reads no clock.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use crate::sync::lock;

/// Maximum number of kinds for which statistics are kept.
const MAX_KINDS: usize = 64;
/// Number of jobs of a kind after which the mean becomes a moving average, because the service gets faster and slower.
const AVERAGE_WINDOW: f64 = 32.0;

/// The expected duration of a job of one kind, as a logistic distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ExpectedDuration {
    /// The mean in seconds.
    pub(super) mean: f64,
    /// The scale of the distribution in seconds. Half of all durations differ from the mean by at most 1.1 times the
    /// scale.
    pub(super) scale: f64,
    /// Whether the estimate comes from observed jobs.
    pub(super) is_learned: bool,
}

impl ExpectedDuration {
    /// Returns a wide estimate for a kind of which no job was observed.
    pub(super) fn guessed(mean: Duration) -> Self {
        let mean = mean.as_secs_f64();
        Self {
            mean,
            scale: mean / 5.0,
            is_learned: false,
        }
    }
}

/// Observed durations by kind of job. Held in memory only, and bounded.
#[derive(Debug, Default)]
pub(crate) struct DurationStats(Mutex<HashMap<String, KindStats>>);

/// The durations of one kind: their number (at most [`AVERAGE_WINDOW`]), their mean, and the sum of their squared
/// deviations from the mean.
#[derive(Debug, Clone, Copy, Default)]
struct KindStats {
    count: f64,
    mean: f64,
    squares: f64,
}

impl DurationStats {
    /// Returns the estimate for a kind, or `None` if no job of that kind was observed.
    pub(super) fn get(&self, kind: &str) -> Option<ExpectedDuration> {
        let kinds = lock(&self.0);
        kinds.get(kind).map(KindStats::expected)
    }

    /// Records the duration of a job.
    pub(super) fn record(&self, kind: &str, duration: Duration) {
        let mut kinds = lock(&self.0);
        if kinds.len() >= MAX_KINDS
            && !kinds.contains_key(kind)
            && let Some(rarest) = kinds.iter().min_by(|a, b| a.1.count.total_cmp(&b.1.count))
        {
            let rarest = rarest.0.clone();
            kinds.remove(&rarest);
        }
        kinds
            .entry(kind.to_owned())
            .or_default()
            .add(duration.as_secs_f64());
    }
}

impl KindStats {
    fn add(&mut self, seconds: f64) {
        if self.count >= AVERAGE_WINDOW {
            self.squares *= 1.0 - 1.0 / AVERAGE_WINDOW;
        }
        self.count = (self.count + 1.0).min(AVERAGE_WINDOW);
        let deviation = seconds - self.mean;
        self.mean += deviation / self.count;
        self.squares += deviation * (seconds - self.mean);
    }

    fn expected(&self) -> ExpectedDuration {
        // A few jobs do not show the spread, so a squared deviation of a third of the mean is added. Its weight
        // decreases with the number of jobs.
        let doubt = (self.mean / 3.0).powi(2) / self.count;
        let deviation = ((self.squares + doubt) / self.count).sqrt();
        ExpectedDuration {
            mean: self.mean,
            // sqrt(3) / pi converts the standard deviation to a logistic scale. The minimum reflects that durations
            // are measured to a few tenths of a second.
            scale: (deviation * 0.551).max(self.mean / 200.0),
            is_learned: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_follow_the_newest_durations() {
        let stats = DurationStats::default();
        assert_eq!(stats.get("a"), None);
        for _ in 0..20 {
            stats.record("a", Duration::from_secs(30));
        }
        let steady = stats.get("a").unwrap();
        assert!(
            (steady.mean - 30.0).abs() < 0.01 && steady.scale < 1.0,
            "{steady:?}"
        );
        assert_eq!(stats.get("b"), None);
        for _ in 0..100 {
            stats.record("a", Duration::from_secs(60));
        }
        let moved = stats.get("a").unwrap();
        assert!((moved.mean - 60.0).abs() < 3.0, "{moved:?}");
    }

    #[test]
    fn one_job_leaves_the_spread_uncertain() {
        let stats = DurationStats::default();
        stats.record("a", Duration::from_secs(30));
        assert!(stats.get("a").unwrap().scale > 5.0);
    }

    #[test]
    fn the_number_of_kinds_is_bounded_and_frequent_kinds_are_kept() {
        let stats = DurationStats::default();
        for _ in 0..3 {
            stats.record("common", Duration::from_secs(30));
        }
        for kind in 0..1000 {
            stats.record(&kind.to_string(), Duration::from_secs(30));
        }
        assert_eq!(stats.0.lock().unwrap().len(), MAX_KINDS);
        assert!(stats.get("common").is_some());
    }
}

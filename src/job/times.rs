//! How long jobs took, as far as this client has seen: what to expect of one that tells no progress.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Kinds that are kept. There are more only where somebody asks for every length of everything.
const KINDS: usize = 64;
/// Jobs of a kind after which the newest counts for so much of the mean: the service gets faster and slower.
const MEMORY: f64 = 32.0;

/// When jobs of a kind end, as a logistic distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Expected {
    /// Seconds.
    pub(super) mean: f64,
    /// Its scale in seconds: half of all jobs end within 1.1 of it around the mean.
    pub(super) scale: f64,
    /// Whether it was seen, not only heard of.
    pub(super) is_learned: bool,
}

impl Expected {
    /// Where no job of the kind was seen: a guess, and a wide one.
    pub(super) fn guessed(mean: Duration) -> Self {
        let mean = mean.as_secs_f64();
        Self {
            mean,
            scale: mean / 5.0,
            is_learned: false,
        }
    }
}

/// What was learned of the kinds of jobs. In memory alone, and bounded.
#[derive(Debug, Default)]
pub(crate) struct Times(Mutex<HashMap<String, Seen>>);

/// The times of a kind: their number, mean, and sum of squared distances from it.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Times {
    /// What to expect of a kind of job, if one was seen.
    pub(super) fn of(&self, kind: &str) -> Option<Expected> {
        let times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        times.get(kind).map(Seen::expected)
    }

    /// A job of a kind was ready after so long.
    pub(super) fn learn(&self, kind: &str, took: Duration) {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if times.len() >= KINDS
            && !times.contains_key(kind)
            && let Some(rarest) = times.iter().min_by(|a, b| a.1.count.total_cmp(&b.1.count))
        {
            let rarest = rarest.0.clone();
            times.remove(&rarest);
        }
        times.entry(kind.to_owned()).or_default().add(took.as_secs_f64());
    }
}

impl Seen {
    fn add(&mut self, took: f64) {
        if self.count >= MEMORY {
            self.squares *= 1.0 - 1.0 / MEMORY;
        }
        self.count = (self.count + 1.0).min(MEMORY);
        let before = took - self.mean;
        self.mean += before / self.count;
        self.squares += before * (took - self.mean);
    }

    fn expected(&self) -> Expected {
        // One more, a third away: of few jobs the spread is not known.
        let doubt = (self.mean / 3.0).powi(2) / self.count;
        let deviation = ((self.squares + doubt) / self.count).sqrt();
        Expected {
            mean: self.mean,
            // sqrt(3) / pi: a logistic distribution of that deviation. The times are known to some tenths.
            scale: (deviation * 0.551).max(self.mean / 200.0),
            is_learned: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_is_expected_again_and_the_newest_counts_most() {
        let times = Times::default();
        assert_eq!(times.of("a"), None);
        for _ in 0..20 {
            times.learn("a", Duration::from_secs(30));
        }
        let steady = times.of("a").unwrap();
        assert!(
            (steady.mean - 30.0).abs() < 0.01 && steady.scale < 1.0,
            "{steady:?}"
        );
        assert_eq!(times.of("b"), None);
        for _ in 0..100 {
            times.learn("a", Duration::from_secs(60));
        }
        let moved = times.of("a").unwrap();
        assert!((moved.mean - 60.0).abs() < 3.0, "{moved:?}");
    }

    #[test]
    fn of_one_job_the_spread_is_not_taken_for_known() {
        let times = Times::default();
        times.learn("a", Duration::from_secs(30));
        assert!(times.of("a").unwrap().scale > 5.0);
    }

    #[test]
    fn the_kinds_are_bounded_and_the_common_ones_stay() {
        let times = Times::default();
        for _ in 0..3 {
            times.learn("common", Duration::from_secs(30));
        }
        for kind in 0..1000 {
            times.learn(&kind.to_string(), Duration::from_secs(30));
        }
        assert_eq!(times.0.lock().unwrap().len(), KINDS);
        assert!(times.of("common").is_some());
    }
}

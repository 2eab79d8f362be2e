//! How long to wait before another try: arithmetic, no clock.

use std::time::Duration;

/// The longest time that a caller may have anything wait. Far from where the clocks of any platform overflow.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Returns what is wrong with a time to wait that a caller gave: it must be more than zero and at most
/// [`LONGEST_WAIT`].
pub(crate) fn check_wait(wait: Duration) -> Result<(), String> {
    if !wait.is_zero() && wait <= LONGEST_WAIT {
        return Ok(());
    }
    Err(format!(
        "is {} s; use more than 0 s and at most {} s, a year",
        wait.as_secs_f64(),
        LONGEST_WAIT.as_secs()
    ))
}

/// Doubling waits with jitter.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    next: Duration,
    most: Duration,
}

impl Backoff {
    pub(crate) const fn new(first: Duration, most: Duration) -> Self {
        Self { next: first, most }
    }

    /// The next wait: what the server asked for, else twice the last one, give or take a quarter.
    pub(crate) fn next(&mut self, asked: Option<Duration>) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(self.most);
        asked.unwrap_or_else(|| jitter(wait, 0.25))
    }
}

/// `wait` give or take a share of it, so that many jobs do not march in step.
pub(crate) fn jitter(wait: Duration, share: f64) -> Duration {
    // Without randomness there is no jitter, and nothing breaks.
    let random = crate::host::random().map_or(0.5, |bits| f64::from(bits) / f64::from(u32::MAX));
    wait.mul_f64(1.0 + share * (2.0 * random - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_without_end_and_none_at_all_are_refused() {
        for good in [Duration::from_nanos(1), Duration::from_secs(900), LONGEST_WAIT] {
            check_wait(good).unwrap();
            assert!(std::time::Instant::now().checked_add(good).is_some());
        }
        for bad in [
            Duration::ZERO,
            LONGEST_WAIT + Duration::from_nanos(1),
            Duration::MAX,
        ] {
            assert!(check_wait(bad).unwrap_err().contains("at most 31536000 s"));
        }
    }

    #[test]
    fn waits_double_up_to_a_limit_and_the_server_is_obeyed() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(4));
        let seconds: Vec<f64> = (0..4).map(|_| backoff.next(None).as_secs_f64()).collect();
        for (wait, nominal) in seconds.iter().zip([1.0, 2.0, 4.0, 4.0]) {
            assert!((wait / nominal - 1.0).abs() <= 0.25, "{wait} for {nominal}");
        }
        assert_eq!(backoff.next(Some(Duration::from_secs(9))), Duration::from_secs(9));
    }
}

//! Computes how long to wait before a retry.
//!
//! Owns the bounds of a configurable wait, exponential backoff and jitter. Does not sleep and reads no clock.

use std::time::Duration;

/// Maximum wait that a caller can configure. Adding it to an instant overflows on no platform.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Checks that a configured wait is more than zero and at most [`MAX_WAIT`].
///
/// # Errors
/// The rest of a sentence that begins with the name of the setting.
pub(crate) fn check_wait(wait: Duration) -> Result<(), String> {
    if !wait.is_zero() && wait <= MAX_WAIT {
        return Ok(());
    }
    Err(format!(
        "is {} s; use more than 0 s and at most {} s (one year)",
        wait.as_secs_f64(),
        MAX_WAIT.as_secs()
    ))
}

/// Exponential backoff with jitter.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    next: Duration,
    max: Duration,
}

impl Backoff {
    /// Creates a backoff that starts at `first` and doubles up to `max`.
    pub(crate) const fn new(first: Duration, max: Duration) -> Self {
        Self { next: first, max }
    }

    /// Returns the next wait: `retry_after` if the server sent one, otherwise the doubled wait with 25 % jitter.
    pub(crate) fn next(&mut self, retry_after: Option<Duration>) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(self.max);
        retry_after.unwrap_or_else(|| jitter(wait, 0.25))
    }
}

/// Changes a wait by a random share of it, at most `share` in either direction, so that jobs do not synchronize.
pub(crate) fn jitter(wait: Duration, share: f64) -> Duration {
    // Without random numbers the wait stays as it is, which is harmless.
    let random = crate::host::random().map_or(0.5, |bits| f64::from(bits) / f64::from(u32::MAX));
    wait.mul_f64(1.0 + share * (2.0 * random - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_that_are_zero_or_too_long_are_rejected() {
        for good in [Duration::from_nanos(1), Duration::from_secs(900), MAX_WAIT] {
            check_wait(good).unwrap();
            assert!(std::time::Instant::now().checked_add(good).is_some());
        }
        for bad in [Duration::ZERO, MAX_WAIT + Duration::from_nanos(1), Duration::MAX] {
            assert!(check_wait(bad).unwrap_err().contains("at most 31536000 s"));
        }
    }

    #[test]
    fn waits_double_up_to_the_maximum_unless_the_server_sets_one() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(4));
        let seconds: Vec<f64> = (0..4).map(|_| backoff.next(None).as_secs_f64()).collect();
        for (wait, nominal) in seconds.iter().zip([1.0, 2.0, 4.0, 4.0]) {
            assert!((wait / nominal - 1.0).abs() <= 0.25, "{wait} for {nominal}");
        }
        assert_eq!(backoff.next(Some(Duration::from_secs(9))), Duration::from_secs(9));
    }
}

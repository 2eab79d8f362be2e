//! The configurable limits of requests and downloads. [`Timeouts`](super::Timeouts) are separate.

use std::time::Duration;

use crate::backoff::check_wait;
use crate::error::{Error, Result};

/// Minimum rate: one request per hour.
pub(super) const MIN_RATE: f64 = 1.0 / 3600.0;
/// Maximum `min_bytes_per_second`: 1 GiB/s, more than any connection delivers.
const MAX_MIN_SPEED: u64 = 1 << 30;

/// Limits the requests that a client sends per second.
///
/// Building the client fails with kind `Config` if a rate is not finite or less than one per hour.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct RateLimit {
    /// Maximum requests per second, for all jobs and kinds of requests together. Defaults to 10.
    pub requests_per_second: f64,
    /// Maximum creates per second. Defaults to 2, the limit that the service applied to teams in 2026-08 and 2026-09.
    pub creates_per_second: f64,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self {
            requests_per_second: 10.0,
            creates_per_second: 2.0,
        }
    }
}

impl RateLimit {
    /// Creates a limit of `requests` requests per second, of which at most `creates` can be creates.
    pub const fn per_second(requests: f64, creates: f64) -> Self {
        Self {
            requests_per_second: requests,
            creates_per_second: creates,
        }
    }

    /// Checks that both rates are finite and at least one per hour.
    pub(super) fn check(&self) -> Result<()> {
        for (name, rate) in [
            ("requests_per_second", self.requests_per_second),
            ("creates_per_second", self.creates_per_second),
        ] {
            if !rate.is_finite() || rate < MIN_RATE {
                return Err(Error::config(format!(
                    "set up the rate limit: {name} is {rate}; use a finite number of at least 0.00028 (one per hour)"
                )));
            }
        }
        Ok(())
    }
}

/// Limits for downloads of clips.
///
/// Building the client fails with kind `Config` if `max_bytes` is 0, `min_bytes_per_second` is over 1 GiB/s, or
/// `stall_timeout` is zero or longer than a year.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct DownloadPolicy {
    /// Maximum size of a clip in bytes. Defaults to 2 GiB. A clip of 15 s at 1080p has about 30 MB.
    pub max_bytes: u64,
    /// Minimum speed, measured over `stall_timeout`. Defaults to 1 KiB/s.
    pub min_bytes_per_second: u64,
    /// Maximum time without data, and the period over which the speed is measured. Defaults to 30 s.
    pub stall_timeout: Duration,
    /// Maximum attempts in a row that make no progress. Defaults to 6. In total, ten times as many may fail.
    ///
    /// An interrupted download is resumed where it stopped. An attempt makes progress if it receives more than the minimum
    /// speed yields in `stall_timeout`. Receiving a part again after a restart does not reset the count.
    pub attempts: u32,
}

impl Default for DownloadPolicy {
    /// Returns a limit of 2 GiB, at least 1 KiB/s over 30 s, and 6 attempts.
    fn default() -> Self {
        Self {
            max_bytes: 2 << 30,
            min_bytes_per_second: 1024,
            stall_timeout: Duration::from_secs(30),
            attempts: 6,
        }
    }
}

impl DownloadPolicy {
    /// Checks that a download can succeed within these limits.
    pub(super) fn check(&self) -> Result<()> {
        let invalid = |reason: String| Error::config(format!("set up downloads: {reason}"));
        if self.max_bytes == 0 {
            return Err(invalid(
                "max_bytes is 0; use the size of the largest clip to accept".to_owned(),
            ));
        }
        if self.min_bytes_per_second > MAX_MIN_SPEED {
            return Err(invalid(format!(
                "min_bytes_per_second is {}; use at most {MAX_MIN_SPEED}",
                self.min_bytes_per_second
            )));
        }
        check_wait(self.stall_timeout).map_err(|reason| invalid(format!("stall_timeout {reason}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn invalid_rates_are_rejected() {
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e-9] {
            for rate in [RateLimit::per_second(bad, 1.0), RateLimit::per_second(1.0, bad)] {
                let error = rate.check().unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Config);
                assert!(error.to_string().contains("_per_second is"), "{error}");
            }
        }
        RateLimit::default().check().unwrap();
        RateLimit::per_second(1e9, MIN_RATE).check().unwrap();
    }
}

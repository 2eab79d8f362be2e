//! The limits of a download.

use std::time::Duration;

use crate::backoff::check_wait;
use crate::error::{Error, ErrorKind, Result};

/// Maximum `min_bytes_per_second`: 1 GiB/s, more than any connection delivers.
const MAX_MIN_SPEED: u64 = 1 << 30;

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
    /// Maximum attempts that make no progress. Defaults to 6.
    ///
    /// An interrupted download is resumed where it stopped. An attempt that receives more than the minimum speed yields in
    /// `stall_timeout` does not count.
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
        let invalid = |reason: String| Error::new(ErrorKind::Config, format!("set up downloads: {reason}"));
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

//! How long one exchange with the service may take.

use std::time::Duration;

use crate::backoff::check_wait;
use crate::error::{Error, ErrorKind, Result};

/// A large inline body may take longer to send: what a line of 64 KiB/s needs is added.
const SLOWEST_UPLOAD: u64 = 64 * 1024;

/// How long one exchange with the service may take. Downloads of clips have their own bounds, in
/// [`DownloadPolicy`](crate::DownloadPolicy).
///
/// Zero and more than a year are errors of kind `Config` when the client is built.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct Timeouts {
    /// Until there is a connection, TLS included.
    pub connect: Duration,
    /// From the connection to the last byte of the reply to a create or an upload; what a large body
    /// needs on a line of 64 KiB/s comes on top. Too short, and creates that were paid for end as
    /// submission unknown.
    pub create: Duration,
    /// The same for polls, listings and deletes.
    pub read: Duration,
    /// Until the source of tokens has given one; see [`TokenSource`](crate::TokenSource).
    pub token: Duration,
}

impl Default for Timeouts {
    /// 10 s, 60 s, 30 s: what the service's own client gives; 30 s for a token.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            create: Duration::from_secs(60),
            read: Duration::from_secs(30),
            token: Duration::from_secs(30),
        }
    }
}

impl Timeouts {
    /// Returns an error for a time in which nothing can be done, or that no clock can hold.
    pub(super) fn check(&self) -> Result<()> {
        for (name, time) in [
            ("connect", self.connect),
            ("create", self.create),
            ("read", self.read),
            ("token", self.token),
        ] {
            check_wait(time)
                .map_err(|why| Error::new(ErrorKind::Config, format!("set up the timeouts: {name} {why}")))?;
        }
        Ok(())
    }

    /// For a request with a body.
    pub(super) fn upload(&self, bytes: u64) -> Duration {
        self.create
            .saturating_add(Duration::from_secs(bytes / SLOWEST_UPLOAD))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_cannot_be_waited_is_refused() {
        Timeouts::default().check().unwrap();
        for bad in [Duration::ZERO, Duration::MAX, Duration::from_secs(366 * 86400)] {
            let default = Timeouts::default;
            for timeouts in [
                Timeouts {
                    connect: bad,
                    ..default()
                },
                Timeouts {
                    create: bad,
                    ..default()
                },
                Timeouts {
                    read: bad,
                    ..default()
                },
                Timeouts {
                    token: bad,
                    ..default()
                },
            ] {
                let error = timeouts.check().unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Config);
                assert!(error.to_string().contains("use more than 0 s"), "{error}");
            }
        }
    }
}

//! Timeouts of one exchange with the service.
//!
//! Owns the configurable values and how they are applied. Does not know what is exchanged.

use std::pin::pin;
use std::time::Duration;

use tokio::time::timeout;

use crate::backoff::check_wait;
use crate::error::{Error, Result};

/// Bytes per second at which a request body must be sent. The time for a larger body is added to its timeout.
const MIN_UPLOAD_SPEED: u64 = 64 * 1024;

/// How much of a timeout is counted after the process had a chance to run. See [`run_with_timeout`].
const GRACE: Duration = Duration::from_secs(2);

/// Timeouts for requests to the service. Downloads of clips have their own limits in
/// [`DownloadPolicy`](crate::DownloadPolicy).
///
/// Building the client fails with kind `Config` if a timeout is zero or longer than a year.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct Timeouts {
    /// Limits how long connecting takes, including the TLS handshake. Defaults to 10 s.
    pub connect: Duration,
    /// Limits a create or an upload, until the last byte of the reply. Defaults to 60 s.
    ///
    /// For a create, it starts when the connection is open and the record of the request was checked. The same time limits
    /// that check, after which the create is known not to be sent.
    ///
    /// The time that a large body needs at 64 KiB/s is added. With a timeout that is too short, creates end as
    /// [`SubmissionUnknown`](crate::ErrorKind::SubmissionUnknown) although they were paid.
    pub create: Duration,
    /// Limits a poll, a listing or a delete, until the last byte of the reply. Defaults to 30 s.
    pub read: Duration,
    /// Limits one call of a [`TokenSource`](crate::TokenSource). Defaults to 30 s.
    pub token: Duration,
}

impl Default for Timeouts {
    /// Returns the timeouts of the service's own client, and 30 s for a token.
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
    /// Checks that every timeout is more than zero and at most a year.
    pub(super) fn check(&self) -> Result<()> {
        for (name, time) in [
            ("connect", self.connect),
            ("create", self.create),
            ("read", self.read),
            ("token", self.token),
        ] {
            check_wait(time).map_err(|why| Error::config(format!("set up the timeouts: {name} {why}")))?;
        }
        Ok(())
    }

    /// Returns the timeout of a request with a body of this many bytes.
    pub(super) fn upload(&self, bytes: u64) -> Duration {
        self.create
            .saturating_add(Duration::from_secs(bytes / MIN_UPLOAD_SPEED))
    }
}

/// Runs an exchange for at most `limit`. Returns `None` if it takes longer.
///
/// A process that was suspended resumes with its deadline passed, and possibly with a reply that it has not read. So the
/// last part of the limit only starts when the rest of it is observed to be over.
pub(super) async fn run_with_timeout<T>(limit: Duration, exchange: impl Future<Output = T>) -> Option<T> {
    let grace = GRACE.min(limit / 2);
    let mut exchange = pin!(exchange);
    match timeout(limit.saturating_sub(grace), &mut exchange).await {
        Ok(output) => Some(output),
        Err(_) => timeout(grace, exchange).await.ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[tokio::test(start_paused = true)]
    async fn a_reply_that_arrived_while_the_process_was_suspended_is_read() {
        let limit = Duration::from_secs(60);
        let (reply, came) = tokio::sync::oneshot::channel();
        let waiting = tokio::spawn(run_with_timeout(limit, came));
        tokio::task::yield_now().await;
        tokio::time::advance(10 * limit).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        reply.send("a job").unwrap();
        assert_eq!(waiting.await.unwrap(), Some(Ok("a job")));
    }

    #[tokio::test(start_paused = true)]
    async fn an_exchange_takes_at_most_its_limit() {
        for limit in [Duration::from_millis(1), Duration::from_secs(60)] {
            let begun = tokio::time::Instant::now();
            assert_eq!(run_with_timeout(limit, std::future::pending::<()>()).await, None);
            assert!(begun.elapsed() <= limit + Duration::from_millis(3));
        }
    }

    #[test]
    fn invalid_timeouts_are_rejected() {
        Timeouts::default().check().unwrap();
        for bad in [Duration::ZERO, Duration::MAX, Duration::from_secs(366 * 86400)] {
            let fields: [fn(&mut Timeouts) -> &mut Duration; 4] = [
                |timeouts| &mut timeouts.connect,
                |timeouts| &mut timeouts.create,
                |timeouts| &mut timeouts.read,
                |timeouts| &mut timeouts.token,
            ];
            for field in fields {
                let mut timeouts = Timeouts::default();
                *field(&mut timeouts) = bad;
                let error = timeouts.check().unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Config);
                assert!(error.to_string().contains("use more than 0 s"), "{error}");
            }
        }
    }
}

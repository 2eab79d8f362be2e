//! How long one exchange with the service may take.

use std::pin::pin;
use std::time::Duration;

use tokio::time::timeout;

use crate::backoff::check_wait;
use crate::error::{Error, ErrorKind, Result};

/// A large inline body may take longer to send: what a line of 64 KiB/s needs is added.
const SLOWEST_UPLOAD: u64 = 64 * 1024;

/// The last part of every time; see [`within`].
const LAST: Duration = Duration::from_secs(2);

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

/// Waits for an exchange for `limit` at most; none if it took longer.
///
/// A process that was stopped wakes up with its deadline over, and with a reply that nobody has read yet. So the last
/// part of the time is counted from when the rest of it was seen to be over.
pub(super) async fn within<T>(limit: Duration, exchange: impl Future<Output = T>) -> Option<T> {
    let last = LAST.min(limit / 2);
    let mut exchange = pin!(exchange);
    match timeout(limit.saturating_sub(last), &mut exchange).await {
        Ok(done) => Some(done),
        Err(_) => timeout(last, exchange).await.ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_reply_that_came_while_the_process_was_stopped_is_read() {
        let limit = Duration::from_secs(60);
        let (reply, came) = tokio::sync::oneshot::channel();
        let waiting = tokio::spawn(within(limit, came));
        tokio::task::yield_now().await;
        tokio::time::advance(10 * limit).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        reply.send("a job").unwrap();
        assert_eq!(waiting.await.unwrap(), Some(Ok("a job")));
    }

    #[tokio::test(start_paused = true)]
    async fn an_exchange_takes_no_longer_than_its_limit() {
        for limit in [Duration::from_millis(1), Duration::from_secs(60)] {
            let begun = tokio::time::Instant::now();
            assert_eq!(within(limit, std::future::pending::<()>()).await, None);
            assert!(begun.elapsed() <= limit + Duration::from_millis(3));
        }
    }

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

//! Holds back the body of a paid request until its connection is open and a check has succeeded.
//!
//! Resolving a name, connecting and the TLS handshake can take minutes if the process is suspended meanwhile. A check
//! before them says too little, so it is repeated when hyper first reads the body, which is after them. A request
//! whose body was held back is incomplete, so the service cannot have accepted it. Knows neither what is checked nor what
//! an exchange is.

use std::future::{Future, pending};
use std::io;
use std::pin::pin;

use bytes::Bytes;
use futures_util::TryFutureExt as _;
use futures_util::future::{Either, select};
use futures_util::stream::Stream;
use tokio::sync::oneshot;

use crate::error::Result;

/// Releases the body when the sender inside is used, and fails it when that is dropped.
type Release = oneshot::Sender<()>;

/// The side of the gate that decides whether the body may be sent. Dropping it fails a body that was not released.
pub(super) struct BodyGate {
    /// Receives a value when the body is first read.
    reached: oneshot::Receiver<Release>,
    /// Held while the body waits.
    release: Option<Release>,
}

impl BodyGate {
    /// Puts a gate in front of a body. The body must not be empty, because an empty one is not read.
    pub(super) fn new(
        body: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> (Self, impl Stream<Item = io::Result<Bytes>> + Send + 'static) {
        let (reach, reached) = oneshot::channel();
        let opened = async move {
            let (release, released) = oneshot::channel();
            // If the gate was dropped, this drops `release`.
            let _ = reach.send(release);
            released
                .await
                .map_err(|_| io::Error::other("the request is not sent"))
        };
        let gate = Self {
            reached,
            release: None,
        };
        (gate, opened.map_ok(|()| body).try_flatten_stream())
    }

    /// Releases the body if the check succeeds when the body is first read. Returns `None` then, and the result of
    /// `exchange` if that ends before.
    ///
    /// # Errors
    /// Those of the check.
    pub(super) async fn open<F: Future + Unpin>(
        &mut self,
        check: impl Future<Output = Result<()>>,
        exchange: &mut F,
    ) -> Result<Option<F::Output>> {
        let check = async {
            match (&mut self.reached).await {
                Ok(release) => self.release = Some(release),
                Err(_) => pending().await,
            }
            check.await
        };
        let ended = match select(exchange, pin!(check)).await {
            Either::Left((ended, _)) => Some(ended),
            Either::Right((checked, _)) => {
                checked?;
                None
            }
        };
        if ended.is_none()
            && let Some(release) = self.release.take()
        {
            // Fails only if the connection is lost, which the exchange reports.
            let _ = release.send(());
        }
        Ok(ended)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use futures_util::{FutureExt as _, StreamExt as _, stream};

    use super::*;
    use crate::error::{Error, ErrorKind};

    fn gate() -> (BodyGate, impl Stream<Item = io::Result<Bytes>> + Send) {
        BodyGate::new(stream::iter([
            Ok(Bytes::from_static(b"a")),
            Ok(Bytes::from_static(b"b")),
        ]))
    }

    #[tokio::test]
    async fn the_body_is_sent_after_the_check() {
        let (mut gate, body) = gate();
        let checked = AtomicBool::new(false);
        let check = async {
            checked.store(true, Ordering::Relaxed);
            Ok(())
        };
        let mut exchange = pin!(async {
            let mut body = pin!(body);
            assert!(!checked.load(Ordering::Relaxed));
            assert_eq!(body.next().await.unwrap().unwrap(), "a");
            assert!(checked.load(Ordering::Relaxed));
            body.next().await.unwrap().unwrap()
        });
        assert_eq!(gate.open(check, &mut exchange).await.unwrap(), None);
        assert_eq!(exchange.await, "b");
    }

    #[tokio::test]
    async fn a_failed_check_fails_the_body() {
        let (mut gate, body) = gate();
        // hyper reads the body in a task of its own.
        let read = tokio::spawn(body.collect::<Vec<_>>());
        let check = async { Err(Error::library("check the record: another process has it")) };
        let error = gate.open(check, &mut pending::<()>()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Library);
        drop(gate);
        let read = read.await.unwrap();
        assert!(matches!(&read[..], [Err(_)]), "{read:?}");
    }

    #[tokio::test]
    async fn the_body_waits_while_a_reply_that_came_before_it_is_read() {
        let (mut gate, body) = gate();
        let mut body = pin!(body);
        let replied = gate
            .open(
                pending(),
                &mut pin!(async {
                    assert!(body.next().now_or_never().is_none());
                    "refused"
                }),
            )
            .await;
        assert_eq!(replied.unwrap(), Some("refused"));
        assert!(body.next().now_or_never().is_none());
        drop(gate);
        assert!(matches!(body.next().await, Some(Err(_))));
    }
}

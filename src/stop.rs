//! The signal that stops work early.
//!
//! Owns whether work was asked to stop, and how many paid requests are in flight. After the signal no paid request is
//! sent; a request that was sent before it is completed. Does not know the verbs or HTTP.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::{BoxFuture, Either, select};
use tokio_util::sync::CancellationToken;

use crate::error::{Charge, Error, Result};
use crate::mutation::{Mutation, is_on};

/// What must hold immediately before a paid request is sent: its work was not stopped, and a check succeeds.
#[derive(Clone, Copy)]
pub(crate) struct BeforeSend<'a> {
    pub(crate) stop: &'a StopSignal,
    pub(crate) check: Option<SendCheck<'a>>,
}

/// A check that runs immediately before a paid request is sent.
pub(crate) type SendCheck<'a> = &'a (dyn Fn() -> BoxFuture<'a, Result<()>> + Send + Sync);

impl BeforeSend<'_> {
    /// Runs the check, then checks that the work was not stopped.
    ///
    /// # Errors
    /// Those of the check, and `Stopped` if the signal was given before the check ended. After an error the request
    /// must not be sent.
    pub(crate) async fn check_all(self) -> Result<()> {
        if let Some(check) = self.check {
            check().await?;
        }
        if self.stop.forbids_sending() {
            return Err(stopped_before_send());
        }
        Ok(())
    }
}

/// A signal to stop work. Clones share one signal. Stopping a parent stops its children, but not the reverse.
#[derive(Debug, Clone, Default)]
pub(crate) struct StopSignal {
    token: CancellationToken,
    /// Number of paid requests in flight.
    sending: Arc<AtomicUsize>,
}

/// Counts one paid request as in flight until it is dropped.
#[derive(Debug)]
pub(crate) struct InFlightGuard(Arc<AtomicUsize>);

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl StopSignal {
    /// Returns a signal for one part of the work.
    pub(crate) fn child(&self) -> Self {
        Self {
            token: self.token.child_token(),
            sending: Arc::clone(&self.sending),
        }
    }

    pub(crate) fn stop(&self) {
        self.token.cancel();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.token.is_cancelled()
    }

    fn forbids_sending(&self) -> bool {
        self.is_stopped() && !is_on(Mutation::IgnoreStop)
    }

    /// Returns whether a paid request is in flight, of this signal, its parent or any other child.
    pub(crate) fn is_sending(&self) -> bool {
        self.sending.load(Ordering::Acquire) > 0
    }

    /// Counts a paid request as in flight until the returned guard is dropped.
    ///
    /// # Errors
    /// `Stopped` if the signal was given before. The request must not be sent then.
    pub(crate) fn begin_sending(&self) -> Result<InFlightGuard> {
        // Counted before the check: once `stop` has returned and `is_sending` is false, no request can start.
        self.sending.fetch_add(1, Ordering::AcqRel);
        let guard = InFlightGuard(Arc::clone(&self.sending));
        if self.forbids_sending() {
            return Err(stopped_before_send());
        }
        Ok(guard)
    }

    /// Runs work until it completes. Returns `None`, and drops the work, if the signal arrives first.
    pub(crate) async fn run_until_stopped<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        match select(pin!(work), pin!(self.token.cancelled())).await {
            Either::Left((output, _)) => Some(output),
            Either::Right(_) => None,
        }
    }

    /// Runs work that precedes a paid request. Drops the work if the signal arrives.
    ///
    /// # Errors
    /// The errors of the work, and `Stopped` if the signal arrives first.
    pub(crate) async fn run_before_send<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        if self.is_stopped() {
            return Err(stopped_before_send());
        }
        self.run_until_stopped(work)
            .await
            .unwrap_or_else(|| Err(stopped_before_send()))
    }
}

/// Returns the error of work that was stopped before it sent a paid request.
pub(crate) fn stopped_before_send() -> Error {
    Error::stopped("send the request: stopped before it was sent, and nothing was charged for it")
        .with_charge(Charge::No)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn after_the_signal_no_request_is_sent() {
        let signal = StopSignal::default();
        let before = signal.begin_sending().unwrap();
        signal.stop();
        assert!(signal.is_sending());
        let refused = signal.begin_sending().unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Stopped);
        assert_eq!(refused.may_have_been_charged(), Charge::No);
        drop(before);
        assert!(!signal.is_sending());
    }

    #[test]
    fn a_parent_stops_its_children_but_not_the_reverse() {
        let parent = StopSignal::default();
        let (one, other) = (parent.child(), parent.child());
        one.stop();
        assert!(one.is_stopped() && !parent.is_stopped() && !other.is_stopped());
        parent.stop();
        assert!(other.is_stopped());
        let waits = other.run_until_stopped(std::future::pending::<()>());
        assert_eq!(waits.now_or_never(), Some(None));
        assert_eq!(
            other.run_until_stopped(std::future::ready(7)).now_or_never(),
            Some(Some(7))
        );
        let skipped = other.run_before_send(async { Ok(7) }).now_or_never().unwrap();
        assert_eq!(skipped.unwrap_err().kind(), ErrorKind::Stopped);
    }
}

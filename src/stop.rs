//! The signal that ends work early.
//!
//! Owns whether work was told to stop, and which paid requests are on their way at that moment. After the signal
//! nothing paid is sent any more; what was sent before it is finished. Knows no verb and no HTTP.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::{BoxFuture, Either, select};
use tokio_util::sync::CancellationToken;

use crate::error::{Charge, Error, ErrorKind, Result};

/// Asked immediately before a paid request leaves. An error keeps it here.
pub(crate) type BeforeSend<'a> = &'a (dyn Fn() -> BoxFuture<'a, Result<()>> + Send + Sync);

/// Tells work to stop. Clones are the same signal; a child is stopped by its parent and does not stop it.
#[derive(Debug, Clone, Default)]
pub(crate) struct StopSignal {
    token: CancellationToken,
    /// Paid requests that were begun and not answered yet.
    sending: Arc<AtomicUsize>,
}

/// One paid request on its way, until it is dropped.
#[derive(Debug)]
pub(crate) struct Sending(Arc<AtomicUsize>);

impl Drop for Sending {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl StopSignal {
    /// Returns a signal for a part of the work.
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

    /// Whether a paid request is on its way.
    pub(crate) fn is_sending(&self) -> bool {
        self.sending.load(Ordering::Acquire) > 0
    }

    /// Counts a paid request from here until the returned value is dropped.
    ///
    /// # Errors
    /// `Stopped` when the signal was given before: then the request must not be sent.
    pub(crate) fn begin_sending(&self) -> Result<Sending> {
        // Counted first: whoever gives the signal and then sees no request knows that none will follow.
        self.sending.fetch_add(1, Ordering::AcqRel);
        let sending = Sending(Arc::clone(&self.sending));
        if self.is_stopped() {
            return Err(not_sent());
        }
        Ok(sending)
    }

    /// Runs work until it is done or the signal comes; `None` for the latter.
    pub(crate) async fn until<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        match select(pin!(work), pin!(self.token.cancelled())).await {
            Either::Left((done, _)) => Some(done),
            Either::Right(_) => None,
        }
    }

    /// Runs what comes before anything is sent. When the signal comes, the work is dropped.
    ///
    /// # Errors
    /// Those of the work, and `Stopped`.
    pub(crate) async fn before_sending<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        if self.is_stopped() {
            return Err(not_sent());
        }
        self.until(work).await.unwrap_or_else(|| Err(not_sent()))
    }
}

/// The error of work that was stopped before it sent anything.
pub(crate) fn not_sent() -> Error {
    Error::new(
        ErrorKind::Stopped,
        "send the request: stopped before it was sent, and nothing was charged for it",
    )
    .with_charge(Charge::No)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn after_the_signal_nothing_is_sent() {
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
    fn a_child_is_stopped_by_its_parent_and_not_the_other_way() {
        let parent = StopSignal::default();
        let (one, other) = (parent.child(), parent.child());
        one.stop();
        assert!(one.is_stopped() && !parent.is_stopped() && !other.is_stopped());
        parent.stop();
        assert!(other.is_stopped());
        let waits = other.until(std::future::pending::<()>());
        assert_eq!(waits.now_or_never(), Some(None));
        assert_eq!(other.until(std::future::ready(7)).now_or_never(), Some(Some(7)));
        let skipped = other.before_sending(async { Ok(7) }).now_or_never().unwrap();
        assert_eq!(skipped.unwrap_err().kind(), ErrorKind::Stopped);
    }
}

//! Works that are watched: a job, a chain, a recovery.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::error::Result;
use super::journal::Recovered;
use super::runtime::Owned;
use crate::{ChainEvent, ChainOutcome, Clip, Events, JobEvent, RecoveryEvent};

/// `UniFFI` has no generics: one object for each [`Handle`](crate::Handle) of the core.
macro_rules! watched {
    ($(#[$about:meta])* $handle:ident, $events:ident, $core:ty, $event:ty, $outcome:ty, $(#[$of:meta])*) => {
        $(#[$about])*
        #[derive(uniffi::Object)]
        pub struct $handle(Owned<$core>);

        impl $handle {
            pub(super) fn new(handle: $core) -> Arc<Self> {
                Arc::new(Self(Owned::new(handle)))
            }
        }

        #[uniffi::export]
        impl $handle {
            /// Everything that happens to it, from its beginning.
            pub fn events(&self) -> Result<Arc<$events>> {
                let events = self.0.get()?.events();
                Ok(Arc::new($events(Owned::new(Mutex::new(events)))))
            }

            /// Waits until it is over. Breaking this off stops nothing and loses nothing.
            pub async fn wait(&self) -> Result<$outcome> {
                Ok(self.0.get()?.wait().await?.into())
            }

            /// Whether it is over, one way or the other.
            pub fn is_over(&self) -> Result<bool> {
                Ok(self.0.get()?.is_over())
            }

            /// Stops waiting: polls and downloads end, and `wait` ends with an error of kind `stopped`. The
            /// service cannot cancel a job: it goes on there, and its charge stands.
            pub fn stop_waiting(&self) -> Result<()> {
                self.0.get()?.stop_waiting();
                Ok(())
            }
        }

        $(#[$of])*
        #[derive(uniffi::Object)]
        pub struct $events(Owned<Mutex<Events<$event>>>);

        #[uniffi::export]
        impl $events {
            /// The next event; nothing when it is over.
            pub async fn next(&self) -> Result<Option<$event>> {
                Ok(self.0.get()?.lock().await.next().await)
            }
        }
    };
}

watched! {
    /// One job on its way to a clip.
    JobHandle, JobEvents, crate::JobHandle, JobEvent, Clip,
    /// The events of one job.
}

#[uniffi::export]
impl JobHandle {
    /// The service's id of the job: enough to pick it up again in any process.
    pub fn id(&self) -> Result<String> {
        Ok(self.0.get()?.id().as_str().to_owned())
    }
}

watched! {
    /// A chain on its way.
    ChainHandle, ChainEvents, crate::ChainHandle, ChainEvent, ChainOutcome,
    /// The events of a chain.
}

#[uniffi::export]
impl ChainHandle {
    /// The id of the chain, by which it is gone on with.
    pub fn id(&self) -> Result<String> {
        Ok(self.0.get()?.id().clone())
    }
}

watched! {
    /// A recovery on its way.
    RecoveryHandle, RecoveryEvents, crate::RecoveryHandle, RecoveryEvent, Recovered,
    /// The events of a recovery.
}

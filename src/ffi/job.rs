//! Exports the handles of running jobs, chains and recoveries.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::error::Result;
use super::journal::Recovered;
use super::runtime::ProcessBound;

use crate::{ChainEvent, ChainOutcome, Clip, EventStream, JobEvent, RecoveryEvent};

/// Defines an object for a kind of [`WorkHandle`](crate::WorkHandle) and one for its events. `UniFFI` has no generics.
macro_rules! export_handle {
    ($(#[$docs:meta])* $handle:ident, $events:ident, $core:ty, $event:ty, $outcome:ty, $(#[$events_docs:meta])*) => {
        $(#[$docs])*
        #[derive(uniffi::Object)]
        pub struct $handle(ProcessBound<$core>);

        impl $handle {
            pub(super) fn new(handle: $core) -> Arc<Self> {
                Arc::new(Self(ProcessBound::new(handle)))
            }
        }

        #[uniffi::export]
        impl $handle {
            /// Returns all events, including those before this call.
            pub fn events(&self) -> Result<Arc<$events>> {
                let events = self.0.get()?.events();
                Ok(Arc::new($events(ProcessBound::new(Mutex::new(events)))))
            }

            /// Waits for the outcome. Cancelling this call affects nothing else.
            pub async fn wait(&self) -> Result<$outcome> {
                Ok(self.0.get()?.wait().await?.into())
            }

            /// Returns whether it has ended, successfully or not.
            pub fn is_over(&self) -> Result<bool> {
                Ok(self.0.get()?.is_over())
            }

            /// Stops polling and downloading. `wait` then fails with an error of kind `stopped`.
            ///
            /// The service cannot cancel a job: it continues there and is charged.
            pub fn stop_waiting(&self) -> Result<()> {
                self.0.get()?.stop_waiting();
                Ok(())
            }
        }

        $(#[$events_docs])*
        #[derive(uniffi::Object)]
        pub struct $events(ProcessBound<Mutex<EventStream<$event>>>);

        #[uniffi::export]
        impl $events {
            /// Waits for the next event. Returns nothing after the last one.
            pub async fn next(&self) -> Result<Option<$event>> {
                Ok(self.0.get()?.lock().await.next().await)
            }
        }
    };
}

export_handle! {
    /// A handle for one job, which produces a clip.
    JobHandle, JobEvents, crate::JobHandle, JobEvent, Clip,
    /// The event stream of a job.
}

#[uniffi::export]
impl JobHandle {
    /// Returns the id of the job at the service. Any process can resume the job with it.
    pub fn id(&self) -> Result<String> {
        Ok(self.0.get()?.id().as_str().to_owned())
    }
}

export_handle! {
    /// A handle for a chain of clips.
    ChainHandle, ChainEvents, crate::ChainHandle, ChainEvent, ChainOutcome,
    /// The event stream of a chain.
}

#[uniffi::export]
impl ChainHandle {
    /// Returns the id of the chain, with which it can be resumed.
    pub fn id(&self) -> Result<String> {
        Ok(self.0.get()?.id().clone())
    }
}

export_handle! {
    /// A handle for a recovery.
    RecoveryHandle, RecoveryEvents, crate::RecoveryHandle, RecoveryEvent, Recovered,
    /// The event stream of a recovery.
}

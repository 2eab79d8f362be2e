//! What happens to a job, for those who watch.

use std::collections::VecDeque;
use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream::{BoxStream, Stream, StreamExt};
use serde::Serialize;
use tokio::sync::watch;

use crate::error::Error;
use crate::ids::JobId;
use crate::model::VideoModel;

/// Events kept for somebody who starts to watch late. Only progress is ever dropped.
const KEPT: usize = 16;

/// One thing that happened to a job, in order.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum JobEvent {
    /// The request is being checked, its media read and, where that is on, its prompt planned. No clip
    /// is paid yet.
    Planning,
    /// The service took the job; from here on it may cost money.
    Submitted {
        /// The service's id of the job.
        job_id: JobId,
        /// The model that was asked for; unknown when a job is picked up by its id.
        model: Option<VideoModel>,
    },
    /// The job is not ready yet.
    Progress {
        /// 0 to 1, never smaller than before; `None` while the service does not tell.
        fraction: Option<f64>,
        /// Time since the job was submitted, or picked up.
        elapsed: Duration,
        /// Whether nothing has changed for the policy's `stalled_after`.
        stalled: bool,
    },
    /// The clip is on its way.
    Downloading {
        /// Bytes so far.
        received: u64,
        /// Bytes in all, where the server tells.
        total: Option<u64>,
    },
    /// The clip is whole, checked and in the library.
    Saved {
        /// Its id in the library.
        clip: String,
        /// Where it lies, when the library is a folder.
        path: Option<PathBuf>,
    },
}

/// So that the meaning of an event can grow.
pub trait Sealed {}

/// What happens to work that is watched, and what the work is known by: [`JobEvent`] for a job. Not to be
/// implemented elsewhere.
pub trait Event: Sealed + Clone + Send + Sync + 'static {
    /// The id of the work.
    type Id: Clone + fmt::Debug + Send + Sync + 'static;

    /// Whether somebody who watches late can do without it.
    #[doc(hidden)]
    fn is_droppable(&self) -> bool;

    /// Adds the id to an error, where the error has a place for it.
    #[doc(hidden)]
    fn name(error: Error, id: &Self::Id) -> Error;
}

impl Sealed for JobEvent {}

impl Event for JobEvent {
    type Id = JobId;

    fn is_droppable(&self) -> bool {
        matches!(self, Self::Progress { .. } | Self::Downloading { .. })
    }

    fn name(error: Error, id: &JobId) -> Error {
        error.with_job_id(id)
    }
}

/// The history of one piece of work, written by its driver and read by any number of watchers.
pub(super) struct EventLog<E>(Arc<Mutex<Log<E>>>, watch::Sender<u64>);

impl<E> Clone for EventLog<E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0), self.1.clone())
    }
}

struct Log<E> {
    events: VecDeque<(u64, E)>,
    next: u64,
    closed: bool,
}

impl<E: Event> EventLog<E> {
    pub(super) fn new() -> Self {
        let log = Log {
            events: VecDeque::new(),
            next: 0,
            closed: false,
        };
        Self(Arc::new(Mutex::new(log)), watch::Sender::new(0))
    }

    pub(super) fn push(&self, event: E) {
        let number = {
            let mut log = self.lock();
            let number = log.next;
            log.next += 1;
            // Room is made first: a queue that grows beyond it doubles.
            if log.events.len() >= KEPT
                && let Some(oldest) = log.events.iter().position(|(_, event)| event.is_droppable())
            {
                log.events.remove(oldest);
            }
            log.events.push_back((number, event));
            log.next
        };
        self.1.send_replace(number);
    }

    /// No event comes after this.
    pub(super) fn close(&self) {
        let number = {
            let mut log = self.lock();
            log.closed = true;
            log.next + 1
        };
        self.1.send_replace(number);
    }

    /// The first event at or after a number, or whether there will be none.
    fn at(&self, number: u64) -> Next<E> {
        let log = self.lock();
        let index = log.events.partition_point(|(have, _)| *have < number);
        match log.events.get(index) {
            Some((have, event)) => Next::Event(*have, event.clone()),
            None if log.closed => Next::End,
            None => Next::Later,
        }
    }

    pub(super) fn watch(&self) -> Events<E> {
        let (log, changes) = (self.clone(), self.1.subscribe());
        let stream = futures_util::stream::unfold(0, move |from| {
            let (log, mut changes) = (log.clone(), changes.clone());
            async move {
                loop {
                    changes.mark_unchanged();
                    match log.at(from) {
                        Next::Event(number, event) => return Some((event, number + 1)),
                        Next::End => return None,
                        Next::Later => changes.changed().await.ok()?,
                    }
                }
            }
        });
        Events(stream.boxed())
    }

    fn lock(&self) -> MutexGuard<'_, Log<E>> {
        // A push that panicked left a consistent log behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Next<E> {
    Event(u64, E),
    Later,
    End,
}

/// The events of one piece of work from its beginning, as a stream that ends with it.
///
/// Dropping it changes nothing for the work or for other watchers. A watcher that is slow loses at most
/// progress.
#[must_use = "a stream does nothing unless polled"]
pub struct Events<E>(BoxStream<'static, E>);

/// The events of one job.
pub type JobEvents = Events<JobEvent>;

impl<E> Events<E> {
    /// The next event; `None` when the work is over. The outcome is in [`Handle::wait`](super::Handle::wait).
    ///
    /// # Cancel safety
    /// No event is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<E> {
        self.0.next().await
    }
}

impl<E> Stream for Events<E> {
    type Item = E;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<E>> {
        self.0.poll_next_unpin(context)
    }
}

impl<E> fmt::Debug for Events<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Events(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(fraction: f64) -> JobEvent {
        JobEvent::Progress {
            fraction: Some(fraction),
            elapsed: Duration::ZERO,
            stalled: false,
        }
    }

    #[tokio::test]
    async fn every_watcher_sees_the_whole_history() {
        let log = EventLog::new();
        log.push(JobEvent::Planning);
        let early = log.watch();
        log.push(progress(0.5));
        let late = log.watch();
        let reader = tokio::spawn(early.collect::<Vec<_>>());
        tokio::task::yield_now().await;
        log.push(progress(1.0));
        log.close();
        let expected = [JobEvent::Planning, progress(0.5), progress(1.0)];
        assert_eq!(reader.await.unwrap(), expected);
        assert_eq!(late.collect::<Vec<_>>().await, expected);
    }

    #[tokio::test]
    async fn the_log_is_bounded_and_drops_progress_only() {
        let log = EventLog::new();
        log.push(JobEvent::Planning);
        for step in 0..10_000 {
            log.push(progress(f64::from(step) / 10_000.0));
        }
        log.close();
        let events: Vec<_> = log.watch().collect().await;
        assert_eq!(events.len(), KEPT);
        assert_eq!(events[0], JobEvent::Planning);
        assert_eq!(events[KEPT - 1], progress(0.9999));
    }
}

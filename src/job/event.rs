//! The events of a job, and the stream through which they are observed.

use std::collections::VecDeque;
use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream::{BoxStream, Stream, StreamExt};
use serde::Serialize;
use tokio::sync::watch;

use crate::error::Error;
use crate::ids::{ClipId, JobId};
use crate::model::VideoModel;

/// Number of events above which the oldest droppable event is removed. All other events are kept.
const MAX_EVENTS: usize = 16;

/// An event of a job.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum JobEvent {
    /// The request is checked, its media are read and, if enabled, its prompt is planned. No clip is paid for yet.
    Planning,
    /// The service accepted the job. From now on the job may cost money.
    Submitted {
        /// The service's id of the job.
        job_id: JobId,
        /// The requested model; unknown for a job that is resumed by its id.
        model: Option<VideoModel>,
    },
    /// The job is pending.
    Progress {
        /// Progress from 0 to 1, which never decreases; `None` if the service does not report it.
        fraction: Option<f64>,
        /// Time since the job was submitted or resumed.
        elapsed: Duration,
        /// Whether the progress has not increased for [`PollPolicy::stalled_after`](super::PollPolicy::stalled_after).
        stalled: bool,
    },
    /// The clip is being downloaded.
    Downloading {
        /// Bytes received so far.
        received: u64,
        /// Total number of bytes, if the server reports it.
        total: Option<u64>,
    },
    /// The clip is complete, verified and in the library.
    Saved {
        /// The id of the clip in the library.
        clip: ClipId,
        /// The file of the clip, if the library is a folder.
        path: Option<PathBuf>,
    },
}

/// Prevents implementations of [`WorkEvent`] outside the crate, so that the trait can change.
pub trait Sealed {}

/// An event of observed work: [`JobEvent`] for a job. This trait cannot be implemented outside the crate.
pub trait WorkEvent: Sealed + Clone + Send + Sync + 'static {
    /// The id of the work.
    type Id: Clone + fmt::Debug + Send + Sync + 'static;

    /// Returns whether a late or slow observer can miss this event.
    #[doc(hidden)]
    fn is_droppable(&self) -> bool;

    /// Adds the id to an error, if the error has a field for it.
    #[doc(hidden)]
    fn add_id(error: Error, id: &Self::Id) -> Error;
}

impl Sealed for JobEvent {}

impl WorkEvent for JobEvent {
    type Id = JobId;

    fn is_droppable(&self) -> bool {
        matches!(self, Self::Progress { .. } | Self::Downloading { .. })
    }

    fn add_id(error: Error, id: &JobId) -> Error {
        error.with_job_id(id)
    }
}

/// The events of one piece of work, written by the work and read by any number of observers.
pub(super) struct EventLog<E>(watch::Sender<Log<E>>);

impl<E> Clone for EventLog<E> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

struct Log<E> {
    /// Events with their sequence numbers.
    events: VecDeque<(u64, E)>,
    next_number: u64,
    closed: bool,
}

impl<E> Log<E> {
    /// Returns the first event whose number is at least `number`.
    fn first_from(&self, number: u64) -> Option<&(u64, E)> {
        let index = self.events.partition_point(|(have, _)| *have < number);
        self.events.get(index)
    }
}

impl<E: WorkEvent> EventLog<E> {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(Log {
            events: VecDeque::new(),
            next_number: 0,
            closed: false,
        }))
    }

    pub(super) fn push(&self, event: E) {
        self.0.send_modify(|log| {
            // Removes an event before adding one, because a full `VecDeque` doubles its capacity to grow.
            if log.events.len() >= MAX_EVENTS
                && let Some(oldest) = log.events.iter().position(|(_, event)| event.is_droppable())
            {
                log.events.remove(oldest);
            }
            log.events.push_back((log.next_number, event));
            log.next_number += 1;
        });
    }

    /// Ends all streams after the events pushed so far.
    pub(super) fn close(&self) {
        self.0.send_modify(|log| log.closed = true);
    }

    /// Returns a stream of the events from the beginning, without those that were dropped.
    pub(super) fn watch(&self) -> EventStream<E> {
        let start = (0, self.0.subscribe());
        let stream = futures_util::stream::unfold(start, |(from, mut changes)| async move {
            let (number, event) = {
                let is_ready = |log: &Log<E>| log.closed || log.first_from(from).is_some();
                let log = changes.wait_for(is_ready).await.ok()?;
                log.first_from(from)?.clone()
            };
            Some((event, (number + 1, changes)))
        });
        EventStream(stream.boxed())
    }
}

/// A stream of the events of one piece of work. It ends when the work ends.
///
/// Dropping the stream affects neither the work nor other observers. A late or slow observer can miss events that only
/// report progress, such as [`JobEvent::Progress`] and [`JobEvent::Downloading`].
#[must_use = "a stream does nothing unless polled"]
pub struct EventStream<E>(BoxStream<'static, E>);

/// The events of one job.
pub type JobEvents = EventStream<JobEvent>;

impl<E> EventStream<E> {
    /// Returns the next event, or `None` when the work has ended.
    ///
    /// [`WorkHandle::wait`](super::WorkHandle::wait) returns the result of the work.
    ///
    /// # Cancel safety
    /// Dropping the future loses no event.
    pub async fn next(&mut self) -> Option<E> {
        self.0.next().await
    }
}

impl<E> Stream for EventStream<E> {
    type Item = E;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<E>> {
        self.0.poll_next_unpin(context)
    }
}

impl<E> fmt::Debug for EventStream<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventStream(..)")
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
    async fn every_observer_sees_all_events() {
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
        assert_eq!(events.len(), MAX_EVENTS);
        assert_eq!(events[0], JobEvent::Planning);
        assert_eq!(events[MAX_EVENTS - 1], progress(0.9999));
    }
}

//! Work that runs on its own, and the handle by which it is watched.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{oneshot, watch};
use tracing::Span;

use super::JobEvent;
use super::event::{Event, EventLog, Events};
use crate::error::{Error, ErrorKind, Result};
use crate::model::VideoModel;
use crate::provider::JobId;
use crate::telemetry;

/// One piece of work, watched: a job of the service, or a chain of them.
///
/// The work runs in a task of its own. A handle, its futures and its events only watch: dropping them
/// loses nothing, the clip is saved all the same. Clones watch the same work.
pub struct Handle<T, E: Event = JobEvent>(Arc<Shared<T, E>>);

/// How the work ended, once it has. Behind a pointer: most of the time it has not, and a clip's record is large.
type Outcome<T> = Option<Arc<Result<T>>>;

struct Shared<T, E: Event> {
    id: E::Id,
    log: EventLog<E>,
    outcome: watch::Receiver<Outcome<T>>,
    stop: watch::Sender<bool>,
}

impl<T, E: Event> Clone for Handle<T, E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T, E: Event> fmt::Debug for Handle<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("id", &self.0.id)
            .finish_non_exhaustive()
    }
}

impl<T: Clone + Send + Sync + 'static, E: Event> Handle<T, E> {
    /// The id of the job, or of the chain: enough to pick it up again in any process.
    pub fn id(&self) -> &E::Id {
        &self.0.id
    }

    /// Everything that happens to the job, from its beginning.
    pub fn events(&self) -> Events<E> {
        self.0.log.watch()
    }

    /// Waits until the job is over.
    ///
    /// # Errors
    /// How the job ended when there is no clip; every error has the job's id.
    ///
    /// # Cancel safety
    /// Dropping the future stops nothing and loses nothing; call it again at any time.
    pub async fn wait(&self) -> Result<T> {
        let mut outcome = self.0.outcome.clone();
        let over = outcome.wait_for(Option::is_some).await;
        match over.ok().and_then(|outcome| outcome.clone()) {
            Some(outcome) => Result::clone(&outcome),
            None => Err(E::name(lost(), &self.0.id)),
        }
    }

    /// Whether the job is over, one way or the other.
    pub fn is_over(&self) -> bool {
        self.0.outcome.borrow().is_some()
    }

    /// Stops waiting: polls and downloads end, and [`wait`](Self::wait) returns an error of kind
    /// `stopped`.
    ///
    /// The service has no way to cancel a job: it goes on there, and its charge stands. Pick it up
    /// later by its id.
    pub fn stop_waiting(&self) {
        self.0.stop.send_replace(true);
    }
}

/// What the work tells its watchers.
pub(crate) struct Reporter<E: Event = JobEvent> {
    tell: Arc<dyn Fn(E) + Send + Sync>,
    /// Until it was told.
    id: Mutex<Option<oneshot::Sender<E::Id>>>,
    stop: watch::Receiver<bool>,
}

impl Reporter {
    /// The job has its id.
    pub(crate) fn submitted(&self, id: &JobId, model: Option<VideoModel>) {
        self.identified(id.clone());
        self.tell(JobEvent::Submitted {
            job_id: id.clone(),
            model,
        });
    }
}

impl<E: Event> Reporter<E> {
    pub(crate) fn tell(&self, event: E) {
        (self.tell)(event);
    }

    /// The work has its id, and can be watched.
    pub(crate) fn identified(&self, id: E::Id) {
        let told = self.id.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(told) = told {
            // Nobody may wait for it any more.
            let _ = told.send(id);
        }
    }

    /// For a part of this work: what it tells is told here, and who stops this stops it.
    pub(crate) fn part<P: Event>(&self, wrap: impl Fn(P) -> E + Send + Sync + 'static) -> Reporter<P> {
        let tell = Arc::clone(&self.tell);
        Reporter {
            tell: Arc::new(move |event| tell(wrap(event))),
            id: Mutex::new(None),
            stop: self.stop.clone(),
        }
    }

    /// Whether somebody asked to stop.
    pub(crate) fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }

    /// Runs a part of the work that may be broken off: waiting and downloading, never a submit.
    pub(crate) async fn until_stopped<O>(&self, work: impl Future<Output = Result<O>>) -> Result<O> {
        let mut stop = self.stop.clone();
        let stopped = async move {
            // The sender lives as long as a handle; without one nobody can stop the work any more.
            if stop.wait_for(|stop| *stop).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            done = work => done,
            () = stopped => Err(Error::new(
                ErrorKind::Stopped,
                "wait for the job: stopped on request; it goes on at the service, and can be picked up by its id",
            )),
        }
    }
}

/// Work that was started and may not have its job yet.
pub(crate) struct Started<T, E: Event = JobEvent> {
    id: oneshot::Receiver<E::Id>,
    log: EventLog<E>,
    outcome: watch::Receiver<Outcome<T>>,
    stop: watch::Sender<bool>,
}

/// Runs work in a task of its own, within a span; whoever waits for it may go away.
pub(crate) fn spawn<T, E, F, W>(span: Span, work: F) -> Started<T, E>
where
    T: Clone + Send + Sync + 'static,
    E: Event,
    F: FnOnce(Reporter<E>) -> W,
    W: Future<Output = Result<T>> + Send + 'static,
{
    let log = EventLog::new();
    let (id, id_seen) = oneshot::channel();
    let (stop, stop_seen) = watch::channel(false);
    let (over, outcome) = watch::channel(None);
    let told = log.clone();
    let work = work(Reporter {
        tell: Arc::new(move |event| told.push(event)),
        id: Mutex::new(Some(id)),
        stop: stop_seen,
    });
    let done = log.clone();
    tokio::spawn(async move {
        let result = telemetry::within(span, work).await;
        over.send_replace(Some(Arc::new(result)));
        done.close();
    });
    Started {
        id: id_seen,
        log,
        outcome,
        stop,
    }
}

impl<T: Clone + Send + Sync + 'static, E: Event> Started<T, E> {
    /// A handle on work whose id is known already.
    pub(crate) fn with_id(self, id: E::Id) -> Handle<T, E> {
        Handle(Arc::new(Shared {
            id,
            log: self.log,
            outcome: self.outcome,
            stop: self.stop,
        }))
    }

    /// Waits until the work has its id.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) async fn handle(mut self) -> Result<Handle<T, E>> {
        // The sender goes away when the work ends without one.
        if let Ok(id) = self.id.await {
            return Ok(Handle(Arc::new(Shared {
                id,
                log: self.log,
                outcome: self.outcome,
                stop: self.stop,
            })));
        }
        let over = self.outcome.wait_for(Option::is_some).await;
        match over.ok().and_then(|outcome| outcome.clone()).as_deref() {
            Some(Err(error)) => Err(error.clone()),
            _ => Err(lost()),
        }
    }
}

/// The task is gone without a word: its runtime was shut down, or it panicked.
fn lost() -> Error {
    Error::new(
        ErrorKind::Stopped,
        "wait for the job: the task that did the work is gone",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> JobId {
        JobId::parse("job-1").unwrap()
    }

    #[tokio::test]
    async fn the_work_goes_on_when_nobody_watches() {
        let (send, done) = tokio::sync::oneshot::channel();
        let started = spawn(Span::none(), |reporter| async move {
            reporter.submitted(&id(), None);
            tokio::task::yield_now().await;
            let _ = send.send(());
            Ok(())
        });
        drop(started);
        done.await.unwrap();
    }

    #[tokio::test]
    async fn all_watchers_get_the_same_outcome() {
        let started = spawn(Span::none(), |reporter| async move {
            reporter.submitted(&id(), None);
            Ok(7)
        });
        let handle = started.handle().await.unwrap();
        let other = handle.clone();
        assert_eq!(
            (handle.wait().await.unwrap(), other.wait().await.unwrap()),
            (7, 7)
        );
        assert_eq!(handle.id(), &id());
        assert!(handle.is_over());
    }

    #[tokio::test]
    async fn stopping_ends_the_wait_with_the_id() {
        let started = spawn(Span::none(), |reporter| async move {
            reporter.submitted(&id(), None);
            let stopped = reporter.until_stopped(std::future::pending::<Result<()>>()).await;
            stopped.map_err(|error| error.with_job_id("job-1"))
        });
        let handle = started.handle().await.unwrap();
        handle.stop_waiting();
        let error = handle.wait().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Stopped);
        assert_eq!(error.job_id(), Some("job-1"));
    }

    #[tokio::test]
    async fn work_that_panics_is_an_error_with_the_id() {
        let started = spawn(Span::none(), |reporter| async move {
            reporter.submitted(&id(), None);
            assert!(*reporter.stop.borrow(), "a bug of ours");
            Ok(())
        });
        let error = started.handle().await.unwrap().wait().await.unwrap_err();
        assert_eq!(error.job_id(), Some("job-1"));
    }

    #[tokio::test]
    async fn work_without_a_job_gives_its_error_instead_of_a_handle() {
        let started = spawn(Span::none(), |_: Reporter| async {
            Err::<(), _>(Error::invalid("no"))
        });
        assert_eq!(started.handle().await.unwrap_err().to_string(), "no");
    }
}

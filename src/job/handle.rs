//! Work that runs on its own, and the handle by which it is watched.

use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt as _;
use tokio::sync::{oneshot, watch};
use tracing::Span;

use super::JobEvent;
use super::event::{Event, EventLog, Events};
use crate::error::{Charge, Error, ErrorKind, Result, RetryAdvice};
use crate::model::VideoModel;
use crate::provider::JobId;
use crate::stop::StopSignal;
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
    stop: StopSignal,
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
        let over = over.ok().and_then(|outcome| outcome.clone());
        let outcome = over.map_or_else(|| Err(lost()), |outcome| Result::clone(&outcome));
        // Work that ended without its own words does not name the job.
        outcome.map_err(|error| match error.job_id() {
            Some(_) => error,
            None => E::name(error, &self.0.id),
        })
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
        self.0.stop.stop();
    }
}

/// What the work tells its watchers.
pub(crate) struct Reporter<E: Event = JobEvent> {
    tell: Arc<dyn Fn(E) + Send + Sync>,
    /// Until it was told.
    id: Mutex<Option<oneshot::Sender<E::Id>>>,
    stop: StopSignal,
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
        self.stop.is_stopped()
    }

    /// Returns the signal that stops this work.
    pub(crate) const fn stop_signal(&self) -> &StopSignal {
        &self.stop
    }

    /// Runs a part of the work that may be broken off: waiting and downloading, never a submit.
    pub(crate) async fn until_stopped<O>(&self, work: impl Future<Output = Result<O>>) -> Result<O> {
        self.stop.run_until_stopped(work).await.unwrap_or_else(|| {
            Err(Error::new(
                ErrorKind::Stopped,
                "wait for the job: stopped on request; it goes on at the service, and can be picked up by its id",
            ))
        })
    }
}

/// Work that was started and may not have its job yet.
pub(crate) struct Started<T, E: Event = JobEvent> {
    id: oneshot::Receiver<E::Id>,
    log: EventLog<E>,
    outcome: watch::Receiver<Outcome<T>>,
    stop: StopSignal,
}

/// Sends the outcome and closes the events when the task ends, however it ends.
struct Ending<T, E: Event> {
    over: watch::Sender<Outcome<T>>,
    log: EventLog<E>,
}

impl<T, E: Event> Drop for Ending<T, E> {
    fn drop(&mut self) {
        self.over.send_if_modified(|over| {
            let is_lost = over.is_none();
            over.get_or_insert_with(|| Arc::new(Err(lost())));
            is_lost
        });
        self.log.close();
    }
}

/// Runs work in a task of its own, within a span; whoever waits for it may go away. `stop` stops it, and so does
/// its handle.
pub(crate) fn spawn<T, E, F, W>(span: Span, stop: &StopSignal, work: F) -> Started<T, E>
where
    T: Clone + Send + Sync + 'static,
    E: Event,
    F: FnOnce(Reporter<E>) -> W,
    W: Future<Output = Result<T>> + Send + 'static,
{
    let log = EventLog::new();
    let (id, id_seen) = oneshot::channel();
    let stop = stop.child();
    let (over, outcome) = watch::channel(None);
    let told = log.clone();
    let work = work(Reporter {
        tell: Arc::new(move |event| told.push(event)),
        id: Mutex::new(Some(id)),
        stop: stop.clone(),
    });
    let ending = Ending {
        over,
        log: log.clone(),
    };
    tokio::spawn(async move {
        // What a panic leaves behind is dropped with the future, and nothing else can see it.
        let result = AssertUnwindSafe(telemetry::instrument(span, work))
            .catch_unwind()
            .await;
        let result = result.unwrap_or_else(|_| Err(panicked()));
        ending.over.send_replace(Some(Arc::new(result)));
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

/// The error of work whose task was dropped before its end.
fn lost() -> Error {
    Error::new(
        ErrorKind::Stopped,
        "wait for the job: its task is gone, because its runtime was shut down; a job that was sent goes on at the service, and a recovery finishes it",
    )
    .with_charge(Charge::Unknown)
    .with_advice(RetryAdvice::Resume)
}

/// The error of work whose task panicked. The words of the panic were printed by its hook; they may quote anything,
/// and stay out.
fn panicked() -> Error {
    Error::new(
        ErrorKind::Internal,
        "wait for the job: its task panicked, which is a defect of reelkin; a job that was sent goes on at the service, and a recovery finishes it",
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
        let started = spawn(Span::none(), &StopSignal::default(), |reporter| async move {
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
        let started = spawn(Span::none(), &StopSignal::default(), |reporter| async move {
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
        let started = spawn(Span::none(), &StopSignal::default(), |reporter| async move {
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

    /// The outcome of every handle, and the number of events of every stream.
    async fn end_of(handle: &Handle<(), JobEvent>) -> (Error, [usize; 2]) {
        use futures_util::StreamExt as _;

        let other = handle.clone();
        let counts = [handle.events().count().await, other.events().count().await];
        let error = handle.wait().await.unwrap_err();
        assert_eq!(other.wait().await.unwrap_err().to_string(), error.to_string());
        (error, counts)
    }

    #[tokio::test]
    async fn work_that_panics_is_an_error_on_every_handle_and_ends_every_stream() {
        let started = spawn(Span::none(), &StopSignal::default(), |reporter| async move {
            reporter.submitted(&id(), None);
            tokio::task::yield_now().await;
            assert!(reporter.is_stopped(), "a defect");
            Ok(())
        });
        let (error, events) = end_of(&started.handle().await.unwrap()).await;
        assert_eq!(events, [1, 1]);
        assert_eq!(error.kind(), ErrorKind::Internal);
        assert_eq!(error.job_id(), Some("job-1"));
        assert_eq!(error.may_have_been_charged(), Charge::Unknown);
        assert_eq!(error.retry_advice(), RetryAdvice::Resume);
    }

    #[tokio::test]
    async fn work_that_panics_before_its_id_may_have_been_charged() {
        let started = spawn(
            Span::none(),
            &StopSignal::default(),
            |reporter: Reporter| async move {
                assert!(reporter.is_stopped(), "a defect");
                Ok(())
            },
        );
        let error = started.handle().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal);
        assert_eq!(error.may_have_been_charged(), Charge::Unknown);
        assert_eq!(error.retry_advice(), RetryAdvice::CheckAccount);
    }

    #[test]
    fn work_whose_runtime_ends_is_an_error_and_ends_every_stream() {
        let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (working, waiting) = (runtime(), runtime());
        let handle = working.block_on(async {
            let started = spawn(Span::none(), &StopSignal::default(), |reporter| async move {
                reporter.submitted(&id(), None);
                std::future::pending::<()>().await;
                Ok(())
            });
            started.handle().await.unwrap()
        });
        drop(working);
        let (error, events) = waiting.block_on(end_of(&handle));
        assert_eq!(events, [1, 1]);
        assert_eq!(error.kind(), ErrorKind::Stopped);
        assert_eq!(error.job_id(), Some("job-1"));
        assert_eq!(error.may_have_been_charged(), Charge::Unknown);
    }

    #[tokio::test]
    async fn work_without_a_job_gives_its_error_instead_of_a_handle() {
        let started = spawn(Span::none(), &StopSignal::default(), |_: Reporter| async {
            Err::<(), _>(Error::invalid("no"))
        });
        assert_eq!(started.handle().await.unwrap_err().to_string(), "no");
    }
}

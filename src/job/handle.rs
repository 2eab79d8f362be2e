//! Work that runs in a separate task, and the handle through which it is observed.

use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt as _;
use tokio::sync::{oneshot, watch};
use tracing::Span;

use super::JobEvent;
use super::event::{EventLog, EventStream, WorkEvent};
use crate::error::{Charge, Error, ErrorKind, Result, RetryAdvice};
use crate::ids::JobId;
use crate::model::VideoModel;
use crate::stop::StopSignal;
use crate::sync::lock;
use crate::telemetry;

/// Observes running work: a job of the service, or a chain of jobs.
///
/// The work runs in a separate task. Dropping the handle, its futures or its events does not stop the work: the clip is
/// still saved. All clones of a handle observe the same work.
pub struct WorkHandle<T, E: WorkEvent = JobEvent> {
    id: E::Id,
    work: Arc<Work<T, E>>,
}

/// The result of the work once it has ended. It is shared because every handle returns it and a clip's record is large.
type SharedResult<T> = Option<Arc<Result<T>>>;

/// What a handle can observe and stop.
struct Work<T, E> {
    log: EventLog<E>,
    result: watch::Receiver<SharedResult<T>>,
    stop: StopSignal,
}

impl<T: Clone + Send + Sync, E: WorkEvent> Work<T, E> {
    /// Waits until the work has ended and returns its result.
    async fn result(&self) -> Result<T> {
        let mut result = self.result.clone();
        let ended = result.wait_for(Option::is_some).await;
        let ended = ended.ok().and_then(|result| result.clone());
        ended.map_or_else(|| Err(lost()), |result| Result::clone(&result))
    }
}

impl<T, E: WorkEvent> Clone for WorkHandle<T, E> {
    fn clone(&self) -> Self {
        Self {
            id: self.id.clone(),
            work: Arc::clone(&self.work),
        }
    }
}

impl<T, E: WorkEvent> fmt::Debug for WorkHandle<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkHandle")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl<T: Clone + Send + Sync + 'static, E: WorkEvent> WorkHandle<T, E> {
    /// Returns the id of the job or chain. Any process can resume the work with it.
    pub fn id(&self) -> &E::Id {
        &self.id
    }

    /// Returns a stream of all events of the work from its beginning.
    pub fn events(&self) -> EventStream<E> {
        self.work.log.watch()
    }

    /// Waits until the work has ended and returns its result.
    ///
    /// # Errors
    /// The error with which the job ended. Every error carries the job's id.
    ///
    /// # Cancel safety
    /// Dropping the future stops nothing and loses nothing. The method can be called again at any time.
    pub async fn wait(&self) -> Result<T> {
        // A task that panicked or was dropped ends with an error that does not name the job.
        self.work.result().await.map_err(|error| match error.job_id() {
            Some(_) => error,
            None => E::add_id(error, &self.id),
        })
    }

    /// Returns whether the work has ended, successfully or not.
    pub fn is_over(&self) -> bool {
        self.work.result.borrow().is_some()
    }

    /// Stops waiting: polls and downloads end, and [`wait`](Self::wait) returns an error of kind `stopped`.
    ///
    /// The service cannot cancel a job: the job continues there and is charged. It can be resumed later by its id.
    pub fn stop_waiting(&self) {
        self.work.stop.stop();
    }
}

/// The side of the work: emits events, announces the id and receives the stop signal.
pub(crate) struct Reporter<E: WorkEvent = JobEvent> {
    emit: Arc<dyn Fn(E) + Send + Sync>,
    /// Receives the id; `None` after the id was sent.
    id: Mutex<Option<oneshot::Sender<E::Id>>>,
    stop: StopSignal,
}

impl Reporter {
    /// Announces the id of a job that the service accepted.
    pub(crate) fn submitted(&self, id: &JobId, model: Option<VideoModel>) {
        self.identified(id.clone());
        self.emit(JobEvent::Submitted {
            job_id: id.clone(),
            model,
        });
    }
}

impl<E: WorkEvent> Reporter<E> {
    /// Sends an event to all observers.
    pub(crate) fn emit(&self, event: E) {
        (self.emit)(event);
    }

    /// Announces the id of the work, which completes [`Started::handle`]. Later calls have no effect.
    pub(crate) fn identified(&self, id: E::Id) {
        let sender = lock(&self.id).take();
        if let Some(sender) = sender {
            // The receiver may be gone.
            let _ = sender.send(id);
        }
    }

    /// Returns the reporter of a part of this work. Its events are wrapped and emitted here; stopping this work stops the
    /// part.
    pub(crate) fn part<P: WorkEvent>(&self, wrap: impl Fn(P) -> E + Send + Sync + 'static) -> Reporter<P> {
        let emit = Arc::clone(&self.emit);
        Reporter {
            emit: Arc::new(move |event| emit(wrap(event))),
            id: Mutex::new(None),
            stop: self.stop.clone(),
        }
    }

    /// Returns whether the work was asked to stop.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.is_stopped()
    }

    /// Returns the signal that stops this work.
    pub(crate) const fn stop_signal(&self) -> &StopSignal {
        &self.stop
    }

    /// Runs a part of the work that may be interrupted: polls and downloads, never a submission.
    pub(crate) async fn until_stopped<O>(&self, work: impl Future<Output = Result<O>>) -> Result<O> {
        self.stop.run_until_stopped(work).await.unwrap_or_else(|| {
            Err(Error::stopped("wait for the job: stopped on request; the job continues at the service and can be resumed by its id",
            ))
        })
    }
}

/// Work that was started and may not have an id yet.
pub(crate) struct Started<T, E: WorkEvent = JobEvent> {
    id: oneshot::Receiver<E::Id>,
    work: Work<T, E>,
}

/// Publishes a result and closes the events when the task ends, even if it is dropped.
struct EndGuard<T, E: WorkEvent> {
    result: watch::Sender<SharedResult<T>>,
    log: EventLog<E>,
}

impl<T, E: WorkEvent> Drop for EndGuard<T, E> {
    fn drop(&mut self) {
        self.result.send_if_modified(|result| {
            let is_lost = result.is_none();
            result.get_or_insert_with(|| Arc::new(Err(lost())));
            is_lost
        });
        self.log.close();
    }
}

/// Runs work in a separate task, within a span. The work continues when no handle is left. It is stopped by `stop` and by
/// its handle.
pub(crate) fn spawn<T, E, F, W>(span: Span, stop: &StopSignal, work: F) -> Started<T, E>
where
    T: Clone + Send + Sync + 'static,
    E: WorkEvent,
    F: FnOnce(Reporter<E>) -> W,
    W: Future<Output = Result<T>> + Send + 'static,
{
    let log = EventLog::new();
    let (id_sender, id) = oneshot::channel();
    let stop = stop.child();
    let (result_sender, result) = watch::channel(None);
    let events = log.clone();
    let work = work(Reporter {
        emit: Arc::new(move |event| events.push(event)),
        id: Mutex::new(Some(id_sender)),
        stop: stop.clone(),
    });
    let guard = EndGuard {
        result: result_sender,
        log: log.clone(),
    };
    tokio::spawn(async move {
        // A panic drops the future with everything in it, so no broken state remains visible.
        let result = AssertUnwindSafe(telemetry::instrument(span, work))
            .catch_unwind()
            .await;
        let result = result.unwrap_or_else(|_| Err(panicked()));
        guard.result.send_replace(Some(Arc::new(result)));
    });
    Started {
        id,
        work: Work { log, result, stop },
    }
}

impl<T: Clone + Send + Sync + 'static, E: WorkEvent> Started<T, E> {
    /// Returns a handle for work whose id is already known.
    pub(crate) fn with_id(self, id: E::Id) -> WorkHandle<T, E> {
        let work = Arc::new(self.work);
        WorkHandle { id, work }
    }

    /// Waits until the work has its id and returns a handle.
    ///
    /// # Errors
    /// The error with which the work ended before it had an id.
    pub(crate) async fn handle(self) -> Result<WorkHandle<T, E>> {
        let Self { id, work } = self;
        let work = Arc::new(work);
        // The sender is dropped when the work ends without an id.
        match id.await {
            Ok(id) => Ok(WorkHandle { id, work }),
            Err(_) => Err(work.result().await.err().unwrap_or_else(lost)),
        }
    }
}

/// Returns the error of work whose task was dropped before its end.
fn lost() -> Error {
    Error::stopped("wait for the job: its task was dropped because its runtime was shut down; a submitted job continues at the service, and recovery finishes it",
    )
    .with_charge(Charge::Unknown)
    .with_advice(RetryAdvice::Resume)
}

/// Returns the error of work whose task panicked. It leaves out the panic message, which the panic hook has printed and
/// which may quote private data.
fn panicked() -> Error {
    Error::new(
        ErrorKind::Internal,
        "wait for the job: its task panicked, which is a bug in reelkin; a submitted job continues at the service, and recovery finishes it",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> JobId {
        JobId::parse("job-1").unwrap()
    }

    #[tokio::test]
    async fn the_work_continues_without_observers() {
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
    async fn all_handles_return_the_same_result() {
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
            stopped.map_err(|error| error.with_job_id(&id()))
        });
        let handle = started.handle().await.unwrap();
        handle.stop_waiting();
        let error = handle.wait().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Stopped);
        assert_eq!(error.job_id(), Some("job-1"));
    }

    /// Returns the error of all handles, and the number of events of each stream.
    async fn end_of(handle: &WorkHandle<(), JobEvent>) -> (Error, [usize; 2]) {
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
    async fn work_without_an_id_returns_its_error_instead_of_a_handle() {
        let started = spawn(Span::none(), &StopSignal::default(), |_: Reporter| async {
            Err::<(), _>(Error::invalid("no"))
        });
        assert_eq!(started.handle().await.unwrap_err().to_string(), "no");
    }
}

//! Tracks the jobs that a client has in flight.
//!
//! Owns one background task per job and the signal that makes it stop waiting. Knows nothing about requests or money: a
//! job that is abandoned here stays in the library's journal.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::error::{Result, VideoError};
use super::runtime;
use crate::{ErrorKind, WorkEvent, WorkHandle};

/// Maximum time a recovery waits for abandoned jobs to update the journal.
const ABANDON_TIMEOUT: Duration = Duration::from_secs(10);

/// The background tasks of one client.
#[derive(Debug, Default)]
pub(super) struct JobTasks {
    /// Parent of every `stop` token, cancelled when the client is closed.
    closing: CancellationToken,
    running: Mutex<Vec<JobTask>>,
}

/// The two signals of a background task.
#[derive(Debug)]
struct JobTask {
    /// Tells the task to stop waiting for its job.
    stop: CancellationToken,
    /// Cancelled when the task ends, in whatever way.
    done: CancellationToken,
}

impl JobTasks {
    /// # Errors
    /// `Config` when the client is closed.
    pub(super) fn check_open(&self) -> Result<()> {
        if self.closing.is_cancelled() {
            return Err(VideoError::local(
                ErrorKind::Config,
                "use the client: it is closed; create a new one and call its recover to finish open jobs",
            ));
        }
        Ok(())
    }

    /// Starts a job and waits for its outcome. If the future is dropped first, the task stops waiting for the job.
    pub(super) async fn finish<T, E, S>(&self, start: S) -> Result<T>
    where
        T: Clone + Send + Sync + 'static,
        E: WorkEvent,
        S: Future<Output = crate::Result<WorkHandle<T, E>>> + Send + 'static,
    {
        let (handle, stop_on_drop) = self.spawn(start).await?;
        let outcome = handle.wait().await;
        stop_on_drop.disarm();
        Ok(outcome?)
    }

    /// Starts a job and returns its handle. From then on the job runs whether or not anyone waits for it.
    pub(super) async fn start<T, E, S>(&self, start: S) -> Result<WorkHandle<T, E>>
    where
        T: Clone + Send + Sync + 'static,
        E: WorkEvent,
        S: Future<Output = crate::Result<WorkHandle<T, E>>> + Send + 'static,
    {
        let (handle, stop_on_drop) = self.spawn(start).await?;
        stop_on_drop.disarm();
        Ok(handle)
    }

    /// Starts a job in a background task and returns its handle. Dropping the guard stops the waiting.
    async fn spawn<T, E, S>(&self, start: S) -> Result<(WorkHandle<T, E>, DropGuard)>
    where
        T: Clone + Send + Sync + 'static,
        E: WorkEvent,
        S: Future<Output = crate::Result<WorkHandle<T, E>>> + Send + 'static,
    {
        let runtime = runtime::handle()?;
        let stop = self.closing.child_token();
        let stop_on_drop = stop.clone().drop_guard();
        let done = self.register(&stop)?;
        let (send_started, started) = oneshot::channel();
        runtime.spawn(async move {
            let _done = done;
            let handle = match start.await {
                Ok(handle) => handle,
                Err(error) => {
                    let _ = send_started.send(Err(error.into()));
                    return;
                }
            };
            let _ = send_started.send(Ok(handle.clone()));
            tokio::select! {
                _ = handle.wait() => return,
                () = stop.cancelled() => {}
            }
            handle.stop_waiting();
            // The job still has to update the journal.
            let _ = handle.wait().await;
        });
        let handle = started.await.unwrap_or_else(|_| Err(runtime::task_lost()))?;
        Ok((handle, stop_on_drop))
    }

    /// Adds a task. It counts as running until the returned guard is dropped.
    fn register(&self, stop: &CancellationToken) -> Result<DropGuard> {
        let mut running = self.lock();
        // Under the lock, so that `close` sees every task that got past this check.
        self.check_open()?;
        running.retain(|task| !task.done.is_cancelled());
        let done = CancellationToken::new();
        running.push(JobTask {
            stop: stop.clone(),
            done: done.clone(),
        });
        Ok(done.drop_guard())
    }

    /// Waits until abandoned jobs have updated the journal, so that a recovery sees their final state.
    pub(super) async fn wait_for_abandoned(&self) -> Result<()> {
        let abandoned = self.running_where(|task| task.stop.is_cancelled());
        if abandoned.is_empty() {
            return Ok(());
        }
        runtime::run(async move {
            all_done(&abandoned, ABANDON_TIMEOUT).await;
            Ok(())
        })
        .await
    }

    /// Refuses new jobs and stops waiting for the running ones. Returns whether all tasks ended before the deadline.
    ///
    /// A create request that is being sent is not interrupted.
    pub(super) async fn close(&self, deadline: Duration) -> bool {
        self.closing.cancel();
        all_done(&self.running_where(|_| true), deadline).await
    }

    /// Returns the `done` tokens of the running tasks that match.
    fn running_where(&self, matches: impl Fn(&JobTask) -> bool) -> Vec<CancellationToken> {
        let running = self.lock();
        let matching = running.iter().filter(|task| matches(task));
        matching.map(|task| task.done.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<JobTask>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until every token is cancelled. Returns whether that happened before the deadline.
async fn all_done(tokens: &[CancellationToken], deadline: Duration) -> bool {
    let all = join_all(tokens.iter().map(CancellationToken::cancelled));
    tokio::time::timeout(deadline, all).await.is_ok()
}

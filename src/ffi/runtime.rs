//! Runs the work of a package on one tokio runtime per process.
//!
//! Owns the runtime's start and shutdown, and keeps objects from being used across a fork. Knows nothing about requests.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

use super::error::{Result, VideoError};
use crate::ErrorKind;

/// Two are enough: the work is mostly waiting for sockets, and decoding has its own threads.
const WORKER_THREADS: usize = 2;

static RUNTIME: Mutex<State> = Mutex::new(State::NotStarted);

enum State {
    NotStarted,
    Running { process: u32, runtime: Runtime },
    ShutDown,
}

/// Returns the runtime of this process and starts it on the first call.
///
/// # Errors
/// `Stopped` after [`shut_down`], `Config` when the threads cannot be started.
pub(super) fn handle() -> Result<Handle> {
    let mut state = lock();
    let process = std::process::id();
    match &*state {
        State::Running {
            process: owner,
            runtime,
        } if *owner == process => return Ok(runtime.handle().clone()),
        State::ShutDown => {
            return Err(VideoError::local(
                ErrorKind::Stopped,
                "use the package: it was shut down because the process is exiting",
            ));
        }
        State::NotStarted | State::Running { .. } => {}
    }
    let runtime = Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .thread_name("reelkin")
        .enable_all()
        .build()
        .map_err(|error| {
            VideoError::local(
                ErrorKind::Config,
                &format!("start the package's threads: {error}"),
            )
        })?;
    let handle = runtime.handle().clone();
    let previous = std::mem::replace(&mut *state, State::Running { process, runtime });
    if let State::Running { runtime, .. } = previous {
        // This is a forked child. Dropping the parent's runtime would wait for threads that do not exist here.
        std::mem::forget(runtime);
    }
    Ok(handle)
}

/// Shuts down the runtime of this process. Nothing calls into the other language afterwards.
pub(super) fn shut_down(deadline: Duration) {
    let previous = std::mem::replace(&mut *lock(), State::ShutDown);
    if let State::Running { process, runtime } = previous {
        if process == std::process::id() {
            runtime.shutdown_timeout(deadline);
        } else {
            std::mem::forget(runtime);
        }
    }
}

fn lock() -> MutexGuard<'static, State> {
    RUNTIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs work on the runtime. The work is aborted when the returned future is dropped.
pub(super) async fn run<T, W>(work: W) -> Result<T>
where
    T: Send + 'static,
    W: Future<Output = Result<T>> + Send + 'static,
{
    struct AbortOnDrop<T>(JoinHandle<T>);
    impl<T> Drop for AbortOnDrop<T> {
        fn drop(&mut self) {
            self.0.abort();
        }
    }
    let mut task = AbortOnDrop(handle()?.spawn(work));
    (&mut task.0).await.unwrap_or_else(|_| Err(task_lost()))
}

/// Returns the error for a task that ended without an outcome.
pub(super) fn task_lost() -> VideoError {
    VideoError::local(
        ErrorKind::Stopped,
        "wait for the call: it was aborted because the process is exiting",
    )
}

/// A value of the core that belongs to the process that created it.
///
/// A forked child gets a copy of the value but none of the threads it needs. Using it there is an error. It is not
/// dropped there either, because that could wait for a lock that no thread will ever release.
pub(super) struct ProcessBound<T> {
    process: u32,
    value: Arc<T>,
}

impl<T> ProcessBound<T> {
    pub(super) fn new(value: T) -> Self {
        Self {
            process: std::process::id(),
            value: Arc::new(value),
        }
    }

    /// # Errors
    /// `Config` in a forked child.
    pub(super) fn get(&self) -> Result<&T> {
        if self.process == std::process::id() {
            return Ok(&self.value);
        }
        Err(VideoError::local(
            ErrorKind::Config,
            "use the object in a forked process: its connections and threads stayed in the parent; create a new client in the child, or start children with spawn",
        ))
    }
}

impl<T> Drop for ProcessBound<T> {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            std::mem::forget(Arc::clone(&self.value));
        }
    }
}

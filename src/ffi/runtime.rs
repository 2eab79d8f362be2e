//! The threads that do a package's work: one tokio runtime for the process.
//!
//! Owns when it begins, that it is not used across a fork, and its end with the process. Knows no verb.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

use super::error::{Result, VideoError};
use crate::ErrorKind;

/// What is waited on is sockets; decoding has threads of its own.
const WORKERS: usize = 2;

static RUNTIME: Mutex<State> = Mutex::new(State::New);

enum State {
    New,
    Running { process: u32, runtime: Runtime },
    Ended,
}

/// The runtime of this process. Made when it is asked for first.
///
/// # Errors
/// `Stopped` after [`end`], `Config` when the system gives no threads.
pub(super) fn handle() -> Result<Handle> {
    let mut state = lock();
    let process = std::process::id();
    match &*state {
        State::Running { process: of, runtime } if *of == process => return Ok(runtime.handle().clone()),
        State::Ended => {
            return Err(VideoError::here(
                ErrorKind::Stopped,
                "use the package: it was shut down, because the process ends",
            ));
        }
        State::New | State::Running { .. } => {}
    }
    let runtime = Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .thread_name("reelkin")
        .enable_all()
        .build()
        .map_err(|error| {
            VideoError::here(
                ErrorKind::Config,
                &format!("start the package's threads: {error}"),
            )
        })?;
    let handle = runtime.handle().clone();
    let before = std::mem::replace(&mut *state, State::Running { process, runtime });
    if let State::Running { runtime, .. } = before {
        // The parent's: its threads are not in this process, and ending it would wait for them.
        std::mem::forget(runtime);
    }
    Ok(handle)
}

/// Ends the runtime of this process: nothing calls into the other language after this.
pub(super) fn end(deadline: Duration) {
    let before = std::mem::replace(&mut *lock(), State::Ended);
    if let State::Running { process, runtime } = before {
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

/// Runs work on the runtime, and ends it when nobody waits for it any more.
pub(super) async fn run<T, W>(work: W) -> Result<T>
where
    T: Send + 'static,
    W: Future<Output = Result<T>> + Send + 'static,
{
    struct Aborting<T>(JoinHandle<T>);
    impl<T> Drop for Aborting<T> {
        fn drop(&mut self) {
            self.0.abort();
        }
    }
    let mut task = Aborting(handle()?.spawn(work));
    (&mut task.0).await.unwrap_or_else(|_| Err(gone()))
}

/// The task is gone without a word.
pub(super) fn gone() -> VideoError {
    VideoError::here(
        ErrorKind::Stopped,
        "wait for the work: it was ended with the package, because the process ends",
    )
}

/// Something of the core that belongs to the process that made it.
///
/// A forked child has a copy of it and none of the threads behind it: using it is an error there, and dropping it
/// is left out, since that could wait for a lock that nobody will ever release.
pub(super) struct Owned<T> {
    process: u32,
    value: Arc<T>,
}

impl<T> Owned<T> {
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
        Err(VideoError::here(
            ErrorKind::Config,
            "use it in a forked process: its connections and threads stayed in the parent; make a new client in the child, or start children with spawn",
        ))
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            std::mem::forget(Arc::clone(&self.value));
        }
    }
}

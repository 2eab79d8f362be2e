//! The thread that does the work of a call, so that the caller can return at its deadline.
//!
//! libav cannot be stopped in the middle of a frame, nor a blocked reader in the middle of a read. So a caller waits for
//! the result, the deadline or an interrupt, whichever comes first. A thread that is still busy after that is abandoned:
//! it ends by itself when it next checks its limits. The number of abandoned threads is limited.

use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::limits::{CallLimits, MediaOptions};
use super::source::{MediaSource, Stop};
use crate::error::{Error, Result};

/// Maximum abandoned threads that are still busy.
const MAX_ABANDONED: usize = 16;
/// Interval at which a waiting caller checks its interrupts.
const CHECK_INTERVAL: Duration = Duration::from_millis(10);
/// Time for the work to end with its own error after the deadline or an interrupt.
const GRACE: Duration = Duration::from_millis(30);

static ABANDONED: AtomicUsize = AtomicUsize::new(0);
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// Returns how many calls are running in this process, at least 1.
pub(super) fn running_calls() -> usize {
    RUNNING.load(Ordering::Relaxed).max(1)
}

/// Returns the number of threads that can run at the same time. It is read once, because reading it opens files.
pub(super) fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, NonZero::get))
}

/// Runs `work` on its own thread and waits for it no longer than the options allow.
pub(super) fn run<T: Send + 'static>(
    source: MediaSource,
    options: &MediaOptions,
    work: impl FnOnce(MediaSource, &MediaOptions) -> Result<T> + Send + 'static,
) -> Result<T> {
    start(source, options, work)?.wait()
}

/// Work that is running. Dropping it abandons the work.
pub(super) struct Pending<T> {
    receiver: Receiver<std::thread::Result<Result<T>>>,
    limits: CallLimits,
    /// Set by the first to leave: the work when it ends, or the caller when it abandons the work.
    left: Arc<AtomicBool>,
    /// Makes a blocked reader give up.
    stop: Option<Stop>,
}

/// Starts `work` on its own thread. Its deadline counts from here.
pub(super) fn start<T: Send + 'static>(
    mut source: MediaSource,
    options: &MediaOptions,
    work: impl FnOnce(MediaSource, &MediaOptions) -> Result<T> + Send + 'static,
) -> Result<Pending<T>> {
    let limits = options.start_call(source.name());
    limits.check()?;
    if ABANDONED.load(Ordering::Acquire) >= MAX_ABANDONED {
        let cause =
            format!("{MAX_ABANDONED} earlier calls are past their deadline and still busy; try again later");
        return Err(read_error(&limits, &cause));
    }
    let (sender, receiver) = mpsc::sync_channel(1);
    let options = options.clone();
    let stop = source.take_stop();
    let left = Arc::new(AtomicBool::new(false));
    let left_by_caller = Arc::clone(&left);
    let thread = std::thread::Builder::new().name("reelkin-media".to_owned());
    let started = thread.spawn(move || {
        RUNNING.fetch_add(1, Ordering::Relaxed);
        let result = catch_unwind(AssertUnwindSafe(|| work(source, &options)));
        RUNNING.fetch_sub(1, Ordering::Relaxed);
        if left_by_caller.swap(true, Ordering::AcqRel) {
            ABANDONED.fetch_sub(1, Ordering::AcqRel);
        } else {
            // The caller has not left, so it receives this.
            let _ = sender.send(result);
        }
    });
    started.map_err(|error| read_error(&limits, "cannot start a thread").with_source(error))?;
    Ok(Pending {
        receiver,
        limits,
        left,
        stop,
    })
}

impl<T> Pending<T> {
    /// Returns the result of the work, or an error at the deadline or an interrupt.
    pub(super) fn wait(mut self) -> Result<T> {
        let limits = self.limits.clone();
        let finish = |result: std::thread::Result<Result<T>>, reader_stopped: bool| {
            let result = result.unwrap_or_else(|panic| resume_unwind(panic));
            // The error of a read that was made to give up says nothing about the clip.
            if reader_stopped && result.is_err() {
                limits.check()?;
            }
            result
        };
        let thread_ended = || read_error(&limits, "its thread ended without a result");
        let mut pause = CHECK_INTERVAL.min(limits.remaining());
        let mut reader_stopped = false;
        loop {
            match self.receiver.recv_timeout(pause) {
                Ok(result) => return finish(result, reader_stopped),
                Err(RecvTimeoutError::Disconnected) => return Err(thread_ended()),
                Err(RecvTimeoutError::Timeout) if pause == GRACE => break,
                Err(RecvTimeoutError::Timeout) if limits.must_stop() => {
                    reader_stopped = self.stop_reader();
                    pause = GRACE;
                }
                Err(RecvTimeoutError::Timeout) => pause = CHECK_INTERVAL.min(limits.remaining()),
            }
        }
        if self.abandon() {
            let result = self.receiver.recv();
            return result.map_or_else(|_| Err(thread_ended()), |result| finish(result, reader_stopped));
        }
        limits.check()?;
        Err(read_error(&limits, "stopped"))
    }

    /// Makes a blocked reader give up. Returns whether the reader supports it and was not told before.
    fn stop_reader(&mut self) -> bool {
        let Some(stop) = self.stop.take() else {
            return false;
        };
        stop();
        true
    }

    /// Abandons the work. Returns `true` if it has already ended.
    fn abandon(&mut self) -> bool {
        self.stop_reader();
        // Incremented before the flag is set: the thread decrements it only after it has seen the flag.
        ABANDONED.fetch_add(1, Ordering::AcqRel);
        let has_ended = self.left.swap(true, Ordering::AcqRel);
        if has_ended {
            ABANDONED.fetch_sub(1, Ordering::AcqRel);
        }
        has_ended
    }
}

impl<T> Drop for Pending<T> {
    fn drop(&mut self) {
        // If the flag is set, the work has ended or was abandoned before.
        if !self.left.load(Ordering::Acquire) {
            self.abandon();
        }
    }
}

fn read_error(limits: &CallLimits, cause: &str) -> Error {
    Error::media(format!("read {}: {cause}", limits.name()))
}

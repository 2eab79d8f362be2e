//! The thread that a call's work runs on, so that the caller is free at its deadline.
//!
//! libav cannot be stopped within one frame, nor a reader that blocks within one read. A caller waits for the
//! result, the deadline or an interrupt, whichever comes first. What is still busy then ends by itself at its
//! next look at the bounds, and holds one of a few places until it has.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use super::limits::{MediaOptions, Watch};
use super::source::{MediaSource, Stop};
use crate::error::{Error, ErrorKind, Result};

/// How many abandoned threads may be busy.
const MAX_ABANDONED: usize = 16;
/// How often a caller looks whether it was interrupted.
const LOOK: Duration = Duration::from_millis(10);
/// How long the work has to end by itself, with its own words.
const GRACE: Duration = Duration::from_millis(30);

static ABANDONED: AtomicUsize = AtomicUsize::new(0);
static BUSY: AtomicUsize = AtomicUsize::new(0);

/// How many calls do their work at this moment, in the whole process.
pub(super) fn busy() -> usize {
    BUSY.load(Ordering::Relaxed).max(1)
}

/// Does the work on a thread of its own, and waits for it no longer than the options allow.
pub(super) fn run<T: Send + 'static>(
    source: MediaSource,
    options: &MediaOptions,
    work: impl FnOnce(MediaSource, &MediaOptions) -> Result<T> + Send + 'static,
) -> Result<T> {
    start(source, options, work)?.wait()
}

/// Work that goes on. It is waited for, or abandoned by dropping it.
pub(super) struct Pending<T> {
    receiver: Receiver<std::thread::Result<Result<T>>>,
    watch: Watch,
    /// Set by whoever leaves first, the work or its caller.
    left: Arc<AtomicBool>,
    /// Ends the waiting of a reader.
    stop: Option<Stop>,
}

/// Starts the work on a thread of its own. Its deadline counts from here.
pub(super) fn start<T: Send + 'static>(
    mut source: MediaSource,
    options: &MediaOptions,
    work: impl FnOnce(MediaSource, &MediaOptions) -> Result<T> + Send + 'static,
) -> Result<Pending<T>> {
    let watch = options.watch(source.name());
    watch.check()?;
    if ABANDONED.load(Ordering::Acquire) >= MAX_ABANDONED {
        let cause = "too many earlier calls that are past their deadline are still busy";
        return Err(refuse(&watch, cause));
    }
    let (sender, receiver) = mpsc::sync_channel(1);
    let inner = options.clone();
    let stop = source.take_stop();
    let left = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&left);
    let thread = std::thread::Builder::new().name("reelkin-media".to_owned());
    let started = thread.spawn(move || {
        BUSY.fetch_add(1, Ordering::Relaxed);
        let done = catch_unwind(AssertUnwindSafe(|| work(source, &inner)));
        BUSY.fetch_sub(1, Ordering::Relaxed);
        if told.swap(true, Ordering::AcqRel) {
            ABANDONED.fetch_sub(1, Ordering::AcqRel);
        } else {
            // The caller takes it: it has not left.
            let _ = sender.send(done);
        }
    });
    started.map_err(|error| refuse(&watch, "no thread can be started for it").with_source(error))?;
    Ok(Pending {
        receiver,
        watch,
        left,
        stop,
    })
}

impl<T> Pending<T> {
    /// The outcome, no later than the options allow.
    pub(super) fn wait(mut self) -> Result<T> {
        let watch = self.watch.clone();
        let watch = &watch;
        let ended = |done: std::thread::Result<Result<T>>, stopped: bool| {
            let done = done.unwrap_or_else(|panic| resume_unwind(panic));
            // What comes of a read that was given up says nothing of the clip.
            if stopped && done.is_err() {
                watch.check()?;
            }
            done
        };
        let early = || refuse(watch, "its thread ended early");
        let mut pause = LOOK.min(watch.remaining());
        let mut stopped = false;
        loop {
            match self.receiver.recv_timeout(pause) {
                Ok(done) => return ended(done, stopped),
                Err(RecvTimeoutError::Disconnected) => return Err(early()),
                Err(RecvTimeoutError::Timeout) if pause == GRACE => break,
                Err(RecvTimeoutError::Timeout) if watch.is_over() => {
                    stopped = self.stop_reading();
                    pause = GRACE;
                }
                Err(RecvTimeoutError::Timeout) => pause = LOOK.min(watch.remaining()),
            }
        }
        if self.leave() {
            let done = self.receiver.recv();
            return done.map_or_else(|_| Err(early()), |done| ended(done, stopped));
        }
        watch.check()?;
        Err(refuse(watch, "stopped"))
    }

    /// Whether there was a read to be given up.
    fn stop_reading(&mut self) -> bool {
        let Some(stop) = self.stop.take() else {
            return false;
        };
        stop();
        true
    }

    /// Leaves the work alone; `true` when it has ended before.
    fn leave(&mut self) -> bool {
        self.stop_reading();
        // Counted before it is told, so that it never counts itself out first.
        ABANDONED.fetch_add(1, Ordering::AcqRel);
        let ended = self.left.swap(true, Ordering::AcqRel);
        if ended {
            ABANDONED.fetch_sub(1, Ordering::AcqRel);
        }
        ended
    }
}

impl<T> Drop for Pending<T> {
    fn drop(&mut self) {
        // Set: the work has ended, or it was left before.
        if !self.left.load(Ordering::Acquire) {
            self.leave();
        }
    }
}

fn refuse(watch: &Watch, cause: &str) -> Error {
    Error::new(ErrorKind::Media, format!("read {}: {cause}", watch.name()))
}

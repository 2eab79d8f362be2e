//! The thread that a call's work runs on, so that the caller is free at its deadline.
//!
//! libav cannot be stopped within one frame, nor a reader that blocks within one read. A caller waits for the
//! result, the deadline or an interrupt, whichever comes first. What is still busy then ends by itself at its
//! next look at the bounds, and holds one of a few places until it has.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use super::limits::MediaOptions;
use super::source::MediaSource;
use crate::error::{Error, ErrorKind, Result};

/// How many abandoned threads may be busy.
const MAX_ABANDONED: usize = 16;
/// How often a caller looks whether it was interrupted.
const LOOK: Duration = Duration::from_millis(10);
/// How long the work has to end by itself, with its own words.
const GRACE: Duration = Duration::from_millis(30);

static ABANDONED: AtomicUsize = AtomicUsize::new(0);

/// Does the work on a thread of its own, and waits for it no longer than the options allow.
pub(super) fn run<T: Send + 'static>(
    mut source: MediaSource,
    options: &MediaOptions,
    work: impl FnOnce(MediaSource, &MediaOptions) -> Result<T> + Send + 'static,
) -> Result<T> {
    let watch = options.watch(source.name());
    watch.check()?;
    let refuse = |cause: &str| {
        let line = format!("read {}: {cause}", watch.name());
        Error::new(ErrorKind::Media, line)
    };
    if ABANDONED.load(Ordering::Acquire) >= MAX_ABANDONED {
        return Err(refuse(
            "too many earlier calls that are past their deadline are still busy",
        ));
    }
    let (sender, receiver) = mpsc::sync_channel(1);
    let inner = options.clone();
    let mut stop = source.take_stop();
    // Set by whoever leaves first, the work or its caller.
    let left = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&left);
    let thread = std::thread::Builder::new().name("reelkin-media".to_owned());
    let started = thread.spawn(move || {
        let done = catch_unwind(AssertUnwindSafe(|| work(source, &inner)));
        if told.swap(true, Ordering::AcqRel) {
            ABANDONED.fetch_sub(1, Ordering::AcqRel);
        } else {
            // The caller takes it: it has not left.
            let _ = sender.send(done);
        }
    });
    started.map_err(|error| refuse("no thread can be started for it").with_source(error))?;
    let ended = |done: std::thread::Result<Result<T>>| done.unwrap_or_else(|panic| resume_unwind(panic));
    let mut pause = LOOK.min(watch.remaining());
    loop {
        match receiver.recv_timeout(pause) {
            Ok(done) => return ended(done),
            Err(RecvTimeoutError::Disconnected) => return Err(refuse("its thread ended early")),
            Err(RecvTimeoutError::Timeout) if pause == GRACE => break,
            Err(RecvTimeoutError::Timeout) if watch.is_over() => {
                if let Some(stop) = stop.take() {
                    stop();
                }
                pause = GRACE;
            }
            Err(RecvTimeoutError::Timeout) => pause = LOOK.min(watch.remaining()),
        }
    }
    // Counted before it is told, so that it never counts itself out first.
    ABANDONED.fetch_add(1, Ordering::AcqRel);
    if left.swap(true, Ordering::AcqRel) {
        ABANDONED.fetch_sub(1, Ordering::AcqRel);
        return receiver
            .recv()
            .map_or_else(|_| Err(refuse("its thread ended early")), ended);
    }
    watch.check()?;
    Err(refuse("stopped"))
}

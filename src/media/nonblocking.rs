//! The calls of [`media`](super) for async callers, run on tokio's threads for blocking work.
//!
//! The futures need a tokio runtime.
//!
//! # Cancel safety
//!
//! Dropping one of these futures raises an interrupt for its call, so that the work stops at its next packet or read.

use tracing::field::Empty;

use super::{Frame, FramePosition, Interrupt, MediaOptions, MediaSource, Probe};
use crate::error::{Error, Result};
use crate::telemetry;

/// Calls [`frame`](super::frame()) without blocking.
pub async fn frame(
    source: impl Into<MediaSource> + Send,
    position: FramePosition,
    options: MediaOptions,
) -> Result<Frame> {
    let source = source.into();
    run_as("media.frame", options, move |options| {
        super::frame(source, position, options)
    })
    .await
}

/// Calls [`frames`](super::frames()) without blocking.
pub async fn frames(
    source: impl Into<MediaSource> + Send,
    positions: Vec<FramePosition>,
    options: MediaOptions,
) -> Result<Vec<Frame>> {
    let source = source.into();
    run_as("media.frames", options, move |options| {
        super::frames(source, &positions, options)
    })
    .await
}

/// Calls [`picture`](super::picture()) without blocking.
pub async fn picture(source: impl Into<MediaSource> + Send, options: MediaOptions) -> Result<Frame> {
    let source = source.into();
    run_as("media.picture", options, move |options| {
        super::picture(source, options)
    })
    .await
}

/// Calls [`probe`](super::probe()) without blocking.
pub async fn probe(source: impl Into<MediaSource> + Send, options: MediaOptions) -> Result<Probe> {
    let source = source.into();
    run_as("media.probe", options, move |options| {
        super::probe(source, options)
    })
    .await
}

/// Calls [`check_whole`](super::check_whole()) without blocking.
pub async fn check_whole(source: impl Into<MediaSource> + Send, options: MediaOptions) -> Result<Probe> {
    let source = source.into();
    run_as("media.check_whole", options, move |options| {
        super::check_whole(source, options)
    })
    .await
}

/// Runs any blocking media work, such as decoding a frame and encoding it as PNG, without blocking.
///
/// `work` receives the options with an additional interrupt, which is raised when the future is dropped.
///
/// # Errors
///
/// Returns the error of `work`, or `Stopped` if the runtime shuts down before `work` has run.
pub async fn run<T: Send + 'static>(
    options: MediaOptions,
    work: impl FnOnce(&MediaOptions) -> Result<T> + Send + 'static,
) -> Result<T> {
    run_as("media.run", options, work).await
}

async fn run_as<T: Send + 'static>(
    name: &'static str,
    options: MediaOptions,
    work: impl FnOnce(&MediaOptions) -> Result<T> + Send + 'static,
) -> Result<T> {
    let span = tracing::info_span!(
        "frames",
        otel.name = name,
        otel.status_code = Empty,
        "error.type" = Empty,
    );
    telemetry::instrument(span, run_blocking(options, work)).await
}

async fn run_blocking<T: Send + 'static>(
    options: MediaOptions,
    work: impl FnOnce(&MediaOptions) -> Result<T> + Send + 'static,
) -> Result<T> {
    let dropped = Interrupt::new();
    let options = options.interrupt(dropped.clone());
    let guard = RaiseOnDrop(dropped);
    let span = tracing::Span::current();
    let joined = crate::host::spawn_blocking(move || span.in_scope(|| work(&options))).await;
    drop(guard);
    match joined {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(Error::stopped("read media: the runtime is shutting down")),
    }
}

struct RaiseOnDrop(Interrupt);

impl Drop for RaiseOnDrop {
    fn drop(&mut self) {
        self.0.raise();
    }
}

//! The bounds of a call: a deadline, interrupts, and limits on pixels, bytes and packets.
//!
//! Knows no media formats. [`MediaOptions`] is what callers set; [`CallLimits`] is the state of one call.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};

/// A flag that stops media work from another thread.
///
/// Clones share the flag. It cannot be lowered once it is raised.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Creates a flag that is not raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops the work, which ends with [`ErrorKind::Stopped`] at its next packet or read.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Returns whether [`raise`](Self::raise) was called on any clone.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Bounds for one call. The defaults suit clips of the service and pictures from a camera.
///
/// # Memory
///
/// Besides the frames that it returns, a call uses at most 1 GiB plus 32 bytes for each pixel of
/// [`max_pixels`](Self::max_pixels), whatever the input: 3 GiB with the defaults. Tables, headers, coded
/// packets and the reference frames of a decoder are counted before or while they are allocated. Each single allocation
/// of libav is capped for the whole process. A source may have at most 64 streams, 2 million samples, 64 MiB of headers,
/// and 256 MiB for one packet or one picture.
///
/// # Time
///
/// A call returns within 100 ms of its deadline or of an interrupt. libav cannot be stopped in the middle of a frame, so
/// the work runs on its own thread. A thread that is still busy after that is abandoned: it ends by itself, and its
/// result is dropped. While 16 abandoned threads are busy, further calls are refused.
#[derive(Debug, Clone)]
pub struct MediaOptions {
    deadline: Duration,
    max_pixels: u64,
    max_decoded_bytes: u64,
    interrupts: Vec<Interrupt>,
}

impl Default for MediaOptions {
    /// Returns a deadline of 60 s, 8192 by 8192 pixels, 4 GiB of coded bytes, and no interrupt.
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(60),
            // Twice the pixels of 8K video; the RGB of such a frame takes 200 MB.
            max_pixels: 8192 * 8192,
            max_decoded_bytes: 4 << 30,
            interrupts: Vec::new(),
        }
    }
}

impl MediaOptions {
    /// Returns the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Limits how long the call may take. A call that takes longer ends with [`ErrorKind::Timeout`].
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Limits the pixels (width times height) of a frame or picture.
    ///
    /// The limit is checked before anything is decoded and again on each frame. Frames of a clip are also limited to
    /// 8192 by 4352, the maximum of the highest levels of H.264, VP9 and AV1.
    pub fn max_pixels(mut self, pixels: u64) -> Self {
        self.max_pixels = pixels.min(MAX_LIBAV_PIXELS);
        self
    }

    /// Limits the coded bytes that the call may send to the decoder.
    pub fn max_decoded_bytes(mut self, bytes: u64) -> Self {
        self.max_decoded_bytes = bytes;
        self
    }

    /// Adds a flag that stops the call. If several are added, any of them stops it.
    pub fn interrupt(mut self, interrupt: Interrupt) -> Self {
        self.interrupts.push(interrupt);
        self
    }

    /// Starts a call that reads the source `name`. Its deadline counts from here.
    pub(super) fn start_call(&self, name: &str) -> CallLimits {
        CallLimits(Arc::new(CallState {
            name: name.to_owned(),
            deadline: self.deadline,
            until: Instant::now().checked_add(self.deadline),
            options: self.clone(),
            decoded_bytes: AtomicU64::new(0),
            packets: AtomicU64::new(0),
            read_allowance: AtomicU64::new(u64::MAX),
            exceeded_allowance: AtomicBool::new(false),
        }))
    }
}

/// The limits of a running call, and what it has used of them.
///
/// Clones share the state: the loops of the call hold one, and so does the reader that libav reads from.
#[derive(Debug, Clone)]
pub(crate) struct CallLimits(Arc<CallState>);

#[derive(Debug)]
struct CallState {
    /// The name of the source, for messages.
    name: String,
    deadline: Duration,
    until: Option<Instant>,
    options: MediaOptions,
    decoded_bytes: AtomicU64,
    packets: AtomicU64,
    /// Bytes that may still be read before [`CallLimits::set_read_allowance`] is called again.
    read_allowance: AtomicU64,
    exceeded_allowance: AtomicBool,
}

/// Maximum pixels of a frame in the highest levels of H.264, VP9 and AV1.
const MAX_CLIP_PIXELS: u64 = 8192 * 4352;
/// Maximum pixels of a picture in libav, which counts them in 32 bits.
const MAX_LIBAV_PIXELS: u64 = i32::MAX as u64;
/// Maximum packets that one call reads, over all streams.
const MAX_PACKETS: u64 = 8_000_000;
/// Maximum RGB bytes of all frames that one call returns.
const MAX_RESULT_BYTES: u64 = 2 << 30;

impl CallLimits {
    /// Returns the name of the source, for messages.
    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    /// Returns the maximum pixels of a still picture.
    pub(crate) fn max_pixels(&self) -> u64 {
        self.0.options.max_pixels
    }

    /// Returns the maximum pixels of a frame of a clip.
    pub(crate) fn max_clip_pixels(&self) -> u64 {
        self.max_pixels().min(MAX_CLIP_PIXELS)
    }

    /// Returns the maximum coded bytes that may be sent to decoders.
    pub(crate) fn max_decoded_bytes(&self) -> u64 {
        self.0.options.max_decoded_bytes
    }

    fn is_interrupted(&self) -> bool {
        self.0.options.interrupts.iter().any(Interrupt::is_raised)
    }

    fn is_past_deadline(&self) -> bool {
        self.0.until.is_some_and(|until| Instant::now() >= until)
    }

    /// Returns the time until the deadline.
    pub(crate) fn remaining(&self) -> Duration {
        self.0.until.map_or(Duration::MAX, |until| {
            until.saturating_duration_since(Instant::now())
        })
    }

    /// Returns whether the call was interrupted or is past its deadline.
    pub(crate) fn must_stop(&self) -> bool {
        self.is_interrupted() || self.is_past_deadline()
    }

    /// Sets how many bytes may be read until this is called again. It bounds what a demuxer can keep of them.
    pub(crate) fn set_read_allowance(&self, bytes: u64) {
        self.0.read_allowance.store(bytes, Ordering::Relaxed);
    }

    /// Subtracts bytes that were read from the allowance. Returns `false` if it has fewer left.
    pub(crate) fn use_read_allowance(&self, bytes: usize) -> bool {
        let bytes = bytes as u64;
        let subtract = |left: u64| left.checked_sub(bytes);
        let is_allowed = self
            .0
            .read_allowance
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, subtract)
            .is_ok();
        if !is_allowed {
            self.0.exceeded_allowance.store(true, Ordering::Relaxed);
        }
        is_allowed
    }

    /// Counts a packet of any stream.
    pub(crate) fn count_packet(&self) -> Result<()> {
        if self.0.packets.fetch_add(1, Ordering::Relaxed) >= MAX_PACKETS {
            return Err(self.read_error(&format!("more than {MAX_PACKETS} packets")));
        }
        Ok(())
    }

    fn read_error(&self, cause: &str) -> Error {
        Error::media(format!("read {}: {cause}", self.name()))
    }

    /// Returns an error if the call was interrupted, is past its deadline, or has read more than its allowance.
    pub(crate) fn check(&self) -> Result<()> {
        if self.is_interrupted() {
            return Err(Error::stopped(format!("read {}: stopped", self.name())));
        }
        if self.is_past_deadline() {
            return Err(Error::new(
                ErrorKind::Timeout,
                format!("read {}: not done within {:?}", self.name(), self.0.deadline),
            ));
        }
        if self.0.exceeded_allowance.load(Ordering::Relaxed) {
            return Err(self.read_error("its headers or one of its packets are larger than allowed"));
        }
        Ok(())
    }

    /// Counts coded bytes that are sent to a decoder.
    pub(crate) fn count_decoded_bytes(&self, bytes: usize) -> Result<()> {
        let bytes = bytes as u64;
        let sum = self
            .0
            .decoded_bytes
            .fetch_add(bytes, Ordering::Relaxed)
            .saturating_add(bytes);
        if sum > self.max_decoded_bytes() {
            return Err(Error::media(format!(
                "decode {}: more than {} bytes of coded data",
                self.name(),
                self.max_decoded_bytes()
            )));
        }
        Ok(())
    }

    /// Checks the size of a still picture.
    pub(crate) fn check_picture_size(&self, width: u32, height: u32) -> Result<()> {
        self.check_pixels(width, height, self.max_pixels())
    }

    /// Checks the size of a frame of a clip.
    pub(crate) fn check_frame_size(&self, width: u32, height: u32) -> Result<()> {
        self.check_pixels(width, height, self.max_clip_pixels())
    }

    /// Checks the size of all frames of the call together. A container may be wrong about the size of its frames.
    pub(crate) fn check_result_size(&self, width: u32, height: u32, frames: usize) -> Result<()> {
        let bytes = (u64::from(width) * u64::from(height) * 3).saturating_mul(frames as u64);
        if bytes > MAX_RESULT_BYTES {
            let cause = format!(
                "{frames} frames take {bytes} bytes, more than {MAX_RESULT_BYTES}; ask for fewer at once"
            );
            return Err(self.error("decode", cause));
        }
        Ok(())
    }

    fn check_pixels(&self, width: u32, height: u32, max: u64) -> Result<()> {
        if u64::from(width) * u64::from(height) > max {
            return Err(Error::media(format!(
                "decode {}: {width}x{height} is more than the limit of {max} pixels",
                self.name(),
            )));
        }
        Ok(())
    }

    /// Returns an error about the source: `doing` it failed for `cause`.
    ///
    /// If the call was interrupted or is past its deadline, the error says so instead: libav reports that as a failed
    /// read.
    pub(crate) fn error(&self, doing: &str, cause: impl std::fmt::Display) -> Error {
        match self.check() {
            Err(stopped) => stopped,
            Ok(()) => Error::media(format!("{doing} {}: {cause}", self.name())),
        }
    }
}

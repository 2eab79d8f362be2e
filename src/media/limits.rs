//! How much work a call may do: a deadline, an interrupt, caps on pixels and bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};

/// A flag that stops work on media from another thread.
///
/// Clones share the flag. Once raised it stays raised.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// A flag that is not raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops the work: it ends with [`ErrorKind::Stopped`] at its next packet or read.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether [`raise`](Self::raise) was called on any clone.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Bounds for one call. The defaults suit clips of the service and pictures from a camera.
///
/// # Memory
///
/// Whatever the input is, a call takes, beside the frames it returns, no more than 1 GiB and 32 bytes for each pixel of
/// [`with_max_pixels`](Self::with_max_pixels): 3 GiB with the defaults. Tables, headers, coded packets and the
/// frames that a decoder keeps are counted before or while they are made, and each single allocation of libav
/// is capped for the whole process. What is read: at most 64 streams, 2 million samples, 64 MiB of headers,
/// 256 MiB for one packet or one picture.
///
/// # Time
///
/// A call returns within 100 ms of its deadline or of an interrupt. libav cannot be stopped within one frame,
/// so the work runs on a thread of its own: one that is still busy then is left to end by itself, and its
/// result is dropped. When 16 such are busy, further calls are refused until one has ended.
#[derive(Debug, Clone)]
pub struct MediaOptions {
    deadline: Duration,
    max_pixels: u64,
    max_decoded_bytes: u64,
    interrupts: Vec<Interrupt>,
}

impl Default for MediaOptions {
    /// 60 s, 8192 by 8192 pixels, 4 GiB of coded bytes, no interrupt.
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(60),
            // 8K video is half of this; the RGB of such a frame takes 200 MB.
            max_pixels: 8192 * 8192,
            max_decoded_bytes: 4 << 30,
            interrupts: Vec::new(),
        }
    }
}

impl MediaOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The longest the call may take; then it ends with [`ErrorKind::Timeout`].
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The most pixels (width times height) a frame or picture may have. Checked before anything is
    /// decoded and again on each frame. Frames of a clip never have more than 8192 by 4352, the most that
    /// any level of H.264, VP9 and AV1 allows.
    pub fn with_max_pixels(mut self, pixels: u64) -> Self {
        self.max_pixels = pixels.min(MOST_PIXELS);
        self
    }

    /// The most bytes of coded data that the call may read into the decoder.
    pub fn with_max_decoded_bytes(mut self, bytes: u64) -> Self {
        self.max_decoded_bytes = bytes;
        self
    }

    /// Adds a flag that stops the call. Several may be given; any of them stops it.
    pub fn with_interrupt(mut self, interrupt: Interrupt) -> Self {
        self.interrupts.push(interrupt);
        self
    }

    pub(super) fn watch(&self, name: &str) -> Watch {
        Watch(Arc::new(WatchInner {
            name: name.to_owned(),
            deadline: self.deadline,
            until: Instant::now().checked_add(self.deadline),
            options: self.clone(),
            decoded: AtomicU64::new(0),
            packets: AtomicU64::new(0),
            allowance: AtomicU64::new(u64::MAX),
            greed: AtomicBool::new(false),
        }))
    }
}

/// The bounds of a call that runs, shared between the loops and the reader libav pulls from.
#[derive(Debug, Clone)]
pub(super) struct Watch(Arc<WatchInner>);

#[derive(Debug)]
struct WatchInner {
    name: String,
    deadline: Duration,
    until: Option<Instant>,
    options: MediaOptions,
    decoded: AtomicU64,
    packets: AtomicU64,
    allowance: AtomicU64,
    greed: AtomicBool,
}

/// Pixels of a frame in the highest levels of H.264, VP9 and AV1.
const MAX_CLIP_PIXELS: u64 = 8192 * 4352;
/// Pixels of a picture in libav, which counts them in 32 bits.
const MOST_PIXELS: u64 = i32::MAX as u64;
/// Packets that one call reads, of all streams.
const MAX_PACKETS: u64 = 8_000_000;

impl Watch {
    /// The name of what is read, for messages.
    pub(super) fn name(&self) -> &str {
        &self.0.name
    }

    pub(super) fn max_pixels(&self) -> u64 {
        self.0.options.max_pixels
    }

    pub(super) fn max_clip_pixels(&self) -> u64 {
        self.max_pixels().min(MAX_CLIP_PIXELS)
    }

    pub(super) fn max_decoded_bytes(&self) -> u64 {
        self.0.options.max_decoded_bytes
    }

    fn is_stopped(&self) -> bool {
        self.0.options.interrupts.iter().any(Interrupt::is_raised)
    }

    fn is_late(&self) -> bool {
        self.0.until.is_some_and(|until| Instant::now() >= until)
    }

    /// How long until the deadline.
    pub(super) fn remaining(&self) -> Duration {
        self.0.until.map_or(Duration::MAX, |until| {
            until.saturating_duration_since(Instant::now())
        })
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_stopped() || self.is_late()
    }

    /// How many bytes may be read from here on, until the next word of it: what is kept of them is no more.
    pub(super) fn allow(&self, bytes: u64) {
        self.0.allowance.store(bytes, Ordering::Relaxed);
    }

    /// Whether so many bytes may still be read.
    pub(super) fn take(&self, bytes: usize) -> bool {
        let bytes = bytes as u64;
        let left = |left: u64| left.checked_sub(bytes);
        let taken = self
            .0
            .allowance
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, left)
            .is_ok();
        if !taken {
            self.0.greed.store(true, Ordering::Relaxed);
        }
        taken
    }

    /// Counts a packet of any stream.
    pub(super) fn count_packet(&self) -> Result<()> {
        if self.0.packets.fetch_add(1, Ordering::Relaxed) >= MAX_PACKETS {
            return Err(self.refuse(&format!("more than {MAX_PACKETS} packets")));
        }
        Ok(())
    }

    fn refuse(&self, cause: &str) -> Error {
        Error::new(ErrorKind::Media, format!("read {}: {cause}", self.name()))
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.is_stopped() {
            return Err(Error::new(
                ErrorKind::Stopped,
                format!("read {}: stopped", self.name()),
            ));
        }
        if self.is_late() {
            return Err(Error::new(
                ErrorKind::Timeout,
                format!("read {}: not done within {:?}", self.name(), self.0.deadline),
            ));
        }
        if self.0.greed.load(Ordering::Relaxed) {
            return Err(self.refuse("its headers, or one packet of it, take more than is let in"));
        }
        Ok(())
    }

    /// Counts coded bytes that go to a decoder.
    pub(super) fn spend(&self, bytes: usize) -> Result<()> {
        let bytes = bytes as u64;
        let sum = self
            .0
            .decoded
            .fetch_add(bytes, Ordering::Relaxed)
            .saturating_add(bytes);
        if sum > self.max_decoded_bytes() {
            return Err(Error::new(
                ErrorKind::Media,
                format!(
                    "decode {}: more than {} bytes of coded data",
                    self.name(),
                    self.max_decoded_bytes()
                ),
            ));
        }
        Ok(())
    }

    /// Holds a picture to the limit of pixels.
    pub(super) fn check_size(&self, width: u32, height: u32) -> Result<()> {
        self.check_pixels(width, height, self.max_pixels())
    }

    /// Holds a frame of a clip to its limit of pixels.
    pub(super) fn check_clip_size(&self, width: u32, height: u32) -> Result<()> {
        self.check_pixels(width, height, self.max_clip_pixels())
    }

    fn check_pixels(&self, width: u32, height: u32, most: u64) -> Result<()> {
        if u64::from(width) * u64::from(height) > most {
            return Err(Error::new(
                ErrorKind::Media,
                format!(
                    "decode {}: {width}x{height} is more than the limit of {most} pixels",
                    self.name(),
                ),
            ));
        }
        Ok(())
    }

    /// An error about this source, unless the reason is that the call was stopped or is late: libav
    /// reports those as a failed read.
    pub(super) fn fail(&self, doing: &str, cause: impl std::fmt::Display) -> Error {
        match self.check() {
            Err(over) => over,
            Ok(()) => Error::new(ErrorKind::Media, format!("{doing} {}: {cause}", self.name())),
        }
    }
}

//! The memory limit for the frames of a decoder.
//!
//! A decoder keeps reference frames, as many as the bitstream demands: seventeen of the largest would take many
//! gigabytes. So each buffer that a decoder allocates is counted until its last reference is gone, and an allocation
//! that would exceed the budget fails.

use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ff::ffi;
use ffmpeg_next as ff;

/// Limits the total size of the frames that a decoder keeps.
#[derive(Debug)]
pub(crate) struct FrameBudget {
    max_bytes: u64,
    used_bytes: AtomicU64,
    exceeded: AtomicBool,
}

/// The bytes of one buffer in the budget. libav drops it with the last reference to the buffer.
struct Share {
    budget: Arc<FrameBudget>,
    bytes: u64,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.used_bytes.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

impl FrameBudget {
    /// Creates a budget for frames of at most `pixels` pixels. It has room for seventeen frames of common sizes.
    pub(crate) fn for_pixels(pixels: u64) -> Arc<Self> {
        Arc::new(Self {
            max_bytes: pixels.saturating_mul(16).max(256 << 20),
            used_bytes: AtomicU64::new(0),
            exceeded: AtomicBool::new(false),
        })
    }

    /// Returns whether an allocation has failed.
    pub(crate) fn is_exceeded(&self) -> bool {
        self.exceeded.load(Ordering::Acquire)
    }

    /// Returns whether this many frames of `pixels` pixels fit, in 4:2:0 with 8 bits a sample.
    pub(crate) fn holds(&self, frames: u64, pixels: u64) -> bool {
        frames.saturating_mul(pixels).saturating_mul(3) / 2 <= self.max_bytes
    }

    /// Reserves bytes. Returns `None` if that exceeds the budget.
    fn reserve(self: &Arc<Self>, bytes: u64) -> Option<Box<Share>> {
        let used = self.used_bytes.fetch_add(bytes, Ordering::AcqRel);
        let share = Box::new(Share {
            budget: Arc::clone(self),
            bytes,
        });
        if used.saturating_add(bytes) > self.max_bytes {
            self.exceeded.store(true, Ordering::Release);
            return None;
        }
        Some(share)
    }

    /// Makes a decoder that is not open yet allocate its frames from the budget, which must outlive it.
    #[expect(
        unsafe_code,
        reason = "the bindings cannot set how a decoder allocates frames"
    )]
    pub(crate) fn attach(budget: &Arc<Self>, context: &mut ff::codec::Context) {
        // SAFETY: the context is borrowed exclusively and not open yet, so both fields are for callers to set. The pointer
        // is to the value inside of the `Arc`, which the caller keeps as long as the decoder.
        unsafe {
            let context = context.as_mut_ptr();
            (*context).opaque = Arc::as_ptr(budget).cast_mut().cast::<c_void>();
            (*context).get_buffer2 = Some(get_buffer);
        }
    }
}

/// Allocates the buffers of a frame as libav does, and reserves their size in the budget.
#[expect(unsafe_code, reason = "libav calls it")]
unsafe extern "C" fn get_buffer(
    context: *mut ffi::AVCodecContext,
    frame: *mut ffi::AVFrame,
    flags: c_int,
) -> c_int {
    // SAFETY: libav calls this with a context that has the `opaque` of the one we set up (copies of it on
    // other threads included) and with a frame whose format and size are set, as its own function below wants
    // them. `opaque` points into an `Arc` that outlives the decoder, so one more count of it is sound.
    // Buffers in `buf` are valid until unreferenced. `av_buffer_create` takes over the box when it succeeds and
    // gives it back to `release` once; when it fails, the box is dropped here.
    unsafe {
        let code = ffi::avcodec_default_get_buffer2(context, frame, flags);
        if code < 0 {
            return code;
        }
        let budget = (*context).opaque.cast::<FrameBudget>().cast_const();
        Arc::increment_strong_count(budget);
        let budget = Arc::from_raw(budget);
        let buffers = (*frame).buf.iter().filter_map(|buffer| buffer.as_ref());
        let bytes = buffers.fold(0_u64, |sum, buffer| sum.saturating_add(buffer.size as u64));
        if let Some(share) = budget.reserve(bytes) {
            let share = Box::into_raw(share).cast::<c_void>();
            let counted = ffi::av_buffer_create(ptr::null_mut(), 0, Some(release), share, 0);
            if !counted.is_null() {
                ffi::av_buffer_unref(&raw mut (*frame).opaque_ref);
                (*frame).opaque_ref = counted;
                return 0;
            }
            drop(Box::from_raw(share.cast::<Share>()));
        }
        for buffer in &mut (*frame).buf {
            ffi::av_buffer_unref(buffer);
        }
        ffi::AVERROR(ffi::ENOMEM)
    }
}

/// Returns the bytes of a buffer to the budget.
#[expect(unsafe_code, reason = "libav calls it")]
unsafe extern "C" fn release(share: *mut c_void, _data: *mut u8) {
    // SAFETY: `share` is the box that `get_buffer` gave away, and libav calls this once for it.
    drop(unsafe { Box::from_raw(share.cast::<Share>()) });
}

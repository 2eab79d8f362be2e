//! What the frames of a decoder may take at once.
//!
//! A decoder keeps the frames that others refer to, as many as the bitstream asks for: seventeen of the
//! largest would be many gigabytes. So each buffer that it asks for is counted until the last reference to it
//! is gone, and one over the budget is not given.

use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ff::ffi;
use ffmpeg_next as ff;

/// The bytes of frames that are alive.
#[derive(Debug)]
pub(crate) struct FrameBudget {
    most: u64,
    used: AtomicU64,
    exceeded: AtomicBool,
}

/// One buffer's share. Dropped by libav with the last reference to the buffer.
struct Share {
    budget: Arc<FrameBudget>,
    bytes: u64,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

impl FrameBudget {
    /// For frames of at most that many pixels: room for seventeen of a size that clips really have.
    pub(crate) fn of_pixels(pixels: u64) -> Arc<Self> {
        Arc::new(Self {
            most: pixels.saturating_mul(16).max(256 << 20),
            used: AtomicU64::new(0),
            exceeded: AtomicBool::new(false),
        })
    }

    /// Whether a frame was refused.
    pub(crate) fn is_exceeded(&self) -> bool {
        self.exceeded.load(Ordering::Acquire)
    }

    /// Whether so many frames of that size fit, with 8 bits a sample and half the colour.
    pub(crate) fn holds(&self, frames: u64, pixels: u64) -> bool {
        frames.saturating_mul(pixels).saturating_mul(3) / 2 <= self.most
    }

    fn share(self: &Arc<Self>, bytes: u64) -> Option<Box<Share>> {
        let used = self.used.fetch_add(bytes, Ordering::AcqRel);
        let share = Box::new(Share {
            budget: Arc::clone(self),
            bytes,
        });
        if used.saturating_add(bytes) > self.most {
            self.exceeded.store(true, Ordering::Release);
            return None;
        }
        Some(share)
    }

    /// Makes a decoder that is not open yet ask here. The budget must outlive it.
    #[expect(unsafe_code, reason = "the bindings cannot say where frames come from")]
    pub(crate) fn watch(budget: &Arc<Self>, context: &mut ff::codec::Context) {
        // SAFETY: the context is ours alone and not open, when both fields are for callers to set. The pointer
        // is to the value inside of the `Arc`, which the caller keeps as long as the decoder.
        unsafe {
            let context = context.as_mut_ptr();
            (*context).opaque = Arc::as_ptr(budget).cast_mut().cast::<c_void>();
            (*context).get_buffer2 = Some(get_buffer);
        }
    }
}

/// libav's own buffers, counted.
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
        if let Some(share) = budget.share(bytes) {
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

#[expect(unsafe_code, reason = "libav calls it")]
unsafe extern "C" fn release(share: *mut c_void, _data: *mut u8) {
    // SAFETY: `share` is the box that `get_buffer` gave away, and libav calls this once for it.
    drop(unsafe { Box::from_raw(share.cast::<Share>()) });
}

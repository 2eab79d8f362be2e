//! Opens a demuxer on a custom reader, seeks in it, and discards streams.

use std::ffi::CStr;
use std::ptr;

use ff::ffi;
use ff::format::context::{self, StreamIo};
use ffmpeg_next as ff;

use crate::media::source::Format;

/// Maximum streams of a clip.
pub(crate) const MAX_STREAMS: usize = 64;

/// Opens the demuxer for `format` on a reader.
///
/// Unlike `input_from_stream` of the bindings, it neither probes for a format nor decodes anything.
#[expect(
    unsafe_code,
    reason = "the bindings cannot name the demuxer for a reader, nor leave out the probing"
)]
pub(crate) fn open_input(mut io: StreamIo, format: Format) -> Result<context::Input, ff::Error> {
    let demuxer: &CStr = if format == Format::Mov {
        c"mov"
    } else {
        c"matroska"
    };
    let mut options = ff::Dictionary::new();
    options.set("max_streams", &MAX_STREAMS.to_string());
    // The reader needs no protocol. Without one, a file that refers to another file cannot open it.
    options.set("protocol_whitelist", "none");
    // The index of fragments at the end of a file could lead libav to tables that the container limits have not checked.
    options.set("use_mfra_for", "0");
    // SAFETY: `av_find_input_format` takes a NUL-terminated name and returns null or a static.
    // `avformat_alloc_context` returns null or a context of our own; its `pb` is the `AVIOContext` of
    // `io`, which lives until `Input` drops, since `wrap_with_custom_io` takes it along and frees it after
    // the context. `avformat_open_input` frees the context itself when it fails, and leaves a `pb` that it
    // did not open alone, so that `io` is dropped here exactly once. `disown` hands the dictionary to us;
    // libav may replace it, and `own` frees what it left.
    unsafe {
        let demuxer = ffi::av_find_input_format(demuxer.as_ptr());
        if demuxer.is_null() {
            return Err(ff::Error::DemuxerNotFound);
        }
        let mut context = ffi::avformat_alloc_context();
        if context.is_null() {
            return Err(ff::Error::Other {
                errno: ff::error::ENOMEM,
            });
        }
        (*context).pb = io.as_mut_ptr();
        (*context).flags |= ffi::AVFMT_FLAG_CUSTOM_IO;
        let mut options = options.disown();
        let code = ffi::avformat_open_input(&raw mut context, ptr::null(), demuxer, &raw mut options);
        drop(ff::Dictionary::own(options));
        if code < 0 {
            return Err(ff::Error::from(code));
        }
        Ok(context::Input::wrap_with_custom_io(context, io))
    }
}

/// Seeks to the last key frame of a stream at or before `timestamp`. Returns whether it succeeded.
#[expect(
    unsafe_code,
    reason = "the bindings seek in microseconds only, and not by stream"
)]
pub(crate) fn seek_input(input: &mut context::Input, stream: usize, timestamp: i64) -> bool {
    let Ok(stream) = i32::try_from(stream) else {
        return false;
    };
    // SAFETY: the context is open and borrowed for this call alone; libav checks the stream's number.
    unsafe { ffi::av_seek_frame(input.as_mut_ptr(), stream, timestamp, ffi::AVSEEK_FLAG_BACKWARD) >= 0 }
}

/// Sets whether the demuxer discards all packets of a stream.
#[expect(unsafe_code, reason = "the bindings can read a stream's discard, not set it")]
pub(crate) fn discard(input: &mut context::Input, stream: usize, all: bool) {
    if let Some(mut stream) = input.stream_mut(stream) {
        // SAFETY: `stream_mut` checked the number, and the pointer is to a stream of the context that we
        // hold exclusively. `discard` is a field for callers to set at any time.
        unsafe {
            (*stream.as_mut_ptr()).discard = if all {
                ffi::AVDiscard::AVDISCARD_ALL
            } else {
                ffi::AVDiscard::AVDISCARD_DEFAULT
            };
        }
    }
}

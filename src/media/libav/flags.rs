//! Facts about packets and frames that the bindings do not expose.

use ff::packet::Ref as _;
use ff::{Packet, ffi};
use ffmpeg_next as ff;

/// Whether an edit list hides what this packet decodes to.
#[expect(unsafe_code, reason = "the bindings drop this flag")]
pub(crate) fn is_hidden_packet(packet: &Packet) -> bool {
    // SAFETY: `as_ptr` points into `packet`, which is borrowed.
    unsafe { (*packet.as_ptr()).flags & ffi::AV_PKT_FLAG_DISCARD != 0 }
}

/// Whether the codec is set up anew with this packet.
#[expect(
    unsafe_code,
    reason = "the bindings read kinds of side data into an enum that lacks some"
)]
pub(crate) fn has_new_extradata(packet: &Packet) -> bool {
    let kind = ffi::AVPacketSideDataType::AV_PKT_DATA_NEW_EXTRADATA;
    // SAFETY: `as_ptr` points into `packet`, which is borrowed; the size is not asked for.
    unsafe { !ffi::av_packet_get_side_data(packet.as_ptr(), kind, std::ptr::null_mut()).is_null() }
}

/// Whether an edit list hides this frame.
#[expect(unsafe_code, reason = "the bindings drop this flag")]
pub(crate) fn is_hidden_frame(frame: &ff::frame::Video) -> bool {
    // SAFETY: `as_ptr` points to the frame that `frame` owns.
    unsafe { (*frame.as_ptr()).flags & ffi::AV_FRAME_FLAG_DISCARD != 0 }
}

/// Whether the rows of a frame lie from the bottom up, as one MPEG-4 tag makes libav hand them out. The
/// bindings take such a step between rows for an enormous one and reach beyond the picture.
#[expect(unsafe_code, reason = "the bindings lose the sign of a step")]
pub(crate) fn runs_upwards(frame: &ff::frame::Video) -> bool {
    // SAFETY: `as_ptr` points to the frame that `frame` owns.
    unsafe { (*frame.as_ptr()).linesize.iter().any(|step| *step < 0) }
}

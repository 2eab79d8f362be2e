//! Flags and side data of packets and frames that the bindings do not expose.

use ff::packet::Ref as _;
use ff::{Packet, ffi};
use ffmpeg_next as ff;

/// Returns whether an edit list hides the frame of this packet.
#[expect(unsafe_code, reason = "the bindings drop this flag")]
pub(crate) fn is_hidden_packet(packet: &Packet) -> bool {
    // SAFETY: `as_ptr` points into `packet`, which is borrowed.
    unsafe { (*packet.as_ptr()).flags & ffi::AV_PKT_FLAG_DISCARD != 0 }
}

/// Returns whether a packet has a new configuration of its codec.
#[expect(
    unsafe_code,
    reason = "the bindings read kinds of side data into an enum that lacks some"
)]
pub(crate) fn has_new_extradata(packet: &Packet) -> bool {
    let kind = ffi::AVPacketSideDataType::AV_PKT_DATA_NEW_EXTRADATA;
    // SAFETY: `as_ptr` points into `packet`, which is borrowed; the size is not asked for.
    unsafe { !ffi::av_packet_get_side_data(packet.as_ptr(), kind, std::ptr::null_mut()).is_null() }
}

/// Returns whether an edit list hides this frame.
#[expect(unsafe_code, reason = "the bindings drop this flag")]
pub(crate) fn is_hidden_frame(frame: &ff::frame::Video) -> bool {
    // SAFETY: `as_ptr` points to the frame that `frame` owns.
    unsafe { (*frame.as_ptr()).flags & ffi::AV_FRAME_FLAG_DISCARD != 0 }
}

/// Returns whether the rows of a frame are stored from the bottom up.
///
/// libav returns such frames for one tag of MPEG-4. The bindings read the negative distance between rows as a huge one
/// and access memory outside of the picture.
#[expect(
    unsafe_code,
    reason = "the bindings lose the sign of the distance between rows"
)]
pub(crate) fn is_bottom_up(frame: &ff::frame::Video) -> bool {
    // SAFETY: `as_ptr` points to the frame that `frame` owns.
    unsafe { (*frame.as_ptr()).linesize.iter().any(|stride| *stride < 0) }
}

//! Fields that are C enums in libav, read as integers.
//!
//! The bindings turn C enums into Rust enums with the values of the headers that they were built with. A later libav or a
//! damaged file may store another number there, and reading that as such an enum is undefined behavior. So these fields
//! are read here as integers, and those of colors in [`tags`](super::tags). Only known numbers become values of the
//! bindings' types. `clippy.toml` and `tests/layering.rs` forbid other code to read these fields.

use std::ffi::{CStr, c_char, c_int, c_uint};

use ff::ffi;
use ff::format::Pixel;
use ffmpeg_next as ff;

#[expect(unsafe_code, reason = "the bindings declare these functions with their enums")]
// SAFETY: these are the declarations of libavcodec and libavutil; a C enum is passed as the integer that it is, and
// both functions take any number.
unsafe extern "C" {
    fn avcodec_get_name(id: c_uint) -> *const c_char;
    fn av_get_pix_fmt_name(format: c_int) -> *const c_char;
}

/// A codec by libav's number, which may be unknown to this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CodecId(u32);

impl CodecId {
    pub(crate) const H264: Self = Self::of(ffi::AVCodecID::AV_CODEC_ID_H264);
    pub(crate) const HEVC: Self = Self::of(ffi::AVCodecID::AV_CODEC_ID_HEVC);
    pub(crate) const VP8: Self = Self::of(ffi::AVCodecID::AV_CODEC_ID_VP8);
    pub(crate) const VP9: Self = Self::of(ffi::AVCodecID::AV_CODEC_ID_VP9);
    pub(crate) const AV1: Self = Self::of(ffi::AVCodecID::AV_CODEC_ID_AV1);
    pub(crate) const MPEG4: Self = Self::of(ffi::AVCodecID::AV_CODEC_ID_MPEG4);
    pub(crate) const MJPEG: Self = Self::of(ffi::AVCodecID::AV_CODEC_ID_MJPEG);
    pub(crate) const PNG: Self = Self::of(ffi::AVCodecID::AV_CODEC_ID_PNG);

    const fn of(id: ffi::AVCodecID) -> Self {
        Self(id as u32)
    }

    /// Returns libav's name of the codec, or `unknown_codec` if it has none.
    #[expect(unsafe_code, reason = "a name in C")]
    pub(crate) fn name(self) -> String {
        // SAFETY: the function takes any number and returns a string that is never null and never freed.
        let name = unsafe { CStr::from_ptr(avcodec_get_name(self.0)) };
        name.to_string_lossy().into_owned()
    }
}

/// The kind of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamKind {
    Video,
    Audio,
    Other,
}

/// Returns the kind and the codec of a stream.
#[expect(unsafe_code, reason = "the fields have to be read without their types")]
pub(crate) fn kind_and_codec(parameters: &ff::codec::Parameters) -> (StreamKind, CodecId) {
    const VIDEO: i32 = ffi::AVMediaType::AVMEDIA_TYPE_VIDEO as i32;
    const AUDIO: i32 = ffi::AVMediaType::AVMEDIA_TYPE_AUDIO as i32;
    // SAFETY: `as_ptr` points to the parameters that `parameters` owns or keeps alive, all of whose fields libav set
    // when it made them. Both fields are C enums, which have the size and alignment of an `int`; they are read
    // through raw pointers as integers, for which every value is valid, and no reference is made.
    let (kind, codec) = unsafe {
        let parameters = parameters.as_ptr();
        (
            (&raw const (*parameters).codec_type).cast::<i32>().read(),
            (&raw const (*parameters).codec_id).cast::<u32>().read(),
        )
    };
    let kind = match kind {
        VIDEO => StreamKind::Video,
        AUDIO => StreamKind::Audio,
        _ => StreamKind::Other,
    };
    (kind, CodecId(codec))
}

/// Returns whether side data of a stream is a display matrix.
#[expect(unsafe_code, reason = "the field has to be read without its type")]
pub(crate) fn is_display_matrix(data: &ff::codec::packet::SideData) -> bool {
    const MATRIX: u32 = ffi::AVPacketSideDataType::AV_PKT_DATA_DISPLAYMATRIX as u32;
    // SAFETY: `as_ptr` points to side data of the stream that `data` borrows. The field is a C enum, which has the
    // size and alignment of an `int`; it is read through a raw pointer as an integer, and no reference is made.
    unsafe { (&raw const (*data.as_ptr()).type_).cast::<u32>().read() == MATRIX }
}

/// Returns the pixel format of a frame, or `None` if it has none or one that is not in [`FORMATS`].
pub(crate) fn pixel_format(frame: &ff::frame::Video) -> Option<Pixel> {
    let number = format_number(frame);
    let is = |pixel: &&Pixel| ffi::AVPixelFormat::from(**pixel) as c_int == number;
    FORMATS.iter().find(is).copied()
}

/// Returns libav's name of a frame's pixel format, even if this crate does not know the format.
#[expect(unsafe_code, reason = "a name in C")]
pub(crate) fn pixel_format_name(frame: &ff::frame::Video) -> String {
    // SAFETY: the function takes any number and returns null or a string that is never freed.
    let name = unsafe {
        let name = av_get_pix_fmt_name(format_number(frame));
        (!name.is_null()).then(|| CStr::from_ptr(name))
    };
    name.map_or_else(
        || "unknown".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}

#[expect(unsafe_code, reason = "the bindings read the number into an enum")]
fn format_number(frame: &ff::frame::Video) -> c_int {
    // SAFETY: `as_ptr` points to the frame that `frame` owns, and the field is an `int` in C as well.
    unsafe { (*frame.as_ptr()).format }
}

/// The supported pixel formats of the allowed decoders: those to which `media/pixels/color.rs` applies a matrix, and
/// those that need none.
pub(in crate::media) const FORMATS: &[Pixel] = &[
    Pixel::YUV420P,
    Pixel::YUV422P,
    Pixel::YUV440P,
    Pixel::YUV444P,
    Pixel::YUV410P,
    Pixel::YUV411P,
    Pixel::YUVJ420P,
    Pixel::YUVJ422P,
    Pixel::YUVJ440P,
    Pixel::YUVJ444P,
    Pixel::YUVJ411P,
    Pixel::YUVA420P,
    Pixel::YUVA422P,
    Pixel::YUVA444P,
    Pixel::YUV420P9LE,
    Pixel::YUV420P10LE,
    Pixel::YUV420P12LE,
    Pixel::YUV422P9LE,
    Pixel::YUV422P10LE,
    Pixel::YUV422P12LE,
    Pixel::YUV440P10LE,
    Pixel::YUV440P12LE,
    Pixel::YUV444P9LE,
    Pixel::YUV444P10LE,
    Pixel::YUV444P12LE,
    Pixel::YUVA420P9LE,
    Pixel::YUVA420P10LE,
    Pixel::YUVA422P9LE,
    Pixel::YUVA422P10LE,
    Pixel::YUVA444P9LE,
    Pixel::YUVA444P10LE,
    Pixel::NV12,
    Pixel::NV21,
    Pixel::YUYV422,
    Pixel::UYVY422,
    Pixel::GRAY8,
    Pixel::GRAY9LE,
    Pixel::GRAY10LE,
    Pixel::GRAY12LE,
    Pixel::GRAY16LE,
    Pixel::GRAY16BE,
    Pixel::YA8,
    Pixel::YA16LE,
    Pixel::YA16BE,
    Pixel::MonoWhite,
    Pixel::MonoBlack,
    Pixel::PAL8,
    Pixel::RGB24,
    Pixel::BGR24,
    Pixel::ARGB,
    Pixel::RGBA,
    Pixel::ABGR,
    Pixel::BGRA,
    Pixel::ZRGB,
    Pixel::RGBZ,
    Pixel::ZBGR,
    Pixel::BGRZ,
    Pixel::RGB48LE,
    Pixel::RGB48BE,
    Pixel::BGR48LE,
    Pixel::BGR48BE,
    Pixel::RGBA64LE,
    Pixel::RGBA64BE,
    Pixel::BGRA64LE,
    Pixel::BGRA64BE,
    Pixel::GBRP,
    Pixel::GBRP9LE,
    Pixel::GBRP10LE,
    Pixel::GBRP12LE,
    Pixel::GBRP14LE,
    Pixel::GBRP16LE,
    Pixel::GBRAP,
    Pixel::GBRAP10LE,
    Pixel::GBRAP12LE,
    Pixel::GBRAP16LE,
];

/// Numbers that are no pixel format of any libav.
#[cfg(test)]
pub(crate) const UNKNOWN_FORMATS: [c_int; 4] = [-1, 9_999, c_int::MAX, c_int::MIN];

/// Sets the pixel format of a frame as a later libav might.
#[cfg(test)]
#[expect(unsafe_code, reason = "the bindings set values of their enum only")]
pub(crate) fn set_pixel_format_number(frame: &mut ff::frame::Video, number: c_int) {
    // SAFETY: the frame is borrowed exclusively, and the field is an `int`. libav frees the buffers of a frame whatever
    // its format is.
    unsafe { (*frame.as_mut_ptr()).format = number };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sets numbers as a later libav might.
    #[expect(unsafe_code, reason = "the bindings set values of their enums only")]
    #[test]
    fn numbers_that_the_bindings_lack_are_unknown() {
        // Silences libav, which logs each number that it does not know.
        crate::media::libav::init();
        let mut parameters = ff::codec::Parameters::new();
        for (kind, codec, expected) in [
            (0, CodecId::H264.0, StreamKind::Video),
            (1, 0x7fff_fff0, StreamKind::Audio),
            (-1, 0, StreamKind::Other),
            (77, u32::MAX, StreamKind::Other),
        ] {
            // SAFETY: the parameters are ours, and the fields are as large as an `int`.
            unsafe {
                let raw = parameters.as_mut_ptr();
                (&raw mut (*raw).codec_type).cast::<i32>().write(kind);
                (&raw mut (*raw).codec_id).cast::<u32>().write(codec);
            }
            assert_eq!(kind_and_codec(&parameters), (expected, CodecId(codec)));
        }
        assert_eq!(CodecId::H264.name(), "h264");
        assert_eq!(CodecId(0x7fff_fff0).name(), "unknown_codec");

        let mut frame = ff::frame::Video::new(Pixel::YUV420P, 16, 16);
        assert_eq!(pixel_format(&frame), Some(Pixel::YUV420P));
        assert_eq!(pixel_format_name(&frame), "yuv420p");
        for number in UNKNOWN_FORMATS {
            set_pixel_format_number(&mut frame, number);
            assert_eq!(pixel_format(&frame), None, "{number}");
            assert_eq!(pixel_format_name(&frame), "unknown");
        }
        set_pixel_format_number(&mut frame, ffi::AVPixelFormat::AV_PIX_FMT_YUV420P as c_int);
    }
}

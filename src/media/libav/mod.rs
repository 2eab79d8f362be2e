//! libav: its setup, its decoders, and the parts of its C interface that the bindings do not wrap.
//!
//! Knows no frames, no clips and no limits of a call.

pub(crate) mod demuxer;
pub(crate) mod flags;
pub(crate) mod frame_budget;
pub(crate) mod numbers;
pub(crate) mod stream;
pub(crate) mod tags;
pub(crate) mod time_base;

use std::sync::{Mutex, Once};

use ffmpeg_next as ff;

use self::numbers::CodecId;

use crate::sync::lock;

/// Initializes libav once, and switches its log off for the whole process.
///
/// libav logs to standard error, about files that this crate reports in its own errors.
pub(crate) fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if let Err(error) = ff::init() {
            tracing::warn!(%error, "libav could not be initialized");
        }
        ff::log::set_level(ff::log::Level::Quiet);
    });
}

/// Limits single allocations of libav, for the whole process, to what the planes of the largest picture need.
///
/// The limit never decreases. Only hostile files come near it.
#[expect(unsafe_code, reason = "the bindings leave it out")]
pub(crate) fn cap_allocations(max_pixels: u64) {
    static CAP: Mutex<u64> = Mutex::new(0);
    let limit = max_pixels
        .saturating_mul(6)
        .max(128 << 20)
        .saturating_add(16 << 20);
    let mut cap = lock(&CAP);
    if limit > *cap {
        *cap = limit;
        // SAFETY: a plain setter of a number that libav reads atomically, or in older versions as one word.
        unsafe { ff::ffi::av_max_alloc(usize::try_from(limit).unwrap_or(usize::MAX)) };
    }
}

/// The codecs that a file may have: the name of each, and the decoders to try for it, best first. libav has hundreds of
/// decoders, most of them old and little tested.
const CODECS: [(CodecId, &str, &[&str]); 8] = [
    (CodecId::H264, "h264", &["h264"]),
    (CodecId::HEVC, "hevc", &["hevc"]),
    (CodecId::VP8, "vp8", &["vp8"]),
    (CodecId::VP9, "vp9", &["vp9"]),
    // libav's own `av1` decoder requires hardware acceleration.
    (CodecId::AV1, "av1", &["libdav1d", "libaom-av1"]),
    (CodecId::MPEG4, "mpeg4", &["mpeg4"]),
    (CodecId::MJPEG, "mjpeg", &["mjpeg"]),
    (CodecId::PNG, "png", &["png"]),
];

/// Returns the name of an allowed codec and the decoders to try for it, best first.
pub(crate) fn decoders_for(id: CodecId) -> Option<(&'static str, &'static [&'static str])> {
    let found = CODECS.iter().find(|(known, ..)| *known == id);
    found.map(|(_, name, decoders)| (*name, *decoders))
}

/// The libav that is linked into this process.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Libav {
    /// The version of its codec library, as in `libavcodec 59.37.100`.
    pub version: String,
    /// The license of this build: LGPL or GPL.
    pub license: &'static str,
    /// Each codec that this crate reads, and whether this build can decode it.
    pub decoders: Vec<(&'static str, bool)>,
}

/// Returns which libav is linked and what it can decode.
pub fn libav() -> Libav {
    init();
    let number = ff::codec::version();
    let decoders = CODECS.iter().map(|(_, name, decoders)| {
        let present = decoders
            .iter()
            .any(|decoder| ff::decoder::find_by_name(decoder).is_some());
        (*name, present)
    });
    Libav {
        version: format!(
            "libavcodec {}.{}.{}",
            number >> 16,
            (number >> 8) & 0xff,
            number & 0xff
        ),
        license: ff::codec::license(),
        decoders: decoders.collect(),
    }
}

/// Describes an error of libav.
pub(crate) fn describe(error: ff::Error) -> String {
    match error {
        ff::Error::InvalidData => "the data is damaged".to_owned(),
        ff::Error::Eof => "the data ends too early".to_owned(),
        other => other.to_string().to_lowercase(),
    }
}

/// Returns whether libav needs more input before it can return output.
pub(crate) fn is_again(error: ff::Error) -> bool {
    error
        == ff::Error::Other {
            errno: ff::error::EAGAIN,
        }
}

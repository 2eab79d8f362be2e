//! libav itself: started once, kept quiet, its codecs narrowed to the ones we let in.

pub(crate) mod demuxer;
pub(crate) mod flags;
pub(crate) mod frame_budget;
pub(crate) mod numbers;
pub(crate) mod stream;
pub(crate) mod tags;
pub(crate) mod time_base;

use std::sync::{Mutex, Once, PoisonError};

use ffmpeg_next as ff;

use self::numbers::CodecId;

/// Sets up libav. It logs to standard error on its own, about files that we report in our own words;
/// so its log is off, for the whole process.
pub(crate) fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if let Err(error) = ff::init() {
            tracing::warn!(%error, "libav did not start cleanly");
        }
        ff::log::set_level(ff::log::Level::Quiet);
    });
}

/// Caps what libav may take in one piece, for the whole process: a row of planes of the largest picture is
/// needed, and nothing that is not an attack comes near. It only ever rises.
#[expect(unsafe_code, reason = "the bindings leave it out")]
pub(crate) fn cap_allocations(max_pixels: u64) {
    static CAP: Mutex<u64> = Mutex::new(0);
    let wanted = max_pixels
        .saturating_mul(6)
        .max(128 << 20)
        .saturating_add(16 << 20);
    let mut cap = CAP.lock().unwrap_or_else(PoisonError::into_inner);
    if wanted > *cap {
        *cap = wanted;
        // SAFETY: a plain setter of a number that libav reads atomically, or in older versions as one word.
        unsafe { ff::ffi::av_max_alloc(usize::try_from(wanted).unwrap_or(usize::MAX)) };
    }
}

/// Our name of a codec that we let in, and the decoders to try for it, best first.
///
/// libav has hundreds of decoders, most of them old and little tested; a file picks among these only.
pub(crate) fn admitted(id: CodecId) -> Option<(&'static str, &'static [&'static str])> {
    Some(match id {
        CodecId::H264 => ("h264", &["h264"]),
        CodecId::HEVC => ("hevc", &["hevc"]),
        CodecId::VP8 => ("vp8", &["vp8"]),
        CodecId::VP9 => ("vp9", &["vp9"]),
        // libav's own `av1` works with a graphics card only.
        CodecId::AV1 => ("av1", &["libdav1d", "libaom-av1"]),
        CodecId::MPEG4 => ("mpeg4", &["mpeg4"]),
        CodecId::MJPEG => ("mjpeg", &["mjpeg"]),
        CodecId::PNG => ("png", &["png"]),
        _ => return None,
    })
}

/// The libav in this process.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Libav {
    /// Its codec library's version, as in `libavcodec 59.37.100`.
    pub version: String,
    /// Its licence, by its build: LGPL or GPL.
    pub license: &'static str,
    /// Every codec that we let in, and whether this build can decode it.
    pub decoders: Vec<(&'static str, bool)>,
}

/// Which libav is linked, and what it can decode.
pub fn libav() -> Libav {
    init();
    let number = ff::codec::version();
    let ids = [
        CodecId::H264,
        CodecId::HEVC,
        CodecId::VP8,
        CodecId::VP9,
        CodecId::AV1,
        CodecId::MPEG4,
        CodecId::MJPEG,
        CodecId::PNG,
    ];
    let decoders = ids.into_iter().filter_map(admitted).map(|(name, decoders)| {
        let present = decoders
            .iter()
            .any(|decoder| ff::decoder::find_by_name(decoder).is_some());
        (name, present)
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

/// libav's reason in words.
pub(crate) fn reason(error: ff::Error) -> String {
    match error {
        ff::Error::InvalidData => "the data is damaged".to_owned(),
        ff::Error::Eof => "the data ends too early".to_owned(),
        other => other.to_string().to_lowercase(),
    }
}

pub(crate) fn is_again(error: ff::Error) -> bool {
    error
        == ff::Error::Other {
            errno: ff::error::EAGAIN,
        }
}

//! libav itself: started once, kept quiet, its codecs narrowed to the ones we let in.

use std::sync::Once;

use ffmpeg_next as ff;

/// Sets up libav. It logs to standard error on its own, about files that we report in our own words;
/// so its log is off, for the whole process.
pub(super) fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if let Err(error) = ff::init() {
            tracing::warn!(%error, "libav did not start cleanly");
        }
        ff::log::set_level(ff::log::Level::Quiet);
    });
}

/// Our name of a codec that we let in, and the decoders to try for it, best first.
///
/// libav has hundreds of decoders, most of them old and little tested; a file picks among these only.
pub(super) fn admitted(id: ff::codec::Id) -> Option<(&'static str, &'static [&'static str])> {
    use ff::codec::Id;
    Some(match id {
        Id::H264 => ("h264", &["h264"]),
        Id::HEVC => ("hevc", &["hevc"]),
        Id::VP8 => ("vp8", &["vp8"]),
        Id::VP9 => ("vp9", &["vp9"]),
        // libav's own `av1` works with a graphics card only.
        Id::AV1 => ("av1", &["libdav1d", "libaom-av1"]),
        Id::MPEG4 => ("mpeg4", &["mpeg4"]),
        Id::MJPEG => ("mjpeg", &["mjpeg"]),
        Id::PNG => ("png", &["png"]),
        _ => return None,
    })
}

/// libav's reason in words.
pub(super) fn reason(error: ff::Error) -> String {
    match error {
        ff::Error::InvalidData => "the data is damaged".to_owned(),
        ff::Error::Eof => "the data ends too early".to_owned(),
        other => other.to_string().to_lowercase(),
    }
}

pub(super) fn is_again(error: ff::Error) -> bool {
    error
        == ff::Error::Other {
            errno: ff::error::EAGAIN,
        }
}

//! Frames and properties of clips and pictures.
//!
//! This module owns libav: no other part of the crate uses it. It reads a path, bytes or any reader, and returns a
//! [`Probe`], or [`Frame`]s of packed RGB with the color matrix, range and rotation of the clip applied. Every call has a
//! deadline and limits. The module knows nothing of the service, the library, jobs or prompts.
//!
//! It does not access the network: libav only gets bytes that this module has read, and one demuxer that was chosen by
//! the first bytes. libav's log to standard error is switched off for the whole process, and its single allocations are
//! limited.
//!
//! All functions block, at most until their deadline, while the work runs on its own thread. Use [`nonblocking`] in async
//! code; it is the only part that needs an async runtime.
//!
//! # Formats
//!
//! Clips are MP4, MOV, Matroska or `WebM` with H.264, H.265, VP8, VP9, AV1, MPEG-4, MJPEG or PNG video. Still pictures are
//! PNG, JPEG or WebP. All other formats are refused before libav reads them.

pub mod nonblocking;

mod container;
pub(crate) mod encoder;
mod frames;
mod libav;
mod limits;
mod pixels;
mod probe;
mod source;
mod worker;

#[cfg(feature = "ffi")]
pub(crate) use self::encoder::pixels_to_png;
pub use self::frames::batch::{FramesOfClips, frames_of_clips};
pub use self::frames::compare::{likeness, psnr};
#[cfg(feature = "sandbox")]
pub(crate) use self::frames::constant_rate::each_frame;
pub use self::frames::contact_sheet::{SheetClip, contact_sheet};
pub use self::frames::frame::{Frame, FrameOrigin};
pub use self::frames::position::FramePosition;
pub use self::frames::seam::seam;
pub use self::frames::sharpest::sharpest_of_last;
pub use self::frames::statistics::{FrameStatistics, statistics, statistics_of_both};
pub use self::frames::still_picture::picture;
pub use self::frames::{frame, frames};
pub use self::libav::{Libav, libav};
pub use self::limits::{Interrupt, MediaOptions};
pub use self::pixels::color::{ColorInfo, ColorMatrix, ColorRange};
pub use self::pixels::rotation::Rotation;
pub use self::probe::{AudioProbe, Probe, VideoProbe, check_whole, probe};
pub use self::source::MediaSource;
#[doc(no_inline)]
pub use crate::similarity::{PictureMatch, SeamReport};

//! Exact frames and facts out of clips and pictures.
//!
//! Owns libav: no other part of the crate names it. Turns a path, bytes or any reader into a
//! [`Probe`] or into [`Frame`]s of packed RGB, with the clip's own colour matrix, range and rotation
//! applied, within a deadline and caps. Refuses to know the service, the library, jobs and prompts,
//! and touches no network: libav gets bytes that were already read, and one demuxer that our own look
//! at the first bytes has chosen.
//!
//! libav writes to standard error on its own; its log is switched off for the whole process, and what it may
//! allocate in one piece is capped.
//!
//! All functions here block, until their deadline at the longest: the work itself runs on a thread of its own.
//! [`nonblocking`] holds the only use of an async runtime.
//!
//! # What is read
//!
//! MP4 and MOV, Matroska and `WebM`, with H.264, H.265, VP8, VP9, AV1, MPEG-4, MJPEG or PNG inside; still
//! pictures as PNG, JPEG and WebP. Anything else is refused by name before libav sees it.

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

pub use self::frames::batch::{FramesOfClips, frames_of_clips};
pub use self::frames::compare::{Likeness, Seam, likeness, seam, sharpest_of_last};
#[cfg(feature = "sandbox")]
pub(crate) use self::frames::constant_rate::each_frame;
pub use self::frames::contact_sheet::{SheetClip, contact_sheet};
pub use self::frames::frame::{Frame, FrameOrigin, psnr};
pub use self::frames::picture::picture;
pub use self::frames::statistics::{FrameStatistics, statistics, statistics_of_both};
pub use self::frames::{FramePosition, frame, frames};
pub use self::libav::{Libav, libav};
pub use self::limits::{Interrupt, MediaOptions};
/// The name of [`nonblocking`] in earlier releases.
pub use self::nonblocking as bridge;
pub use self::pixels::color::{ColourInfo, ColourMatrix, ColourRange};
pub use self::pixels::rotation::Rotation;
pub use self::probe::{AudioProbe, Probe, VideoProbe, check_whole, probe};
pub use self::source::MediaSource;

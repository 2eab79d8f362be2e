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
//! [`bridge`] holds the only use of an async runtime.
//!
//! # What is read
//!
//! MP4 and MOV, Matroska and `WebM`, with H.264, H.265, VP8, VP9, AV1, MPEG-4, MJPEG or PNG inside; still
//! pictures as PNG, JPEG and WebP. Anything else is refused by name before libav sees it.

pub mod bridge;

mod admit;
mod budget;
mod clip;
mod colour;
mod compare;
mod container;
mod decode;
mod decoder;
mod demux;
mod encode;
mod frame;
mod libav;
mod limits;
mod locate;
mod many;
mod numbers;
mod picture;
mod present;
mod probe;
mod rotate;
mod scale;
mod select;
mod several;
mod sheet;
mod source;
mod statistics;
mod stream;
mod tags;
mod unreferenced;
mod walk;
mod worker;
#[cfg(feature = "sandbox")]
pub(crate) mod write;
mod yuv;

pub use self::colour::{ColourInfo, ColourMatrix, ColourRange};
pub use self::compare::{Likeness, Seam, likeness, seam, sharpest_of_last};
pub use self::decode::{FramePosition, frame, frames};
pub use self::frame::{Frame, FrameOrigin, psnr};
pub use self::libav::{Libav, libav};
pub use self::limits::{Interrupt, MediaOptions};
pub use self::many::{FramesOfClips, frames_of_clips};
pub use self::picture::picture;
pub use self::probe::{AudioProbe, Probe, VideoProbe, check_whole, probe};
pub use self::rotate::Rotation;
pub use self::sheet::{SheetClip, contact_sheet};
pub use self::source::MediaSource;
pub use self::statistics::{FrameStatistics, statistics, statistics_of_both};

//! Frames of the clips that the tests make.

#![cfg(feature = "media")]

use reelkin::media::{self, Frame, FramePosition, MediaOptions};

/// Arguments for a quick H.264 encoding.
pub(crate) const X264: &str = "-c:v libx264 -preset veryfast -crf 18";

#[track_caller]
pub(crate) fn frame(path: &std::path::Path, position: FramePosition) -> Frame {
    media::frame(path, position, &MediaOptions::new()).unwrap_or_else(|e| panic!("{position:?}: {e}"))
}

//! What to render.

use sha2::{Digest, Sha256};

use crate::media::encoder::YuvPicture;
use crate::sandbox::state::blob::Blob;

/// Frames per second of every clip, as on the service.
pub(super) const FRAME_RATE: u32 = 24;

/// A clip to render.
pub(super) struct RenderSpec {
    pub(super) width: usize,
    pub(super) height: usize,
    /// The frames to make: of an extension only the added ones, of an edit none.
    pub(super) frames: usize,
    pub(super) prompt: String,
    pub(super) sound: bool,
    pub(super) source: Source,
}

impl RenderSpec {
    /// Returns whether the clip depends on the prompt alone: no picture and no input clip.
    pub(super) fn is_prompt_only(&self) -> bool {
        matches!(&self.source, Source::Pictures { pins, tiles } if pins.is_empty() && tiles.is_empty())
    }

    /// Returns the number of frames of the rendered clip.
    pub(super) fn total_frames(&self) -> usize {
        match &self.source {
            Source::Pictures { .. } => self.frames,
            Source::Edit(input) => input.frames,
            Source::Extend(input) => input.frames + self.frames,
        }
    }
}

/// What a clip is made from.
pub(super) enum Source {
    /// Pictures shown as whole frames and pictures shown as tiles. Without any, only the prompt.
    Pictures {
        /// By frame number, in order.
        pins: Vec<(usize, YuvPicture)>,
        tiles: Vec<YuvPicture>,
    },
    /// All frames of this clip in other colors.
    Edit(InputClip),
    /// This clip, then new frames.
    Extend(InputClip),
}

/// An input clip and its properties.
pub(super) struct InputClip {
    /// Keeps the file until it has been read.
    pub(super) blob: Blob,
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) millis: u64,
    /// The number of frames at [`FRAME_RATE`].
    pub(super) frames: usize,
}

/// Pseudo-random numbers that depend on the prompt alone.
pub(super) struct Seed([u8; 32]);

impl Seed {
    pub(super) fn new(prompt: &str) -> Self {
        Self(Sha256::digest(prompt.as_bytes()).into())
    }

    /// Returns a number below `count`.
    pub(super) fn pick(&self, index: usize, count: usize) -> usize {
        (usize::from(self.0[index % 32]) * 256 + usize::from(self.0[(index + 7) % 32])) % count.max(1)
    }

    /// Returns a number from 0.0 to below 1.0.
    pub(super) fn unit(&self, index: usize) -> f32 {
        f32::from(self.0[index % 32]) / 256.0
    }
}

//! Renders the clips: real video, different for every prompt, readable by a person.
//!
//! Owns what a clip looks like and sounds like. Takes pixels and a plan, gives a file. Refuses to know
//! of jobs, of HTTP and of the service's rules.

mod audio;
mod draw;
mod font;
pub(super) mod scene;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use sha2::{Digest, Sha256};

use crate::error::{Error, ErrorKind, Result};
use crate::media::encoder::{ClipWriter, SAMPLE_RATE, YuvPicture};

/// Pictures a second, as the service has it.
pub(super) const FRAME_RATE: u32 = 24;

/// What to render.
pub(super) struct RenderSpec {
    pub(super) width: usize,
    pub(super) height: usize,
    /// For an extension the added part only; for an edit nothing.
    pub(super) frames: usize,
    pub(super) prompt: String,
    pub(super) sound: bool,
    pub(super) source: Source,
}

impl RenderSpec {
    /// Whether nothing but the prompt shows: no picture and no other clip.
    pub(super) fn follows_from_words(&self) -> bool {
        matches!(&self.source, Source::Pictures { pins, tiles } if pins.is_empty() && tiles.is_empty())
    }
}

/// What a clip is made from.
pub(super) enum Source {
    /// Pictures pinned to frames and pictures shown as tiles; with none of either: words alone.
    Pictures {
        /// By frame number, in order.
        pins: Vec<(usize, YuvPicture)>,
        tiles: Vec<YuvPicture>,
    },
    /// Every picture of this clip in other colours.
    Edit(GivenFrames),
    /// This clip, then what comes after it.
    Extend(GivenFrames),
}

/// A clip that is given.
pub(super) struct GivenFrames {
    pub(super) path: PathBuf,
    /// How many frames it has at [`FRAME_RATE`].
    pub(super) frames: usize,
}

/// What was rendered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rendered {
    pub(super) frames: usize,
}

/// Numbers that follow from the prompt alone.
pub(super) struct Seed([u8; 32]);

impl Seed {
    pub(super) fn of(prompt: &str) -> Self {
        Self(Sha256::digest(prompt.as_bytes()).into())
    }

    /// A number below `count`.
    fn pick(&self, place: usize, count: usize) -> usize {
        (usize::from(self.0[place % 32]) * 256 + usize::from(self.0[(place + 7) % 32])) % count.max(1)
    }

    /// A number from 0.0 to below 1.0.
    fn unit(&self, place: usize) -> f32 {
        f32::from(self.0[place % 32]) / 256.0
    }
}

/// Scales a picture (packed RGB24) to cover a clip's size. An equal size stays true to the pixel.
pub(super) fn fit(rgb: &[u8], width: usize, height: usize, to_width: usize, to_height: usize) -> YuvPicture {
    draw::cover(rgb, width, height, to_width, to_height)
}

/// Renders to a file. Blocking: a core is busy for as long as it takes.
/// Ends early with an error once `stop` is raised.
pub(super) fn render(spec: &RenderSpec, path: &Path, stop: &AtomicBool) -> Result<Rendered> {
    let mut output = Output::create(spec, path)?;
    scene::play(spec, &mut |picture| {
        if stop.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Stopped, "render a clip"));
        }
        output.push(picture)
    })?;
    output.finish()
}

/// The encoder with the sound that goes along.
struct Output {
    writer: ClipWriter,
    tones: audio::Tones,
    frames: usize,
}

impl Output {
    fn create(spec: &RenderSpec, path: &Path) -> Result<Self> {
        let writer = ClipWriter::create(path, spec.width, spec.height, FRAME_RATE, spec.sound)?;
        let total = scene::expected_frames(spec);
        let total = u32::try_from(total)
            .unwrap_or(u32::MAX)
            .saturating_mul(SAMPLE_RATE / FRAME_RATE);
        Ok(Self {
            writer,
            tones: audio::Tones::new(&Seed::of(&spec.prompt), total),
            frames: 0,
        })
    }

    fn push(&mut self, picture: &YuvPicture) -> Result<()> {
        self.writer.picture(picture)?;
        let (left, right) = self.tones.next(SAMPLE_RATE / FRAME_RATE);
        self.writer.sound(&left, &right)?;
        self.frames += 1;
        Ok(())
    }

    fn finish(self) -> Result<Rendered> {
        self.writer.finish()?;
        Ok(Rendered { frames: self.frames })
    }
}

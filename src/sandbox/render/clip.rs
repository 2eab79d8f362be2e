//! Renders a clip to a file.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::audio::Tones;
use super::scene;
use super::spec::{FRAME_RATE, RenderSpec, Seed};
use crate::error::{Error, Result};
use crate::media::encoder::{ClipWriter, SAMPLE_RATE};

/// Samples per frame.
const FRAME_SAMPLES: u32 = SAMPLE_RATE / FRAME_RATE;

/// Renders to a file and returns the number of frames. Blocks, keeps a core busy, and fails once `stop` is set.
pub(super) fn render(spec: &RenderSpec, path: &Path, stop: &AtomicBool) -> Result<usize> {
    let mut writer = ClipWriter::create(path, spec.width, spec.height, FRAME_RATE, spec.sound)?;
    let total = u32::try_from(spec.total_frames()).unwrap_or(u32::MAX);
    let mut tones = Tones::new(&Seed::new(&spec.prompt), total.saturating_mul(FRAME_SAMPLES));
    let mut frames = 0;
    scene::play(spec, &mut |picture| {
        if stop.load(Ordering::Relaxed) {
            return Err(Error::stopped("render a clip"));
        }
        writer.picture(picture)?;
        let (left, right) = tones.next(FRAME_SAMPLES);
        writer.sound(&left, &right)?;
        frames += 1;
        Ok(())
    })?;
    writer.finish()?;
    Ok(frames)
}

//! Frames of a clip at a constant rate, for clips that are encoded again.

use std::path::Path;
use std::time::Duration;

use super::converter::FrameConverter;
use super::frame::Frame;
use super::scan::scan;
use crate::error::Result;
use crate::media::container::clip::Clip;
use crate::media::limits::MediaOptions;
use crate::media::source;

/// Tolerance for timestamps that were rounded to their time base.
const TOLERANCE: Duration = Duration::from_micros(500);

/// Calls `visit` with `total` frames of a clip at a constant rate. A frame is repeated until the next one is due.
///
/// The last call is always with the last frame of the clip, whatever its rate. At most two frames are in memory at a time.
pub(crate) fn each_frame(
    path: &Path,
    rate: u32,
    total: usize,
    options: &MediaOptions,
    mut visit: impl FnMut(&Frame) -> Result<()>,
) -> Result<()> {
    let mut clip = Clip::open(source::open(path.into(), options)?)?;
    let converter = FrameConverter::new(&clip);
    #[expect(clippy::cast_precision_loss, reason = "a clip has fewer than 2^52 frames")]
    let due = |number: usize| Duration::from_secs_f64(number as f64 / f64::from(rate));
    let mut previous: Option<Frame> = None;
    let mut visited = 0;
    scan(&mut clip, usize::MAX, |picture, pts, _| {
        let frame = converter.convert(picture, pts, None)?;
        while let Some(shown) = &previous
            && visited + 1 < total
            && due(visited) + TOLERANCE < frame.time()
        {
            visit(shown)?;
            visited += 1;
        }
        previous = Some(frame);
        Ok(true)
    })?;
    let last = previous.ok_or_else(|| clip.no_frame_error())?;
    while visited < total {
        visit(&last)?;
        visited += 1;
    }
    Ok(())
}

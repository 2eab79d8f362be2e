//! The frames of a clip at a constant rate.

use std::path::Path;
use std::time::Duration;

use super::converter::Presenter;
use super::frame::Frame;
use super::scan::walk;
use crate::error::Result;
use crate::media::container::clip::Clip;
use crate::media::limits::MediaOptions;
use crate::media::source;

/// Hands out a clip's frames at a constant rate, `total` of them: a frame stays until the next is due. The
/// last that is handed out is the clip's last, whatever its own rate. One is held at a time, however long the clip is.
pub(crate) fn each_frame(
    path: &Path,
    rate: u32,
    total: usize,
    options: &MediaOptions,
    mut take: impl FnMut(&Frame) -> Result<()>,
) -> Result<()> {
    let mut clip = Clip::open(source::open(path.into(), options)?)?;
    let presenter = Presenter::of(&clip);
    #[expect(clippy::cast_precision_loss, reason = "a clip has fewer than 2^52 frames")]
    let due = |number: usize| Duration::from_secs_f64(number as f64 / f64::from(rate));
    // Half a millisecond: time bases round.
    let slack = Duration::from_micros(500);
    let mut held: Option<Frame> = None;
    let mut given = 0;
    walk(&mut clip, usize::MAX, |picture, pts, _| {
        let frame = presenter.frame(picture, pts, None)?;
        while let Some(shown) = &held
            && given + 1 < total
            && due(given) + slack < frame.time()
        {
            take(shown)?;
            given += 1;
        }
        held = Some(frame);
        Ok(true)
    })?;
    let last = held.ok_or_else(|| clip.nothing())?;
    while given < total {
        take(&last)?;
        given += 1;
    }
    Ok(())
}

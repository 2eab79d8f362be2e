//! The seam of an extended clip.

use std::time::Duration;

use super::compare::likeness;
use super::converter::FrameConverter;
use super::frame::Frame;
use super::scan::scan;
use crate::error::Result;
use crate::media::container::clip::Clip;
use crate::media::limits::MediaOptions;
use crate::media::source::{self, MediaSource};
use crate::media::worker;
use crate::similarity::{PictureMatch, SeamReport};

/// Maximum distance of the seam from the expected time.
const WINDOW: Duration = Duration::from_millis(750);
/// Minimum luma similarity of the frame before the seam.
const MIN_LUMA_DB: f64 = 20.0;

/// Finds the seam of an extended clip: the end of the frame that is most similar to the last frame of the original clip.
///
/// Only frames near `expected`, the duration of the original clip, are compared. Returns `None` if none of them is
/// similar (luma below 20 dB).
///
/// # Errors
///
/// Returns the errors of [`frame`](super::frame()).
pub fn seam(
    source: impl Into<MediaSource>,
    last_of_original: &Frame,
    expected: Duration,
    options: &MediaOptions,
) -> Result<Option<SeamReport>> {
    let last_of_original = last_of_original.clone();
    worker::run(source.into(), options, move |source, options| {
        find_seam(source, &last_of_original, expected, options)
    })
}

fn find_seam(
    source: MediaSource,
    last_of_original: &Frame,
    expected: Duration,
    options: &MediaOptions,
) -> Result<Option<SeamReport>> {
    let mut clip = Clip::open(source::open(source, options)?)?;
    let converter = FrameConverter::new(&clip);
    let (from, to) = (expected.saturating_sub(WINDOW), expected.saturating_add(WINDOW));
    // The similarity of the best frame, and the start of the frame after it.
    let mut best: Option<(PictureMatch, Option<Duration>)> = None;
    let mut previous_is_best = false;
    scan(&mut clip, usize::MAX, |picture, pts, _| {
        let time = converter.time_of(pts);
        if std::mem::take(&mut previous_is_best)
            && let Some((_, after)) = &mut best
        {
            *after = Some(time);
        }
        if (from..=to).contains(&time) {
            let frame = converter.convert(picture, pts, None)?;
            let found = likeness(last_of_original, &frame);
            // The original may end with a still picture. The last of equal frames is its end.
            if best.is_none_or(|(best, _)| found.luma_db + found.color_db >= best.luma_db + best.color_db) {
                best = Some((found, None));
                previous_is_best = true;
            }
        }
        Ok(time <= to)
    })?;
    let clip_end = clip.end().unwrap_or(expected);
    Ok(best
        .filter(|(found, _)| found.luma_db >= MIN_LUMA_DB)
        .map(|(likeness, after)| SeamReport {
            seconds: after.unwrap_or(clip_end).as_secs_f64(),
            likeness,
        }))
}

//! The sharpest of the last frames of a clip.

use super::compare::sharpness;
use super::converter::FrameConverter;
use super::frame::Frame;
use super::scan::scan;
use crate::error::Result;
use crate::media::container::clip::Clip;
use crate::media::limits::MediaOptions;
use crate::media::source::{self, MediaSource};
use crate::media::worker;

/// Finds the sharpest of the last `count` frames of a clip.
///
/// Sharpness is the detail in luma. At most two frames are in memory at a time.
///
/// # Errors
///
/// Returns the errors of [`frame`](super::frame()).
pub fn sharpest_of_last(source: impl Into<MediaSource>, count: u32, options: &MediaOptions) -> Result<Frame> {
    worker::run(source.into(), options, move |source, options| {
        find_sharpest(source, count, options)
    })
}

fn find_sharpest(source: MediaSource, count: u32, options: &MediaOptions) -> Result<Frame> {
    let mut clip = Clip::open(source::open(source, options)?)?;
    let converter = FrameConverter::new(&clip);
    // Which frames are the last is known only at the end. So the clip is scanned twice: first for the timestamps, then
    // for the pictures.
    let mut timestamps = Vec::new();
    scan(&mut clip, usize::MAX, |_, pts, _| {
        timestamps.push(pts);
        Ok(true)
    })?;
    timestamps.sort_unstable();
    let from = timestamps.len().saturating_sub(count as usize);
    let first = timestamps.get(from).copied().unwrap_or(i64::MIN);
    let mut best: Option<(f64, Frame)> = None;
    scan(&mut clip, usize::MAX, |picture, pts, _| {
        if pts >= first {
            let frame = converter.convert(picture, pts, None)?;
            let sharpness = sharpness(&frame);
            // Of equally sharp frames the last is used: a clip that continues from it is smoother.
            if best.as_ref().is_none_or(|(max, _)| sharpness >= *max) {
                best = Some((sharpness, frame));
            }
        }
        Ok(true)
    })?;
    best.map(|(_, frame)| frame).ok_or_else(|| clip.no_frame_error())
}

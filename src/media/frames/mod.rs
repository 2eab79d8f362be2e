//! Frames by their places: which way leads to them, and what is refused.

pub(crate) mod batch;
pub(crate) mod compare;
#[cfg(feature = "sandbox")]
pub(crate) mod constant_rate;
pub(crate) mod contact_sheet;
pub(crate) mod converter;
pub(crate) mod decoder;
mod disposable_frames;
pub(crate) mod frame;
pub(crate) mod locate;
mod multi_frame;
pub(crate) mod picture;
mod scan;
mod seek_plan;
pub(crate) mod statistics;

use std::time::Duration;

use self::frame::Frame;
use self::multi_frame::frames_at;
use self::scan::walk_to;
use crate::error::{Error, ErrorKind, Result};
use crate::media::container::clip::Clip;
use crate::media::libav::time_base::to_ticks;
use crate::media::limits::{MediaOptions, Watch};
use crate::media::source::{self, MediaSource};
use crate::media::worker;

/// Which frame of a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum FramePosition {
    /// The first one shown.
    First,
    /// The last one shown: the true end of the picture, whatever header, sound or edit list say.
    Last,
    /// The one on the screen at this time of a player's clock: the last that starts at or before it.
    /// Before the first frame that is the first; after the end of the clip there is none.
    At(Duration),
    /// By its place in presentation order, from 0.
    Number(u64),
}

impl std::fmt::Display for FramePosition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::First => f.write_str("the first frame"),
            Self::Last => f.write_str("the last frame"),
            Self::At(time) => write!(f, "the frame at {}s", time.as_secs_f64()),
            Self::Number(number) => write!(f, "frame {number}"),
        }
    }
}

/// Decodes one frame of a clip, exactly the one a player would show. A still picture counts as a clip
/// of one frame.
///
/// # Errors
///
/// [`ErrorKind::NotFound`] for a missing file, [`ErrorKind::Timeout`] and [`ErrorKind::Stopped`] for the
/// deadline and the interrupt of `options`, else [`ErrorKind::Media`]: no media, no picture in it, cut
/// off, damaged, over a cap, or no frame at that position.
pub fn frame(
    source: impl Into<MediaSource>,
    position: FramePosition,
    options: &MediaOptions,
) -> Result<Frame> {
    let source = source.into();
    let name = source.name().to_owned();
    frames(source, &[position], options)?
        .pop()
        .ok_or_else(|| Error::new(ErrorKind::Media, format!("decode {position} of {name}: no frame")))
}

/// The RGB of all frames of one call together.
const MAX_RESULT_BYTES: u64 = 2 << 30;

/// Decodes several frames, opening the source once. The result is in the order of `positions`.
///
/// Each group of pictures that one of them lies in is decoded once, as far as they need it; with any by number
/// all are taken in one pass from the start.
///
/// # Errors
///
/// As [`frame`]; also when the frames together would take more than 2 GiB.
pub fn frames(
    source: impl Into<MediaSource>,
    positions: &[FramePosition],
    options: &MediaOptions,
) -> Result<Vec<Frame>> {
    let positions = positions.to_vec();
    worker::run(source.into(), options, move |source, options| {
        decode(source, &positions, options)
    })
}

pub(crate) fn decode(
    source: MediaSource,
    positions: &[FramePosition],
    options: &MediaOptions,
) -> Result<Vec<Frame>> {
    let opened = source::open(source, options)?;
    if opened.format.is_picture() {
        return picture_at(opened, positions);
    }
    let mut clip = Clip::open(opened)?;
    check_result(&clip.watch, clip.video.width, clip.video.height, positions.len())?;
    match *positions {
        [position] => Ok(vec![locate::frame_of(&mut clip, position)?]),
        _ if positions.iter().any(|p| matches!(p, FramePosition::Number(_))) => walk_to(&mut clip, positions),
        _ => frames_at(&mut clip, positions),
    }
}

/// Holds the frames of one call to their bound; a container may be wrong about their size.
pub(crate) fn check_result(watch: &Watch, width: u32, height: u32, count: usize) -> Result<()> {
    let bytes = (u64::from(width) * u64::from(height) * 3).saturating_mul(count as u64);
    if bytes > MAX_RESULT_BYTES {
        return Err(watch.fail("decode", format!("{count} frames at once take {bytes} bytes")));
    }
    Ok(())
}

fn picture_at(opened: source::OpenSource, positions: &[FramePosition]) -> Result<Vec<Frame>> {
    let name = opened.watch.name().to_owned();
    for position in positions {
        if !matches!(
            position,
            FramePosition::First | FramePosition::Last | FramePosition::Number(0)
        ) && *position != FramePosition::At(Duration::ZERO)
        {
            return Err(Error::new(
                ErrorKind::Media,
                format!("decode {position} of {name}: a picture has one frame, number 0"),
            ));
        }
    }
    let frame = picture::decode(opened)?;
    Ok(vec![frame; positions.len()])
}

pub(crate) fn none(clip: &Clip, position: FramePosition) -> Error {
    clip.watch
        .fail(&format!("decode {position} of"), "no frame of it can be decoded")
}

/// The time asked for in the video's time base.
pub(crate) fn limit_of(clip: &Clip, time: Duration) -> i64 {
    to_ticks(time, clip.video.time_base).saturating_add(clip.origin)
}

/// Refuses a time after the end of the clip. The frame found for it counts too: headers have been seen to
/// end before their frames do.
pub(crate) fn check_within(clip: &Clip, position: FramePosition, time: Duration, found: i64) -> Result<()> {
    // A duration is printed rounded; typed again it may lie a little past the end.
    const SLACK: Duration = Duration::from_millis(1);
    let Some(end) = clip.end() else { return Ok(()) };
    let end = end.max(clip.time_of(found));
    if time <= end.saturating_add(SLACK) {
        return Ok(());
    }
    let count = clip
        .frame_count()
        .map(|n| format!(" and has {n} frames"))
        .unwrap_or_default();
    Err(clip.watch.fail(
        &format!("decode {position} of"),
        format!("past the end: the clip lasts {}s{count}", end.as_secs_f64()),
    ))
}

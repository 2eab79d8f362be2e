//! Decoding of frames: the calls that return them, and what can be computed from them.
//!
//! A frame is found in three steps. The [decode plan](decode_plan) computes which packets to decode and which frames to
//! keep, the [executor] runs it, and the [converter] turns decoded pictures into [`Frame`]s.

pub(crate) mod batch;
pub(crate) mod compare;
#[cfg(feature = "sandbox")]
pub(crate) mod constant_rate;
pub(crate) mod contact_sheet;
pub(crate) mod converter;
mod decode_plan;
pub(crate) mod decoder;
mod disposable_frames;
pub(crate) mod executor;
pub(crate) mod frame;
mod packet_run;
pub(crate) mod position;
mod scan;
pub(crate) mod seam;
pub(crate) mod sharpest;
pub(crate) mod statistics;
pub(crate) mod still_picture;

use std::time::Duration;

use self::frame::Frame;
use self::position::FramePosition;
use crate::error::{Error, Result};
use crate::media::container::clip::Clip;
use crate::media::limits::MediaOptions;
use crate::media::source::{self, MediaSource, OpenSource};
use crate::media::worker;

/// Decodes one frame of a clip, exactly as a player would show it.
///
/// A still picture counts as a clip of one frame.
///
/// # Errors
///
/// Returns `NotFound` for a missing file, and `Timeout` or `Stopped` for the
/// deadline and the interrupts of `options`. Returns `Media` if the source is not a clip or a picture, has no
/// video, is cut off or damaged, exceeds a limit, or has no frame at that position.
pub fn frame(
    source: impl Into<MediaSource>,
    position: FramePosition,
    options: &MediaOptions,
) -> Result<Frame> {
    let source = source.into();
    let name = source.name().to_owned();
    frames(source, &[position], options)?
        .pop()
        .ok_or_else(|| Error::media(format!("decode {position} of {name}: no frame")))
}

/// Decodes several frames and opens the source once. The result is in the order of `positions`.
///
/// Positions after the same key frame are decoded in one pass, which ends with the last of them. If one of the positions
/// is a number, all are decoded in one pass from the start.
///
/// # Errors
///
/// Returns the errors of [`frame`](frame()), and `Media` if all frames together would take more than 2 GiB.
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

/// Decodes frames on the current thread.
fn decode(source: MediaSource, positions: &[FramePosition], options: &MediaOptions) -> Result<Vec<Frame>> {
    let opened = source::open(source, options)?;
    if opened.format.is_picture() {
        return decode_picture(opened, positions);
    }
    executor::decode_positions(&mut Clip::open(opened)?, positions)
}

fn decode_picture(opened: OpenSource, positions: &[FramePosition]) -> Result<Vec<Frame>> {
    let name = opened.limits.name().to_owned();
    for position in positions {
        if !matches!(
            position,
            FramePosition::First
                | FramePosition::Last
                | FramePosition::Number(0)
                | FramePosition::At(Duration::ZERO)
        ) {
            return Err(Error::media(format!(
                "decode {position} of {name}: a picture has one frame, number 0"
            )));
        }
    }
    let frame = still_picture::decode(opened)?;
    Ok(vec![frame; positions.len()])
}

//! Positions of frames in a clip.

use std::time::Duration;

use super::decode_plan::Target;
use crate::error::{Error, Result};
use crate::media::container::clip::Clip;
use crate::media::libav::time_base::to_ticks;

/// The position of a frame in a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum FramePosition {
    /// The first frame that is shown.
    First,
    /// The last frame that is shown: the end of the video, regardless of headers, audio and edit lists.
    Last,
    /// The frame that a player shows at this time: the last one that starts at or before it.
    ///
    /// A time before the first frame selects the first frame. A time after the end of the clip is an error.
    At(Duration),
    /// The frame with this number in presentation order, from 0.
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

impl FramePosition {
    /// Returns the target to seek for, or `None` for a number, which cannot be sought.
    pub(super) fn target(self, clip: &Clip) -> Option<Target> {
        match self {
            Self::First => Some(Target::First),
            Self::Last => Some(Target::Last),
            Self::At(time) => {
                let pts = to_ticks(time, clip.video.time_base).saturating_add(clip.origin);
                Some(Target::AtOrBefore(pts))
            }
            Self::Number(_) => None,
        }
    }

    /// Returns an error for a time after the end of the clip. `found` is the timestamp of the last frame before it.
    pub(super) fn check_not_past_end(self, clip: &Clip, found: i64) -> Result<()> {
        // Durations are rounded when they are printed, so one that was typed again may be slightly after the end.
        const TOLERANCE: Duration = Duration::from_millis(1);
        let (Self::At(time), Some(end)) = (self, clip.end()) else {
            return Ok(());
        };
        // Some headers end before the last frame does.
        let end = end.max(clip.time_of(found));
        if time <= end.saturating_add(TOLERANCE) {
            return Ok(());
        }
        let count = clip
            .frame_count()
            .map(|n| format!(" and has {n} frames"))
            .unwrap_or_default();
        Err(clip.limits.error(
            &format!("decode {self} of"),
            format!("past the end: the clip lasts {}s{count}", end.as_secs_f64()),
        ))
    }

    /// Returns the error for a position at which no frame can be decoded.
    pub(super) fn no_frame_error(self, clip: &Clip) -> Error {
        clip.limits
            .error(&format!("decode {self} of"), "no frame of it can be decoded")
    }
}

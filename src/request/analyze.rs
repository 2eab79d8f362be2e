//! The options of an analysis, and the check of which clips can be analyzed.

use std::time::Duration;

use super::MediaInput;
use super::planner::check_call;
use crate::error::{Error, Result};

/// Number of frames that an analysis can use.
const FRAMES: std::ops::RangeInclusive<u32> = 2..=32;

/// Options for analyzing a clip.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct AnalyzeOptions {
    /// The number of frames to look at, 2 to 32. They are spread evenly over the clip and include the first and the last
    /// frame. Defaults to these two.
    pub frames: Option<u32>,
    /// The language model, which must accept pictures; defaults to `grok-4.3`.
    pub model: String,
    /// How much the model reasons. With `None`, the model decides.
    pub reasoning_effort: Option<String>,
    /// The deadline of the analysis, decoding included; defaults to 180 s.
    pub deadline: Duration,
}

impl Default for AnalyzeOptions {
    fn default() -> Self {
        Self {
            frames: None,
            model: "grok-4.3".to_owned(),
            reasoning_effort: None,
            deadline: Duration::from_secs(180),
        }
    }
}

impl AnalyzeOptions {
    /// Returns the number of frames to look at.
    pub(crate) fn frame_count(&self) -> u32 {
        self.frames.unwrap_or(*FRAMES.start())
    }

    /// Checks the options and whether the clip can be analyzed. Reads and sends nothing.
    ///
    /// # Errors
    /// `InvalidRequest` with a line that says what would be valid.
    pub(crate) fn check(&self, input: &MediaInput) -> Result<()> {
        check_call(
            "analysis",
            &self.model,
            self.reasoning_effort.as_deref(),
            self.deadline,
        )?;
        let count = self.frame_count();
        if !FRAMES.contains(&count) {
            return Err(Error::invalid(format!(
                "{count} frames are out of range: use {} to {}",
                FRAMES.start(),
                FRAMES.end()
            )));
        }
        let name = input.display_name();
        match input {
            MediaInput::Path(_) | MediaInput::Bytes { .. } | MediaInput::Clip(_) => Ok(()),
            MediaInput::Url(_) | MediaInput::FileId(_) => Err(Error::invalid(format!(
                "analyze {name}: the clip must be local, because the service looks at pictures, not at videos, and the frames are extracted on this machine; download it first and give the file"
            ))),
            MediaInput::DataUrl(_) => Err(Error::invalid(format!(
                "analyze {name}: a data URL is not accepted, because the frames are extracted on this machine; give the clip as a file or as bytes"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_local_clips_can_be_analyzed() {
        let check = |input: MediaInput| AnalyzeOptions::default().check(&input);
        assert!(check(MediaInput::clip("1763812000000_0a1b2c3d")).is_ok());
        assert!(check(MediaInput::Path("a.mp4".into())).is_ok());
        assert!(check(MediaInput::bytes("clip", &b"x"[..])).is_ok());
        for (input, why) in [
            (
                MediaInput::Url("https://host/a.mp4?sig=SECRET".into()),
                "looks at pictures",
            ),
            (MediaInput::FileId("file_1".into()), "looks at pictures"),
            (
                MediaInput::DataUrl("data:video/mp4;base64,SECRET".into()),
                "as a file or as bytes",
            ),
        ] {
            let line = check(input).unwrap_err().to_string();
            assert!(line.contains(why) && !line.contains("SECRET"), "{line}");
        }
    }

    #[test]
    fn the_number_of_frames_is_limited() {
        let input = MediaInput::clip("c");
        for (frames, good) in [
            (None, true),
            (Some(2), true),
            (Some(32), true),
            (Some(1), false),
            (Some(33), false),
        ] {
            let options = AnalyzeOptions {
                frames,
                ..AnalyzeOptions::default()
            };
            assert_eq!(options.check(&input).is_ok(), good, "{frames:?}");
        }
    }
}

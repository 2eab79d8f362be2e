//! How a clip is looked at, and which clips can be.

use std::time::Duration;

use super::MediaInput;
use super::plan::check_call;
use crate::error::{Error, Result};

/// Frames of one look at a clip.
const FRAMES: std::ops::RangeInclusive<u32> = 2..=32;

/// How a clip is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct AnalyzeOptions {
    /// How many frames, spread evenly over the clip, first and last among them: 2 to 32. Left out:
    /// the first and the last.
    pub frames: Option<u32>,
    /// The language model, which must see pictures: `grok-4.3`.
    pub model: String,
    /// How long the model thinks. Left out the model decides.
    pub reasoning_effort: Option<String>,
    /// The longest that all of it may take, decoding included: 180 s.
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
    /// How many frames are looked at.
    pub(crate) fn frame_count(&self) -> u32 {
        self.frames.unwrap_or(*FRAMES.start())
    }

    /// # Errors
    /// `InvalidRequest` with one line that names what would be right. Nothing was read, sent or paid.
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
                "{count} frames are out of range: look at {} to {}",
                FRAMES.start(),
                FRAMES.end()
            )));
        }
        let name = input.display_name();
        match input {
            MediaInput::Path(_) | MediaInput::Bytes { .. } | MediaInput::Clip(_) => Ok(()),
            MediaInput::Url(_) | MediaInput::FileId(_) => Err(Error::invalid(format!(
                "analyze {name}: the clip has to be here, because the service looks at pictures, not at videos, and the frames are taken out of it on this machine; download it first, and give the file"
            ))),
            MediaInput::DataUrl(_) => Err(Error::invalid(format!(
                "analyze {name}: give the clip as a file or as bytes; a data URL is text that would only be decoded again to take the frames out on this machine"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_clips_that_are_here_can_be_looked_at() {
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
    fn the_number_of_frames_is_bounded() {
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

//! A request that goes on where a clip ends.

use std::time::Duration;

use super::{PlanChoice, StorageOptions};
use crate::model::{AspectRatio, Resolution, VideoModel};

/// A clip that goes on where another one ends.
///
/// What is left open takes ima2-gen's defaults, and they are sent: 5 s, `720p`, sound, the classic model.
///
/// ```
/// use reelkin::{ContinueRequest, ContinueStrategy, secs};
/// let request = ContinueRequest::new("the lamp turns on").duration(secs(6));
/// # let _ = request.strategy(ContinueStrategy::Auto);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct ContinueRequest {
    /// How it goes on.
    pub prompt: Option<String>,
    /// By the last frame, by the service's extension, or whichever fits.
    pub strategy: ContinueStrategy,
    /// Which of the last frames the new clip starts on.
    pub frame: FrameChoice,
    /// The model.
    pub model: Option<VideoModel>,
    /// Length of the new clip in whole seconds; with an extension of the added part.
    pub duration: Option<Duration>,
    /// Size class. An extension has the clip's.
    pub resolution: Option<Resolution>,
    /// Width to height. The frame decides, so asking for one is refused unless validation is off.
    pub aspect_ratio: Option<AspectRatio>,
    /// Whether the clip has sound.
    pub audio: Option<bool>,
    /// Your end user's id, for the service's abuse monitoring.
    pub user: Option<String>,
    /// Keeps the result in the service's Files as well.
    pub storage: Option<StorageOptions>,
    /// Whether a language model rewrites the prompt first, knowing the clips that came before. On
    /// unless the client's settings say otherwise.
    pub plan: PlanChoice,
}

/// How a clip is continued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum ContinueStrategy {
    /// The exact last frame is the first frame of a new clip. Any model that takes a start image; the
    /// motion begins anew.
    #[default]
    LastFrame,
    /// The service's own extension: motion and sound go on, and the result holds the old part too. The
    /// classic model, clips of 2 to 15 s, 2 to 10 s added.
    Extend,
    /// An extension while model, clip and length allow it, else the last frame. The clip's record says
    /// which it was.
    Auto,
}

/// Which frame a continuation starts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum FrameChoice {
    /// The last one, whatever it shows.
    #[default]
    Last,
    /// The sharpest of so many last ones (2 to 48): for clips that end in a fade or in black. The record
    /// says which it was.
    SharpestOfLast(u32),
}

impl ContinueRequest {
    /// Goes on as the prompt says.
    pub fn new(prompt: impl Into<String>) -> Self {
        Self {
            prompt: Some(prompt.into()),
            strategy: ContinueStrategy::default(),
            frame: FrameChoice::default(),
            model: None,
            duration: None,
            resolution: None,
            aspect_ratio: None,
            audio: None,
            user: None,
            storage: None,
            plan: PlanChoice::Default,
        }
    }

    /// How the clip is continued.
    pub const fn strategy(mut self, strategy: ContinueStrategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// Which of the last frames the new clip starts on.
    pub const fn frame(mut self, choice: FrameChoice) -> Self {
        self.frame = choice;
        self
    }

    /// The model.
    pub fn model(mut self, model: impl Into<VideoModel>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// Length, in whole seconds.
    pub const fn duration(mut self, duration: Duration) -> Self {
        self.duration = Some(duration);
        self
    }

    /// Size class.
    pub fn resolution(mut self, resolution: impl Into<Resolution>) -> Self {
        self.resolution = Some(resolution.into());
        self
    }

    /// Sound or silence.
    pub const fn audio(mut self, audio: bool) -> Self {
        self.audio = Some(audio);
        self
    }

    /// Your end user's id.
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// Keeps the result in the service's Files as well.
    pub fn storage(mut self, storage: StorageOptions) -> Self {
        self.storage = Some(storage);
        self
    }

    /// Whether a language model rewrites the prompt first: `true`, `false`, or settings of its own.
    pub fn plan(mut self, choice: impl Into<PlanChoice>) -> Self {
        self.plan = choice.into();
        self
    }
}

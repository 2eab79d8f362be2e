//! A request to continue a clip.

use std::time::Duration;

use super::{PlanChoice, StorageOptions};
use crate::model::{AspectRatio, Resolution, VideoModel};

/// A request for a clip that starts where another clip ends.
///
/// Fields that are `None` use the defaults of ima2-gen, which are sent explicitly: 5 s, `720p`, sound, the classic model.
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
    /// How the clip continues.
    pub prompt: Option<String>,
    /// Whether to start from the last frame or to use the service's extension.
    pub strategy: ContinueStrategy,
    /// The frame that the new clip starts with.
    pub frame: FrameChoice,
    /// The model.
    pub model: Option<VideoModel>,
    /// The length of the new clip, or of the part that an extension adds, in whole seconds.
    pub duration: Option<Duration>,
    /// The resolution. An extension has the resolution of the clip.
    pub resolution: Option<Resolution>,
    /// Width to height. The start frame determines it, so a value is refused unless validation is off.
    pub aspect_ratio: Option<AspectRatio>,
    /// Whether the clip has sound.
    pub audio: Option<bool>,
    /// The id of your end user, for the service's abuse monitoring.
    pub user: Option<String>,
    /// If set, the service also keeps the result in its Files API.
    pub storage: Option<StorageOptions>,
    /// Whether a language model that knows the previous clips rewrites the prompt first. Enabled unless the client's
    /// settings disable it.
    pub plan: PlanChoice,
}

/// How a clip is continued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum ContinueStrategy {
    /// Starts a new clip with the exact last frame. Works with any model that accepts a start image; motion does not
    /// carry over.
    #[default]
    LastFrame,
    /// Uses the service's extension: motion and sound carry over, and the result also contains the old part. Requires
    /// the classic model and a clip of 2 to 15 s, and adds 2 to 10 s.
    Extend,
    /// Uses an extension if model, clip and duration allow it, else the last frame. The clip's record says which was
    /// used.
    Auto,
}

/// The frame that a continuation starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum FrameChoice {
    /// The last frame.
    #[default]
    Last,
    /// The sharpest of the given number of last frames (2 to 48), for clips that end in a fade or in black. The clip's
    /// record says which frame was used.
    SharpestOfLast(u32),
}

impl ContinueRequest {
    /// Creates a request to continue a clip as the prompt describes.
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

    /// Sets how the clip is continued.
    pub const fn strategy(mut self, strategy: ContinueStrategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// Sets the frame that the new clip starts with.
    pub const fn frame(mut self, choice: FrameChoice) -> Self {
        self.frame = choice;
        self
    }
}

setters!(ContinueRequest: model, duration, resolution, audio, user, storage, plan);

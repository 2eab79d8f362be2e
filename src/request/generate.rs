//! A request for a new clip.

use std::time::Duration;

use super::{MediaInput, PlanChoice, StorageOptions, UploadTarget};
use crate::model::{AspectRatio, Mode, Resolution, VideoModel};

/// A request for a new clip.
///
/// Fields that are `None` use the client's defaults, which are sent explicitly: 5 s, `480p`, audio on, model
/// `grok-imagine-video`.
///
/// ```
/// use reelkin::{GenerateRequest, Resolution, secs};
/// let request = GenerateRequest::text("a lighthouse at dusk, waves below, gulls calling")
///     .duration(secs(6))
///     .resolution(Resolution::P720);
/// # let _ = request;
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct GenerateRequest {
    /// What the clip shows. Optional if the request has pictures.
    pub prompt: Option<String>,
    /// The media of the request: none, a start image, references, or pinned frames.
    pub mode: GenerateMode,
    /// Voices to speak with; `<AUDIO_0>` in the prompt refers to the first. Only model 1.5 supports voices.
    pub voices: Vec<String>,
    /// The model.
    pub model: Option<VideoModel>,
    /// The length of the clip, in whole seconds.
    pub duration: Option<Duration>,
    /// The resolution.
    pub resolution: Option<Resolution>,
    /// Width to height. With `None`, the service uses the ratio of the start image, or 16:9.
    pub aspect_ratio: Option<AspectRatio>,
    /// Whether the clip has sound. A silent clip is not cheaper.
    pub audio: Option<bool>,
    /// The id of your end user, for the service's abuse monitoring.
    pub user: Option<String>,
    /// If set, the service also keeps the result in its Files API.
    pub storage: Option<StorageOptions>,
    /// Where the service uploads the result instead of to its own CDN. Required for teams with zero data retention.
    pub output: Option<UploadTarget>,
    /// Whether a language model rewrites the prompt first.
    pub plan: PlanChoice,
    /// The series that the clip belongs to.
    pub topic: Option<String>,
}

/// The media from which a clip is generated.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum GenerateMode {
    /// No media: the prompt alone.
    #[default]
    Text,
    /// A start image. It is the first frame and determines the aspect ratio.
    Image {
        /// The first frame.
        image: MediaInput,
    },
    /// Reference pictures; `<IMAGE_0>` in the prompt refers to the first.
    References {
        /// Up to 14 pictures. If there is a first frame, `<IMAGE_0>` refers to it instead.
        images: Vec<MediaInput>,
        /// A picture that is the first frame. Only model 1.5 supports it.
        first_frame: Option<MediaInput>,
    },
    /// Pinned frames, at least one of `last` and `keyframes`. Only model 1.5 supports them.
    Frames {
        /// The first frame.
        first: Option<MediaInput>,
        /// The last frame.
        last: Option<MediaInput>,
        /// Up to 4 frames in between.
        keyframes: Vec<Keyframe>,
    },
}

/// A picture that is shown at a given time of the clip.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct Keyframe {
    /// Time from the start of the clip, in whole milliseconds. The service moves it to the nearest third of a second
    /// inside the clip and accepts one keyframe for each third.
    pub at: Duration,
    /// The picture.
    pub image: MediaInput,
}

impl Keyframe {
    /// Creates a keyframe.
    pub const fn new(at: Duration, image: MediaInput) -> Self {
        Self { at, image }
    }
}

impl GenerateRequest {
    /// Creates a request for a clip from a prompt alone.
    pub fn text(prompt: impl Into<String>) -> Self {
        Self {
            prompt: Some(prompt.into()),
            ..Self::default()
        }
    }

    /// Creates a request for a clip that starts with a picture. Describe the motion with [`prompt`](Self::prompt).
    pub fn image(image: impl Into<MediaInput>) -> Self {
        Self {
            mode: GenerateMode::Image { image: image.into() },
            ..Self::default()
        }
    }

    /// Creates a request for a clip that is based on reference pictures.
    pub fn references(images: impl IntoIterator<Item = MediaInput>) -> Self {
        let images = images.into_iter().collect();
        Self {
            mode: GenerateMode::References {
                images,
                first_frame: None,
            },
            ..Self::default()
        }
    }

    /// Creates a request for a clip with pinned frames.
    pub fn frames(
        first: Option<MediaInput>,
        last: Option<MediaInput>,
        keyframes: impl IntoIterator<Item = Keyframe>,
    ) -> Self {
        let keyframes = keyframes.into_iter().collect();
        Self {
            mode: GenerateMode::Frames {
                first,
                last,
                keyframes,
            },
            ..Self::default()
        }
    }

    /// Returns the mode by which the model table lists limits. A text or image request with voices is a reference
    /// request.
    pub const fn kind(&self) -> Mode {
        match self.mode {
            GenerateMode::Frames { .. } => Mode::Frames,
            GenerateMode::References { .. } => Mode::References,
            _ if !self.voices.is_empty() => Mode::References,
            GenerateMode::Image { .. } => Mode::Image,
            GenerateMode::Text => Mode::Text,
        }
    }

    /// Returns the number of pictures in the request, each of which is billed.
    pub fn input_images(&self) -> usize {
        match &self.mode {
            GenerateMode::Text => 0,
            GenerateMode::Image { .. } => 1,
            GenerateMode::References { images, first_frame } => {
                images.len() + usize::from(first_frame.is_some())
            }
            GenerateMode::Frames {
                first,
                last,
                keyframes,
            } => usize::from(first.is_some()) + usize::from(last.is_some()) + keyframes.len(),
        }
    }

    /// Sets the prompt.
    pub fn prompt(mut self, prompt: impl Into<String>) -> Self {
        self.prompt = Some(prompt.into());
        self
    }

    /// Sets up to 3 voices, each a preset such as `eve` or a custom voice id. A text or image request with voices is
    /// sent as a reference request, in which a start image stays the first frame.
    pub fn voices<V: Into<String>>(mut self, names: impl IntoIterator<Item = V>) -> Self {
        self.voices = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the aspect ratio.
    pub fn aspect_ratio(mut self, ratio: impl Into<AspectRatio>) -> Self {
        self.aspect_ratio = Some(ratio.into());
        self
    }

    /// Sets the series that the clip belongs to. The planner receives the newest four prompts of the series.
    pub fn topic(mut self, topic: impl Into<String>) -> Self {
        self.topic = Some(topic.into());
        self
    }
}

setters!(GenerateRequest: model, duration, resolution, audio, user, storage, output, plan);

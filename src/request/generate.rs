//! A request for a new clip.

use std::fmt;
use std::time::Duration;

use super::{MediaInput, PlanChoice};
use crate::model::{AspectRatio, Mode, Resolution, VideoModel};

/// A new clip: what to show, how it comes about, how long and how large.
///
/// What is left open takes the client's defaults, and the defaults are sent: 5 s, `480p`, audio on,
/// model `grok-imagine-video`.
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
    /// What the clip shows. May be left out where pictures say it.
    pub prompt: Option<String>,
    /// Text alone, a start image, references, or pinned frames.
    pub mode: GenerateMode,
    /// Voices to speak with; `<AUDIO_0>` in the prompt names the first. 1.5 only.
    pub voices: Vec<String>,
    /// The model; the client's default when left open.
    pub model: Option<VideoModel>,
    /// Length, in whole seconds.
    pub duration: Option<Duration>,
    /// Size class.
    pub resolution: Option<Resolution>,
    /// Width to height. Left open the service takes 16:9, or the ratio of the start image.
    pub aspect_ratio: Option<AspectRatio>,
    /// Whether the clip has sound. Silence is not cheaper.
    pub audio: Option<bool>,
    /// Your end user's id, for the service's abuse monitoring.
    pub user: Option<String>,
    /// Keeps the result in the service's Files as well.
    pub storage: Option<StorageOptions>,
    /// Where the service puts the clip instead of on its own CDN. Zero-retention teams must.
    pub output: Option<UploadTarget>,
    /// Whether a language model rewrites the prompt first.
    pub plan: PlanChoice,
    /// The series that the clip belongs to.
    pub topic: Option<String>,
}

/// How the clip comes about.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum GenerateMode {
    /// The prompt alone.
    #[default]
    Text,
    /// A picture is the first frame, and its shape is the clip's.
    Image {
        /// The first frame.
        image: MediaInput,
    },
    /// Pictures to go by; `<IMAGE_0>` in the prompt names the first.
    References {
        /// Up to 14 pictures. A first frame, where there is one, takes `<IMAGE_0>`.
        images: Vec<MediaInput>,
        /// A picture that is the first frame (1.5 only).
        first_frame: Option<MediaInput>,
    },
    /// Frames that are given (1.5 only). At least one of `last` and `keyframes`.
    Frames {
        /// The first frame.
        first: Option<MediaInput>,
        /// The last frame.
        last: Option<MediaInput>,
        /// Up to 4 frames in between.
        keyframes: Vec<Keyframe>,
    },
}

/// A picture at a time inside the clip.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct Keyframe {
    /// When it shows, counted from the start of the clip, in whole milliseconds. The service snaps it to the nearest
    /// third of a second inside of the clip, and takes one keyframe for each.
    pub at: Duration,
    /// What it shows.
    pub image: MediaInput,
}

impl Keyframe {
    /// A picture at a time.
    pub const fn new(at: Duration, image: MediaInput) -> Self {
        Self { at, image }
    }
}

/// Keeps the result in the service's Files, beside the download.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct StorageOptions {
    /// The name of the file there.
    pub filename: String,
    /// Life of the file: an hour to 30 days, in whole seconds. Left out: for ever.
    pub expires_after: Option<Duration>,
    /// A link that anybody can open.
    pub public_url: Option<PublicUrl>,
}

impl StorageOptions {
    /// A file of that name, kept for ever, without a public link.
    pub fn new(filename: impl Into<String>) -> Self {
        Self {
            filename: filename.into(),
            expires_after: None,
            public_url: None,
        }
    }

    /// Life of the file.
    pub const fn expires_after(mut self, life: Duration) -> Self {
        self.expires_after = Some(life);
        self
    }

    /// Asks for a link that anybody can open.
    pub const fn public_url(mut self, link: PublicUrl) -> Self {
        self.public_url = Some(link);
        self
    }
}

/// The life of a public link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum PublicUrl {
    /// As long as the file.
    LikeTheFile,
    /// An hour to 30 days.
    ExpiresAfter(Duration),
}

/// Where the service puts the finished clip, and where it is fetched from afterwards.
///
/// Both are signed URLs, so neither is ever shown: `Debug` prints their hosts.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct UploadTarget {
    /// A signed URL that takes an HTTP `PUT` of `video/mp4`. It must outlive the generation.
    pub upload_url: String,
    /// A signed URL that gives the same object. Without it the clip stays where it was put, and
    /// waiting for the job ends in an error that says so.
    pub fetch_url: Option<String>,
}

impl UploadTarget {
    /// A signed URL for `PUT`.
    pub fn new(upload_url: impl Into<String>) -> Self {
        Self {
            upload_url: upload_url.into(),
            fetch_url: None,
        }
    }

    /// The signed URL to fetch the clip from.
    pub fn fetch_url(mut self, url: impl Into<String>) -> Self {
        self.fetch_url = Some(url.into());
        self
    }
}

impl fmt::Debug for UploadTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploadTarget")
            .field("upload_url", &crate::error::redact_url(&self.upload_url))
            .field(
                "fetch_url",
                &self.fetch_url.as_deref().map(crate::error::redact_url),
            )
            .finish()
    }
}

impl GenerateRequest {
    /// A clip from words alone.
    pub fn text(prompt: impl Into<String>) -> Self {
        Self {
            prompt: Some(prompt.into()),
            ..Self::default()
        }
    }

    /// A clip that starts on a picture. Say what moves with [`prompt`](Self::prompt).
    pub fn image(image: impl Into<MediaInput>) -> Self {
        Self {
            mode: GenerateMode::Image { image: image.into() },
            ..Self::default()
        }
    }

    /// A clip that goes by pictures.
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

    /// A clip with given frames.
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

    /// The row of the model table that applies. Voices make a reference request of any other.
    pub const fn kind(&self) -> Mode {
        match self.mode {
            GenerateMode::Frames { .. } => Mode::Frames,
            GenerateMode::References { .. } => Mode::References,
            _ if !self.voices.is_empty() => Mode::References,
            GenerateMode::Image { .. } => Mode::Image,
            GenerateMode::Text => Mode::Text,
        }
    }

    /// What the clip shows.
    pub fn prompt(mut self, prompt: impl Into<String>) -> Self {
        self.prompt = Some(prompt.into());
        self
    }

    /// Voices to speak with: a preset such as `eve`, or a custom voice id; up to 3. A text or image
    /// request with voices is a reference request, and its start image stays the first frame.
    pub fn voices<V: Into<String>>(mut self, names: impl IntoIterator<Item = V>) -> Self {
        self.voices = names.into_iter().map(Into::into).collect();
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

    /// Width to height.
    pub fn aspect_ratio(mut self, ratio: impl Into<AspectRatio>) -> Self {
        self.aspect_ratio = Some(ratio.into());
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

    /// Where the service puts the clip.
    pub fn output(mut self, target: UploadTarget) -> Self {
        self.output = Some(target);
        self
    }

    /// Whether a language model rewrites the prompt first: `true`, `false`, or settings of its own.
    pub fn plan(mut self, choice: impl Into<PlanChoice>) -> Self {
        self.plan = choice.into();
        self
    }

    /// The series that the clip belongs to. Its planner sees the newest four prompts of the series.
    pub fn topic(mut self, topic: impl Into<String>) -> Self {
        self.topic = Some(topic.into());
        self
    }
}

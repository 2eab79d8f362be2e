//! Requests that start from a clip: edit and extend.

use std::time::Duration;

use super::{MediaInput, PlanChoice, StorageOptions, UploadTarget};
use crate::model::VideoModel;

/// A changed copy of a clip: the same length, shape and size (at most 720p).
///
/// Length, ratio and resolution cannot be asked for: the service ignores them in silence, so there is no
/// field for them. The clip may have 8.7 s at the most.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct EditRequest {
    /// The clip: of the library, a file, bytes, an https URL, a `file_id` or a data URL. MP4.
    pub video: MediaInput,
    /// What is to change.
    pub prompt: String,
    /// The model; only the classic one can edit.
    pub model: Option<VideoModel>,
    /// How a local clip travels.
    pub transport: TransportChoice,
    /// Whether a language model rewrites the prompt first.
    pub plan: PlanChoice,
    /// Your end user's id, for the service's abuse monitoring.
    pub user: Option<String>,
    /// Keeps the result in the service's Files as well.
    pub storage: Option<StorageOptions>,
    /// Where the service puts the result instead of on its own CDN.
    pub output: Option<UploadTarget>,
}

/// A clip with seconds added at its end: the result is the old part and the new one in one file.
///
/// The clip may have 2 to 15 s. Ratio and resolution are the clip's (at most 720p).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct ExtendRequest {
    /// The clip: of the library, a file, bytes, an https URL, a `file_id` or a data URL. MP4.
    pub video: MediaInput,
    /// How it goes on.
    pub prompt: String,
    /// The model; only the classic one can extend.
    pub model: Option<VideoModel>,
    /// Seconds that are added, 2 to 10; 6 when left open.
    pub duration: Option<Duration>,
    /// How a local clip travels.
    pub transport: TransportChoice,
    /// Whether a language model rewrites the prompt first.
    pub plan: PlanChoice,
    /// Keeps the result in the service's Files as well.
    pub storage: Option<StorageOptions>,
    /// Where the service puts the result instead of on its own CDN.
    pub output: Option<UploadTarget>,
}

/// How a local clip goes to the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum TransportChoice {
    /// By its size: up to 8 MiB in the request, up to 48 MB through Files, larger ones in the request.
    /// (The service's sources name 48 and 50 MB as the limit of a file, and none for a request.)
    #[default]
    Auto,
    /// In the request, as base64 made while it is sent.
    Inline,
    /// Through the service's Files, deleted when the job is over.
    Upload,
    /// Through the service's Files, and kept there until it expires after a day.
    UploadAndKeep,
}

impl EditRequest {
    /// An edit of a clip.
    pub fn new(video: impl Into<MediaInput>, prompt: impl Into<String>) -> Self {
        Self {
            video: video.into(),
            prompt: prompt.into(),
            model: None,
            transport: TransportChoice::Auto,
            plan: PlanChoice::Default,
            user: None,
            storage: None,
            output: None,
        }
    }

    /// The model.
    pub fn model(mut self, model: impl Into<VideoModel>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// Whether a language model rewrites the prompt first: `true`, `false`, or settings of its own.
    pub fn plan(mut self, choice: impl Into<PlanChoice>) -> Self {
        self.plan = choice.into();
        self
    }

    /// How a local clip travels.
    pub const fn transport(mut self, transport: TransportChoice) -> Self {
        self.transport = transport;
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

    /// Where the service puts the result.
    pub fn output(mut self, target: UploadTarget) -> Self {
        self.output = Some(target);
        self
    }
}

impl ExtendRequest {
    /// An extension of a clip.
    pub fn new(video: impl Into<MediaInput>, prompt: impl Into<String>) -> Self {
        Self {
            video: video.into(),
            prompt: prompt.into(),
            model: None,
            duration: None,
            transport: TransportChoice::Auto,
            plan: PlanChoice::Default,
            storage: None,
            output: None,
        }
    }

    /// Seconds that are added.
    pub const fn duration(mut self, added: Duration) -> Self {
        self.duration = Some(added);
        self
    }

    /// The model.
    pub fn model(mut self, model: impl Into<VideoModel>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// Whether a language model rewrites the prompt first: `true`, `false`, or settings of its own.
    pub fn plan(mut self, choice: impl Into<PlanChoice>) -> Self {
        self.plan = choice.into();
        self
    }

    /// How a local clip travels.
    pub const fn transport(mut self, transport: TransportChoice) -> Self {
        self.transport = transport;
        self
    }

    /// Keeps the result in the service's Files as well.
    pub fn storage(mut self, storage: StorageOptions) -> Self {
        self.storage = Some(storage);
        self
    }

    /// Where the service puts the result.
    pub fn output(mut self, target: UploadTarget) -> Self {
        self.output = Some(target);
        self
    }
}

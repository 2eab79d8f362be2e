//! A request to extend a clip.

use std::time::Duration;

use super::{MediaInput, PlanChoice, StorageOptions, TransportChoice, UploadTarget};
use crate::model::VideoModel;

/// A request to add seconds at the end of a clip. The result contains the old part and the new part in one file.
///
/// The clip must be 2 to 15 s long. The result has the aspect ratio of the clip, and its resolution up to 720p.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct ExtendRequest {
    /// The clip, an MP4: from the library, a file, bytes, an https URL, a `file_id` or a data URL.
    pub video: MediaInput,
    /// How the clip continues.
    pub prompt: String,
    /// The model. Only the classic model supports extensions.
    pub model: Option<VideoModel>,
    /// The length of the added part, in whole seconds: 2 to 10 s. Defaults to 6 s.
    pub duration: Option<Duration>,
    /// How a local clip is sent.
    pub transport: TransportChoice,
    /// Whether a language model rewrites the prompt first.
    pub plan: PlanChoice,
    /// If set, the service also keeps the result in its Files API.
    pub storage: Option<StorageOptions>,
    /// Where the service uploads the result; by default to its own CDN.
    pub output: Option<UploadTarget>,
}

impl ExtendRequest {
    /// Creates a request to extend a clip.
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

    /// Sets the length of the added part, in whole seconds.
    pub const fn duration(mut self, added: Duration) -> Self {
        self.duration = Some(added);
        self
    }
}

setters!(ExtendRequest: model, transport, plan, storage, output);

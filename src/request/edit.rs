//! A request to edit a clip.

use super::{MediaInput, PlanChoice, StorageOptions, TransportChoice, UploadTarget};
use crate::model::VideoModel;

/// A request for a changed copy of a clip, which may be at most 8.7 s long.
///
/// The result has the length and aspect ratio of the clip, and its resolution up to 720p. The service silently ignores
/// other values, so the request has no fields for them.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct EditRequest {
    /// The clip, an MP4: from the library, a file, bytes, an https URL, a `file_id` or a data URL.
    pub video: MediaInput,
    /// The change to make.
    pub prompt: String,
    /// The model. Only the classic model supports edits.
    pub model: Option<VideoModel>,
    /// How a local clip is sent.
    pub transport: TransportChoice,
    /// Whether a language model rewrites the prompt first.
    pub plan: PlanChoice,
    /// The id of your end user, for the service's abuse monitoring.
    pub user: Option<String>,
    /// If set, the service also keeps the result in its Files API.
    pub storage: Option<StorageOptions>,
    /// Where the service uploads the result instead of to its own CDN.
    pub output: Option<UploadTarget>,
}

impl EditRequest {
    /// Creates a request to edit a clip.
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
}

setters!(EditRequest: model, transport, plan, user, storage, output);

//! The JSON of the service. Strict when writing: each field is what the contract names. Lenient when
//! reading: everything is optional, a field of the wrong type counts as absent, unknown words are
//! kept.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

#[derive(Serialize)]
pub(super) struct GenerateBody<'a> {
    pub(super) model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) prompt: Option<&'a str>,
    pub(super) duration: u32,
    pub(super) resolution: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) aspect_ratio: Option<&'a str>,
    pub(super) generate_audio: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) image: Option<Media<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) reference_images: Vec<Media<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) reference_audios: Vec<Voice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_frame: Option<Media<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) keyframes: Vec<Keyframe<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) output: Option<Output<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) storage_options: Option<Storage<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<&'a str>,
}

/// An image or video object: a URL or a file id, never both, never a bare string.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Media<'a> {
    Url(Cow<'a, str>),
    FileId(&'a str),
}

#[derive(Serialize)]
pub(super) struct Voice<'a> {
    pub(super) voice_id: &'a str,
}

#[derive(Serialize)]
pub(super) struct Keyframe<'a> {
    pub(super) image: Media<'a>,
    pub(super) timestamp_s: f64,
}

#[derive(Serialize)]
pub(super) struct Output<'a> {
    pub(super) upload_url: &'a str,
}

#[derive(Serialize)]
pub(super) struct Storage<'a> {
    pub(super) filename: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expires_after: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) public_url: Option<StoragePublicUrl>,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum StoragePublicUrl {
    Yes(bool),
    Until { expires_after: u64 },
}

/// The body of an edit. Length, ratio and resolution are the clip's: the service ignores them here.
#[derive(Serialize)]
pub(super) struct EditBody<'a> {
    pub(super) model: &'a str,
    pub(super) prompt: &'a str,
    pub(super) video: Media<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) output: Option<Output<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) storage_options: Option<Storage<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<&'a str>,
}

/// The body of an extension. It has no `user`.
#[derive(Serialize)]
pub(super) struct ExtendBody<'a> {
    pub(super) model: &'a str,
    pub(super) prompt: &'a str,
    pub(super) video: Media<'a>,
    /// Seconds that are added.
    pub(super) duration: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) output: Option<Output<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) storage_options: Option<Storage<'a>>,
}

/// The answer to an upload.
#[derive(Deserialize)]
pub(super) struct Uploaded {
    pub(super) id: String,
}

impl Uploaded {
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }
}

/// The answer to a create.
#[derive(Deserialize)]
pub(super) struct Created {
    pub(super) request_id: String,
}

impl Created {
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }
}

/// The answer to a poll.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Poll {
    #[serde(deserialize_with = "lenient")]
    pub(super) status: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(super) progress: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    pub(super) model: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(super) video: Option<Video>,
    #[serde(deserialize_with = "lenient")]
    pub(super) usage: Option<Usage>,
    #[serde(deserialize_with = "lenient")]
    pub(super) error: Option<JobError>,
    #[serde(deserialize_with = "lenient")]
    pub(super) block_reason: Option<String>,
}

impl Poll {
    /// `None` when the body is no JSON object. (A derived struct would take an array too.)
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        body.trim_ascii_start()
            .starts_with(b"{")
            .then(|| serde_json::from_slice(body).ok())?
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Video {
    #[serde(deserialize_with = "lenient")]
    pub(super) url: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(super) duration: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    pub(super) respect_moderation: Option<bool>,
    #[serde(deserialize_with = "lenient")]
    pub(super) file_output: Option<FileOutput>,
    #[serde(deserialize_with = "lenient")]
    pub(super) storage_error: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FileOutput {
    #[serde(deserialize_with = "lenient")]
    pub(super) file_id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(super) public_url_error: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Usage {
    #[serde(deserialize_with = "lenient")]
    pub(super) cost_in_usd_ticks: Option<u64>,
}

/// The error of a failed job; a bare string is taken as its message.
#[derive(Debug, Default)]
pub(super) struct JobError {
    pub(super) code: Option<String>,
    pub(super) message: Option<String>,
}

impl<'de> Deserialize<'de> for JobError {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(from)?;
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        Ok(match &value {
            Value::String(message) => Self {
                code: None,
                message: Some(message.clone()),
            },
            _ => Self {
                code: text("code"),
                message: text("message"),
            },
        })
    }
}

/// The list of models.
#[derive(Debug, Deserialize)]
pub(super) struct ModelList {
    pub(super) models: Vec<Model>,
}

impl ModelList {
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Model {
    pub(super) id: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) aliases: Option<Vec<String>>,
}

/// A value, or `None` for null, for nothing and for another type.
fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Option<T>, D::Error> {
    Ok(serde_json::from_value(Value::deserialize(from)?).ok())
}

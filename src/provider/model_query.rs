//! Queries to language models that accept images, and their answers.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::money::UsdTicks;

/// A query whose answer is JSON of a given schema.
#[derive(Debug, Clone)]
pub(crate) struct ModelQuery {
    /// What the caller is doing, for error messages: `plan the prompt`.
    pub(crate) action: &'static str,
    pub(crate) model: String,
    pub(crate) instructions: &'static str,
    /// The user's message, in order.
    pub(crate) parts: Vec<QueryPart>,
    pub(crate) schema_name: &'static str,
    pub(crate) schema: serde_json::Value,
    pub(crate) web_search: bool,
    pub(crate) reasoning_effort: Option<String>,
    /// Limits the price. Reasoning tokens count.
    pub(crate) max_output_tokens: u32,
    /// Limits the whole call, retries included.
    pub(crate) timeout: Duration,
}

/// A part of the user's message.
#[derive(Clone)]
pub(crate) enum QueryPart {
    Text(String),
    /// A PNG or JPEG.
    #[cfg_attr(
        not(any(feature = "media", test)),
        expect(dead_code, reason = "only `media` can scale images down")
    )]
    Image {
        mime: &'static str,
        bytes: Bytes,
    },
    /// The URL of an image that the service downloads.
    ImageUrl(String),
}

impl fmt::Debug for QueryPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Image { mime, bytes } => write!(f, "Image({mime}, {} bytes)", bytes.len()),
            Self::ImageUrl(url) => write!(f, "ImageUrl({})", crate::error::redact_url(url)),
        }
    }
}

/// The answer to a query. It has its cost even if its text is unusable.
#[derive(Debug, Clone)]
pub(crate) struct ModelAnswer {
    /// The model's text, or the reason why there is none: the model declined, was cut off or wrote nothing.
    pub(crate) text: Result<String>,
    /// The model that answered, if the service reports it.
    pub(crate) model: Option<String>,
    pub(crate) usage: TokenUsage,
    pub(crate) cost: Option<UsdTicks>,
    pub(crate) web_searches: u64,
}

/// The tokens of a query and its answer. A count that the service does not report is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct TokenUsage {
    /// Input tokens.
    pub input: u64,
    /// Input tokens that were read from a cache, at a lower price. They are included in `input`.
    pub cached: u64,
    /// Output tokens, reasoning included.
    pub output: u64,
    /// Reasoning tokens. They are included in `output`.
    pub reasoning: u64,
}

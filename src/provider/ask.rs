//! A question to a language model that sees pictures, and its answer.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::money::UsdTicks;

/// A question, complete. The answer is JSON of the given schema.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    /// What the caller is doing, for messages: `plan the prompt`.
    pub(crate) doing: &'static str,
    pub(crate) model: String,
    pub(crate) instructions: &'static str,
    /// What the user says, in order.
    pub(crate) parts: Vec<Part>,
    /// A word for the schema.
    pub(crate) schema_name: &'static str,
    pub(crate) schema: serde_json::Value,
    pub(crate) web_search: bool,
    pub(crate) effort: Option<String>,
    /// Bounds the price; what the model thinks counts too.
    pub(crate) max_output_tokens: u32,
    /// For all of it, repetitions included.
    pub(crate) deadline: Duration,
}

/// A piece of a question.
#[derive(Clone)]
pub(crate) enum Part {
    Text(String),
    /// PNG or JPEG.
    Picture {
        mime: &'static str,
        bytes: Bytes,
    },
    /// A picture that the service fetches.
    Link(String),
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Picture { mime, bytes } => write!(f, "Picture({mime}, {} bytes)", bytes.len()),
            Self::Link(url) => write!(f, "Link({})", crate::error::redact_url(url)),
        }
    }
}

/// What came back, and what it cost whether it is of use or not.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// The model's text; why there is none where the model declined, broke off or said nothing.
    pub(crate) reply: Result<String>,
    /// The model that answered, where the service tells.
    pub(crate) model: Option<String>,
    pub(crate) usage: TokenUsage,
    pub(crate) cost: Option<UsdTicks>,
    pub(crate) web_searches: u64,
}

/// What a language model read and wrote, in tokens. Zero where the service does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct TokenUsage {
    /// Read.
    pub input: u64,
    /// Read from a cache, which is cheaper. Counted in `input`.
    pub cached: u64,
    /// Written, thoughts included.
    pub output: u64,
    /// Thoughts alone.
    pub reasoning: u64,
}

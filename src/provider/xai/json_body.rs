//! JSON request bodies with inline media.
//!
//! The JSON is a short text with placeholders, and the media replace them as base64 while the body is sent.

use serde::Serialize;

use crate::error::{Error, Result};
use crate::http::{Body, Content, Piece};
use crate::request::{MediaContent, ResolvedMedia};

/// The JSON object of an image or a video: a URL or a file id, never both, never a bare string.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Media {
    Url(String),
    FileId(String),
}

/// Builds one body.
pub(super) struct JsonBodyBuilder {
    /// Marks the position of media in the JSON. It is random, so no prompt can contain it.
    placeholder: String,
    contents: Vec<Content>,
}

impl JsonBodyBuilder {
    pub(super) fn new() -> Result<Self> {
        let random = || {
            getrandom::u64().map_err(|error| {
                Error::config("encode the request: the system has no source of randomness").with_source(error)
            })
        };
        Ok(Self {
            placeholder: format!("@{:016x}{:016x}@", random()?, random()?),
            contents: Vec::new(),
        })
    }

    /// Returns the JSON object of an image or a video. The objects must be serialized in the order of these calls.
    pub(super) fn media(&mut self, media: &ResolvedMedia) -> Media {
        match media {
            ResolvedMedia::Url(url) => Media::Url(url.clone()),
            ResolvedMedia::FileId(id) => Media::FileId(id.clone()),
            ResolvedMedia::Inline { mime, content } => {
                self.contents.push(body_content(content));
                Media::Url(format!("data:{mime};base64,{}", self.placeholder))
            }
        }
    }

    /// Serializes a value, and puts the media in the place of their placeholders.
    pub(super) fn finish(self, value: &impl Serialize) -> Result<Body> {
        let json = serde_json::to_string(value)
            .map_err(|error| Error::invalid("encode the request as JSON").with_source(error))?;
        let mut texts = json.split(&self.placeholder);
        let mut pieces = Vec::with_capacity(2 * self.contents.len() + 1);
        let text = |text: &str| Piece::Text(text.to_owned().into());
        pieces.extend(texts.next().map(text));
        for (content, after) in self.contents.into_iter().zip(texts) {
            pieces.push(Piece::Base64(content));
            pieces.push(text(after));
        }
        Ok(pieces.into())
    }
}

/// Converts media content to the content type of a request body.
pub(super) fn body_content(content: &MediaContent) -> Content {
    match content {
        MediaContent::Memory(bytes) => Content::Memory(bytes.clone()),
        MediaContent::File { path, length } => Content::File {
            path: path.clone(),
            length: *length,
        },
    }
}

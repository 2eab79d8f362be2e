//! JSON bodies with inline media: the JSON is small text with gaps, and the media go into the gaps as
//! base64 while the body is sent.

use serde::Serialize;

use super::wire::Media;
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Body, Content, Piece};
use crate::request::{MediaContent, ResolvedMedia};

/// Makes one body.
pub(super) struct BodyMaker {
    /// Stands in the JSON where media go. Random, so that no prompt can hold it.
    gap: String,
    contents: Vec<Content>,
}

impl BodyMaker {
    pub(super) fn new() -> Result<Self> {
        let random = || {
            getrandom::u64().map_err(|error| {
                Error::new(
                    ErrorKind::Config,
                    "write the request: the system has no randomness",
                )
                .with_source(error)
            })
        };
        Ok(Self {
            gap: format!("@{:016x}{:016x}@", random()?, random()?),
            contents: Vec::new(),
        })
    }

    /// The image or video object of some media. Objects must stand in the JSON in the order in which
    /// they were asked for.
    pub(super) fn media<'a>(&mut self, media: &'a ResolvedMedia) -> Media<'a> {
        match media {
            ResolvedMedia::Url(url) => Media::Url(url.into()),
            ResolvedMedia::FileId(id) => Media::FileId(id),
            ResolvedMedia::Inline { mime, content } => {
                self.contents.push(match content {
                    MediaContent::Memory(bytes) => Content::Memory(bytes.clone()),
                    MediaContent::File { path, length } => Content::File {
                        path: path.clone(),
                        length: *length,
                    },
                });
                Media::Url(format!("data:{mime};base64,{}", self.gap).into())
            }
        }
    }

    /// The body: the JSON of a value, with the media in its gaps.
    pub(super) fn finish(self, value: &impl Serialize) -> Result<Body> {
        let json = serde_json::to_string(value).map_err(|error| {
            Error::new(ErrorKind::InvalidRequest, "write the request as JSON").with_source(error)
        })?;
        let mut texts = json.split(&self.gap);
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

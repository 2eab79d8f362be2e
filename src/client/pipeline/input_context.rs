//! What a caller gives as media, before anything of it is sent: one set of rules for pictures and for clips.
//!
//! Owns what a file, a link, a `file_id` and a data URL have to look like. Knows nothing of what is in them.

use std::fmt::Display;
use std::fs::Metadata;
use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use url::Url;

use crate::client::VideoClient;
use crate::error::{Error, ErrorKind, Result};
use crate::host::spawn_blocking;

/// One input, as messages call it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InputContext<'a> {
    /// `video`, or what a picture is for.
    role: &'a str,
    name: &'a str,
    /// What would be right: a file, and how one may be called.
    wanted: [&'static str; 2],
}

/// Why a data URL has no content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoContent {
    NoComma,
    NotBase64,
    Garbled,
}

impl<'a> InputContext<'a> {
    pub(crate) const fn clip(name: &'a str) -> Self {
        Self {
            role: "video",
            name,
            wanted: ["an MP4", "clip.mp4"],
        }
    }

    pub(crate) const fn picture(role: &'a str, name: &'a str) -> Self {
        Self {
            role,
            name,
            wanted: ["a PNG, JPEG or WebP file", "picture.png"],
        }
    }

    /// The error for an input that is not what is wanted.
    pub(crate) fn bad(self, why: impl Display) -> Error {
        Error::invalid(format!("read {} {}: {why}", self.role, self.name))
    }

    /// The error for a file that could not be read.
    pub(crate) fn unread(self, error: io::Error) -> Error {
        let Self { role, name, .. } = self;
        match error.kind() {
            io::ErrorKind::NotFound => Error::new(
                ErrorKind::NotFound,
                format!("read {role} {name}: there is no such file"),
            ),
            _ => Error::new(ErrorKind::InvalidRequest, format!("read {role} {name}")).with_source(error),
        }
    }

    /// The length of a regular file: a folder cannot be read, and a pipe could keep the reader for ever.
    pub(crate) async fn length(self, path: &Path) -> Result<u64> {
        let facts = facts(path).await.map_err(|error| self.unread(error))?;
        let [wanted, _] = self.wanted;
        if facts.is_dir() {
            return Err(self.bad(format_args!("it is a folder; give {wanted}")));
        }
        if !facts.is_file() {
            return Err(self.bad(format_args!("it is no regular file; give {wanted}")));
        }
        Ok(facts.len())
    }

    /// A link that the service can fetch. Whether it does shows only when the job runs.
    pub(crate) fn link(self, client: &VideoClient, url: &str) -> Result<Url> {
        let [_, example] = self.wanted;
        let parsed = Url::parse(url).map_err(|_| {
            self.bad(format_args!(
                "it is not a URL; write it as https://host/{example}"
            ))
        })?;
        match parsed.scheme() {
            "https" => Ok(parsed),
            // The sandbox fetches from this machine, the service cannot.
            "http" if client.service().starts_with("http://") => Ok(parsed),
            _ => Err(self.bad("the service fetches https only; give an https URL or the file itself")),
        }
    }

    pub(crate) fn file_id(self, id: &str) -> Result<()> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if id.is_empty() || !id.bytes().all(fits) {
            return Err(self.bad("it is no file_id; one looks like file_12ab"));
        }
        Ok(())
    }
}

pub(crate) fn decode_data_url(url: &str) -> Result<Bytes, NoContent> {
    let (head, content) = url.split_once(',').ok_or(NoContent::NoComma)?;
    if !head.to_ascii_lowercase().ends_with(";base64") {
        return Err(NoContent::NotBase64);
    }
    let decoded = STANDARD.decode(content.trim());
    decoded.map(Bytes::from).map_err(|_| NoContent::Garbled)
}

/// What the system says of a file.
pub(crate) async fn facts(path: &Path) -> io::Result<Metadata> {
    let path = path.to_owned();
    let asked = spawn_blocking(move || std::fs::metadata(path)).await;
    asked.unwrap_or_else(|_| Err(io::Error::other("the runtime is shutting down")))
}

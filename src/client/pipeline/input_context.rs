//! Checks the form of media inputs, with the same rules for images and clips.
//!
//! Defines the requirements for a file, a URL, a `file_id` and a data URL, and the wording of the errors. Does not
//! check the content of media.

use std::fmt::Display;
use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use url::Url;

use crate::client::VideoClient;
use crate::error::{Error, Result};
use crate::host::spawn_blocking;

/// Describes an input in error messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InputContext<'a> {
    /// `video`, or the role of an image.
    role: &'a str,
    name: &'a str,
    /// A valid kind of file, such as `an MP4`.
    expected_kind: &'static str,
    /// An example of the name of such a file.
    example: &'static str,
}

impl<'a> InputContext<'a> {
    /// Creates the context of a clip.
    pub(crate) const fn clip(name: &'a str) -> Self {
        Self {
            role: "video",
            name,
            expected_kind: "an MP4",
            example: "clip.mp4",
        }
    }

    /// Creates the context of an image with the given role.
    pub(crate) const fn picture(role: &'a str, name: &'a str) -> Self {
        Self {
            role,
            name,
            expected_kind: "a PNG, JPEG or WebP file",
            example: "picture.png",
        }
    }

    /// Returns the error for an invalid input.
    pub(crate) fn invalid(self, reason: impl Display) -> Error {
        Error::invalid(format!("read {} {}: {reason}", self.role, self.name))
    }

    /// Returns the error for a file that could not be read.
    pub(crate) fn unreadable(self, error: io::Error) -> Error {
        let Self { role, name, .. } = self;
        match error.kind() {
            io::ErrorKind::NotFound => Error::not_found(format!("read {role} {name}: there is no such file")),
            _ => Error::invalid(format!("read {role} {name}")).with_source(error),
        }
    }

    /// Returns the length of a regular file.
    ///
    /// # Errors
    /// `NotFound` if the file does not exist. `InvalidRequest` if its metadata cannot be read, or if it is not a
    /// regular file: reading a pipe could block forever.
    pub(crate) async fn length(self, path: &Path) -> Result<u64> {
        let owned = path.to_owned();
        let metadata = spawn_blocking(move || std::fs::metadata(owned)).await;
        let metadata = metadata
            .unwrap_or_else(|_| Err(io::Error::other("the runtime is shutting down")))
            .map_err(|error| self.unreadable(error))?;
        let expected = self.expected_kind;
        if metadata.is_dir() {
            return Err(self.invalid(format_args!("it is a folder; give {expected}")));
        }
        if !metadata.is_file() {
            return Err(self.invalid(format_args!("it is not a regular file; give {expected}")));
        }
        Ok(metadata.len())
    }

    /// Parses a URL and checks that the service can fetch URLs with its scheme.
    pub(crate) fn check_url(self, client: &VideoClient, url: &str) -> Result<Url> {
        let example = self.example;
        let parsed = Url::parse(url).map_err(|_| {
            self.invalid(format_args!(
                "it is not a URL; write it as https://host/{example}"
            ))
        })?;
        match parsed.scheme() {
            "https" => Ok(parsed),
            // A service at an http URL is the sandbox, which also fetches http URLs.
            "http" if client.service().starts_with("http://") => Ok(parsed),
            _ => Err(self.invalid("the service fetches https only; give an https URL or the file itself")),
        }
    }

    /// Checks the form of a `file_id`.
    pub(crate) fn check_file_id(self, id: &str) -> Result<()> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if id.is_empty() || !id.bytes().all(is_allowed) {
            return Err(self.invalid("it is not a file_id; a file_id looks like file_12ab"));
        }
        Ok(())
    }

    /// Decodes the content of a base64 data URL.
    pub(crate) fn decode_data_url(self, url: &str) -> Result<Bytes> {
        let content = url
            .split_once(',')
            .filter(|(head, _)| head.to_ascii_lowercase().ends_with(";base64"))
            .and_then(|(_, content)| STANDARD.decode(content.trim()).ok());
        content.map(Bytes::from).ok_or_else(|| {
            self.invalid(
                "it is not a base64 data URL; write it as data:, the media type, `;base64,` and the content",
            )
        })
    }
}

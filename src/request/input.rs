//! The pictures and clips of a request, and how they are sent.

use std::fmt;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::error::{Error, Result};

/// A picture or a clip as an input of a request.
///
/// Local media are read, checked and sent inline. URLs and file ids are passed on, and the service fetches them. Media
/// are read after the request is checked and before anything is paid.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum MediaInput {
    /// A local file.
    Path(PathBuf),
    /// Bytes in memory.
    Bytes {
        /// The content of the file: PNG, JPEG, WebP or MP4.
        bytes: Bytes,
        /// The name used in messages.
        name: String,
    },
    /// An `https` URL that the service can reach (`http` only on loopback, for the sandbox).
    Url(String),
    /// The id of a file in the service's Files API.
    FileId(String),
    /// A `data:` URL with base64 content.
    DataUrl(String),
    /// A clip in the client's library, by id or file name.
    Clip(String),
}

impl MediaInput {
    /// Creates an input from bytes. `name` is used in messages.
    pub fn bytes(name: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        Self::Bytes {
            bytes: bytes.into(),
            name: name.into(),
        }
    }

    /// Creates an input from a clip in the library, by id or file name.
    pub fn clip(id: impl Into<String>) -> Self {
        Self::Clip(id.into())
    }

    /// Parses text from a user: `https://…` and `data:…` are URLs, `file_…` is a file id unless a file of that name
    /// exists, and anything else is a path.
    ///
    /// # Errors
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest) if the text is empty or a URL with another scheme.
    pub fn parse(text: &str) -> Result<Self> {
        let lower = text.to_ascii_lowercase();
        if text.trim().is_empty() {
            return Err(Error::invalid(
                "read an input: it is empty; give a file, an https URL, a file_id or a data URL",
            ));
        }
        if lower.starts_with("data:") {
            return Ok(Self::DataUrl(text.to_owned()));
        }
        if lower.starts_with("https://") || lower.starts_with("http://") {
            return Ok(Self::Url(text.to_owned()));
        }
        if let Some((scheme, _)) = lower.split_once("://")
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric())
        {
            return Err(Error::invalid(format!(
                "read an input: {scheme} URLs are not accepted; give a file, an https URL, a file_id or a data URL"
            )));
        }
        if text.starts_with("file_") && !Path::new(text).exists() {
            return Ok(Self::FileId(text.to_owned()));
        }
        Ok(Self::Path(PathBuf::from(text)))
    }

    /// Parses text from a user that names a clip. In addition to [`parse`](Self::parse), anything that is neither an
    /// existing file nor path-like is treated as a clip in the library.
    ///
    /// # Errors
    /// Same as for [`parse`](Self::parse).
    pub fn parse_video(text: &str) -> Result<Self> {
        Ok(match Self::parse(text)? {
            Self::Path(path) if path.components().count() == 1 && !path.is_absolute() && !path.exists() => {
                Self::clip(text)
            }
            input => input,
        })
    }

    /// Returns the name for messages, without content and without the query string of a URL.
    pub fn display_name(&self) -> String {
        match self {
            Self::Path(path) => path.display().to_string(),
            Self::Url(url) => crate::error::redact_url(url),
            Self::DataUrl(url) => format!("data URL of {} characters", url.len()),
            Self::Bytes { name, .. } | Self::FileId(name) | Self::Clip(name) => name.clone(),
        }
    }

    /// Returns the name of the variant as used in records: `path`, `bytes`, `url`, `file_id`, `data-url`, `clip`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Path(_) => "path",
            Self::Bytes { .. } => "bytes",
            Self::Url(_) => "url",
            Self::FileId(_) => "file_id",
            Self::DataUrl(_) => "data-url",
            Self::Clip(_) => "clip",
        }
    }
}

/// How a local clip is sent to the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum TransportChoice {
    /// Chooses by size: up to 8 MiB inline, up to 48 MB through the Files API, larger clips inline. The service
    /// documents a limit of 48 MB or 50 MB for a file, and none for a request.
    #[default]
    Auto,
    /// Sends the clip in the request, as base64 that is encoded while it is sent.
    Inline,
    /// Uploads the clip to the service's Files API and deletes it when the job is over.
    Upload,
    /// Uploads the clip to the service's Files API and keeps it until it expires after a day.
    UploadAndKeep,
}

impl fmt::Debug for MediaInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MediaInput({}: {})", self.kind(), self.display_name())
    }
}

impl From<PathBuf> for MediaInput {
    fn from(path: PathBuf) -> Self {
        Self::Path(path)
    }
}

impl From<&Path> for MediaInput {
    fn from(path: &Path) -> Self {
        Self::Path(path.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_input_is_recognized() {
        assert_eq!(MediaInput::parse("a.png").unwrap().kind(), "path");
        assert_eq!(MediaInput::parse("file_12ab").unwrap().kind(), "file_id");
        assert_eq!(MediaInput::parse("https://host/a.png").unwrap().kind(), "url");
        assert_eq!(
            MediaInput::parse("data:image/png;base64,AA==").unwrap().kind(),
            "data-url"
        );
        assert!(MediaInput::parse("ftp://host/a.png").is_err());
        assert_eq!(
            MediaInput::parse_video("1763812000000_0a1b2c3d").unwrap().kind(),
            "clip"
        );
        assert_eq!(MediaInput::parse_video("./a.mp4").unwrap().kind(), "path");
        assert_eq!(MediaInput::parse_video("/a.mp4").unwrap().kind(), "path");
        assert!(MediaInput::parse("  ").is_err());
    }

    #[test]
    fn debug_shows_neither_content_nor_signature() {
        let secret = MediaInput::Url("https://user:pw@host/a.png?sig=SECRET".into());
        let shown = format!("{secret:?}");
        assert!(!shown.contains("SECRET") && !shown.contains("pw"), "{shown}");
        let data = MediaInput::DataUrl("data:image/png;base64,SECRET".into());
        assert!(!format!("{data:?}").contains("SECRET"));
    }
}

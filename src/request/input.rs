//! A picture or a clip that goes into a request.

use std::fmt;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::error::{Error, Result};

/// A picture or a clip, wherever it is.
///
/// Local media are read, checked and sent inline; a URL and a `file_id` are passed on, and the
/// service fetches them. Nothing is read before the request is checked, and nothing is paid before
/// everything is read.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum MediaInput {
    /// A file of this machine.
    Path(PathBuf),
    /// Bytes in memory, with a name for messages.
    Bytes {
        /// The whole file: PNG, JPEG, WebP or MP4.
        bytes: Bytes,
        /// How messages call it.
        name: String,
    },
    /// An `https` URL that the service can reach (`http` only on loopback, for the sandbox).
    Url(String),
    /// A file that was uploaded to the service before.
    FileId(String),
    /// A `data:` URL with base64 content.
    DataUrl(String),
    /// A clip of the client's library, by id or file name.
    Clip(String),
}

impl MediaInput {
    /// Bytes in memory. `name` is how messages call them.
    pub fn bytes(name: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        Self::Bytes {
            bytes: bytes.into(),
            name: name.into(),
        }
    }

    /// A clip of the library, by id or file name.
    pub fn clip(id: impl Into<String>) -> Self {
        Self::Clip(id.into())
    }

    /// Reads what a person typed: `https://…`, `data:…`, `file_…` (when there is no file of that
    /// name), else a path.
    ///
    /// # Errors
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest) when the text is empty or a URL of another
    /// scheme.
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
                "read an input: {scheme} URLs are not taken; give a file, an https URL, a file_id or a data URL"
            )));
        }
        if text.starts_with("file_") && !Path::new(text).exists() {
            return Ok(Self::FileId(text.to_owned()));
        }
        Ok(Self::Path(PathBuf::from(text)))
    }

    /// What a person types where a clip goes in: as [`parse`](Self::parse), and what is no file and looks like no
    /// path is the name of a clip of the library.
    ///
    /// # Errors
    /// As for `parse`.
    pub fn parse_video(text: &str) -> Result<Self> {
        Ok(match Self::parse(text)? {
            Self::Path(path) if path.components().count() == 1 && !path.is_absolute() && !path.exists() => {
                Self::clip(text)
            }
            input => input,
        })
    }

    /// How messages call it: never a query string, never content.
    pub fn display_name(&self) -> String {
        match self {
            Self::Path(path) => path.display().to_string(),
            Self::Url(url) => crate::error::redact_url(url),
            Self::DataUrl(url) => format!("data URL of {} characters", url.len()),
            Self::Bytes { name, .. } | Self::FileId(name) | Self::Clip(name) => name.clone(),
        }
    }

    /// The word for its kind in records: `path`, `bytes`, `url`, `file_id`, `data-url`, `clip`.
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
    fn what_a_person_types_is_told_apart() {
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

//! Media in the form in which they are sent: read and checked.

use std::fmt;
use std::path::PathBuf;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// How a picture or clip is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum Transport {
    /// In the request body, as base64.
    Inline,
    /// As a URL that the service fetches.
    Url,
    /// As the id of a file in the service's Files API.
    FileId,
}

/// The bytes of a picture or clip. A clip in a file is read while it is sent.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MediaContent {
    /// Bytes in memory.
    Memory(Bytes),
    /// A local file.
    File {
        /// The path of the file.
        path: PathBuf,
        /// Its length when it was checked.
        length: u64,
    },
}

impl fmt::Debug for MediaContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MediaContent({} bytes)", self.len())
    }
}

impl MediaContent {
    /// Returns the number of bytes.
    pub const fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File { length, .. } => *length,
        }
    }

    /// Returns whether the content is empty.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A picture or clip that is ready to be sent.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResolvedMedia {
    /// Content for the request body.
    Inline {
        /// `image/png`, `image/jpeg`, `image/webp` or `video/mp4`.
        mime: &'static str,
        /// The bytes of the file.
        content: MediaContent,
    },
    /// A URL that the service fetches.
    Url(String),
    /// The id of a file in the service's Files API.
    FileId(String),
}

impl ResolvedMedia {
    /// Returns how it is sent.
    pub const fn transport(&self) -> Transport {
        match self {
            Self::Inline { .. } => Transport::Inline,
            Self::Url(_) => Transport::Url,
            Self::FileId(_) => Transport::FileId,
        }
    }
}

impl fmt::Debug for ResolvedMedia {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline { mime, content } => write!(f, "Inline({mime}, {} bytes)", content.len()),
            Self::Url(url) => write!(f, "Url({})", crate::error::redact_url(url)),
            Self::FileId(id) => write!(f, "FileId({id})"),
        }
    }
}

/// A keyframe that is ready to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolvedKeyframe {
    /// Seconds from the start of the clip, with at most three decimals.
    pub at_seconds: f64,
    /// The picture.
    pub image: ResolvedMedia,
}

/// The media of a generate request, by the field in which they are sent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GenerateInputs {
    /// The start image or the pinned first frame.
    pub image: Option<ResolvedMedia>,
    /// Reference pictures, in order.
    pub references: Vec<ResolvedMedia>,
    /// Voice ids.
    pub voices: Vec<String>,
    /// The pinned last frame.
    pub last_frame: Option<ResolvedMedia>,
    /// The keyframes between the pinned first and last frame.
    pub keyframes: Vec<ResolvedKeyframe>,
}

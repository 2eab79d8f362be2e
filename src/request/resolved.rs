//! Media as they go over the wire: read, checked, ready.

use std::fmt;
use std::path::PathBuf;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// How a picture or clip travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum Transport {
    /// In the request body, as base64.
    Inline,
    /// As a URL that the service fetches.
    Url,
    /// As the id of a file at the service.
    FileId,
}

/// The bytes of a picture or clip: a clip stays in its file and is read while it is sent.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MediaContent {
    /// In memory.
    Memory(Bytes),
    /// In a file of this machine that had this length when it was checked.
    File {
        /// Where it is.
        path: PathBuf,
        /// Its length.
        length: u64,
    },
}

impl fmt::Debug for MediaContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MediaContent({} bytes)", self.len())
    }
}

impl MediaContent {
    /// Bytes.
    pub const fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File { length, .. } => *length,
        }
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One picture or clip, ready to be sent.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResolvedMedia {
    /// Content for the request body.
    Inline {
        /// `image/png`, `image/jpeg`, `image/webp` or `video/mp4`.
        mime: &'static str,
        /// The whole file.
        content: MediaContent,
    },
    /// A URL that the service fetches.
    Url(String),
    /// The id of a file at the service.
    FileId(String),
}

impl ResolvedMedia {
    /// How it travels.
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

/// A picture at a time.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolvedKeyframe {
    /// Seconds from the start, with at most three decimals.
    pub at_seconds: f64,
    /// The picture.
    pub image: ResolvedMedia,
}

/// All media of a generate request, by the field they go into.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GenerateInputs {
    /// The start image or pinned first frame.
    pub image: Option<ResolvedMedia>,
    /// Reference pictures, in order.
    pub references: Vec<ResolvedMedia>,
    /// Voice ids.
    pub voices: Vec<String>,
    /// The pinned last frame.
    pub last_frame: Option<ResolvedMedia>,
    /// Frames in between.
    pub keyframes: Vec<ResolvedKeyframe>,
}

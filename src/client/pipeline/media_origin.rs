//! Where an input of a request can be read again when its clip is there.

use std::path::PathBuf;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::ids::ClipId;

/// Where an image or a clip can be read again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum MediaOrigin {
    /// A clip of the library.
    Clip(ClipId),
    /// A local file, provided that it still has this hash.
    File { path: PathBuf, sha256: String },
    /// Bytes in memory. They do not outlive the process.
    Memory {
        #[serde(skip)]
        bytes: Bytes,
    },
}

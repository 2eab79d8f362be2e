//! The hash that a download declares of its clip.

use axum::http::{HeaderName, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt as _;
use md5::Md5;
use sha2::{Digest as _, Sha256};

use super::blob::Blob;

/// The hash that the sandbox declares of a clip when it sends it. It is not known what the service's file store declares:
/// such stores send one of these, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ClipChecksum {
    /// None.
    #[default]
    None,
    /// `Content-MD5`, with the whole file.
    Md5,
    /// `Repr-Digest` (RFC 9530) with SHA-256.
    Sha256,
}

impl ClipChecksum {
    /// Returns the header that declares the hash of a whole file.
    pub(crate) async fn header(self, blob: &Blob) -> Option<(HeaderName, HeaderValue)> {
        let (mut md5, mut sha256) = (Md5::new(), Sha256::new());
        if self == Self::None {
            return None;
        }
        let mut pieces = std::pin::pin!(blob.stream(0, blob.len()));
        while let Some(piece) = pieces.next().await {
            let piece = piece.ok()?;
            match self {
                Self::Sha256 => sha256.update(&piece),
                _ => md5.update(&piece),
            }
        }
        let (name, value) = match self {
            Self::Sha256 => {
                let hash = STANDARD.encode(sha256.finalize());
                (
                    HeaderName::from_static("repr-digest"),
                    format!("sha-256=:{hash}:"),
                )
            }
            _ => (
                HeaderName::from_static("content-md5"),
                STANDARD.encode(md5.finalize()),
            ),
        };
        Some((name, HeaderValue::from_str(&value).ok()?))
    }
}

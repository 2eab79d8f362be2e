//! The hash that a download declares of its clip.

use axum::http::{HeaderName, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt as _;
use md5::Md5;
use sha2::{Digest, Sha256};

use super::blob::Blob;

/// The hash that the sandbox declares of a clip when it sends it. It is not known what the service's file store
/// declares: such stores send one of these, or none.
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
        let (name, value) = match self {
            Self::None => return None,
            Self::Md5 => ("content-md5", hash::<Md5>(blob).await?),
            Self::Sha256 => (
                "repr-digest",
                format!("sha-256=:{}:", hash::<Sha256>(blob).await?),
            ),
        };
        Some((HeaderName::from_static(name), HeaderValue::from_str(&value).ok()?))
    }
}

/// Returns the hash of a file in base64.
async fn hash<D: Digest + Send>(blob: &Blob) -> Option<String> {
    let mut hash = D::new();
    let mut pieces = std::pin::pin!(blob.stream(0, blob.len()));
    while let Some(piece) = pieces.next().await {
        hash.update(&piece.ok()?);
    }
    Some(STANDARD.encode(hash.finalize()))
}

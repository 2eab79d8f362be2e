//! What the headers of a response say about the file on the server.
//!
//! Owns the validators that decide whether a download can be resumed (RFC 9110).

use reqwest::header::{CONTENT_RANGE, ETAG, HeaderMap, HeaderValue, LAST_MODIFIED};

use super::checksum::Checksum;

/// What the attempts of a download have learned about the file.
#[derive(Default)]
pub(super) struct RemoteFile {
    /// Identifies this version of the file. Without it the download cannot be resumed.
    pub(super) validator: Option<HeaderValue>,
    pub(super) checksum: Checksum,
    /// Whether the first bytes are not those of an MP4.
    pub(super) is_not_mp4: bool,
}

impl RemoteFile {
    /// Updates the file from the headers of a response with the whole file or with the rest of it.
    pub(super) fn update(&mut self, headers: &HeaderMap, is_whole: bool) {
        if is_whole {
            self.checksum = Checksum::from_headers(headers);
            self.is_not_mp4 = false;
        }
        self.validator = strong_validator(headers);
    }

    /// Returns whether a partial response continues this version of the file at `position`.
    ///
    /// A server that ignores `If-Range` can send the rest of another version. Its validator reveals that. A response
    /// without a validator is accepted.
    pub(super) fn is_continued_by(&self, headers: &HeaderMap, position: u64) -> bool {
        let is_same_version =
            strong_validator(headers).is_none_or(|validator| Some(validator) == self.validator);
        is_same_version && content_range_start(headers) == Some(position)
    }
}

/// Returns a strong `ETag`, else `Last-Modified`.
fn strong_validator(headers: &HeaderMap) -> Option<HeaderValue> {
    let etag = headers
        .get(ETAG)
        .filter(|etag| !etag.as_bytes().starts_with(b"W/"));
    etag.or_else(|| headers.get(LAST_MODIFIED)).cloned()
}

/// Parses the first position of a `Content-Range`: 7 for `bytes 7-99/100`.
fn content_range_start(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    range
        .strip_prefix("bytes ")?
        .split_once('-')?
        .0
        .trim()
        .parse()
        .ok()
}

//! Reads the properties of a file on a server from the headers of responses.
//!
//! Compares the validators (RFC 9110) that determine whether a download can be resumed.

use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, HeaderValue, LAST_MODIFIED};

use super::checksum::Checksum;

/// The properties of a file, as far as the attempts of its download have received them.
#[derive(Default)]
pub(super) struct RemoteFile {
    /// Identifies this version of the file. Without it the download cannot be resumed.
    pub(super) validator: Option<HeaderValue>,
    pub(super) checksum: Checksum,
    /// The length of the whole file, if the server sent it.
    length: Option<u64>,
    /// Whether the first bytes are not those of an MP4.
    pub(super) is_not_mp4: bool,
}

impl RemoteFile {
    /// Updates the file from the headers of a response with the whole file or with the rest of it.
    pub(super) fn update(&mut self, headers: &HeaderMap, is_whole: bool) {
        if is_whole {
            self.checksum = Checksum::from_headers(headers);
            self.length = content_length(headers);
            self.is_not_mp4 = false;
        }
        self.validator = strong_validator(headers);
    }

    /// Returns whether a partial response continues this version of the file at `position`.
    ///
    /// A server that ignores `If-Range` can send the rest of another version, which has another validator. If the
    /// response has no validator, only its position and the length of the file are compared.
    pub(super) fn is_continued_by(&self, headers: &HeaderMap, position: u64) -> bool {
        let is_same_version =
            strong_validator(headers).is_none_or(|validator| Some(validator) == self.validator);
        let Some((start, length)) = content_range(headers) else {
            return false;
        };
        let is_same_length = self
            .length
            .zip(length)
            .is_none_or(|(known, length)| known == length);
        is_same_version && is_same_length && start == position
    }
}

/// Returns a strong `ETag`, else `Last-Modified`.
fn strong_validator(headers: &HeaderMap) -> Option<HeaderValue> {
    let etag = headers
        .get(ETAG)
        .filter(|etag| !etag.as_bytes().starts_with(b"W/"));
    etag.or_else(|| headers.get(LAST_MODIFIED)).cloned()
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

/// Parses the first position of a `Content-Range` and the length of the file, which may be unknown: 7 and 100 for
/// `bytes 7-99/100`.
fn content_range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let range = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    let (start, rest) = range.strip_prefix("bytes ")?.split_once('-')?;
    let length = rest
        .split_once('/')
        .and_then(|(_, length)| length.trim().parse().ok());
    Some((start.trim().parse().ok()?, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            let name = reqwest::header::HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        });
        pairs.collect()
    }

    #[test]
    fn a_rest_of_a_file_of_another_length_does_not_continue_it() {
        let mut file = RemoteFile::default();
        file.update(&headers(&[("content-length", "100"), ("etag", "\"a\"")]), true);
        for (range, continues) in [
            ("bytes 50-99/100", true),
            ("bytes 50-99/*", true),
            ("bytes 50-149/150", false),
            ("bytes 49-99/100", false),
            ("items 50-99/100", false),
        ] {
            let rest = headers(&[("content-range", range), ("etag", "\"a\"")]);
            assert_eq!(file.is_continued_by(&rest, 50), continues, "{range}");
        }
    }
}

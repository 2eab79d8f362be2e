//! Compares a downloaded file with the hash that its server declares.
//!
//! Reads the response headers in which file stores and proxies declare a hash of the whole file. TLS detects changes on
//! the connection. The hash also detects changes before the file is sent: in a store, a cache or a proxy.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::Md5;
use reqwest::header::HeaderMap;
use sha2::{Digest as _, Sha256};

/// The declared hash of a file, and the hash of the bytes received so far.
#[derive(Debug, Clone, Default)]
pub(super) enum Checksum {
    /// The server declares no hash that is supported.
    #[default]
    Undeclared,
    Sha256(Sha256, [u8; 32]),
    Md5(Md5, [u8; 16]),
}

impl Checksum {
    /// Reads the strongest declared hash from the headers of a response with the whole file.
    ///
    /// Ignores `ETag`, which is a hash only with some stores.
    pub(super) fn from_headers(headers: &HeaderMap) -> Self {
        let lines = |name: &str| {
            let lines = headers.get_all(name).into_iter();
            lines.filter_map(|line| line.to_str().ok()).collect::<Vec<_>>()
        };
        // Finds a hash in a list of `algorithm=hash`, as in RFC 9530 and in the older `Digest` header.
        let digest = |name, algorithm| {
            let fields = lines(name).into_iter().flat_map(|line| line.split(','));
            fields
                .filter_map(|field| field.trim().split_once('='))
                .find_map(|(key, value)| {
                    (key.eq_ignore_ascii_case(algorithm)).then(|| value.trim().trim_matches(':').to_owned())
                })
        };
        let plain = |name: &str| lines(name).first().map(|value| value.trim().to_owned());
        let sha256 = digest("repr-digest", "sha-256")
            // Equal to `Repr-Digest` here, because the response is neither compressed nor partial.
            .or_else(|| digest("content-digest", "sha-256"))
            .or_else(|| digest("digest", "sha-256"))
            // Sent by S3. After a multipart upload it is a hash of hashes, whose suffix `-N` is not valid base64.
            .or_else(|| plain("x-amz-checksum-sha256"));
        if let Some(expected) = sha256.and_then(|text| decode(&text)) {
            return Self::Sha256(Sha256::new(), expected);
        }
        // Azure sends `Content-MD5`, Google Cloud Storage `x-goog-hash`.
        let md5 = plain("content-md5").or_else(|| digest("x-goog-hash", "md5"));
        match md5.and_then(|text| decode(&text)) {
            Some(expected) => Self::Md5(Md5::new(), expected),
            None => Self::Undeclared,
        }
    }

    /// Adds the next bytes of the file.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Undeclared => {}
            Self::Sha256(hash, _) => hash.update(bytes),
            Self::Md5(hash, _) => hash.update(bytes),
        }
    }

    /// Returns whether the bytes match the declared hash, or `true` if there is none.
    pub(super) fn is_match(&self) -> bool {
        match self {
            Self::Undeclared => true,
            Self::Sha256(hash, expected) => hash.clone().finalize()[..] == expected[..],
            Self::Md5(hash, expected) => hash.clone().finalize()[..] == expected[..],
        }
    }
}

fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let line = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        lines.iter().map(line).collect()
    }

    #[test]
    fn every_supported_header_is_compared_with_the_bytes() {
        // The hashes of "abc".
        let sha = "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=";
        let sha_field = "crc32c=:AAAA:, sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:";
        for line in [
            ("repr-digest", sha_field),
            ("content-digest", sha_field),
            ("digest", "SHA-256=ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="),
            ("x-amz-checksum-sha256", sha),
            ("content-md5", "kAFQmDzST7DWlj99KOF/cg=="),
            ("x-goog-hash", "crc32c=AAAAAA==,md5=kAFQmDzST7DWlj99KOF/cg=="),
        ] {
            let mut sum = Checksum::from_headers(&headers(&[line]));
            sum.update(b"ab");
            assert!(!sum.is_match(), "{line:?}");
            sum.update(b"c");
            assert!(sum.is_match(), "{line:?}");
        }
    }

    #[test]
    fn headers_without_a_hash_of_the_file_are_ignored() {
        for line in [
            ("etag", "\"900150983cd24fb0d6963f7d28e17f72\""),
            (
                "x-amz-checksum-sha256",
                "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=-3",
            ),
            ("repr-digest", "sha-256=:AAAA:"),
            ("content-md5", "not base64"),
        ] {
            assert!(Checksum::from_headers(&headers(&[line])).is_match(), "{line:?}");
        }
    }
}

//! What a server says the hash of a file is, and whether it is.
//!
//! Owns the headers by which file stores and proxies declare a hash of the whole file, as it is stored.
//! TLS keeps a line from changing bytes; this finds what was changed behind it: in a store, a cache, a
//! proxy. A server that declares nothing is believed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::Md5;
use reqwest::header::HeaderMap;
use sha2::{Digest as _, Sha256};

/// The bytes so far, and what they should come to; nothing where the server declares nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct Checksum(Option<Sum>);

#[derive(Debug, Clone)]
enum Sum {
    Sha256(Sha256, [u8; 32]),
    Md5(Md5, [u8; 16]),
}

impl Checksum {
    /// From the headers of an answer with the whole file.
    pub(super) fn declared_by(headers: &HeaderMap) -> Self {
        Self(declared(headers))
    }

    /// Takes the next bytes.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            None => {}
            Some(Sum::Sha256(hash, _)) => hash.update(bytes),
            Some(Sum::Md5(hash, _)) => hash.update(bytes),
        }
    }

    /// Whether the bytes are what was declared, or nothing was.
    pub(super) fn holds(&self) -> bool {
        match &self.0 {
            None => true,
            Some(Sum::Sha256(hash, want)) => hash.clone().finalize()[..] == want[..],
            Some(Sum::Md5(hash, want)) => hash.clone().finalize()[..] == want[..],
        }
    }
}

/// The strongest hash that is declared. An `ETag` is none: it only looks like one with some stores.
fn declared(headers: &HeaderMap) -> Option<Sum> {
    let lines = |name: &str| {
        let lines = headers.get_all(name).into_iter();
        lines.filter_map(|line| line.to_str().ok()).collect::<Vec<_>>()
    };
    // RFC 9530, and the header that it replaced. `Content-Digest` of a whole, unencoded file is the same.
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
        .or_else(|| digest("content-digest", "sha-256"))
        .or_else(|| digest("digest", "sha-256"))
        // Of S3; for a file in parts it is the hash of the parts' hashes, marked by a `-N` that is no base64.
        .or_else(|| plain("x-amz-checksum-sha256"));
    if let Some(hash) = sha256.and_then(|text| decoded(&text)) {
        return Some(Sum::Sha256(Sha256::new(), hash));
    }
    // `Content-MD5` of Azure, `x-goog-hash` of Google's store.
    let md5 = plain("content-md5").or_else(|| digest("x-goog-hash", "md5"));
    let md5 = md5.and_then(|text| decoded(&text))?;
    Some(Sum::Md5(Md5::new(), md5))
}

fn decoded<const N: usize>(text: &str) -> Option<[u8; N]> {
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
    fn every_known_form_of_a_hash_is_held_against_the_bytes() {
        // Of "abc".
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
            let mut sum = Checksum::declared_by(&headers(&[line]));
            sum.update(b"ab");
            assert!(!sum.holds(), "{line:?}");
            sum.update(b"c");
            assert!(sum.holds(), "{line:?}");
        }
    }

    #[test]
    fn what_is_no_hash_of_the_file_is_not_held_against_it() {
        for line in [
            ("etag", "\"900150983cd24fb0d6963f7d28e17f72\""),
            (
                "x-amz-checksum-sha256",
                "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=-3",
            ),
            ("repr-digest", "sha-256=:AAAA:"),
            ("content-md5", "not base64"),
        ] {
            assert!(Checksum::declared_by(&headers(&[line])).holds(), "{line:?}");
        }
    }
}

//! Converts errors of disks and object stores, and adds what the user can do.

use std::io;

use crate::error::{Error, ErrorKind};

/// Converts an I/O error that occurred during `action`.
pub(crate) fn io_error(action: &str, error: io::Error) -> Error {
    let (kind, why, guidance) = match error.kind() {
        io::ErrorKind::NotFound => (ErrorKind::NotFound, "it does not exist", None),
        io::ErrorKind::StorageFull => (
            ErrorKind::Library,
            "no space is left on the disk",
            Some("free some space on the disk of the library, or use another library"),
        ),
        io::ErrorKind::QuotaExceeded => (
            ErrorKind::Library,
            "the disk quota is used up",
            Some("free some space on the disk of the library, or use another library"),
        ),
        io::ErrorKind::ReadOnlyFilesystem => (
            ErrorKind::Library,
            "the disk is read-only",
            Some("use a library on a disk that can be written"),
        ),
        io::ErrorKind::PermissionDenied => (
            ErrorKind::Library,
            "permission is denied",
            Some("give this user permission to write there, or use another library"),
        ),
        io::ErrorKind::FileTooLarge => (
            ErrorKind::Library,
            "the disk does not support files of this size",
            None,
        ),
        _ => return Error::library(action).with_source(error),
    };
    let error = Error::new(kind, format!("{action}: {why}")).with_source(error);
    error.with(guidance, Error::with_guidance)
}

/// Converts an error of an object store. Its message contains URLs and replies of the server, which may contain keys
/// and signatures, so only the status and the error code are kept.
#[expect(clippy::needless_pass_by_value, reason = "map_err passes a value")]
pub(crate) fn store_error(action: &str, error: object_store::Error) -> Error {
    use object_store::Error as Store;
    let text = error.to_string();
    let code = between(&text, "<Code>", "</Code>");
    let status = between(&text, "status code: ", " ").or_else(|| between(&text, "status code: ", ":"));
    let refused = "the store refuses the credentials";
    let (kind, why, guidance) = match (&error, code.as_deref(), status.as_deref()) {
        (_, Some("NoSuchBucket"), _) => (
            ErrorKind::NotFound,
            "there is no such bucket",
            Some("create the bucket first, or check its name"),
        ),
        (
            _,
            Some("PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException"),
            _,
        )
        | (_, _, Some("301" | "307")) => (
            ErrorKind::Library,
            "the bucket is in another region",
            Some("set AWS_REGION to the region of the bucket"),
        ),
        (
            _,
            Some(
                "InvalidAccessKeyId"
                | "SignatureDoesNotMatch"
                | "ExpiredToken"
                | "InvalidToken"
                | "TokenRefreshRequired",
            ),
            _,
        )
        | (Store::Unauthenticated { .. }, ..) => (
            ErrorKind::Library,
            refused,
            Some("check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN"),
        ),
        (_, Some("RequestTimeTooSkewed"), _) => (
            ErrorKind::Library,
            "the clock of this machine is wrong",
            Some("set the clock, because requests are signed with the time"),
        ),
        (Store::NotFound { .. }, ..) => (ErrorKind::NotFound, "it does not exist", None),
        (Store::AlreadyExists { .. }, ..) => (ErrorKind::Library, "it exists already", None),
        (Store::PermissionDenied { .. }, ..) => (
            ErrorKind::Library,
            "permission is denied",
            Some("give this key permission to list the bucket, and to read, write and delete its objects"),
        ),
        // The address of the metadata service of cloud machines, which is the last source of credentials that is tried.
        _ if text.contains("169.254.169.254") => (
            ErrorKind::Library,
            "there are no credentials",
            Some("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; the files in ~/.aws are not read"),
        ),
        _ => (ErrorKind::Library, "", None),
    };
    let detail = match (status, code) {
        (Some(status), Some(code)) => Some(format!("{status} {code}")),
        (None, None) if why.is_empty() => root(&error),
        (status, code) => status.or(code),
    };
    let message = match (why, detail) {
        ("", None) => format!("{action}: the store failed"),
        ("", Some(detail)) => format!("{action}: the store failed: {detail}"),
        (why, None) => format!("{action}: {why}"),
        (why, Some(detail)) => format!("{action}: {why} ({detail})"),
    };
    let error = Error::new(kind, message);
    error.with(guidance, Error::with_guidance)
}

/// Returns the alphanumeric word between two strings, such as a status or an error code.
fn between(text: &str, from: &str, to: &str) -> Option<String> {
    let (_, rest) = text.split_once(from)?;
    let (word, _) = rest.split_once(to)?;
    let is_plain = (1..=48).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_plain.then(|| word.to_owned())
}

/// Returns the innermost cause if it cannot contain a secret: "connection refused", "timed out".
fn root(error: &object_store::Error) -> Option<String> {
    let mut last: &dyn std::error::Error = error;
    while let Some(source) = last.source() {
        last = source;
    }
    let text = last.to_string().to_lowercase();
    let is_harmless = text.len() <= 120 && !["://", "<", "/", "key"].iter().any(|mark| text.contains(mark));
    (is_harmless && !std::ptr::addr_eq(last, error)).then(|| text.trim_end_matches('.').to_owned())
}

/// Converts the error of a system that provides no random numbers.
pub(crate) fn no_randomness(error: crate::host::RandomError) -> Error {
    Error::library("create a random name").with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_io_error_names_its_cause() {
        let table = [
            (
                io::ErrorKind::StorageFull,
                ErrorKind::Library,
                "no space is left on the disk",
            ),
            (
                io::ErrorKind::QuotaExceeded,
                ErrorKind::Library,
                "the disk quota is used up",
            ),
            (
                io::ErrorKind::ReadOnlyFilesystem,
                ErrorKind::Library,
                "the disk is read-only",
            ),
            (
                io::ErrorKind::PermissionDenied,
                ErrorKind::Library,
                "permission is denied",
            ),
            (
                io::ErrorKind::FileTooLarge,
                ErrorKind::Library,
                "the disk does not support files of this size",
            ),
            (io::ErrorKind::NotFound, ErrorKind::NotFound, "it does not exist"),
        ];
        for (cause, kind, words) in table {
            let error = io_error("write clip a.mp4", cause.into());
            assert_eq!(error.kind(), kind);
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("write clip a.mp4: {words}: ")),
                "{error}"
            );
        }
        let error = io_error("write clip a.mp4", io::Error::other("device error"));
        assert_eq!(error.to_string(), "write clip a.mp4: device error");
    }

    /// A reply of Amazon S3, which contains the id of the key and the signed text.
    const REPLY: &str = "Server returned non-2xx status code: 403 Forbidden: <?xml version=\"1.0\"?><Error>\
        <Code>SignatureDoesNotMatch</Code><AWSAccessKeyId>AKIDSECRET</AWSAccessKeyId>\
        <StringToSign>AWS4-HMAC-SHA256 hidden</StringToSign></Error>";

    #[test]
    fn the_message_of_a_store_is_not_shown() {
        let denied = object_store::Error::PermissionDenied {
            path: "a.mp4".to_owned(),
            source: REPLY.into(),
        };
        let error = store_error("write to library s3://b", denied);
        assert_eq!(
            error.to_string(),
            "write to library s3://b: the store refuses the credentials (403 SignatureDoesNotMatch)"
        );
        assert!(error.guidance().is_some());
        let with_url = object_store::Error::Generic {
            store: "S3",
            source: "Error performing PUT http://host/b?X-Amz-Signature=hidden in 1s - hidden".into(),
        };
        let shown = format!("{0} {0:?}", store_error("write clip a.mp4", with_url));
        assert!(!shown.contains("hidden"), "{shown}");
        let refused = object_store::Error::Generic {
            store: "S3",
            source: Box::new(io::Error::from(io::ErrorKind::ConnectionRefused)),
        };
        assert_eq!(
            store_error("write clip a.mp4", refused).to_string(),
            "write clip a.mp4: the store failed: connection refused"
        );
    }
}

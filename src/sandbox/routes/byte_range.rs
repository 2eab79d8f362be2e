//! Serves stored bytes, whole or in part, by the rules of HTTP ranges and validators.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;

use crate::sandbox::state::blob::Blob;

/// Serves a file.
pub(super) fn serve_blob(headers: &HeaderMap, blob: &Blob, media_type: &str, etag: &str) -> Response {
    serve(headers, blob.len(), media_type, etag, |start, end| {
        Body::from_stream(blob.stream(start, end))
    })
}

/// Serves `length` bytes, of which `body` returns any part.
pub(super) fn serve(
    headers: &HeaderMap,
    length: u64,
    media_type: &str,
    etag: &str,
    body: impl Fn(u64, u64) -> Body,
) -> Response {
    let mut response = Response::new(Body::empty());
    let fields = response.headers_mut();
    let text = |value: &str| {
        HeaderValue::from_str(value).unwrap_or(HeaderValue::from_static("application/octet-stream"))
    };
    fields.insert(header::CONTENT_TYPE, text(media_type));
    fields.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    fields.insert(header::ETAG, text(etag));
    let sent = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if sent(header::IF_NONE_MATCH).is_some_and(|tags| tags.split(',').any(|tag| tag.trim() == etag)) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    let is_unchanged = sent(header::IF_RANGE).is_none_or(|tag| tag == etag);
    let range = sent(header::RANGE)
        .filter(|_| is_unchanged)
        .and_then(|range| parse_range(range, length));
    let (start, end) = match range {
        Some(Err(())) => {
            fields.insert(header::CONTENT_RANGE, text(&format!("bytes */{length}")));
            fields.insert(header::CONTENT_LENGTH, HeaderValue::from(0));
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            return response;
        }
        Some(Ok((start, end))) => {
            fields.insert(
                header::CONTENT_RANGE,
                text(&format!("bytes {start}-{}/{length}", end - 1)),
            );
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            (start, end)
        }
        None => (0, length),
    };
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, HeaderValue::from(end - start));
    *response.body_mut() = body(start, end);
    response
}

/// Parses a single range into its start and its exclusive end. An unsatisfiable range is an error. A range that is not
/// understood, or several ranges, give `None`, and the whole file is sent.
fn parse_range(text: &str, length: u64) -> Option<Result<(u64, u64), ()>> {
    let (first, last) = text.strip_prefix("bytes=")?.trim().split_once('-')?;
    let (first, last) = (first.trim(), last.trim());
    if first.is_empty() {
        let count: u64 = last.parse().ok()?;
        let start = length.saturating_sub(count);
        return Some(if count == 0 || length == 0 {
            Err(())
        } else {
            Ok((start, length))
        });
    }
    let start: u64 = first.parse().ok()?;
    let end = if last.is_empty() {
        length
    } else {
        last.parse::<u64>().ok()?.saturating_add(1).min(length)
    };
    if start >= length {
        return Some(Err(()));
    }
    if end <= start {
        None
    } else {
        Some(Ok((start, end)))
    }
}

#[cfg(test)]
mod tests {
    use super::parse_range;

    #[test]
    fn ranges_are_parsed_as_the_standard_defines_them() {
        assert_eq!(parse_range("bytes=0-", 10), Some(Ok((0, 10))));
        assert_eq!(parse_range("bytes=3-4", 10), Some(Ok((3, 5))));
        assert_eq!(parse_range("bytes=3-99", 10), Some(Ok((3, 10))));
        assert_eq!(parse_range("bytes=-4", 10), Some(Ok((6, 10))));
        assert_eq!(parse_range("bytes=-40", 10), Some(Ok((0, 10))));
        assert_eq!(parse_range("bytes=10-", 10), Some(Err(())));
        assert_eq!(parse_range("bytes=-0", 10), Some(Err(())));
        assert_eq!(parse_range("bytes=5-2", 10), None);
        assert_eq!(parse_range("bytes=0-1,4-5", 10), None);
        assert_eq!(parse_range("lines=0-1", 10), None);
    }
}

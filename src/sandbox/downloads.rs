//! Downloads of clips: another path than the API, no key, parts and all.
//!
//! Owns links, ranges, validators and declared hashes. Knows nothing of how a clip came to be.

use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt as _;
use md5::Md5;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::blob::Blob;
use super::faults::{FaultKind, FaultOperation, Stage};
use super::jobs::Phase;
use super::server::App;
use super::videos::AboutPrompt;

/// Which hash of a clip the sandbox declares with its bytes. What the service's own file store declares is
/// not known: stores of its kind send one of these, or none.
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
    /// The header for bytes that are a whole file.
    async fn header(self, blob: &Blob) -> Option<(HeaderName, HeaderValue)> {
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

/// The path of a clip.
pub(super) fn clip_path(name: &str) -> String {
    format!("/vidgen/xai-vidgen-bucket/{name}")
}

#[derive(Debug, Deserialize)]
pub(super) struct Signed {
    sig: Option<String>,
}

/// `GET` and `HEAD` of a clip.
pub(super) async fn clip(
    State(app): State<App>,
    method: Method,
    Path(name): Path<String>,
    Query(signed): Query<Signed>,
    headers: HeaderMap,
) -> Response {
    let Some(link) = app.jobs.find_link(&name) else {
        return refused(StatusCode::NOT_FOUND);
    };
    if signed.sig.as_deref() != Some(link.signature.as_str()) {
        return refused(StatusCode::FORBIDDEN);
    }
    if let Some(status) = link.over {
        return refused(StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN));
    }
    if link.born.elapsed() >= app.settings.link_lifetime {
        return refused(StatusCode::FORBIDDEN);
    }
    let found = app.jobs.with(link.job, |job| {
        job.downloads += u64::from(method == Method::GET);
        match &job.phase {
            Phase::Ready(ready) => Some((ready.clip.clone(), job.prompt.clone())),
            _ => None,
        }
    });
    let Some(Some((blob, prompt))) = found else {
        return refused(StatusCode::NOT_FOUND);
    };
    if method == Method::GET {
        app.counts.downloads.fetch_add(1, Ordering::Relaxed);
    }

    let etag = format!(
        "\"{}\"",
        name.trim_start_matches("xai-video-").trim_end_matches(".mp4")
    );
    let mut kind = "video/mp4".to_owned();
    let mut disguise = None;
    match app
        .script
        .strike(FaultOperation::Download, Stage::Clip, Some(&prompt))
        .into_iter()
        .next()
    {
        Some(FaultKind::Redirect(to)) => {
            let Ok(location) = HeaderValue::from_str(&to) else {
                return refused(StatusCode::BAD_GATEWAY);
            };
            return (StatusCode::FOUND, [(header::LOCATION, location)]).into_response();
        }
        Some(FaultKind::LinkExpired(status)) => {
            app.jobs.end_link(&name, status);
            return refused(StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN));
        }
        Some(FaultKind::ContentType(other)) => kind = other,
        Some(fault @ (FaultKind::Garbage | FaultKind::HalfClip)) => disguise = Some(fault),
        _ => {}
    }
    let mut response = match disguise {
        Some(FaultKind::Garbage) => serve(&headers, blob.len(), &kind, &etag, noise),
        Some(_) => serve(&headers, blob.stored() / 2, &kind, &etag, |start, end| {
            Body::from_stream(blob.stream(start, end))
        }),
        None => serve_blob(&headers, &blob, &kind, &etag),
    };
    // Of a part, only the newer form speaks of the whole file.
    let checksum = app.settings.clip_checksum;
    if (response.status() == StatusCode::OK
        || response.status() == StatusCode::PARTIAL_CONTENT && checksum == ClipChecksum::Sha256)
        && let Some((name, value)) = checksum.header(&blob).await
    {
        response.headers_mut().insert(name, value);
    }
    response.extensions_mut().insert(AboutPrompt(prompt));
    response
}

/// Bytes that are no clip, the same at every request.
fn noise(start: u64, end: u64) -> Body {
    let mut at = start;
    let pieces = std::iter::from_fn(move || {
        let stop = (at + (64 << 10)).min(end);
        let piece: bytes::Bytes = (at..stop)
            .map(|i| (i.wrapping_add(77).wrapping_mul(0xD134_2543_DE82_EF95) >> 53) as u8)
            .collect();
        at = stop;
        (!piece.is_empty()).then_some(Ok::<_, std::io::Error>(piece))
    });
    Body::from_stream(futures_util::stream::iter(pieces))
}

fn refused(status: StatusCode) -> Response {
    // The link's host is a file store: it answers in XML, not like the API.
    let words = if status == StatusCode::NOT_FOUND {
        "NoSuchKey"
    } else {
        "AccessDenied"
    };
    let body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{words}</Code></Error>");
    (status, [(header::CONTENT_TYPE, "application/xml")], body).into_response()
}

/// Serves stored bytes, whole or in part.
pub(super) fn serve_blob(headers: &HeaderMap, blob: &Blob, kind: &str, etag: &str) -> Response {
    serve(headers, blob.len(), kind, etag, |start, end| {
        Body::from_stream(blob.stream(start, end))
    })
}

fn serve(
    headers: &HeaderMap,
    length: u64,
    kind: &str,
    etag: &str,
    body: impl Fn(u64, u64) -> Body,
) -> Response {
    let mut response = Response::new(Body::empty());
    let fields = response.headers_mut();
    let text = |value: &str| {
        HeaderValue::from_str(value).unwrap_or(HeaderValue::from_static("application/octet-stream"))
    };
    fields.insert(header::CONTENT_TYPE, text(kind));
    fields.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    fields.insert(header::ETAG, text(etag));
    let matches = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if matches(header::IF_NONE_MATCH).is_some_and(|given| given.split(',').any(|one| one.trim() == etag)) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    let unchanged = matches(header::IF_RANGE).is_none_or(|given| given == etag);
    let range = matches(header::RANGE)
        .filter(|_| unchanged)
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

/// One range of bytes as start and end (not included). None = not understood, or several: send all.
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

/// The clip or file behind one of the sandbox's own links.
pub(super) fn own(app: &App, link: &str) -> Option<Blob> {
    let url = url::Url::parse(link).ok()?;
    if url.port_or_known_default() != Some(app.address.port()) {
        return None;
    }
    let local = match url.host()? {
        url::Host::Domain(name) => name == "localhost",
        url::Host::Ipv4(ip) => ip.is_loopback() || app.address.ip() == ip,
        url::Host::Ipv6(ip) => ip.is_loopback() || app.address.ip() == ip,
    };
    if !local {
        return None;
    }
    if let Some(name) = url.path().strip_prefix("/vidgen/xai-vidgen-bucket/") {
        let link = app.jobs.find_link(name)?;
        let signed = url
            .query_pairs()
            .any(|(key, value)| key == "sig" && *value == *link.signature);
        if !signed || link.over.is_some() || link.born.elapsed() >= app.settings.link_lifetime {
            return None;
        }
        return app.jobs.with(link.job, |job| match &job.phase {
            Phase::Ready(ready) => Some(ready.clip.clone()),
            _ => None,
        })?;
    }
    let rest = url.path().strip_prefix("/files-cdn/")?;
    let (token, _) = rest.split_once('/')?;
    app.files.by_token(token).map(|(blob, _)| blob)
}

#[cfg(test)]
mod tests {
    use super::parse_range;

    #[test]
    fn ranges_are_read_as_the_standard_has_it() {
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

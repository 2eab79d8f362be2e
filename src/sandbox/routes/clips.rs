//! The download of clips: another path than the API, without a key.
//!
//! Owns the checks of a link and the faults of a download.

use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::byte_range::{serve, serve_blob};
use super::request::ResponsePrompt;
use crate::sandbox::faults::{FaultKind, FaultOperation, Stage};
use crate::sandbox::state::app::App;
use crate::sandbox::state::checksum::ClipChecksum;

/// The query of a link.
#[derive(Debug, Deserialize)]
pub(super) struct Signed {
    sig: Option<String>,
}

/// `GET` and `HEAD` of a clip.
pub(super) async fn download(
    State(app): State<App>,
    method: Method,
    Path(name): Path<String>,
    Query(signed): Query<Signed>,
    headers: HeaderMap,
) -> Response {
    let Some(link) = app.jobs.find_link(&name) else {
        return refuse(StatusCode::NOT_FOUND);
    };
    if let Some(status) = link.refusal(signed.sig.as_deref(), app.settings.link_lifetime) {
        return refuse(StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN));
    }
    let found = app.jobs.with(link.job, |job| {
        job.downloads += u64::from(method == Method::GET);
        job.clip().map(|clip| (clip.clone(), job.prompt.clone()))
    });
    let Some(Some((blob, prompt))) = found else {
        return refuse(StatusCode::NOT_FOUND);
    };
    if method == Method::GET {
        app.counters.downloads.fetch_add(1, Ordering::Relaxed);
    }

    let etag = format!(
        "\"{}\"",
        name.trim_start_matches("xai-video-").trim_end_matches(".mp4")
    );
    let mut media_type = "video/mp4".to_owned();
    let mut content_fault = None;
    let faults = app
        .script
        .trigger(FaultOperation::Download, Stage::Clip, Some(&prompt));
    match faults.into_iter().next() {
        Some(FaultKind::Redirect(target)) => {
            let Ok(location) = HeaderValue::from_str(&target) else {
                return refuse(StatusCode::BAD_GATEWAY);
            };
            return (StatusCode::FOUND, [(header::LOCATION, location)]).into_response();
        }
        Some(FaultKind::LinkExpired(status)) => {
            app.jobs.expire_link(&name, status);
            return refuse(StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN));
        }
        Some(FaultKind::ContentType(other)) => media_type = other,
        Some(fault @ (FaultKind::Garbage | FaultKind::HalfClip)) => content_fault = Some(fault),
        _ => {}
    }
    let mut response = match content_fault {
        Some(FaultKind::Garbage) => serve(&headers, blob.len(), &media_type, &etag, noise),
        Some(_) => serve(&headers, blob.stored() / 2, &media_type, &etag, |start, end| {
            Body::from_stream(blob.stream(start, end))
        }),
        None => serve_blob(&headers, &blob, &media_type, &etag),
    };
    // For a part of the file, only `Repr-Digest` is the hash of the whole.
    let checksum = app.settings.clip_checksum;
    if (response.status() == StatusCode::OK
        || response.status() == StatusCode::PARTIAL_CONTENT && checksum == ClipChecksum::Sha256)
        && let Some((name, value)) = checksum.header(&blob).await
    {
        response.headers_mut().insert(name, value);
    }
    ResponsePrompt::attach(&mut response, prompt);
    response
}

/// Returns bytes that are not a clip, the same for every request.
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

fn refuse(status: StatusCode) -> Response {
    // The host of the link is a file store, which answers in XML, unlike the API.
    let code = if status == StatusCode::NOT_FOUND {
        "NoSuchKey"
    } else {
        "AccessDenied"
    };
    let body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code></Error>");
    (status, [(header::CONTENT_TYPE, "application/xml")], body).into_response()
}

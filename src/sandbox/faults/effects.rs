//! What a fault does to the reply of any route.
//!
//! Owns the replies that are sent instead of carrying out a request, and the changes to a reply on its way out.
//! Knows no route; the faults of one route are applied there.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::response::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use serde_json::json;

use super::{FaultKind, RateLimitCause};
use crate::sandbox::rules::limits::TEAM;
use crate::sandbox::rules::refusal::{Refusal, json_response};
use crate::sandbox::transport::byte_faults::ReplyFault;
use crate::sandbox::transport::connection::Connection;

/// How long a truncated reply is held open, so that the bytes before the cut arrive first.
const LINGER: Duration = Duration::from_millis(60);

/// Maximum size of a reply of the sandbox that is held in memory to change it.
const MAX_REPLY_BYTES: usize = 16 << 20;

/// Returns the reply of a fault that applies before the request is carried out. `None` continues with the request.
pub(crate) async fn reply_before(fault: FaultKind, connection: Option<&Connection>) -> Option<Response> {
    Some(match fault {
        FaultKind::Delay(seconds) => {
            tokio::time::sleep(pause(seconds)).await;
            return None;
        }
        FaultKind::Reset => close(connection),
        FaultKind::RateLimited(cause, retry_after) => rate_limited(cause, retry_after),
        FaultKind::Status(code) => {
            let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let (word, text) = match code {
                401 => ("unauthenticated", "The access token has expired."),
                402 | 403 => ("permission-denied", "The team is not allowed to do this."),
                404 => ("not-found", "Not found."),
                500 => ("internal", "Internal server error"),
                502..=599 => ("unavailable", "The service is currently unavailable"),
                _ => ("invalid-argument", "The request was refused by a script."),
            };
            Refusal::flat(status, word, text).into_response()
        }
        FaultKind::HtmlPage(code) => {
            let status = StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_GATEWAY);
            let page = format!(
                "<!DOCTYPE html>\n<html lang=\"en-US\">\n<head><title>api.x.ai | {code}: Connection timed out</title></head>\n\
                 <body><h1>Connection timed out</h1><p>Error code {code}</p></body>\n</html>\n"
            );
            (status, [(header::CONTENT_TYPE, "text/html; charset=UTF-8")], page).into_response()
        }
        FaultKind::NotJson => "OK".into_response(),
        FaultKind::TransientBadRequest => json_response(
            StatusCode::BAD_REQUEST,
            &json!({ "code": "Client specified an invalid argument", "error": "Request is not ready." }),
        ),
        other => {
            tracing::debug!(
                ?other,
                "sandbox: ignored a fault that does not apply before a request"
            );
            return None;
        }
    })
}

fn rate_limited(cause: RateLimitCause, retry_after: Option<u32>) -> Response {
    let message = match cause {
        RateLimitCause::Burst => format!(
            "Too many requests for team {TEAM} and model grok-imagine-video. Your team's rate limit is \u{2014} \
             Requests per Second (actual/limit): 2/2. Please slow down."
        ),
        RateLimitCause::Capacity => {
            "The model is currently at capacity due to high demand. Please try again later.".to_owned()
        }
        RateLimitCause::Credits => {
            "Your team has used all available credits or reached its monthly spending limit.".to_owned()
        }
    };
    let refusal = Refusal::flat(StatusCode::TOO_MANY_REQUESTS, "resource-exhausted", message);
    let mut response = refusal.into_response();
    if let Some(seconds) = retry_after {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Closes the connection. The returned response is never sent on it.
pub(crate) fn close(connection: Option<&Connection>) -> Response {
    if let Some(connection) = connection {
        connection.close();
    }
    Response::new(Body::empty())
}

/// Applies a fault to the reply of a request that was carried out.
pub(crate) async fn change_reply(
    fault: FaultKind,
    response: Response,
    connection: Option<&Connection>,
) -> Response {
    let (mut head, body) = response.into_parts();
    let declared = head
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    let (body, length) = match declared {
        Some(length) => (body, length),
        None => match axum::body::to_bytes(body, MAX_REPLY_BYTES).await {
            Ok(bytes) => {
                let length = bytes.len() as u64;
                (Body::from(bytes), length)
            }
            Err(_) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        },
    };
    match fault {
        FaultKind::LostReply => close(connection),
        FaultKind::EmptyId => json_response(StatusCode::OK, &json!({ "request_id": "" })),
        FaultKind::HugeBody(bytes) => match axum::body::to_bytes(body, MAX_REPLY_BYTES).await {
            Ok(small) => pad_json(head, &small, bytes),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        },
        FaultKind::SlowBody(rate) => {
            head.headers
                .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
            Response::from_parts(head, slow_body(body, rate))
        }
        FaultKind::Truncated(bytes) => {
            head.headers
                .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
            let end = bytes.unwrap_or(length / 2).min(length.saturating_sub(1));
            Response::from_parts(head, truncate_body(body, end, true))
        }
        FaultKind::WrongLength(declared) => {
            head.headers
                .insert(header::CONTENT_LENGTH, HeaderValue::from(declared));
            let is_cut = declared > length;
            Response::from_parts(head, truncate_body(body, declared.min(length), is_cut))
        }
        _ => Response::from_parts(head, body),
    }
}

/// Returns the byte and the fault of a kind that applies to the bytes of a reply.
pub(crate) fn reply_fault(kind: &FaultKind) -> Option<(u64, ReplyFault)> {
    Some(match *kind {
        FaultKind::CutAt(at) => (at, ReplyFault::End { reset: false }),
        FaultKind::ResetAt(at) => (at, ReplyFault::End { reset: true }),
        FaultKind::StallAt(at) => (at, ReplyFault::Stall),
        FaultKind::DelayAt(at, millis) => (at, ReplyFault::Pause(Duration::from_millis(millis))),
        FaultKind::CorruptAt(at, bit) => (at, ReplyFault::Flip(bit)),
        _ => return None,
    })
}

/// Returns the pause of a fault, at most an hour: a fault that was not parsed from text may contain any number.
pub(crate) fn pause(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.clamp(0.0, 3600.0)).unwrap_or_default()
}

/// Ends a body after this many bytes, regularly or with an error that closes the connection.
fn truncate_body(body: Body, bytes: u64, with_error: bool) -> Body {
    let mut left = bytes;
    let kept = body.into_data_stream().filter_map(move |piece| {
        let piece = piece.map(|mut piece| {
            piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            left -= piece.len() as u64;
            piece
        });
        std::future::ready(match piece {
            Ok(piece) if piece.is_empty() => None,
            other => Some(other),
        })
    });
    if !with_error {
        return Body::from_stream(kept);
    }
    let end = futures_util::stream::once(async {
        tokio::time::sleep(LINGER).await;
        Err(axum::Error::new(std::io::Error::other("truncated by a fault")))
    });
    Body::from_stream(kept.chain(end))
}

/// Sends a body at this many bytes per second.
fn slow_body(body: Body, rate: u64) -> Body {
    let rate = rate.max(1);
    // Ten pieces per second, so that a slow body differs from a stalled one.
    let step = usize::try_from((rate / 10).max(1)).unwrap_or(usize::MAX);
    let pause = Duration::from_secs_f64(step as f64 / rate as f64);
    let pieces = body.into_data_stream().flat_map(move |piece| {
        let parts: Vec<Result<Bytes, axum::Error>> = match piece {
            Ok(bytes) => (0..bytes.len())
                .step_by(step)
                .map(|at| Ok(bytes.slice(at..(at + step).min(bytes.len()))))
                .collect(),
            Err(error) => vec![Err(error)],
        };
        futures_util::stream::iter(parts)
    });
    Body::from_stream(pieces.then(move |piece| async move {
        tokio::time::sleep(pause).await;
        piece
    }))
}

/// Pads a JSON object to at least this many bytes by one more field.
fn pad_json(mut head: Parts, body: &Bytes, bytes: u64) -> Response {
    let text = String::from_utf8_lossy(body);
    let (open, close) = text
        .rsplit_once('}')
        .map_or((text.as_ref(), ""), |(open, _)| (open, "}"));
    let start = Bytes::from(format!("{open},\"padding\":\""));
    let end = Bytes::from(format!("\"{close}"));
    let mut left = bytes.saturating_sub((start.len() + end.len()) as u64);
    let filler = Bytes::from(vec![b'x'; 64 << 10]);
    let middle = std::iter::from_fn(move || {
        let count = left.min(filler.len() as u64);
        left -= count;
        (count > 0).then(|| filler.slice(..usize::try_from(count).unwrap_or_default()))
    });
    let all = std::iter::once(start).chain(middle).chain(std::iter::once(end));
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let stream = futures_util::stream::iter(all.map(Ok::<_, std::io::Error>));
    Response::from_parts(head, Body::from_stream(stream))
}

//! Server-sent events: a list of JSON values as a response body.

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use futures_util::StreamExt;
use serde_json::Value;

/// Words per piece of a streamed text.
const WORDS_PER_PIECE: usize = 4;

/// Splits a text into the pieces in which it is streamed.
pub(super) fn split_pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut start, mut words) = (0, 0);
    for (at, _) in text.match_indices(' ') {
        words += 1;
        if words == WORDS_PER_PIECE {
            pieces.push(&text[start..at]);
            (start, words) = (at, 0);
        }
    }
    if start < text.len() {
        pieces.push(&text[start..]);
    }
    pieces
}

/// Returns the stream of Chat Completions: `data:` lines, then `[DONE]`.
pub(crate) fn data_events(chunks: &[Value]) -> Response {
    let lines = chunks.iter().map(|chunk| format!("data: {chunk}\n\n"));
    event_response(lines.chain(["data: [DONE]\n\n".to_owned()]).collect())
}

/// Returns the stream of Responses: each event with its name.
pub(crate) fn named_events(events: &[Value]) -> Response {
    let lines = events.iter().map(|event| {
        let name = event["type"].as_str().unwrap_or("message");
        format!("event: {name}\ndata: {event}\n\n")
    });
    event_response(lines.collect())
}

fn event_response(lines: Vec<String>) -> Response {
    // Each event is a separate piece; yielding lets it be sent before the next one is produced.
    let stream = futures_util::stream::iter(lines).then(|line| async move {
        tokio::task::yield_now().await;
        Ok::<_, std::convert::Infallible>(Bytes::from(line))
    });
    let mut response = Response::new(Body::from_stream(stream));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream; charset=utf-8"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_add_up_to_the_text() {
        for text in ["", "one", "a b c d e f g h i", " \u{e4} b  c d e", "a b c d "] {
            assert_eq!(split_pieces(text).concat(), text);
            assert!(split_pieces(text).iter().all(|piece| !piece.is_empty()));
        }
        assert_eq!(split_pieces("a b c d e"), ["a b c d", " e"]);
    }
}

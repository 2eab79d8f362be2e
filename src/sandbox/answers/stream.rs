//! Server-sent events: a list of JSON values as a body.

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use futures_util::StreamExt;
use serde_json::Value;

/// Words in one piece of a text.
const WORDS: usize = 4;

/// A text in the pieces in which it is streamed.
pub(super) fn pieces(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut start, mut words) = (0, 0);
    for (at, _) in text.match_indices(' ') {
        words += 1;
        if words == WORDS {
            found.push(&text[start..at]);
            (start, words) = (at, 0);
        }
    }
    if start < text.len() {
        found.push(&text[start..]);
    }
    found
}

/// Chat Completions: `data:` lines, then `[DONE]`.
pub(super) fn plain(chunks: &[Value]) -> Response {
    let lines = chunks.iter().map(|chunk| format!("data: {chunk}\n\n"));
    events(lines.chain(["data: [DONE]\n\n".to_owned()]).collect())
}

/// Responses: every event with its name.
pub(super) fn named(all: &[Value]) -> Response {
    let lines = all.iter().map(|event| {
        let name = event["type"].as_str().unwrap_or("message");
        format!("event: {name}\ndata: {event}\n\n")
    });
    events(lines.collect())
}

fn events(lines: Vec<String>) -> Response {
    // Each event is a piece of its own; the yields let it leave before the next one is made.
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
    fn pieces_make_up_the_text() {
        for text in ["", "one", "a b c d e f g h i", " \u{e4} b  c d e", "a b c d "] {
            assert_eq!(pieces(text).concat(), text);
            assert!(pieces(text).iter().all(|piece| !piece.is_empty()));
        }
        assert_eq!(pieces("a b c d e"), ["a b c d", " e"]);
    }
}

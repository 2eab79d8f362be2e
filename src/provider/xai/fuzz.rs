//! The readers of replies, for the fuzzer: they are reached by no public call without a connection.

use bytes::Bytes;

use super::{Refusal, accepted, convert, responses, wire};
use crate::error::Error;
use crate::http::Reply;

/// Gives one reply to each reader, and holds every error to one bounded line.
pub fn replies(status: u16, body: &[u8]) {
    let reply = Reply {
        status,
        body: Bytes::copy_from_slice(body),
        retry_after: None,
    };
    let hold = |error: &Error| {
        let line = error.to_string();
        assert!(
            line.len() < 4096 && !line.contains(['\n', '\r', '\0', '\u{1b}']),
            "{line:?}"
        );
    };
    if let Err(error) = accepted(&reply) {
        hold(&error);
    }
    let _ = convert::poll_reply(&reply);
    if let Err(error) = responses::answer("ask", &reply) {
        hold(&error);
    }
    let _ = wire::Uploaded::read(&reply.body);
    if let Some(list) = wire::ModelList::read(&reply.body) {
        let _ = convert::visible_models(list);
    }
    hold(&Refusal::read(&reply).into_error("ask"));
}

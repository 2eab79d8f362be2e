//! The parsers of replies, for the fuzzer: no public function reaches them without a connection.

use bytes::Bytes;

use super::error_reply::ErrorReply;
use super::{create, files, language_model, models, poll};
use crate::error::Error;
use crate::http::Reply;

/// Gives one reply to each parser, and checks that every error message is a single line of bounded length.
pub fn replies(status: u16, body: &[u8]) {
    let reply = Reply {
        status,
        body: Bytes::copy_from_slice(body),
        retry_after: None,
    };
    let check = |error: &Error| {
        let line = error.to_string();
        assert!(
            line.len() < 4096 && !line.contains(['\n', '\r', '\0', '\u{1b}']),
            "{line:?}"
        );
    };
    if let Err(error) = create::read_reply(&reply) {
        check(&error);
    }
    let _ = poll::read_reply(&reply);
    if let Err(error) = language_model::read_reply("ask", &reply) {
        check(&error);
    }
    let _ = files::read_file_id(&reply.body);
    let _ = models::read_list(&reply.body);
    check(&ErrorReply::parse(&reply).into_error("ask"));
}

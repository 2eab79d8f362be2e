//! Parses and classifies the error replies of the service.
//!
//! The module of each request decides what an error means for that request, such as a create, a poll or an upload.

use std::time::Duration;

use serde_json::Value;

use super::moderation::{is_moderation_code, is_moderation_verdict};
use crate::error::{Charge, Error, ErrorKind, RetryAdvice};
use crate::http::Reply;

/// The maximum length of the service's text in a message, in bytes. An ellipsis follows text that is cut.
const MAX_TEXT_BYTES: usize = 300;

/// An HTTP reply that is not a success.
#[derive(Debug)]
pub(super) struct ErrorReply {
    pub(super) status: u16,
    pub(super) code: Option<String>,
    pub(super) message: Option<String>,
    retry_after: Option<Duration>,
}

impl ErrorReply {
    /// Parses the body of a reply.
    ///
    /// The service sends `{code, error}`, `{error: {message, code}}`, `{error}`, `{message}`, plain text, HTML, or an
    /// empty body. A code is a string or a number. HTML and other JSON have neither a code nor a message.
    pub(super) fn parse(reply: &Reply) -> Self {
        let mut error_reply = Self {
            status: reply.status,
            code: None,
            message: None,
            retry_after: reply.retry_after,
        };
        if let Ok(value) = serde_json::from_slice::<Value>(&reply.body) {
            let nested = value.get("error").filter(|error| error.is_object());
            let code = nested
                .and_then(|error| error.get("code"))
                .or_else(|| value.get("code"));
            error_reply.code = code.and_then(|code| match code {
                Value::String(word) => Some(word.clone()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            });
            let message = nested
                .and_then(|error| error.get("message"))
                .or_else(|| value.get("error"));
            let message = message.or_else(|| value.get("message")).and_then(Value::as_str);
            error_reply.message = message.map(sanitize);
        } else if let Ok(text) = std::str::from_utf8(&reply.body) {
            let text = text.trim();
            // An HTML page contains no message of the API. It begins with a tag or with `<!doctype html>`.
            if !text.is_empty() && !text.starts_with('<') {
                error_reply.message = Some(sanitize(text));
            }
        }
        error_reply
    }

    /// Returns the status and the service's message, if there is one.
    pub(super) fn summary(&self) -> String {
        match &self.message {
            Some(message) => format!("http {}: {message}", self.status),
            None => format!("http {}", self.status),
        }
    }

    /// Returns whether moderation rejected the content.
    ///
    /// A reply with 200 to 299, 400 or 403 is classified by its code and message, and other replies from 405 to 499
    /// only by their code. With any other status (401, 402, 404, 408, 429, 500 and above) the service has not judged
    /// the content, whatever its message says.
    pub(super) fn is_moderation(&self) -> bool {
        let (code, message) = (self.code.as_deref(), self.message.as_deref());
        match self.status {
            // A success can contain an error. A failed safety check is a 403.
            200..=299 | 400 | 403 => is_moderation_verdict(code, message),
            405..=499 if ![408, 429].contains(&self.status) => code.is_some_and(is_moderation_code),
            _ => false,
        }
    }

    /// Returns whether the code or the message contains one of `phrases`, which are lower case.
    fn mentions(&self, phrases: &[&str]) -> bool {
        let text = format!(
            "{} {}",
            self.code.as_deref().unwrap_or_default(),
            self.message.as_deref().unwrap_or_default()
        );
        let text = text.to_lowercase();
        phrases.iter().any(|phrase| text.contains(phrase))
    }

    /// Classifies the error.
    ///
    /// The status decides, except that moderation is reported with several statuses
    /// ([`is_moderation`](Self::is_moderation)), and a wrong key with 400. A 400 is therefore classified by its code, and
    /// then by its message.
    pub(super) fn kind(&self) -> ErrorKind {
        match self.status {
            402 | 429 => ErrorKind::RateLimited,
            408 | 500.. => ErrorKind::Network,
            _ if self.is_moderation() => ErrorKind::Moderated,
            401 | 403 => ErrorKind::Auth,
            404 => ErrorKind::NotFound,
            400 if self.is_wrong_key() => ErrorKind::Auth,
            400..=499 => ErrorKind::InvalidRequest,
            _ => ErrorKind::Protocol,
        }
    }

    /// Returns whether the code or the message says that the key is wrong.
    fn is_wrong_key(&self) -> bool {
        let codes = ["unauthenticated", "unauthorized"];
        let is_code = |code: &String| codes.iter().any(|known| code.to_lowercase().starts_with(known));
        self.code.as_ref().is_some_and(is_code) || self.mentions(&["incorrect api key", "invalid api key"])
    }

    /// Converts the reply to an error whose message begins with `action`.
    pub(super) fn into_error(self, action: &str) -> Error {
        let kind = self.kind();
        let may_succeed_later = self.may_succeed_later();
        let error = match kind {
            // The service's message may quote the key, so it is left out.
            ErrorKind::Auth if self.mentions(&["api key"]) => Error::new(
                kind,
                format!("{action}: the service reports that the API key is wrong (http {})", self.status),
            )
            .with_guidance("check XAI_API_KEY, or create a key at https://console.x.ai"),
            ErrorKind::Auth if self.status == 401 => Error::new(
                kind,
                format!("{action}: the service does not accept the key or token (http 401)"),
            )
            .with_guidance("check XAI_API_KEY; an OAuth token may have expired"),
            ErrorKind::InvalidRequest if self.mentions(&["must provide output.upload_url"]) => {
                Error::new(kind, format!("{action}: {}", self.summary())).with_guidance(
                    "your team has zero data retention: set the output of the request to an upload target, which is a signed URL of your own bucket",
                )
            }
            ErrorKind::RateLimited if self.mentions(&["credit", "spending", "billing"]) => {
                Error::new(kind, format!("{action}: {}", self.summary()))
                    .with_guidance("the account has no credit left: buy credit, or raise the spending limit of the account")
            }
            _ => Error::new(kind, format!("{action}: {}", self.summary())),
        };
        let error = match kind {
            ErrorKind::RateLimited if !may_succeed_later => error.with_advice(RetryAdvice::Change),
            _ => error,
        };
        // A refused request creates no job. Moderation can be charged nevertheless. The polls of a job replace this
        // charge.
        let charge = if kind == ErrorKind::Moderated {
            Charge::Unknown
        } else {
            Charge::No
        };
        let error = error
            .with_status(self.status)
            .with_charge(charge)
            .with_retry_after(self.retry_after);
        error.with(self.code, Error::with_service_code)
    }

    /// Returns whether a request that was refused with 402 or 429 may succeed later without a change. Returns false if
    /// the credit is used up, or if the model has a rate limit of zero or is not enabled.
    fn may_succeed_later(&self) -> bool {
        self.status != 402 && !self.mentions(&["credit", "spending", "billing", "0/0", "not enabled"])
    }
}

/// Returns text of the service as a single line without secrets.
///
/// A word that contains an API key is replaced with `[key]`, and the query of a URL is removed. The line has no control
/// characters, no periods at its end, and at most [`MAX_TEXT_BYTES`] bytes before the ellipsis.
pub(super) fn sanitize(text: &str) -> String {
    let mut line = String::new();
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    for word in words.filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        // After a slash, a hyphen, an underscore, a letter or a digit, `xai-` is part of a name, such as the path of a
        // file.
        let is_key = word.match_indices("xai-").any(|(at, _)| {
            let before = word[..at].chars().next_back();
            before.is_none_or(|c| !c.is_alphanumeric() && !"/-_".contains(c))
        });
        match word.split_once('?') {
            _ if is_key => line.push_str("[key]"),
            Some((before, query)) if is_url(before, query) => line.push_str(before),
            _ => line.push_str(word),
        }
        if line.len() >= MAX_TEXT_BYTES {
            let cut = (0..=MAX_TEXT_BYTES)
                .rev()
                .find(|at| line.is_char_boundary(*at))
                .unwrap_or(0);
            line.truncate(cut);
            line.push('…');
            break;
        }
    }
    line.trim_end_matches('.').to_owned()
}

/// Returns whether the parts of a word around a question mark are those of a URL, with or without a scheme.
fn is_url(before: &str, query: &str) -> bool {
    !query.is_empty() && (before.contains("://") || (before.contains('/') && query.contains('=')))
}

#[cfg(test)]
mod tests;

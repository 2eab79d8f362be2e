//! The service's error bodies, which come in eight shapes, and what they mean.

use std::time::Duration;

use serde_json::Value;

use crate::error::{Charge, Error, ErrorKind, RetryAdvice};
use crate::http::Reply;

/// Longest piece of the service's own words that goes into a message.
const MAX_WORDS: usize = 300;

/// An HTTP answer that is not a success.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: Option<String>,
    pub(super) message: Option<String>,
    retry_after: Option<Duration>,
}

impl Refusal {
    /// Reads any of: `{code, error}`, `{error: {message, code}}` with a word or a number as code,
    /// `{error: "…"}`, plain text, HTML, nothing.
    pub(super) fn read(reply: &Reply) -> Self {
        let mut refusal = Self {
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
            refusal.code = code.and_then(|code| match code {
                Value::String(word) => Some(word.clone()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            });
            let message = nested
                .and_then(|error| error.get("message"))
                .or_else(|| value.get("error"));
            let message = message.or_else(|| value.get("message")).and_then(Value::as_str);
            refusal.message = message.map(one_line);
        } else if let Ok(text) = std::str::from_utf8(&reply.body) {
            let text = text.trim();
            // A page is for browsers; its first line would say "<!doctype html>".
            if !text.is_empty() && !text.starts_with('<') {
                refusal.message = Some(one_line(text));
            }
        }
        refusal
    }

    /// The service's words, or the status.
    pub(super) fn summary(&self) -> String {
        match &self.message {
            Some(message) => format!("http {}: {message}", self.status),
            None => format!("http {}", self.status),
        }
    }

    pub(super) fn is_moderation(&self) -> bool {
        self.code
            .as_deref()
            .is_some_and(|code| code.contains("content-moderated"))
            || self.message.as_deref().is_some_and(speaks_of_moderation)
    }

    fn says(&self, words: &[&str]) -> bool {
        let text = format!(
            "{} {}",
            self.code.as_deref().unwrap_or_default(),
            self.message.as_deref().unwrap_or_default()
        );
        let text = text.to_lowercase();
        words.iter().any(|word| text.contains(word))
    }

    /// What it means. A wrong key is answered with 400, so the words count, not the status alone.
    pub(super) fn kind(&self) -> ErrorKind {
        if self.is_moderation() {
            return ErrorKind::Moderated;
        }
        if self.says(&[
            "api key",
            "bad-credentials",
            "unauthenticated",
            "unauthorized",
            "dpop",
        ]) {
            return ErrorKind::Auth;
        }
        match self.status {
            401 | 403 => ErrorKind::Auth,
            402 | 429 => ErrorKind::RateLimited,
            404 => ErrorKind::NotFound,
            408 | 500.. => ErrorKind::Network,
            400..=499 => ErrorKind::InvalidRequest,
            _ => ErrorKind::Protocol,
        }
    }

    /// The error, for what was being done.
    pub(super) fn into_error(self, doing: &str) -> Error {
        let kind = self.kind();
        let passing = self.is_passing();
        let error = match kind {
            // The service's words may quote the key, so they stay out.
            ErrorKind::Auth if self.says(&["api key"]) => Error::new(
                kind,
                format!("{doing}: the service says that the API key is wrong (http {})", self.status),
            )
            .with_guidance("check XAI_API_KEY, or make a key at https://console.x.ai"),
            ErrorKind::Auth if self.status == 401 => Error::new(
                kind,
                format!("{doing}: the service does not know the key or token (http 401)"),
            )
            .with_guidance("check XAI_API_KEY; an OAuth token may have expired"),
            ErrorKind::InvalidRequest if self.says(&["must provide output.upload_url"]) => {
                Error::new(kind, format!("{doing}: {}", self.summary())).with_guidance(
                    "your team has zero data retention: give the request an upload target (output), a signed URL of your own bucket",
                )
            }
            ErrorKind::RateLimited if self.says(&["credit", "spending", "billing"]) => {
                Error::new(kind, format!("{doing}: {}", self.summary()))
                    .with_guidance("the account has no credit left: add some, or raise its limit")
            }
            _ => Error::new(kind, format!("{doing}: {}", self.summary())),
        };
        let error = match kind {
            ErrorKind::RateLimited if !passing => error.with_advice(RetryAdvice::Change),
            _ => error,
        };
        // Only a moderated request is known to cost something before a job exists.
        let charge = if kind == ErrorKind::Moderated {
            Charge::Unknown
        } else {
            Charge::No
        };
        let error = error
            .with_status(self.status)
            .with_charge(charge)
            .with_retry_after(self.retry_after);
        match self.code {
            Some(code) => error.with_service_code(code),
            None => error,
        }
    }

    /// Whether waiting can help against a 429: not when the credit is used up or the limit is nought.
    fn is_passing(&self) -> bool {
        !self.says(&["credit", "spending", "billing", "0/0", "not enabled"])
    }
}

/// Whether the service's words are about moderation; failed jobs and old answers say it in no other way.
pub(super) fn speaks_of_moderation(text: &str) -> bool {
    let text = text.to_lowercase();
    [
        "moderat",
        "violates usage guidelines",
        "safety_check",
        "safety check",
        "content policy",
    ]
    .iter()
    .any(|word| text.contains(word))
}

/// One line of bounded length, without control characters and what looks like a key or a query string.
pub(super) fn one_line(text: &str) -> String {
    let mut line = String::new();
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    for word in words.filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        let is_key = word
            .trim_start_matches(|c: char| !c.is_alphanumeric())
            .starts_with("xai-");
        match word.split_once('?') {
            _ if is_key => line.push_str("[key]"),
            Some((before, query)) if before.contains("://") && !query.is_empty() => line.push_str(before),
            _ => line.push_str(word),
        }
        if line.len() >= MAX_WORDS {
            let cut = (0..=MAX_WORDS)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, body: &str) -> Refusal {
        Refusal::read(&Reply {
            status,
            body: body.to_owned().into(),
            retry_after: None,
        })
    }

    #[test]
    fn every_shape_of_error_body_is_read() {
        for (status, body, code, message) in [
            (
                400,
                r#"{"code":"invalid-argument","error":"No."}"#,
                Some("invalid-argument"),
                Some("No"),
            ),
            (
                400,
                r#"{"error":{"message":"No","type":"t","code":"c"}}"#,
                Some("c"),
                Some("No"),
            ),
            (
                404,
                r#"{"error":{"code":404,"message":"nothing here"}}"#,
                Some("404"),
                Some("nothing here"),
            ),
            (400, r#"{"error":"No"}"#, None, Some("No")),
            (
                422,
                "Failed to deserialize the JSON body",
                None,
                Some("Failed to deserialize the JSON body"),
            ),
            (405, "", None, None),
            (522, "<!DOCTYPE html><html>…</html>", None, None),
            (500, "[]", None, None),
        ] {
            let refusal = refusal(status, body);
            assert_eq!(refusal.code.as_deref(), code, "{body}");
            assert_eq!(refusal.message.as_deref(), message, "{body}");
        }
    }

    #[test]
    fn a_wrong_key_is_told_although_the_status_is_400() {
        let body = r#"{"code":"invalid-argument","error":"Incorrect API key provided: xai-SECRET."}"#;
        let error = refusal(400, body).into_error("list the models");
        assert_eq!(error.kind(), ErrorKind::Auth);
        assert!(!format!("{error} {error:?}").contains("SECRET"));
        assert!(error.to_string().contains("key is wrong"));
    }

    #[test]
    fn moderation_is_told_from_bad_input() {
        let old = r#"{"code":"Client specified an invalid argument","error":"Generated video rejected by content moderation."}"#;
        let new = r#"{"code":"imagine:content-moderated","error":"Rejected."}"#;
        let safety = r#"{"code":"permission-denied","error":"Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_X"}"#;
        for (status, body) in [(400, old), (400, new), (403, safety)] {
            assert_eq!(refusal(status, body).kind(), ErrorKind::Moderated, "{body}");
        }
        assert_eq!(
            refusal(400, r#"{"code":"invalid-argument","error":"Duration"}"#).kind(),
            ErrorKind::InvalidRequest
        );
    }

    #[test]
    fn three_kinds_of_429_are_told_apart() {
        let rate = r#"{"code":"resource-exhausted","error":"Too many requests for team t and model m. Your team's rate limit is — Requests per Second (actual/limit): 2/2."}"#;
        let credit = r#"{"code":"resource-exhausted","error":"Your team has used all available credits"}"#;
        let none = r#"{"code":"resource-exhausted","error":"Requests per Second (actual/limit): 0/0."}"#;
        assert!(refusal(429, rate).is_passing());
        assert!(!refusal(429, credit).is_passing());
        assert!(!refusal(429, none).is_passing());
    }

    #[test]
    fn words_of_the_service_are_cut_and_cleaned() {
        let long = "é ".repeat(400);
        assert!(one_line(&long).len() <= MAX_WORDS + 4);
        assert_eq!(one_line("see\n https://h/a?sig=S now."), "see https://h/a now");
        assert_eq!(one_line("key \"xai-abc\""), "key [key]");
    }
}

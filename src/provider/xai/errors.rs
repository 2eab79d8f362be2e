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

    /// Whether moderation judged the content. The status decides first: a service that fails, is busy or does not
    /// know the caller has judged nothing, whatever it says. Then the code, then the words.
    pub(super) fn is_moderation(&self) -> bool {
        let (code, words) = (self.code.as_deref(), self.message.as_deref());
        match self.status {
            // A success can have an error inside. 403 is that of a failed safety check.
            200..=299 | 400 | 403 => is_verdict(code, words),
            405..=499 if ![408, 429].contains(&self.status) => code.is_some_and(is_moderation_code),
            _ => false,
        }
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

    /// What it means. Of what the service says of itself the status is believed. A wrong key is answered with 400,
    /// so elsewhere the words count, not the status alone.
    pub(super) fn kind(&self) -> ErrorKind {
        match self.status {
            402 | 429 => return ErrorKind::RateLimited,
            408 | 500.. => return ErrorKind::Network,
            _ => {}
        }
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
            404 => ErrorKind::NotFound,
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

/// Whether an error is the verdict of moderation on a clip or a question: by its code, or in words where the wire
/// contract has no code for it. Those come without a code, or with the one of bad input or of a lacking permission.
/// "The moderation service timed out" is no verdict.
pub(super) fn is_verdict(code: Option<&str>, words: Option<&str>) -> bool {
    let code = code.map(|code| code.to_lowercase().replace(['-', ' '], "_"));
    let words_count = match code.as_deref() {
        Some(code) if is_moderation_code(code) => return true,
        Some(code) => [
            "invalid_argument",
            "client_specified_an_invalid_argument",
            "permission_denied",
        ]
        .contains(&code),
        None => true,
    };
    let words = words.filter(|_| words_count).unwrap_or_default().to_lowercase();
    [
        "rejected by content moderation",
        "blocked by content moderation",
        "blocked by moderation",
        "content violates usage guidelines",
        "safety_check_type",
    ]
    .iter()
    .any(|verdict| words.contains(verdict))
}

/// Whether a code is that of moderation, such as `imagine:content-moderated`.
fn is_moderation_code(code: &str) -> bool {
    let code = code.to_lowercase().replace('-', "_");
    code.rsplit(':').next() == Some("content_moderated")
}

/// One line of bounded length, without control characters and what looks like a key or a query string.
pub(super) fn one_line(text: &str) -> String {
    let mut line = String::new();
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    for word in words.filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        // Behind a slash it is the name of a file of the service.
        let is_key = word.match_indices("xai-").any(|(at, _)| {
            let before = word[..at].chars().next_back();
            before.is_none_or(|c| !c.is_alphanumeric() && !"/-_".contains(c))
        });
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
        let coded = r#"{"code":"imagine:content-moderated","error":"No."}"#;
        assert_eq!(refusal(422, coded).kind(), ErrorKind::Moderated);
        assert_eq!(
            refusal(400, r#"{"code":"invalid-argument","error":"Duration"}"#).kind(),
            ErrorKind::InvalidRequest
        );
    }

    #[test]
    fn a_service_that_fails_has_judged_nothing() {
        let late = "upstream moderation service timed out";
        let judged = "Generated video rejected by content moderation.";
        for (code, words) in [
            ("The service is currently unavailable", late),
            ("internal", judged),
            ("imagine:content-moderated", judged),
        ] {
            let body = serde_json::json!({ "code": code, "error": words }).to_string();
            for (status, kind) in [
                (401, ErrorKind::Auth),
                (404, ErrorKind::NotFound),
                (408, ErrorKind::Network),
                (429, ErrorKind::RateLimited),
                (500, ErrorKind::Network),
                (503, ErrorKind::Network),
                (529, ErrorKind::Network),
            ] {
                assert_eq!(refusal(status, &body).kind(), kind, "{status} {body}");
            }
        }
        // In plain text, too.
        assert_eq!(refusal(503, late).kind(), ErrorKind::Network);
        assert_eq!(refusal(422, judged).kind(), ErrorKind::InvalidRequest);
        // Nor does one that fails know that a key is wrong.
        assert_eq!(
            refusal(503, "the API key service is down").kind(),
            ErrorKind::Network
        );
    }

    #[test]
    fn words_about_moderation_are_no_verdict_of_it() {
        for (code, words) in [
            (None, "The moderation service is unavailable."),
            (Some("invalid-argument"), "The motion must be moderate."),
            (
                Some("permission-denied"),
                "Your account violates usage guidelines.",
            ),
            (Some("invalid-argument"), "Unknown field `respect_moderation`."),
            (
                Some("not-found"),
                "Generated video rejected by content moderation.",
            ),
            (Some("internal_error"), "Content violates usage guidelines."),
            (
                Some("service_unavailable"),
                "Generated video rejected by content moderation.",
            ),
        ] {
            assert!(!is_verdict(code, Some(words)), "{code:?} {words}");
            let body = serde_json::json!({ "code": code, "error": words }).to_string();
            assert_eq!(refusal(400, &body).kind(), ErrorKind::InvalidRequest, "{body}");
        }
        for (code, words) in [
            (None, "Content violates usage guidelines."),
            (
                Some("invalid_argument"),
                "Generated video rejected by content moderation.",
            ),
            (Some("permission_denied"), "Failed check: SAFETY_CHECK_TYPE_X"),
            (Some("content_moderated"), ""),
        ] {
            assert!(is_verdict(code, Some(words)), "{code:?} {words}");
        }
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
        assert_eq!(one_line("boom token=xai-abc"), "boom [key]");
        assert_eq!(one_line("at /a/xai-video-1.mp4"), "at /a/xai-video-1.mp4");
    }
}

use super::*;

fn error_reply(status: u16, body: &str) -> ErrorReply {
    ErrorReply::parse(&Reply {
        status,
        body: body.to_owned().into(),
        retry_after: None,
    })
}

#[test]
fn every_shape_of_error_body_is_parsed() {
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
        let refusal = error_reply(status, body);
        assert_eq!(refusal.code.as_deref(), code, "{body}");
        assert_eq!(refusal.message.as_deref(), message, "{body}");
    }
}

#[test]
fn a_wrong_key_is_detected_although_the_status_is_400() {
    let body = r#"{"code":"invalid-argument","error":"Incorrect API key provided: xai-SECRET."}"#;
    let error = error_reply(400, body).into_error("list the models");
    assert_eq!(error.kind(), ErrorKind::Auth);
    assert!(!format!("{error} {error:?}").contains("SECRET"));
    assert!(error.to_string().contains("key is wrong"));
}

#[test]
fn a_message_about_keys_does_not_override_the_status() {
    for (status, kind) in [(404, ErrorKind::NotFound), (422, ErrorKind::InvalidRequest)] {
        for text in ["job not found or unauthorized", "the API key has no such job"] {
            let body = serde_json::json!({ "code": "not-found", "error": text }).to_string();
            assert_eq!(error_reply(status, &body).kind(), kind, "{status} {body}");
        }
    }
    // A prompt can be quoted.
    let quoted = r#"{"code":"invalid-argument","error":"Prompt \"unauthorized entry, API key on a desk\" is too long."}"#;
    assert_eq!(error_reply(400, quoted).kind(), ErrorKind::InvalidRequest);
    let coded = r#"{"code":"unauthenticated:bad-credentials","error":"No."}"#;
    assert_eq!(error_reply(400, coded).kind(), ErrorKind::Auth);
}

#[test]
fn a_link_without_a_scheme_loses_its_query() {
    let line = sanitize("could not fetch cdn.example.com/in.mp4?sig=SECRET, is it public? and/or a=b");
    assert_eq!(
        line,
        "could not fetch cdn.example.com/in.mp4 is it public? and/or a=b"
    );
}

#[test]
fn moderation_is_distinguished_from_bad_input() {
    let old = r#"{"code":"Client specified an invalid argument","error":"Generated video rejected by content moderation."}"#;
    let new = r#"{"code":"imagine:content-moderated","error":"Rejected."}"#;
    let safety = r#"{"code":"permission-denied","error":"Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_X"}"#;
    for (status, body) in [(400, old), (400, new), (403, safety)] {
        assert_eq!(error_reply(status, body).kind(), ErrorKind::Moderated, "{body}");
    }
    let coded = r#"{"code":"imagine:content-moderated","error":"No."}"#;
    assert_eq!(error_reply(422, coded).kind(), ErrorKind::Moderated);
    assert_eq!(
        error_reply(400, r#"{"code":"invalid-argument","error":"Duration"}"#).kind(),
        ErrorKind::InvalidRequest
    );
}

#[test]
fn a_failing_service_has_not_judged_the_content() {
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
            assert_eq!(error_reply(status, &body).kind(), kind, "{status} {body}");
        }
    }
    // The same holds for plain text.
    assert_eq!(error_reply(503, late).kind(), ErrorKind::Network);
    assert_eq!(error_reply(422, judged).kind(), ErrorKind::InvalidRequest);
    // Nor does a failing service know that a key is wrong.
    assert_eq!(
        error_reply(503, "the API key service is down").kind(),
        ErrorKind::Network
    );
}

#[test]
fn a_message_about_moderation_is_not_a_verdict() {
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
        assert!(!is_moderation_verdict(code, Some(words)), "{code:?} {words}");
        let body = serde_json::json!({ "code": code, "error": words }).to_string();
        assert_eq!(
            error_reply(400, &body).kind(),
            ErrorKind::InvalidRequest,
            "{body}"
        );
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
        assert!(is_moderation_verdict(code, Some(words)), "{code:?} {words}");
    }
}

#[test]
fn a_429_that_may_succeed_later_is_distinguished_from_a_permanent_one() {
    let rate = r#"{"code":"resource-exhausted","error":"Too many requests for team t and model m. Your team's rate limit is — Requests per Second (actual/limit): 2/2."}"#;
    let credit = r#"{"code":"resource-exhausted","error":"Your team has used all available credits"}"#;
    let none = r#"{"code":"resource-exhausted","error":"Requests per Second (actual/limit): 0/0."}"#;
    assert!(error_reply(429, rate).may_succeed_later());
    assert!(!error_reply(429, credit).may_succeed_later());
    assert!(!error_reply(429, none).may_succeed_later());
}

#[test]
fn text_of_the_service_is_shortened_and_sanitized() {
    let long = "é ".repeat(400);
    assert!(sanitize(&long).len() <= MAX_TEXT_BYTES + 4);
    assert_eq!(sanitize("see\n https://h/a?sig=S now."), "see https://h/a now");
    assert_eq!(sanitize("key \"xai-abc\""), "key [key]");
    assert_eq!(sanitize("boom token=xai-abc"), "boom [key]");
    assert_eq!(sanitize("at /a/xai-video-1.mp4"), "at /a/xai-video-1.mp4");
}

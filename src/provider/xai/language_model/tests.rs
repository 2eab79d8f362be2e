use serde_json::json;

use super::*;

fn reply(status: u16, body: &Value) -> Reply {
    Reply {
        status,
        body: body.to_string().into(),
        retry_after: None,
    }
}

fn answered(body: &Value) -> Result<String> {
    read_reply("plan the prompt", &reply(200, body)).and_then(|answer| answer.text)
}

fn message(text: &str) -> Value {
    json!({ "type": "message", "role": "assistant", "status": "completed",
            "content": [{ "type": "output_text", "text": text, "annotations": [] }] })
}

#[test]
fn the_message_is_found_by_its_type() {
    let body = json!({
        "id": "r", "object": "response", "model": "grok-4.3-0101", "status": "completed", "error": null,
        "output": [
            { "type": "reasoning", "summary": [] },
            message("Let me look that up."),
            { "type": "web_search_call", "status": "completed" },
            { "type": "something_new", "content": [{ "type": "output_text", "text": "no" }] },
            message("{}"),
            { "type": "web_search_call" },
        ],
        "usage": { "input_tokens": 900, "output_tokens": 210, "total_tokens": 1110,
                   "input_tokens_details": { "cached_tokens": 128 },
                   "output_tokens_details": { "reasoning_tokens": 60 },
                   "num_sources_used": 3, "num_server_side_tools_used": 1, "cost_in_usd_ticks": 16_500_000 },
    });
    let answer = read_reply("plan the prompt", &reply(200, &body)).unwrap();
    assert_eq!(answer.text.unwrap(), "{}");
    assert_eq!(answer.model.as_deref(), Some("grok-4.3-0101"));
    assert_eq!(answer.web_searches, 2);
    assert_eq!(answer.cost.unwrap().ticks(), 16_500_000);
    let usage = answer.usage;
    assert_eq!(
        (usage.input, usage.cached, usage.output, usage.reasoning),
        (900, 128, 210, 60)
    );
}

#[test]
fn the_parts_of_one_message_are_joined() {
    let body = json!({ "output": [{ "type": "message", "content": [
        { "type": "output_text", "text": "{\"prompt\":" }, 7, { "type": "new" },
        { "type": "output_text", "text": "\"a\"}" }] }] });
    assert_eq!(answered(&body).unwrap(), "{\"prompt\":\"a\"}");
}

#[test]
fn unusable_answers_are_distinguished() {
    let refusal = json!({ "status": "completed", "output": [{ "type": "message", "content": [
        { "type": "refusal", "refusal": "I can't help with that." }] }] });
    let filtered =
        json!({ "status": "incomplete", "output": [], "incomplete_details": { "reason": "content_filter" } });
    let cut = json!({ "status": "incomplete", "output": [message("{\"prompt\":\"a")],
                      "incomplete_details": { "reason": "max_output_tokens" } });
    let failed =
        json!({ "status": "failed", "output": [], "error": { "code": "x", "message": "No capacity." } });
    let moderated =
        json!({ "status": "failed", "output": [], "error": "Content violates usage guidelines." });
    let late = json!({ "status": "failed", "output": [],
                       "error": { "code": "server_error", "message": "The moderation service timed out." } });
    for (body, kind, charge, words) in [
        (
            refusal,
            ErrorKind::Moderated,
            Charge::Yes,
            "declined: I can't help with that",
        ),
        (filtered, ErrorKind::Moderated, Charge::Yes, "content filter"),
        (
            cut,
            ErrorKind::Protocol,
            Charge::Yes,
            "incomplete: max_output_tokens",
        ),
        (
            failed,
            ErrorKind::Protocol,
            Charge::Unknown,
            "failed: No capacity",
        ),
        (moderated, ErrorKind::Moderated, Charge::Yes, "usage guidelines"),
        (late, ErrorKind::Protocol, Charge::Unknown, "timed out"),
        (json!({}), ErrorKind::Protocol, Charge::Yes, "no text"),
        (
            json!({ "output": [message("  ")] }),
            ErrorKind::Protocol,
            Charge::Yes,
            "no text",
        ),
        (
            json!({ "output": { "0": 1 } }),
            ErrorKind::Protocol,
            Charge::Yes,
            "no text",
        ),
        (
            json!([1]),
            ErrorKind::Protocol,
            Charge::Unknown,
            "not a JSON object",
        ),
        (
            json!({ "code": "c", "error": "Down." }),
            ErrorKind::Protocol,
            Charge::Unknown,
            "Down",
        ),
    ] {
        let error = answered(&body).unwrap_err();
        let line = error.to_string();
        assert_eq!(
            (error.kind(), error.may_have_been_charged()),
            (kind, charge),
            "{line}"
        );
        assert!(
            line.starts_with("plan the prompt: ") && line.contains(words),
            "{line}"
        );
        assert!(!error.is_retryable(), "it is paid, or may be: {line}");
    }
}

#[test]
fn statuses_keep_their_meaning() {
    for (status, kind, charge, retry) in [
        (400, ErrorKind::InvalidRequest, Charge::No, false),
        (401, ErrorKind::Auth, Charge::No, false),
        (404, ErrorKind::NotFound, Charge::No, false),
        (429, ErrorKind::RateLimited, Charge::No, true),
        (500, ErrorKind::Network, Charge::Unknown, true),
        (529, ErrorKind::Network, Charge::Unknown, true),
        (302, ErrorKind::Config, Charge::No, false),
    ] {
        let error = read_reply("plan the prompt", &reply(status, &json!({ "error": "No." }))).unwrap_err();
        assert_eq!(
            (error.kind(), error.may_have_been_charged()),
            (kind, charge),
            "{status}"
        );
        assert_eq!(error.is_retryable(), retry, "{status}");
        assert_eq!(error.status(), Some(status));
    }
}

#[test]
fn content_is_not_printed() {
    let query = ModelQuery {
        action: "plan the prompt",
        model: "grok-4.3".into(),
        instructions: "i",
        parts: vec![
            QueryPart::Text("SECRET".into()),
            QueryPart::Image {
                mime: "image/png",
                bytes: Bytes::from_static(b"SECRET"),
            },
            QueryPart::ImageUrl("https://host/a.png?sig=SECRET".into()),
        ],
        schema_name: "s",
        schema: json!({}),
        web_search: false,
        reasoning_effort: None,
        max_output_tokens: 1,
        timeout: Duration::from_secs(1),
    };
    let shown = format!("{query:?}");
    assert!(
        !shown.contains("SECRET") && !shown.contains("U0VDUkVU"),
        "{shown}"
    );
    let body: Value = serde_json::from_slice(&body(&query).unwrap()).unwrap();
    assert_eq!(
        body["input"][0]["content"][1]["image_url"],
        "data:image/png;base64,U0VDUkVU"
    );
    assert_eq!(body["store"], false);
    assert!(body.get("tools").is_none() && body.get("reasoning").is_none());
}

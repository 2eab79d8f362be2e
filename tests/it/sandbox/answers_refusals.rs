//! Requests that Responses and Chat Completions of the sandbox refuse, with the status and message of the service.

#![cfg(feature = "sandbox")]

use reelkin::sandbox::Sandbox;
use serde_json::{Value, json};

use crate::sandbox::language::{CHAT, RESPONSES, chat, chat_tool, merge, responses, responses_tool};
use crate::sandbox::raw::{PNG, RawBench};
use crate::support::fixtures::fixture;

/// Checks that a request is refused with this status and these words, in the shape of the route.
async fn refused(bench: &RawBench, path: &str, body: Value, status: u16, words: &str) {
    let (got, answer) = bench.post_json(path, &body).await;
    let said = match (status, path) {
        (422, _) => answer.as_str().unwrap_or_default(),
        (_, CHAT) => answer["error"]["message"].as_str().unwrap_or_default(),
        _ => answer["error"].as_str().unwrap_or_default(),
    };
    assert!(got == status && said.contains(words), "{body} -> {got} {answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chat_refuses_what_the_service_refuses() {
    let bench = RawBench::quick().await;
    let messages = |messages: Value| json!({ "model": "grok-4.3", "messages": messages });
    let image = |image: Value| messages(json!([{ "role": "user", "content": [image] }]));
    let call = json!({ "type": "function", "function": { "name": "absent" } });
    let many: Vec<_> = (0..129).map(|n| chat_tool(&format!("f{n}"))).collect();
    let unresolved =
        json!({ "type": "json_schema", "json_schema": { "name": "x", "schema": { "$ref": "#/no" } } });
    let impossible =
        json!({ "type": "json_schema", "json_schema": { "name": "x", "schema": { "enum": [] } } });
    for (body, status, said) in [
        // Types.
        (json!({ "messages": [] }), 422, "missing field `model`"),
        (json!({ "model": "grok-4.3" }), 422, "missing field `messages`"),
        (
            messages(json!([{ "role": "robot", "content": "x" }])),
            422,
            "unknown variant `robot`",
        ),
        (
            messages(json!([{ "role": "user", "content": 3 }])),
            422,
            "did not match any variant",
        ),
        (
            image(json!({ "type": "image_url", "image_url": PNG })),
            422,
            "Failed to deserialize",
        ),
        (
            image(json!({ "type": "input_text", "text": "x" })),
            422,
            "Failed to deserialize",
        ),
        (
            merge(chat("x"), json!({ "tools": [responses_tool("f")] })),
            422,
            "missing field `function`",
        ),
        (
            merge(chat("x"), json!({ "tools": [{ "type": "web_search" }] })),
            422,
            "unknown variant `web_search`",
        ),
        (
            merge(chat("x"), json!({ "stream": "yes" })),
            422,
            "expected a boolean",
        ),
        (
            merge(chat("x"), json!({ "tool_choice": "always" })),
            422,
            "did not match any variant",
        ),
        (
            merge(chat("x"), json!({ "response_format": { "type": "xml" } })),
            422,
            "unknown variant `xml`",
        ),
        (
            merge(chat("x"), json!({ "response_format": { "type": "json_schema" } })),
            422,
            "missing field",
        ),
        // Models and their effort.
        (
            merge(chat("x"), json!({ "model": "grok-9" })),
            404,
            "does not exist or your team",
        ),
        (
            merge(chat("x"), json!({ "model": "grok-imagine-video" })),
            404,
            "does not exist or your team",
        ),
        (
            merge(chat("x"), json!({ "reasoning_effort": "xhigh" })),
            400,
            "Supported values are: none, low, medium, high.",
        ),
        (
            merge(
                chat("x"),
                json!({ "model": "grok-4.7", "reasoning_effort": "none" }),
            ),
            400,
            "Supported values are: low",
        ),
        (
            merge(
                chat("x"),
                json!({ "model": "grok-4.20-0309-reasoning", "reasoning_effort": "low" }),
            ),
            400,
            "does not support parameter reasoningEffort",
        ),
        (
            merge(chat("x"), json!({ "stop": ["."] })),
            400,
            "does not support parameter stop",
        ),
        // Values.
        (
            merge(chat("x"), json!({ "temperature": 2.5 })),
            400,
            "between 0 and 2",
        ),
        (
            merge(chat("x"), json!({ "max_completion_tokens": 0 })),
            400,
            "at least 1",
        ),
        (
            merge(chat("x"), json!({ "stream": true, "deferred": true })),
            400,
            "cannot be streamed",
        ),
        (messages(json!([])), 400, "at least one message"),
        (chat(""), 400, "at least one content element"),
        (
            messages(json!([{ "role": "tool", "tool_call_id": "call_9", "content": "x" }])),
            400,
            "earlier call",
        ),
        // Tools and schemas.
        (
            merge(chat("x"), json!({ "tools": many })),
            400,
            "Too many tools: 129",
        ),
        (
            merge(chat("x"), json!({ "tools": [chat_tool("a b")] })),
            400,
            "Invalid function name",
        ),
        (
            merge(chat("x"), json!({ "tools": [chat_tool("f"), chat_tool("f")] })),
            400,
            "given twice",
        ),
        (
            merge(chat("x"), json!({ "tool_choice": "required" })),
            400,
            "no tools were specified",
        ),
        (
            merge(
                chat("x"),
                json!({ "tools": [chat_tool("f")], "tool_choice": call }),
            ),
            400,
            "not among the tools",
        ),
        (
            merge(chat("x"), json!({ "response_format": unresolved })),
            400,
            "cannot resolve the reference",
        ),
        (
            merge(chat("x"), json!({ "response_format": impossible })),
            400,
            "no value can satisfy it",
        ),
        // Pictures.
        (
            image(json!({ "type": "image_url", "image_url": { "url": "x.png" } })),
            400,
            "Invalid image URL",
        ),
        (
            image(json!({ "type": "file", "file": { "file_id": "file_none" } })),
            400,
            "was not found",
        ),
    ] {
        refused(&bench, CHAT, body, status, said).await;
    }
    let (_, answer) = bench
        .post_json(CHAT, &merge(chat("x"), json!({ "model": "grok-9" })))
        .await;
    assert_eq!(answer, fixture("language/chat-error.json"));
    assert_eq!(bench.sandbox.state().answers, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn responses_refuse_what_the_service_refuses() {
    let bench = RawBench::quick().await;
    let input = |input: Value| json!({ "model": "grok-4.3", "input": input });
    let part = |part: Value| input(json!([{ "role": "user", "content": [part] }]));
    let domains = |key: &str, count: usize| json!({ key: vec!["example.com"; count], "type": "web_search" });
    let both = merge(
        domains("allowed_domains", 1),
        json!({ "excluded_domains": ["b.example"] }),
    );
    for (body, status, said) in [
        (json!({ "model": "grok-4.3" }), 422, "missing field `input`"),
        (input(json!(3)), 422, "did not match any variant"),
        (
            part(json!({ "type": "text", "text": "x" })),
            422,
            "Failed to deserialize",
        ),
        (
            part(json!({ "type": "input_image", "image_url": { "url": PNG } })),
            422,
            "Failed to deserialize",
        ),
        (
            merge(responses("x"), json!({ "tools": [chat_tool("f")] })),
            422,
            "missing field `name`",
        ),
        (
            merge(responses("x"), json!({ "tools": [{ "type": "telepathy" }] })),
            422,
            "unknown variant `telepathy`",
        ),
        (
            merge(
                responses("x"),
                json!({ "text": { "format": { "type": "json_schema", "schema": {} } } }),
            ),
            422,
            "missing field `name`",
        ),
        (
            merge(responses("x"), json!({ "model": "grok-9" })),
            404,
            "does not exist",
        ),
        (
            merge(
                responses("x"),
                json!({ "model": "grok-4.7", "reasoning": { "effort": "none" } }),
            ),
            400,
            "reasoning effort",
        ),
        (
            merge(
                responses("x"),
                json!({ "model": "grok-4.20-reasoning", "reasoning": { "effort": "low" } }),
            ),
            400,
            "reasoningEffort",
        ),
        (
            merge(responses("x"), json!({ "temperature": -1 })),
            400,
            "between 0 and 2",
        ),
        (
            merge(responses("x"), json!({ "max_turns": 0 })),
            400,
            "at least 1",
        ),
        (
            merge(responses("x"), json!({ "max_output_tokens": 0 })),
            400,
            "at least 1",
        ),
        (
            merge(responses("x"), json!({ "tools": [both] })),
            400,
            "cannot be combined",
        ),
        (
            merge(
                responses("x"),
                json!({ "tools": [domains("allowed_domains", 6)] }),
            ),
            400,
            "at most 5 domains",
        ),
        (
            merge(responses("x"), json!({ "previous_response_id": "none" })),
            404,
            "Response with id=none not found",
        ),
        (input(json!([])), 400, "at least one content element"),
        (input(json!([{ "role": "user" }])), 400, "lacks `content`"),
        (
            input(json!([{ "type": "function_call_output", "call_id": "c", "output": "x" }])),
            400,
            "No function call",
        ),
        (
            part(json!({ "type": "input_image" })),
            400,
            "by its URL or by a file id",
        ),
        (
            part(json!({ "type": "input_image", "image_url": "http://203.0.113.1/x.png" })),
            400,
            "could not be fetched",
        ),
    ] {
        refused(&bench, RESPONSES, body, status, said).await;
    }
    let strict = RawBench::start(Sandbox::builder().zero_data_retention(true)).await;
    refused(&strict, RESPONSES, responses("x"), 400, "must set store to false").await;
    assert_eq!(
        strict
            .post_json(RESPONSES, &merge(responses("x"), json!({ "store": false })))
            .await
            .0,
        200
    );
    // Key and content type, as on every route.
    let bare = bench.http.post(bench.url(RESPONSES)).body("{}");
    assert_eq!(bare.send().await.unwrap().status(), 401);
    let typed = bench
        .http
        .post(bench.url(CHAT))
        .bearer_auth(bench.sandbox.api_key())
        .body("{}");
    assert_eq!(typed.send().await.unwrap().status(), 415);
    assert_eq!(bench.get(CHAT).await.unwrap().status(), 405);
    assert_eq!(bench.sandbox.state().answers, 0);
}

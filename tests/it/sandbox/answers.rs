//! Responses and Chat Completions of the sandbox against the wire contract: rules, shapes, prices, streams.

#![cfg(feature = "sandbox")]

use std::path::Path;
use std::time::Duration;

use reelkin::sandbox::Sandbox;
use serde_json::{Value, json};

use crate::sandbox::language::{
    CHAT, RESPONSES, chat, chat_tool, item, merge, message_text, responses, responses_tool,
};
use crate::sandbox::raw::{PNG, RawBench, assert_shape, read_reply};
use crate::support::fixtures::fixture;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forced_function_is_called_with_the_users_text() {
    let bench = RawBench::quick().await;
    let request = fixture("language/chat-request.json");
    let (status, answer) = bench.post_json(CHAT, &request).await;
    assert_eq!(status, 200, "{answer}");
    assert_shape(&answer, "language/chat-call.json");
    let call = &answer["choices"][0]["message"]["tool_calls"][0];
    let arguments: Value = serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
    let prompt = arguments["prompt"].as_str().unwrap();
    assert!(prompt.contains("a fox says \"come\" in the snow"), "{prompt}");
    assert!(prompt.contains("over the full 6 seconds"), "{prompt}");

    let body = merge(
        responses("a fox in the snow"),
        json!({ "tools": [responses_tool("generate_video")], "tool_choice": { "type": "function", "name": "generate_video" } }),
    );
    let (_, answer) = bench.post_json(RESPONSES, &body).await;
    assert_shape(item(&answer, "function_call"), "language/call-item.json");
    assert_eq!(item(&answer, "message"), &Value::Null);
    assert_eq!(bench.sandbox.state().answers, 2);
    assert_eq!(bench.sandbox.state().creates, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_optional_function_is_called_only_when_named() {
    let bench = RawBench::quick().await;
    let tools = json!({ "tools": [chat_tool("read_clock"), chat_tool("make_tea")] });
    let called = async |text: &str, more: Value| {
        let (status, answer) = bench
            .post_json(CHAT, &merge(merge(chat(text), tools.clone()), more))
            .await;
        assert_eq!(status, 200, "{answer}");
        answer["choices"][0]["message"]["tool_calls"][0]["function"]["name"].clone()
    };
    assert_eq!(called("please make some tea", json!({})).await, "make_tea");
    assert_eq!(called("a fox", json!({})).await, Value::Null);
    assert_eq!(
        called("make tea", json!({ "tool_choice": "none" })).await,
        Value::Null
    );
    assert_eq!(
        called("a fox", json!({ "tool_choice": "required" })).await,
        "read_clock"
    );
    // The output of the tool is passed on.
    let turns = json!({ "messages": [
        { "role": "user", "content": "make tea" },
        { "role": "assistant", "content": null, "tool_calls": [
            { "id": "call_1", "type": "function", "function": { "name": "make_tea", "arguments": "{}" } }] },
        { "role": "tool", "tool_call_id": "call_1", "content": "it is green" },
    ]});
    let (_, answer) = bench.post_json(CHAT, &merge(merge(chat(""), tools), turns)).await;
    let text = answer["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(text.starts_with("The tool said: it is green"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_web_search_precedes_the_message_and_is_charged() {
    let bench = RawBench::quick().await;
    let (status, answer) = bench
        .post_json(RESPONSES, &fixture("language/search-request.json"))
        .await;
    assert_eq!(status, 200, "{answer}");
    assert_shape(&answer, "language/search-answer.json");
    let kinds: Vec<_> = answer["output"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["type"])
        .collect();
    assert_eq!(kinds, ["reasoning", "web_search_call", "message"]);
    assert!(message_text(&answer).contains("the harbour of Hamburg at dawn"));
    let usage = &answer["usage"];
    let number = |path: &str| usage.pointer(path).unwrap().as_u64().unwrap();
    let cached = number("/input_tokens_details/cached_tokens");
    assert!(number("/output_tokens_details/reasoning_tokens") < number("/output_tokens"));
    assert_eq!(
        number("/cost_in_usd_ticks"),
        (number("/input_tokens") - cached) * 12_500
            + cached * 2_000
            + number("/output_tokens") * 25_000
            + 50_000_000
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chat_usage_counts_reasoning_separately() {
    let bench = RawBench::quick().await;
    let (_, plain) = bench
        .post_json(CHAT, &merge(chat("a fox"), json!({ "reasoning_effort": "none" })))
        .await;
    assert_shape(&plain, "language/chat-answer.json");
    let (_, thought) = bench
        .post_json(CHAT, &merge(chat("a fox"), json!({ "reasoning_effort": "high" })))
        .await;
    let usage = &thought["usage"];
    assert_eq!(usage["completion_tokens"], plain["usage"]["completion_tokens"]);
    let number = |path: &str| usage.pointer(path).unwrap().as_u64().unwrap();
    let reasoning = number("/completion_tokens_details/reasoning_tokens");
    assert!(reasoning > 0);
    assert_eq!(
        number("/total_tokens"),
        number("/prompt_tokens") + number("/completion_tokens") + reasoning
    );
    assert_eq!(
        thought["choices"][0]["message"]["content"],
        plain["choices"][0]["message"]["content"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_is_satisfied_on_both_routes() {
    let bench = RawBench::quick().await;
    let schema = json!({
        "type": "object", "additionalProperties": false, "required": ["prompt", "seconds", "tags"],
        "properties": {
            "prompt": { "type": "string" }, "seconds": { "type": "integer", "minimum": 1, "maximum": 15 },
            "tags": { "type": "array", "items": { "type": "string", "maxLength": 20 }, "minItems": 2, "maxItems": 2 },
        },
    });
    let named = json!({ "name": "plan", "schema": schema, "strict": true });
    let format = json!({ "response_format": { "type": "json_schema", "json_schema": named } });
    let (_, answer) = bench
        .post_json(CHAT, &merge(chat("a fox for 9 seconds"), format))
        .await;
    let one: Value =
        serde_json::from_str(answer["choices"][0]["message"]["content"].as_str().unwrap()).unwrap();
    let format = json!({ "text": { "format": merge(named, json!({ "type": "json_schema" })) } });
    let (_, answer) = bench
        .post_json(RESPONSES, &merge(responses("a fox for 9 seconds"), format))
        .await;
    let other: Value = serde_json::from_str(message_text(&answer)).unwrap();
    assert_eq!(one, other);
    assert_eq!(one["seconds"], 9);
    assert!(one["prompt"].as_str().unwrap().contains("a fox for 9 seconds"));
    assert_eq!(one["tags"].as_array().unwrap().len(), 2);
    assert_eq!(one.as_object().unwrap().len(), 3);
    let format = json!({ "response_format": { "type": "json_object" } });
    let (_, answer) = bench.post_json(CHAT, &merge(chat("a fox"), format)).await;
    let any: Value =
        serde_json::from_str(answer["choices"][0]["message"]["content"].as_str().unwrap()).unwrap();
    assert!(any.is_object());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_planner_question_is_answered() {
    let bench = RawBench::quick().await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/xai/language");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !name.ends_with("-request.json") {
            continue;
        }
        let text = fixture(&format!("language/{name}"))
            .to_string()
            .replace("(picture)", PNG);
        let path = if name.starts_with("chat") { CHAT } else { RESPONSES };
        let (status, answer) = bench.post_json(path, &serde_json::from_str(&text).unwrap()).await;
        assert_eq!(status, 200, "{name}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reasoning_efforts_of_a_model_are_accepted() {
    let bench = RawBench::quick().await;
    for (model, effort) in [
        ("grok-4.3", "none"),
        ("grok-4.6", "xhigh"),
        ("grok-4.5", "low"),
        ("grok-4.7", "xhigh"),
    ] {
        let body = merge(
            responses("x"),
            json!({ "model": model, "reasoning": { "effort": effort } }),
        );
        let (status, answer) = bench.post_json(RESPONSES, &body).await;
        assert_eq!(status, 200, "{answer}");
        let reasons = item(&answer, "reasoning") != &Value::Null;
        assert_eq!(reasons, effort != "none");
    }
    // An effort in the wrong field is ignored.
    let body = merge(responses("x"), json!({ "reasoning_effort": "sideways" }));
    assert_eq!(bench.post_json(RESPONSES, &body).await.0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_run_out_of_tokens_are_marked_incomplete() {
    let bench = RawBench::quick().await;
    let (_, answer) = bench
        .post_json(
            RESPONSES,
            &merge(responses("a fox"), json!({ "max_output_tokens": 10 })),
        )
        .await;
    assert_eq!(answer["status"], "incomplete");
    assert_eq!(
        answer["incomplete_details"],
        fixture("language/incomplete-details.json")
    );
    assert_eq!(item(&answer, "message")["status"], "incomplete");
    assert_eq!(message_text(&answer).chars().count(), 40);
    let (_, answer) = bench
        .post_json(
            CHAT,
            &merge(chat("a fox"), json!({ "max_completion_tokens": 10 })),
        )
        .await;
    assert_eq!(answer["choices"][0]["finish_reason"], "length");
    assert_eq!(answer["usage"]["completion_tokens"], 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn responses_are_stored_continued_and_deleted() {
    let bench = RawBench::quick().await;
    let (_, first) = bench.post_json(RESPONSES, &responses("a fox")).await;
    let path = format!("/responses/{}", first["id"].as_str().unwrap());
    assert_eq!(
        read_reply(bench.get(&path).await.unwrap()).await,
        (200, first.clone())
    );
    let more = json!({ "previous_response_id": first["id"] });
    let (_, next) = bench
        .post_json(RESPONSES, &merge(responses("at night"), more))
        .await;
    assert_eq!(next["previous_response_id"], first["id"]);
    let input = |answer: &Value| answer["usage"]["input_tokens"].as_u64().unwrap();
    assert!(input(&next) > input(&first) + first["usage"]["output_tokens"].as_u64().unwrap() / 2);
    let gone = bench
        .http
        .delete(bench.url(&path))
        .bearer_auth(bench.sandbox.api_key());
    let (status, answer) = read_reply(gone.send().await.unwrap()).await;
    assert_eq!((status, &answer["deleted"]), (200, &json!(true)));
    assert_eq!(bench.get(&path).await.unwrap().status(), 404);
    let (_, unkept) = bench
        .post_json(RESPONSES, &merge(responses("a fox"), json!({ "store": false })))
        .await;
    let path = format!("/responses/{}", unkept["id"].as_str().unwrap());
    assert_eq!(bench.get(&path).await.unwrap().status(), 404);
    let more = json!({ "store": false, "include": ["reasoning.encrypted_content"] });
    let (_, sealed) = bench.post_json(RESPONSES, &merge(responses("a fox"), more)).await;
    assert!(item(&sealed, "reasoning")["encrypted_content"].is_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deferred_completions_are_pending_as_202_without_a_body() {
    let deferred = async |bench: &RawBench| {
        let (status, answer) = bench
            .post_json(CHAT, &merge(chat("a fox"), json!({ "deferred": true })))
            .await;
        assert_eq!(status, 200);
        let id = answer["request_id"].as_str().unwrap();
        format!("/chat/deferred-completion/{id}")
    };
    let slow = RawBench::start(Sandbox::builder().min_job_duration(Duration::from_secs(3600))).await;
    let path = deferred(&slow).await;
    assert_eq!(read_reply(slow.get(&path).await.unwrap()).await, (202, json!("")));

    let bench = RawBench::start(Sandbox::builder().min_job_duration(Duration::from_millis(100))).await;
    let path = deferred(&bench).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let (status, answer) = read_reply(bench.get(&path).await.unwrap()).await;
    assert_eq!((status, &answer["object"]), (200, &json!("chat.completion")));
    assert_eq!(
        bench.get("/chat/deferred-completion/x").await.unwrap().status(),
        404
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn language_models_are_listed() {
    let bench = RawBench::quick().await;
    let (_, all) = read_reply(bench.get("/language-models").await.unwrap()).await;
    let (_, one) = read_reply(bench.get("/language-models/grok-4.3").await.unwrap()).await;
    assert_eq!(all["models"][0], one);
    assert_eq!(one["prompt_text_token_price"], 12_500);
    assert_eq!(
        bench
            .get("/language-models/grok-imagine-video")
            .await
            .unwrap()
            .status(),
        404
    );
    assert_eq!(bench.get("/models/grok-4.3").await.unwrap().status(), 200);
}

/// Returns the events of a stream, each with its name and its data.
async fn events(bench: &RawBench, path: &str, body: &Value) -> Vec<(Option<String>, Value)> {
    let response = bench.post(path, body).await.unwrap();
    assert_eq!(response.status(), 200);
    let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
    assert!(kind.starts_with("text/event-stream"), "{kind}");
    let text = response.text().await.unwrap();
    let event = |block: &str| {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
        let data = field("data: ").unwrap();
        let data = serde_json::from_str(data).unwrap_or_else(|_| json!(data));
        (field("event: ").map(str::to_owned), data)
    };
    text.split_terminator("\n\n").map(event).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chat_streams_text_in_pieces_and_calls_whole() {
    let bench = RawBench::quick().await;
    let (_, whole) = bench.post_json(CHAT, &chat("a fox in the snow")).await;
    let options = json!({ "stream": true, "stream_options": { "include_usage": true } });
    let mut events = events(&bench, CHAT, &merge(chat("a fox in the snow"), options)).await;
    assert_eq!(events.pop().unwrap().1, "[DONE]");
    let (_, last) = events.pop().unwrap();
    assert_eq!((&last["choices"], &last["usage"]), (&json!([]), &whole["usage"]));
    let text: String = events
        .iter()
        .filter_map(|(_, chunk)| chunk["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!(whole["choices"][0]["message"]["content"], text);
    assert!(events.len() > 10);
    assert_eq!(events.last().unwrap().1["choices"][0]["finish_reason"], "stop");

    let request = merge(fixture("language/chat-request.json"), json!({ "stream": true }));
    let events = self::events(&bench, CHAT, &request).await;
    let calls: Vec<_> = events
        .iter()
        .filter_map(|(_, chunk)| chunk["choices"][0]["delta"].get("tool_calls"))
        .collect();
    assert_eq!(calls.len(), 1, "whole, in one piece");
    let arguments = calls[0][0]["function"]["arguments"].as_str().unwrap();
    assert!(serde_json::from_str::<Value>(arguments).unwrap()["prompt"].is_string());
    assert!(events.iter().all(|(_, chunk)| chunk.get("usage").is_none()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn responses_stream_items_in_order() {
    let bench = RawBench::quick().await;
    let request = merge(fixture("language/search-request.json"), json!({ "stream": true }));
    let events = events(&bench, RESPONSES, &request).await;
    for (number, (name, event)) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], number);
        assert_eq!(name.as_deref(), event["type"].as_str());
    }
    let kinds: Vec<_> = events
        .iter()
        .map(|(_, event)| event["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds[0], "response.created");
    assert_eq!(kinds.last(), Some(&"response.completed"));
    let added = kinds
        .iter()
        .filter(|kind| **kind == "response.output_item.added")
        .count();
    assert_eq!(added, 3);
    let text: String = events
        .iter()
        .filter(|(_, event)| event["type"] == "response.output_text.delta")
        .map(|(_, event)| event["delta"].as_str().unwrap())
        .collect();
    let last = &events.last().unwrap().1["response"];
    assert_eq!(message_text(last), text);
    assert_shape(last, "language/search-answer.json");
    for step in ["in_progress", "searching", "completed"] {
        assert!(kinds.contains(&format!("response.web_search_call.{step}").as_str()));
    }
    let call = json!({ "stream": true, "tools": [responses_tool("f")], "tool_choice": "required" });
    let events = self::events(&bench, RESPONSES, &merge(responses("a fox"), call)).await;
    let deltas = events
        .iter()
        .filter(|(_, event)| event["type"] == "response.function_call_arguments.delta");
    assert_eq!(deltas.count(), 1, "whole, in one piece");
}

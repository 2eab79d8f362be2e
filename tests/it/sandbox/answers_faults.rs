//! Faults of answers. Each does what its name says, and an answer that was produced is counted.

#![cfg(feature = "sandbox")]

use std::time::{Duration, Instant};

use reelkin::sandbox::Fault;
use serde_json::{Value, json};

use crate::sandbox::language::{CHAT, RESPONSES, chat, item, merge, message_text, responses};
use crate::sandbox::raw::{RawBench, bench_with};
use crate::support::fixtures::fixture;

fn inject(bench: &RawBench, fault: &str) {
    let fault: Fault = format!("{fault},times=1").parse().unwrap();
    bench.sandbox.add_fault(fault);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_can_be_unusable() {
    let bench = RawBench::quick().await;
    let schema = json!({ "type": "object", "properties": { "prompt": { "type": "string" } },
        "required": ["prompt"], "additionalProperties": false });
    let format = json!({ "format": { "type": "json_schema", "name": "p", "schema": schema } });
    let body = merge(responses("a fox"), json!({ "text": format }));
    inject(&bench, "schema-break");
    let (_, answer) = bench.post_json(RESPONSES, &body).await;
    assert_eq!(
        message_text(&answer),
        "{}",
        "JSON, but not as the schema wants it"
    );
    inject(&bench, "refusal");
    let (_, answer) = bench.post_json(RESPONSES, &body).await;
    assert_eq!(answer["status"], "completed");
    assert!(message_text(&answer).starts_with("I'm sorry"));
    inject(&bench, "empty-answer");
    let (_, answer) = bench.post_json(RESPONSES, &body).await;
    assert_eq!(
        (&answer["status"], &answer["output"]),
        (&json!("completed"), &json!([]))
    );
    inject(&bench, "incomplete");
    let (_, answer) = bench.post_json(RESPONSES, &body).await;
    assert_eq!(answer["status"], "incomplete");
    assert!(serde_json::from_str::<Value>(message_text(&answer)).is_err());
    inject(&bench, "error-200");
    let (status, answer) = bench.post_json(RESPONSES, &body).await;
    assert_eq!((status, &answer["status"]), (200, &json!("failed")));
    assert_eq!(bench.sandbox.state().answers, 5);
    assert!(bench.sandbox.state().faults.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chat_completions_have_faults_of_their_own() {
    let bench = RawBench::quick().await;
    let request = fixture("language/chat-request.json");
    let message = async |fault: &str| {
        inject(&bench, fault);
        let (status, answer) = bench.post_json(CHAT, &request).await;
        assert_eq!(status, 200);
        answer["choices"][0].clone()
    };
    let choice = message("schema-break").await;
    assert_eq!(choice["message"]["tool_calls"][0]["function"]["arguments"], "{}");
    let choice = message("refusal").await;
    assert_eq!(
        (&choice["finish_reason"], choice["message"].get("tool_calls")),
        (&json!("stop"), None)
    );
    let choice = message("empty-answer").await;
    assert_eq!(choice["message"]["content"], "");
    let choice = message("incomplete").await;
    assert_eq!(choice["finish_reason"], "length");
    inject(&bench, "error-200");
    assert_eq!(
        bench.post_json(CHAT, &request).await,
        (200, fixture("language/chat-error-200.json"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn general_faults_apply_to_answers() {
    let bench = bench_with(&[
        "answer:429=3,times=1",
        "answer:503,times=1",
        "answer:html=522,times=1",
        "answer:not-json,times=1",
    ])
    .await;
    let limited = bench.post(RESPONSES, &responses("x")).await.unwrap();
    assert_eq!(
        (limited.status().as_u16(), &limited.headers()["retry-after"]),
        (429, &"3".parse().unwrap())
    );
    assert_eq!(bench.post_json(CHAT, &chat("x")).await.0, 503);
    assert_eq!(bench.post_json(CHAT, &chat("x")).await.0, 522);
    assert_eq!(
        bench.post_json(RESPONSES, &responses("x")).await,
        (200, json!("OK"))
    );
    assert_eq!(bench.sandbox.state().answers, 0, "none of them was made");

    inject(&bench, "answer:lost-reply");
    assert!(bench.post(RESPONSES, &responses("x")).await.is_err());
    assert_eq!(bench.sandbox.state().answers, 1, "made and lost");
    inject(&bench, "answer:truncated=40");
    assert!(bench.post(CHAT, &chat("x")).await.unwrap().text().await.is_err());
    inject(&bench, "answer:delay=0.3");
    let begun = Instant::now();
    assert_eq!(bench.post_json(RESPONSES, &responses("x")).await.0, 200);
    assert!(begun.elapsed() >= Duration::from_millis(300));
    // A refused question is not executed. The next answer arrives.
    inject(&bench, "answer:lost-reply");
    assert_eq!(
        bench
            .post_json(RESPONSES, &merge(responses("x"), json!({ "model": "no" })))
            .await
            .0,
        404
    );
    assert!(bench.post(RESPONSES, &responses("x")).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_can_match_the_prompt_and_leaves_clips_alone() {
    let bench = bench_with(&["refusal,prompt=red coat", "answer:503,after=2"]).await;
    let (_, answer) = bench.post_json(RESPONSES, &responses("a red coat")).await;
    assert!(message_text(&answer).starts_with("I'm sorry"));
    let (_, answer) = bench.post_json(RESPONSES, &responses("a blue coat")).await;
    assert!(message_text(&answer).contains("a blue coat"));
    assert_ne!(item(&answer, "reasoning"), &Value::Null);
    assert_eq!(bench.post_json(RESPONSES, &responses("a blue coat")).await.0, 503);
    let clip = json!({ "model": "grok-imagine-video", "prompt": "a red coat", "duration": 1 });
    bench.create_job("/videos/generations", &clip).await;
}

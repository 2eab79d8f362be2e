//! Requests to the language models of the sandbox.

#![cfg(feature = "sandbox")]

use serde_json::{Value, json};

pub(crate) const CHAT: &str = "/chat/completions";

pub(crate) const RESPONSES: &str = "/responses";

/// Returns a request to Chat Completions.
pub(crate) fn chat(text: &str) -> Value {
    json!({ "model": "grok-4.3", "messages": [{ "role": "user", "content": text }] })
}

/// Returns a request to Responses.
pub(crate) fn responses(text: &str) -> Value {
    json!({ "model": "grok-4.3", "input": text })
}

/// Adds fields to a request.
pub(crate) fn merge(mut body: Value, more: Value) -> Value {
    let Value::Object(more) = more else {
        panic!("{more}")
    };
    body.as_object_mut().unwrap().extend(more);
    body
}

/// Returns the first item of this type in an output.
pub(crate) fn item<'a>(answer: &'a Value, kind: &str) -> &'a Value {
    let items = answer["output"].as_array().unwrap();
    items
        .iter()
        .find(|item| item["type"] == kind)
        .unwrap_or(&Value::Null)
}

/// Returns the text of an answer of Responses.
pub(crate) fn message_text(answer: &Value) -> &str {
    item(answer, "message")["content"][0]["text"].as_str().unwrap()
}

pub(crate) fn function(name: &str) -> Value {
    json!({ "name": name, "parameters": {
        "type": "object", "properties": { "prompt": { "type": "string" } }, "required": ["prompt"],
    }})
}

/// Returns a function in the form of Chat Completions.
pub(crate) fn chat_tool(name: &str) -> Value {
    json!({ "type": "function", "function": function(name) })
}

/// Returns a function in the form of Responses.
pub(crate) fn responses_tool(name: &str) -> Value {
    merge(function(name), json!({ "type": "function" }))
}

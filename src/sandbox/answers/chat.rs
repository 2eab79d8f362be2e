//! `/v1/chat/completions`: from its body to a question, and from an answer to its body.

use serde_json::{Value, json};

use super::answer::{Answer, End};
use super::rules::{self, Choice, Format, Question, Wrong};
use super::usage;
use super::wire::{ChatBody, ChatChoice, ChatContent, ChatFormat, ChatNamed, ChatPart, ChatTool, Role};
use crate::sandbox::rules::Given;

/// A question and what only this route knows.
#[derive(Debug)]
pub(super) struct Chat {
    pub(super) question: Question,
    pub(super) deferred: bool,
    pub(super) include_usage: bool,
}

pub(super) fn read(body: ChatBody) -> Result<Chat, Wrong> {
    let model = rules::model(&body.model)?;
    let effort = rules::effort(model, body.reasoning_effort.as_deref(), "reasoning_effort")?;
    rules::sampling(body.temperature, body.top_p)?;
    for (param, given) in [
        ("presence_penalty", body.presence_penalty.is_some()),
        ("frequency_penalty", body.frequency_penalty.is_some()),
        ("stop", body.stop.is_some()),
    ] {
        if given && model.usual != super::models::Effort::None {
            return Err(Wrong::invalid(
                param,
                format!("Model {} does not support parameter {param}.", model.id),
            ));
        }
    }
    if body.n.is_some_and(|n| n != 1) {
        return Err(Wrong::invalid("n", "Only one completion can be asked for."));
    }
    let stream = body.stream.unwrap_or(false);
    let deferred = body.deferred.unwrap_or(false);
    if stream && deferred {
        return Err(Wrong::invalid(
            "deferred",
            "A deferred request cannot be streamed.",
        ));
    }
    let most = rules::most(
        body.max_completion_tokens.or(body.max_tokens),
        "max_completion_tokens",
    )?;
    let functions = body
        .tools
        .unwrap_or_default()
        .into_iter()
        .map(|ChatTool::Function { function }| function)
        .collect();
    let tools = rules::functions(functions)?;
    let choice = match body.tool_choice {
        None => Choice::Auto,
        Some(ChatChoice::Word(word)) => Choice::word(word),
        Some(ChatChoice::Named(ChatNamed::Function { function })) => Choice::Named(function.name),
    };
    let choice = rules::choice(choice, &tools, false)?;
    let format = match body.response_format {
        None | Some(ChatFormat::Text) => Format::Text,
        Some(ChatFormat::JsonObject) => Format::Json,
        Some(ChatFormat::JsonSchema { json_schema }) => rules::schema("response_format", json_schema)?,
    };
    if body.messages.is_empty() {
        return Err(Wrong::invalid(
            "messages",
            "Messages must have at least one message.",
        ));
    }
    let mut question = Question {
        model,
        effort,
        text: String::new(),
        pictures: Vec::new(),
        told: None,
        tokens: tools
            .iter()
            .map(|tool| usage::of_text(&tool.parameters.to_string()))
            .sum(),
        tools,
        choice,
        format,
        search: false,
        most,
        stream,
        messages: body.messages.len() as u64,
    };
    let mut calls = Vec::new();
    for message in body.messages {
        let mut texts = Vec::new();
        let mut pictures = Vec::new();
        let had_content = message.content.is_some();
        match message.content {
            None => {}
            Some(ChatContent::Text(text)) => texts.push(text),
            Some(ChatContent::Parts(parts)) => {
                for part in parts {
                    match part {
                        ChatPart::Text { text } => texts.push(text),
                        ChatPart::ImageUrl { image_url } => pictures.push(rules::picture(image_url.url)?),
                        ChatPart::File { file } => pictures.push(Given::FileId(file.file_id)),
                    }
                }
            }
        }
        let text = texts.join("\n");
        question.tokens += usage::of_text(&text);
        let is_empty = text.is_empty() && pictures.is_empty();
        match message.role {
            Role::User => {
                if is_empty {
                    return Err(Wrong::invalid(
                        "messages",
                        "Each message must have at least one content element.",
                    ));
                }
                question.pictures.extend(pictures);
                question.text = text;
                question.told = None;
            }
            Role::Assistant => {
                let made = message.tool_calls.unwrap_or_default();
                if made.is_empty() && !had_content {
                    return Err(Wrong::invalid(
                        "messages",
                        "Each message must have at least one content element.",
                    ));
                }
                for call in made {
                    question.tokens += usage::of_text(&call.function.arguments);
                    question.tokens += usage::of_text(&call.function.name);
                    calls.push(call.id);
                }
                question.told = None;
            }
            Role::Tool | Role::Function => {
                let known = message.tool_call_id.is_some_and(|id| calls.contains(&id));
                if !known {
                    return Err(Wrong::invalid(
                        "messages",
                        "A tool message must have the `tool_call_id` of an earlier call.",
                    ));
                }
                question.told = Some(text);
            }
            Role::System | Role::Developer => {}
        }
    }
    Ok(Chat {
        question,
        deferred,
        include_usage: body.stream_options.is_some_and(|o| o.include_usage == Some(true)),
    })
}

fn finish_reason(answer: &Answer) -> &'static str {
    match answer.end {
        End::Cut => "length",
        End::Whole if answer.calls.is_empty() => "stop",
        End::Whole => "tool_calls",
    }
}

fn calls(answer: &Answer) -> Vec<Value> {
    let call = |call: &super::answer::Call| {
        json!({
            "id": call.id, "type": "function",
            "function": { "name": call.name, "arguments": call.arguments },
        })
    };
    answer.calls.iter().map(call).collect()
}

/// The answer as `chat.completion`.
pub(super) fn completion(answer: &Answer) -> Value {
    let mut message = json!({ "role": "assistant", "content": answer.text.as_deref().unwrap_or("") });
    if let Some(thought) = &answer.thought {
        message["reasoning_content"] = json!(thought);
    }
    if !answer.calls.is_empty() {
        message["tool_calls"] = json!(calls(answer));
    }
    message["refusal"] = Value::Null;
    json!({
        "id": answer.id.to_string(), "object": "chat.completion", "created": answer.created, "model": answer.model.id,
        "choices": [{ "index": 0, "message": message, "finish_reason": finish_reason(answer) }],
        "usage": answer.usage.chat(answer.model.price),
        "system_fingerprint": super::FINGERPRINT, "service_tier": "default",
    })
}

/// The answer as a stream of `chat.completion.chunk`; calls come whole.
pub(super) fn chunks(answer: &Answer, include_usage: bool) -> Vec<Value> {
    let chunk = |choices: Value| {
        json!({
            "id": answer.id.to_string(), "object": "chat.completion.chunk", "created": answer.created,
            "model": answer.model.id, "choices": choices, "system_fingerprint": super::FINGERPRINT,
        })
    };
    let delta = |delta: Value| chunk(json!([{ "index": 0, "delta": delta }]));
    let mut all = vec![delta(json!({ "role": "assistant", "content": "" }))];
    for piece in answer.thought.iter().flat_map(|text| super::stream::pieces(text)) {
        all.push(delta(json!({ "reasoning_content": piece })));
    }
    for piece in answer.text.iter().flat_map(|text| super::stream::pieces(text)) {
        all.push(delta(json!({ "content": piece })));
    }
    for (index, mut call) in calls(answer).into_iter().enumerate() {
        call["index"] = json!(index);
        all.push(delta(json!({ "tool_calls": [call] })));
    }
    all.push(chunk(
        json!([{ "index": 0, "delta": {}, "finish_reason": finish_reason(answer) }]),
    ));
    if include_usage {
        let mut last = chunk(json!([]));
        last["usage"] = answer.usage.chat(answer.model.price);
        all.push(last);
    }
    all
}

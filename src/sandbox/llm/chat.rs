//! The form of Chat Completions: parses a request body into a question and writes an answer as a response body.

use serde_json::{Value, json};

use super::answer::{Answer, FunctionCall};
use super::event_stream::split_pieces;
use super::language_body::{
    ChatBody, ChatChoice, ChatContent, ChatFormat, ChatNamed, ChatPart, ChatTool, Role,
};
use super::language_model::{Effort, FINGERPRINT};
use super::question::{self, AnswerFormat, Question, Rejection, ToolChoice};
use super::token_usage::text_tokens;
use crate::sandbox::rules::video_request::MediaRef;

/// A question with the options of this route.
#[derive(Debug)]
pub(crate) struct ChatRequest {
    pub(crate) question: Question,
    pub(crate) deferred: bool,
    pub(crate) include_usage: bool,
}

/// Checks a request body.
pub(crate) fn parse(body: ChatBody) -> Result<ChatRequest, Rejection> {
    let model = question::find_model(&body.model)?;
    let effort = question::check_effort(model, body.reasoning_effort.as_deref(), "reasoning_effort")?;
    question::check_sampling(body.temperature, body.top_p)?;
    for (param, is_set) in [
        ("presence_penalty", body.presence_penalty.is_some()),
        ("frequency_penalty", body.frequency_penalty.is_some()),
        ("stop", body.stop.is_some()),
    ] {
        if is_set && model.default_effort != Effort::None {
            return Err(Rejection::invalid(
                param,
                format!("Model {} does not support parameter {param}.", model.id),
            ));
        }
    }
    if body.n.is_some_and(|n| n != 1) {
        return Err(Rejection::invalid("n", "Only one completion can be asked for."));
    }
    let stream = body.stream.unwrap_or(false);
    let deferred = body.deferred.unwrap_or(false);
    if stream && deferred {
        return Err(Rejection::invalid(
            "deferred",
            "A deferred request cannot be streamed.",
        ));
    }
    let max_tokens = question::check_max_tokens(
        body.max_completion_tokens.or(body.max_tokens),
        "max_completion_tokens",
    )?;
    let functions = body
        .tools
        .unwrap_or_default()
        .into_iter()
        .map(|ChatTool::Function { function }| function)
        .collect();
    let tools = question::check_functions(functions)?;
    let choice = match body.tool_choice {
        None => ToolChoice::Auto,
        Some(ChatChoice::Word(word)) => ToolChoice::from_word(word),
        Some(ChatChoice::Named(ChatNamed::Function { function })) => ToolChoice::Named(function.name),
    };
    let choice = question::check_choice(choice, &tools, false)?;
    let format = match body.response_format {
        None | Some(ChatFormat::Text) => AnswerFormat::Text,
        Some(ChatFormat::JsonObject) => AnswerFormat::Json,
        Some(ChatFormat::JsonSchema { json_schema }) => {
            question::schema_format("response_format", json_schema)?
        }
    };
    if body.messages.is_empty() {
        return Err(Rejection::invalid(
            "messages",
            "Messages must have at least one message.",
        ));
    }
    let mut question = Question {
        choice,
        format,
        max_tokens,
        stream,
        messages: body.messages.len() as u64,
        ..Question::new(model, effort, tools)
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
                        ChatPart::ImageUrl { image_url } => {
                            pictures.push(question::picture_ref(image_url.url)?);
                        }
                        ChatPart::File { file } => pictures.push(MediaRef::FileId(file.file_id)),
                    }
                }
            }
        }
        let text = texts.join("\n");
        question.tokens += text_tokens(&text);
        let is_empty = text.is_empty() && pictures.is_empty();
        match message.role {
            Role::User => {
                if is_empty {
                    return Err(Rejection::invalid(
                        "messages",
                        "Each message must have at least one content element.",
                    ));
                }
                question.pictures.extend(pictures);
                question.text = text;
                question.tool_output = None;
            }
            Role::Assistant => {
                let message_calls = message.tool_calls.unwrap_or_default();
                if message_calls.is_empty() && !had_content {
                    return Err(Rejection::invalid(
                        "messages",
                        "Each message must have at least one content element.",
                    ));
                }
                for call in message_calls {
                    question.tokens += text_tokens(&call.function.arguments);
                    question.tokens += text_tokens(&call.function.name);
                    calls.push(call.id);
                }
                question.tool_output = None;
            }
            Role::Tool | Role::Function => {
                let is_known = message.tool_call_id.is_some_and(|id| calls.contains(&id));
                if !is_known {
                    return Err(Rejection::invalid(
                        "messages",
                        "A tool message must have the `tool_call_id` of an earlier call.",
                    ));
                }
                question.tool_output = Some(text);
            }
            Role::System | Role::Developer => {}
        }
    }
    Ok(ChatRequest {
        question,
        deferred,
        include_usage: body.stream_options.is_some_and(|o| o.include_usage == Some(true)),
    })
}

fn finish_reason(answer: &Answer) -> &'static str {
    match answer.calls.is_empty() {
        _ if answer.is_truncated => "length",
        true => "stop",
        false => "tool_calls",
    }
}

fn tool_calls(answer: &Answer) -> Vec<Value> {
    let call = |call: &FunctionCall| {
        json!({
            "id": call.id, "type": "function",
            "function": { "name": call.name, "arguments": call.arguments },
        })
    };
    answer.calls.iter().map(call).collect()
}

/// Returns the answer as `chat.completion`.
pub(crate) fn completion(answer: &Answer) -> Value {
    let mut message = json!({ "role": "assistant", "content": answer.text.as_deref().unwrap_or("") });
    if let Some(reasoning) = &answer.reasoning {
        message["reasoning_content"] = json!(reasoning);
    }
    if !answer.calls.is_empty() {
        message["tool_calls"] = json!(tool_calls(answer));
    }
    message["refusal"] = Value::Null;
    json!({
        "id": answer.id.to_string(), "object": "chat.completion", "created": answer.created, "model": answer.model.id,
        "choices": [{ "index": 0, "message": message, "finish_reason": finish_reason(answer) }],
        "usage": answer.usage.chat(answer.model.price),
        "system_fingerprint": FINGERPRINT, "service_tier": "default",
    })
}

/// Returns the answer as a stream of `chat.completion.chunk`. Each call is one chunk.
pub(crate) fn chunks(answer: &Answer, include_usage: bool) -> Vec<Value> {
    let chunk = |choices: Value| {
        json!({
            "id": answer.id.to_string(), "object": "chat.completion.chunk", "created": answer.created,
            "model": answer.model.id, "choices": choices, "system_fingerprint": FINGERPRINT,
        })
    };
    let delta = |delta: Value| chunk(json!([{ "index": 0, "delta": delta }]));
    let mut all = vec![delta(json!({ "role": "assistant", "content": "" }))];
    for piece in answer.reasoning.iter().flat_map(|text| split_pieces(text)) {
        all.push(delta(json!({ "reasoning_content": piece })));
    }
    for piece in answer.text.iter().flat_map(|text| split_pieces(text)) {
        all.push(delta(json!({ "content": piece })));
    }
    for (index, mut call) in tool_calls(answer).into_iter().enumerate() {
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

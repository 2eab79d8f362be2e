//! The form of Responses: parses a request body into a question and writes an answer as a response body.

use serde_json::{Value, json};

use super::answer::Answer;
use super::event_stream::split_pieces;
use super::language_body::{
    Choice, Content, Format, Input, Item, ItemKind, Named, Part, ResponsesBody, Role, Tool,
};
use super::question::{self, AnswerFormat, Question, Rejection, ToolChoice};
use super::token_usage::text_tokens;
use crate::sandbox::rules::video_request::MediaRef;

/// A question with the options of this route.
#[derive(Debug)]
pub(crate) struct ResponsesRequest {
    pub(crate) question: Question,
    pub(crate) previous_id: Option<String>,
    pub(crate) store: bool,
    /// Whether reasoning includes its encrypted content.
    encrypted: bool,
    /// The fields of the request that the response repeats.
    echo: Value,
}

/// Checks a request body. `raw` is the same body, for the fields that the response repeats.
pub(crate) fn parse(body: ResponsesBody, raw: &Value, zdr: bool) -> Result<ResponsesRequest, Rejection> {
    let model = question::find_model(&body.model)?;
    let word = body.reasoning.as_ref().and_then(|r| r.effort.as_deref());
    let effort = question::check_effort(model, word, "reasoning.effort")?;
    question::check_sampling(body.temperature, body.top_p)?;
    let store = body.store.unwrap_or(true);
    if zdr && store {
        return Err(Rejection::invalid(
            "store",
            "Zero Data Retention teams must set store to false.",
        ));
    }
    if body.max_turns.is_some_and(|turns| turns < 1) {
        return Err(Rejection::invalid("max_turns", "`max_turns` must be at least 1."));
    }
    let mut functions = Vec::new();
    let (mut search, mut has_server_tools) = (false, false);
    for tool in body.tools.unwrap_or_default() {
        match tool {
            Tool::Function(function) => functions.push(function),
            Tool::WebSearch(options) => {
                question::check_search(&options)?;
                search = true;
            }
            Tool::XSearch(_) | Tool::CodeInterpreter(_) | Tool::FileSearch(_) | Tool::Mcp(_) => {
                has_server_tools = true;
            }
        }
    }
    let tools = question::check_functions(functions)?;
    let choice = match body.tool_choice {
        None => ToolChoice::Auto,
        Some(Choice::Word(word)) => ToolChoice::from_word(word),
        Some(Choice::Named(Named::Function { name })) => ToolChoice::Named(name),
    };
    let choice = question::check_choice(choice, &tools, search || has_server_tools)?;
    let format = match body.text.and_then(|text| text.format) {
        None | Some(Format::Text) => AnswerFormat::Text,
        Some(Format::JsonObject) => AnswerFormat::Json,
        Some(Format::JsonSchema(named)) => question::schema_format("text.format", named)?,
    };
    let mut question = Question {
        choice,
        format,
        search,
        max_tokens: question::check_max_tokens(body.max_output_tokens, "max_output_tokens")?,
        stream: body.stream.unwrap_or(false),
        ..Question::new(model, effort, tools)
    };
    question.tokens += body.instructions.as_deref().map_or(0, text_tokens);
    match body.input {
        Input::Text(text) => {
            question.tokens += text_tokens(&text);
            question.text = text;
        }
        Input::Items(items) => {
            question.messages = items.len() as u64;
            let mut calls = Vec::new();
            for item in items {
                add_item(
                    &mut question,
                    item,
                    &mut calls,
                    body.previous_response_id.is_some(),
                )?;
            }
        }
    }
    if question.text.is_empty() && question.pictures.is_empty() && question.tool_output.is_none() {
        return Err(Rejection::invalid(
            "input",
            "Input must have at least one content element.",
        ));
    }
    let sent = |key: &str| raw.get(key).cloned().unwrap_or(Value::Null);
    let sent_or = |key: &str, default: Value| {
        let value = raw.get(key).filter(|value| !value.is_null());
        value.cloned().unwrap_or(default)
    };
    let echo = json!({
        "max_output_tokens": sent("max_output_tokens"), "parallel_tool_calls": body.parallel_tool_calls.unwrap_or(true),
        "previous_response_id": body.previous_response_id, "temperature": sent("temperature"),
        "top_p": sent("top_p"), "user": body.user, "metadata": body.metadata.unwrap_or_default(),
        "reasoning": { "effort": word, "summary": null },
        "text": { "format": raw.pointer("/text/format").cloned().unwrap_or(json!({ "type": "text" })) },
        "tool_choice": sent_or("tool_choice", json!("auto")), "tools": sent_or("tools", json!([])), "store": store,
    });
    Ok(ResponsesRequest {
        question,
        previous_id: body.previous_response_id,
        store,
        encrypted: body
            .include
            .is_some_and(|parts| parts.iter().any(|part| part == "reasoning.encrypted_content")),
        echo,
    })
}

/// Adds an item of the input to the question. `is_continued` is whether an earlier response may have made the calls.
fn add_item(
    question: &mut Question,
    item: Item,
    calls: &mut Vec<String>,
    is_continued: bool,
) -> Result<(), Rejection> {
    let lacks = |field: &str| Rejection::invalid("input", format!("An input item lacks `{field}`."));
    match item.kind {
        ItemKind::Message => {
            let role = item.role.ok_or_else(|| lacks("role"))?;
            let content = item.content.ok_or_else(|| lacks("content"))?;
            let mut texts = Vec::new();
            let mut pictures = Vec::new();
            match content {
                Content::Text(text) => texts.push(text),
                Content::Parts(parts) => {
                    for part in parts {
                        match part {
                            Part::InputText { text } | Part::OutputText { text } => texts.push(text),
                            Part::Refusal { refusal } => texts.push(refusal),
                            Part::InputImage {
                                image_url, file_id, ..
                            } => pictures.push(picture(image_url, file_id)?),
                            Part::InputFile { file_id, file_url } => {
                                pictures.push(picture(file_url, file_id)?);
                            }
                        }
                    }
                }
            }
            let text = texts.join("\n");
            question.tokens += text_tokens(&text);
            if text.is_empty() && pictures.is_empty() && role != Role::Assistant {
                return Err(Rejection::invalid(
                    "input",
                    "Each message must have at least one content element.",
                ));
            }
            if role == Role::User {
                question.text = text;
                question.pictures.extend(pictures);
            }
            question.tool_output = None;
        }
        ItemKind::FunctionCall => {
            let id = item.call_id.ok_or_else(|| lacks("call_id"))?;
            let name = item.name.ok_or_else(|| lacks("name"))?;
            let arguments = item.arguments.ok_or_else(|| lacks("arguments"))?;
            question.tokens += text_tokens(&arguments) + text_tokens(&name);
            calls.push(id);
        }
        ItemKind::FunctionCallOutput => {
            let id = item.call_id.ok_or_else(|| lacks("call_id"))?;
            let output = item.output.ok_or_else(|| lacks("output"))?;
            if !calls.contains(&id) && !is_continued {
                return Err(Rejection::invalid(
                    "input",
                    format!("No function call has the call_id `{id}`."),
                ));
            }
            let text = output.as_str().map_or_else(|| output.to_string(), str::to_owned);
            question.tokens += text_tokens(&text);
            question.tool_output = Some(text);
        }
        _ => {}
    }
    Ok(())
}

fn picture(url: Option<String>, file_id: Option<String>) -> Result<MediaRef, Rejection> {
    match (url, file_id) {
        (Some(url), None) => question::picture_ref(url),
        (None, Some(id)) => Ok(MediaRef::FileId(id)),
        _ => Err(Rejection::image("An image is given by its URL or by a file id.")),
    }
}

/// Returns the status of a finished answer.
const fn status(answer: &Answer) -> &'static str {
    if answer.is_truncated {
        "incomplete"
    } else {
        "completed"
    }
}

/// Returns the items of the output. Reasoning and searches come first.
fn output_items(answer: &Answer, encrypted: bool) -> Vec<Value> {
    let mut items = Vec::new();
    let status = status(answer);
    if let Some(reasoning) = &answer.reasoning {
        let mut item = json!({
            "id": format!("rs_{}", answer.id), "type": "reasoning", "status": "completed",
            "summary": [{ "type": "summary_text", "text": reasoning }],
        });
        if encrypted {
            item["encrypted_content"] = json!(format!("c2FuZGJveA{}", answer.id.simple()));
        }
        items.push(item);
    }
    for (at, query) in answer.searches.iter().enumerate() {
        items.push(json!({
            "id": format!("ws_{}_{at}", answer.id), "type": "web_search_call", "status": "completed",
            "call_id": "", "name": "web_search",
            "arguments": json!({ "query": query, "num_results": 5 }).to_string(),
            "action": { "type": "search", "query": query, "sources": [] },
        }));
    }
    for (at, call) in answer.calls.iter().enumerate() {
        items.push(json!({
            "id": format!("fc_{}_{at}", answer.id), "type": "function_call", "status": status,
            "call_id": call.id, "name": call.name, "arguments": call.arguments,
        }));
    }
    if let Some(text) = &answer.text {
        let annotations: Vec<Value> = answer
            .sources
            .iter()
            .map(|url| {
                json!({ "type": "url_citation", "url": url, "title": "1", "start_index": 0, "end_index": 0 })
            })
            .collect();
        items.push(json!({
            "id": format!("msg_{}", answer.id), "type": "message", "role": "assistant", "status": status,
            "content": [{ "type": "output_text", "text": text, "logprobs": [], "annotations": annotations }],
        }));
    }
    items
}

/// Returns the response body with this status, which is `in_progress` at the beginning of a stream.
fn body(request: &ResponsesRequest, answer: &Answer, status: &str, output: Vec<Value>) -> Value {
    let mut body = request.echo.clone();
    body["id"] = json!(answer.id.to_string());
    body["object"] = json!("response");
    body["created_at"] = json!(answer.created);
    body["model"] = json!(answer.model.id);
    body["status"] = json!(status);
    body["output"] = Value::Array(output);
    body["error"] = Value::Null;
    body["incomplete_details"] = match status {
        "incomplete" => json!({ "reason": "max_output_tokens" }),
        _ => Value::Null,
    };
    if status != "in_progress" {
        body["usage"] = answer.usage.responses(answer.model.price);
    }
    body
}

/// Returns the response body of a finished answer.
pub(crate) fn finished_body(request: &ResponsesRequest, answer: &Answer) -> Value {
    let output = output_items(answer, request.encrypted);
    body(request, answer, status(answer), output)
}

/// Returns the events of the stream, numbered and in order.
pub(crate) fn events(request: &ResponsesRequest, answer: &Answer) -> Vec<Value> {
    let started = || body(request, answer, "in_progress", Vec::new());
    let mut all = vec![
        json!({ "type": "response.created", "response": started() }),
        json!({ "type": "response.in_progress", "response": started() }),
    ];
    for (index, item) in output_items(answer, request.encrypted).into_iter().enumerate() {
        push_item_events(&mut all, index, &item);
    }
    let finished = finished_body(request, answer);
    let kind = format!("response.{}", status(answer));
    all.push(json!({ "type": kind, "response": finished }));
    for (number, event) in all.iter_mut().enumerate() {
        event["sequence_number"] = json!(number);
    }
    all
}

fn push_item_events(all: &mut Vec<Value>, index: usize, item: &Value) {
    let id = item["id"].clone();
    let event = |kind: &str, more: Value| {
        let mut event = json!({ "type": kind, "item_id": id, "output_index": index });
        if let (Value::Object(event), Value::Object(more)) = (&mut event, more) {
            event.extend(more);
        }
        event
    };
    let mut started = item.clone();
    started["status"] = json!("in_progress");
    for key in ["summary", "content"] {
        if started.get(key).is_some() {
            started[key] = json!([]);
        }
    }
    let kind = item["type"].as_str().unwrap_or_default();
    if kind == "function_call" {
        started["arguments"] = json!("");
    }
    all.push(json!({ "type": "response.output_item.added", "output_index": index, "item": started }));
    let text = |path: &str| item.pointer(path).and_then(Value::as_str).unwrap_or_default();
    match kind {
        "reasoning" => {
            let text = text("/summary/0/text");
            let part =
                |text: &str| json!({ "summary_index": 0, "part": { "type": "summary_text", "text": text } });
            all.push(event("response.reasoning_summary_part.added", part("")));
            for delta in split_pieces(text) {
                let more = json!({ "summary_index": 0, "delta": delta });
                all.push(event("response.reasoning_summary_text.delta", more));
            }
            let more = json!({ "summary_index": 0, "text": text });
            all.push(event("response.reasoning_summary_text.done", more));
            all.push(event("response.reasoning_summary_part.done", part(text)));
        }
        "web_search_call" => {
            for step in ["in_progress", "searching", "completed"] {
                all.push(event(&format!("response.web_search_call.{step}"), json!({})));
            }
        }
        "function_call" => {
            let arguments = text("/arguments");
            let delta = json!({ "delta": arguments });
            all.push(event("response.function_call_arguments.delta", delta));
            let done = json!({ "arguments": arguments, "name": item["name"] });
            all.push(event("response.function_call_arguments.done", done));
        }
        _ => {
            let words = text("/content/0/text");
            let empty = json!({ "type": "output_text", "text": "", "logprobs": [], "annotations": [] });
            let part = |part: &Value| json!({ "content_index": 0, "part": part });
            all.push(event("response.content_part.added", part(&empty)));
            for delta in split_pieces(words) {
                let more = json!({ "content_index": 0, "delta": delta, "logprobs": [] });
                all.push(event("response.output_text.delta", more));
            }
            let notes = item.pointer("/content/0/annotations").and_then(Value::as_array);
            for (at, note) in notes.into_iter().flatten().enumerate() {
                let more = json!({ "content_index": 0, "annotation_index": at, "annotation": note });
                all.push(event("response.output_text.annotation.added", more));
            }
            let more = json!({ "content_index": 0, "text": words, "logprobs": [] });
            all.push(event("response.output_text.done", more));
            all.push(event("response.content_part.done", part(&item["content"][0])));
        }
    }
    all.push(json!({ "type": "response.output_item.done", "output_index": index, "item": item }));
}

//! `/v1/responses`: from its body to a question, and from an answer to its body.

use serde_json::{Map, Value, json};

use super::answer::{Answer, End};
use super::rules::{self, Choice, Format, Question, Wrong};
use super::usage;
use super::wire::{self, Content, Input, Item, ItemKind, Named, Part, ResponsesBody, Role, Tool};
use crate::sandbox::rules::Given;

/// A question and what only this route knows.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) question: Question,
    pub(super) previous: Option<String>,
    pub(super) store: bool,
    /// Whether reasoning comes with its encrypted content.
    pub(super) encrypted: bool,
    /// What the answer says again of the request.
    echo: Map<String, Value>,
}

/// `raw` is the request as it came, for the parts that the answer says again.
pub(super) fn read(body: ResponsesBody, raw: &Value, zdr: bool) -> Result<Asked, Wrong> {
    let model = rules::model(&body.model)?;
    let word = body.reasoning.as_ref().and_then(|r| r.effort.as_deref());
    let effort = rules::effort(model, word, "reasoning.effort")?;
    rules::sampling(body.temperature, body.top_p)?;
    let store = body.store.unwrap_or(true);
    if zdr && store {
        return Err(Wrong::invalid(
            "store",
            "Zero Data Retention teams must set store to false.",
        ));
    }
    if body.max_turns.is_some_and(|turns| turns < 1) {
        return Err(Wrong::invalid("max_turns", "`max_turns` must be at least 1."));
    }
    let mut functions = Vec::new();
    let (mut search, mut servers) = (false, false);
    for tool in body.tools.unwrap_or_default() {
        match tool {
            Tool::Function(function) => functions.push(function),
            Tool::WebSearch(options) => {
                rules::search(&options)?;
                search = true;
            }
            Tool::XSearch(_) | Tool::CodeInterpreter(_) | Tool::FileSearch(_) | Tool::Mcp(_) => {
                servers = true;
            }
        }
    }
    let tools = rules::functions(functions)?;
    let choice = match body.tool_choice {
        None => Choice::Auto,
        Some(wire::Choice::Word(word)) => Choice::word(word),
        Some(wire::Choice::Named(Named::Function { name })) => Choice::Named(name),
    };
    let choice = rules::choice(choice, &tools, search || servers)?;
    let format = match body.text.and_then(|text| text.format) {
        None | Some(wire::Format::Text) => Format::Text,
        Some(wire::Format::JsonObject) => Format::Json,
        Some(wire::Format::JsonSchema(named)) => rules::schema("text.format", named)?,
    };
    let mut question = Question {
        model,
        effort,
        text: String::new(),
        pictures: Vec::new(),
        told: None,
        tokens: body.instructions.as_deref().map_or(0, usage::of_text)
            + tools
                .iter()
                .map(|tool| usage::of_text(&tool.parameters.to_string()))
                .sum::<u64>(),
        tools,
        choice,
        format,
        search,
        most: rules::most(body.max_output_tokens, "max_output_tokens")?,
        stream: body.stream.unwrap_or(false),
        messages: 1,
    };
    let mut given = 0u64;
    match body.input {
        Input::Text(text) => {
            question.tokens += usage::of_text(&text);
            question.text = text;
            given = 1;
        }
        Input::Items(items) => {
            question.messages = items.len() as u64;
            let mut calls = Vec::new();
            for item in items {
                add(
                    &mut question,
                    item,
                    &mut calls,
                    body.previous_response_id.is_some(),
                )?;
                given += 1;
            }
        }
    }
    if given == 0 || (question.text.is_empty() && question.pictures.is_empty() && question.told.is_none()) {
        return Err(Wrong::invalid(
            "input",
            "Input must have at least one content element.",
        ));
    }
    let said = |key: &str| raw.get(key).cloned().unwrap_or(Value::Null);
    let or = |key: &str, usual: Value| raw.get(key).filter(|v| !v.is_null()).cloned().unwrap_or(usual);
    let echo = json!({
        "max_output_tokens": said("max_output_tokens"), "parallel_tool_calls": body.parallel_tool_calls.unwrap_or(true),
        "previous_response_id": body.previous_response_id, "temperature": said("temperature"),
        "top_p": said("top_p"), "user": body.user, "metadata": body.metadata.unwrap_or_default(),
        "reasoning": { "effort": word, "summary": null },
        "text": { "format": raw.pointer("/text/format").cloned().unwrap_or(json!({ "type": "text" })) },
        "tool_choice": or("tool_choice", json!("auto")), "tools": or("tools", json!([])), "store": store,
    });
    let Value::Object(echo) = echo else {
        return Err(Wrong::invalid("input", "The request cannot be said again."));
    };
    Ok(Asked {
        question,
        previous: body.previous_response_id,
        store,
        encrypted: body
            .include
            .is_some_and(|parts| parts.iter().any(|part| part == "reasoning.encrypted_content")),
        echo,
    })
}

fn add(question: &mut Question, item: Item, calls: &mut Vec<String>, goes_on: bool) -> Result<(), Wrong> {
    let lacks = |field: &str| Wrong::invalid("input", format!("An input item lacks `{field}`."));
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
                            } => pictures.push(link(image_url, file_id)?),
                            Part::InputFile { file_id, file_url } => pictures.push(link(file_url, file_id)?),
                        }
                    }
                }
            }
            let text = texts.join("\n");
            question.tokens += usage::of_text(&text);
            if text.is_empty() && pictures.is_empty() && role != Role::Assistant {
                return Err(Wrong::invalid(
                    "input",
                    "Each message must have at least one content element.",
                ));
            }
            if role == Role::User {
                question.text = text;
                question.pictures.extend(pictures);
            }
            question.told = None;
        }
        ItemKind::FunctionCall => {
            let id = item.call_id.ok_or_else(|| lacks("call_id"))?;
            let name = item.name.ok_or_else(|| lacks("name"))?;
            let arguments = item.arguments.ok_or_else(|| lacks("arguments"))?;
            question.tokens += usage::of_text(&arguments) + usage::of_text(&name);
            calls.push(id);
        }
        ItemKind::FunctionCallOutput => {
            let id = item.call_id.ok_or_else(|| lacks("call_id"))?;
            let output = item.output.ok_or_else(|| lacks("output"))?;
            if !calls.contains(&id) && !goes_on {
                return Err(Wrong::invalid(
                    "input",
                    format!("No function call has the call_id `{id}`."),
                ));
            }
            let text = output.as_str().map_or_else(|| output.to_string(), str::to_owned);
            question.tokens += usage::of_text(&text);
            question.told = Some(text);
        }
        _ => {}
    }
    Ok(())
}

fn link(url: Option<String>, file_id: Option<String>) -> Result<Given, Wrong> {
    match (url, file_id) {
        (Some(url), None) => rules::picture(url),
        (None, Some(id)) => Ok(Given::FileId(id)),
        _ => Err(Wrong::image("An image is given by its URL or by a file id.")),
    }
}

/// The items of the output. Reasoning and searches come before what is looked for.
pub(super) fn output(answer: &Answer, encrypted: bool) -> Vec<Value> {
    let mut items = Vec::new();
    let status = match answer.end {
        End::Cut => "incomplete",
        End::Whole => "completed",
    };
    if let Some(thought) = &answer.thought {
        let mut item = json!({
            "id": format!("rs_{}", answer.id), "type": "reasoning", "status": "completed",
            "summary": [{ "type": "summary_text", "text": thought }],
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

/// The whole body. `status` is `in_progress` while it is streamed.
pub(super) fn body(asked: &Asked, answer: &Answer, status: &str, output: Vec<Value>) -> Value {
    let mut body = Value::Object(asked.echo.clone());
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

/// The whole body of an answer that is there.
pub(super) fn finished(asked: &Asked, answer: &Answer) -> Value {
    let status = match answer.end {
        End::Cut => "incomplete",
        End::Whole => "completed",
    };
    body(asked, answer, status, output(answer, asked.encrypted))
}

/// The events of a stream, in order and numbered.
pub(super) fn events(asked: &Asked, answer: &Answer) -> Vec<Value> {
    let begun = || body(asked, answer, "in_progress", Vec::new());
    let mut all = vec![
        json!({ "type": "response.created", "response": begun() }),
        json!({ "type": "response.in_progress", "response": begun() }),
    ];
    for (index, item) in output(answer, asked.encrypted).into_iter().enumerate() {
        item_events(&mut all, index, &item);
    }
    let whole = finished(asked, answer);
    let kind = match answer.end {
        End::Cut => "response.incomplete",
        End::Whole => "response.completed",
    };
    all.push(json!({ "type": kind, "response": whole }));
    for (number, event) in all.iter_mut().enumerate() {
        event["sequence_number"] = json!(number);
    }
    all
}

fn item_events(all: &mut Vec<Value>, index: usize, item: &Value) {
    let id = item["id"].clone();
    let event = |kind: &str, more: Value| {
        let mut event = json!({ "type": kind, "item_id": id, "output_index": index });
        if let (Value::Object(event), Value::Object(more)) = (&mut event, more) {
            event.extend(more);
        }
        event
    };
    let mut begun = item.clone();
    begun["status"] = json!("in_progress");
    for key in ["summary", "content"] {
        if begun.get(key).is_some() {
            begun[key] = json!([]);
        }
    }
    let kind = item["type"].as_str().unwrap_or_default();
    if kind == "function_call" {
        begun["arguments"] = json!("");
    }
    all.push(json!({ "type": "response.output_item.added", "output_index": index, "item": begun }));
    let text = |path: &str| item.pointer(path).and_then(Value::as_str).unwrap_or_default();
    match kind {
        "reasoning" => {
            let text = text("/summary/0/text");
            let part =
                |text: &str| json!({ "summary_index": 0, "part": { "type": "summary_text", "text": text } });
            all.push(event("response.reasoning_summary_part.added", part("")));
            for delta in super::stream::pieces(text) {
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
            for delta in super::stream::pieces(words) {
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

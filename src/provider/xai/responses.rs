//! The language models of the service, over `POST /v1/responses`.
//!
//! Strict when writing. Lenient when reading: a field of the wrong type counts as absent, what is not
//! known is passed over, and the message is found by its type, because thoughts and searches stand
//! around it.

use std::fmt;
use std::time::Duration;

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::errors::{Refusal, is_verdict, one_line};
use super::once::sent_once;
use crate::error::{Charge, Error, ErrorKind, Result, RetryAdvice};
use crate::http::{Http, Reply};
use crate::money::UsdTicks;
use crate::provider::{Answer, Ask, Part, TokenUsage};

/// The deadline of the connection lies behind that of the question, so that one of the two decides.
const GRACE: Duration = Duration::from_secs(5);

/// Asks, and repeats the question only when it provably never left or was refused for its rate.
pub(super) async fn respond(http: &Http, ask: &Ask) -> Result<Answer> {
    let body = body(ask)?;
    let until = Instant::now() + ask.deadline;
    let send = || {
        let post = http.post_with_timeout(&["responses"], body.clone(), ask.deadline + GRACE);
        async move {
            match timeout_at(until, post).await {
                Ok(reply) => Ok(answer(ask.doing, &reply?)),
                Err(_) => Ok(Err(late(ask))),
            }
        }
    };
    // The rate is one of this model: requests for clips are not held back for it.
    let unknown = |cause: &Error| lost(ask.doing, cause);
    sent_once(http.stop_signal(), Some(until), send, unknown, |_| {}).await
}

fn late(ask: &Ask) -> Error {
    Error::new(
        ErrorKind::Timeout,
        format!(
            "{}: {} gave no answer within {} s",
            ask.doing,
            one_line(&ask.model),
            ask.deadline.as_secs_f64()
        ),
    )
    .with_charge(Charge::Unknown)
    .with_advice(RetryAdvice::Wait)
}

/// Sent, and no answer that can be read: what it cost is not known.
fn lost(doing: &str, cause: &Error) -> Error {
    let error = Error::new(ErrorKind::Network, format!("{doing}: no answer ({cause})"))
        .with_charge(Charge::Unknown)
        .with_advice(RetryAdvice::Wait);
    match cause.status() {
        Some(status) => error.with_status(status),
        None => error,
    }
}

/// Answered and paid, and of no use. The same question may well bring the same answer.
fn unusable(doing: &str, what: impl fmt::Display) -> Error {
    Error::new(ErrorKind::Protocol, format!("{doing}: {what}"))
        .with_charge(Charge::Yes)
        .with_advice(RetryAdvice::Change)
}

fn declined(doing: &str, words: &str) -> Error {
    let words = one_line(words);
    let line = if words.is_empty() {
        format!("{doing}: the model declined")
    } else {
        format!("{doing}: the model declined: {words}")
    };
    Error::new(ErrorKind::Moderated, line).with_charge(Charge::Yes)
}

// --- writing -----------------------------------------------------------------------------------

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    instructions: &'a str,
    input: [Message<'a>; 1],
    text: Format<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<[Tool; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<Reasoning<'a>>,
    max_output_tokens: u32,
    /// Left out, the service would keep question, pictures and answer for 30 days.
    store: bool,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Vec<Content<'a>>,
}

#[derive(Serialize)]
#[serde(tag = "type")]
enum Content<'a> {
    #[serde(rename = "input_text")]
    Text { text: &'a str },
    #[serde(rename = "input_image")]
    Image { image_url: ImageUrl<'a> },
}

struct ImageUrl<'a>(&'a Part);

impl fmt::Display for ImageUrl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Part::Text(_) => Ok(()),
            Part::Link(url) => f.write_str(url),
            Part::Picture { mime, bytes } => {
                write!(f, "data:{mime};base64,{}", Base64Display::new(bytes, &STANDARD))
            }
        }
    }
}

impl Serialize for ImageUrl<'_> {
    /// Base64 straight into the body: the text is never held beside it.
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[derive(Serialize)]
struct Format<'a> {
    format: JsonSchema<'a>,
}

#[derive(Serialize)]
struct JsonSchema<'a> {
    r#type: &'static str,
    name: &'a str,
    schema: &'a Value,
    strict: bool,
}

#[derive(Serialize)]
struct Tool {
    r#type: &'static str,
}

#[derive(Serialize)]
struct Reasoning<'a> {
    effort: &'a str,
}

fn body(ask: &Ask) -> Result<Bytes> {
    let content = ask.parts.iter().map(|part| match part {
        Part::Text(text) => Content::Text { text },
        picture => Content::Image {
            image_url: ImageUrl(picture),
        },
    });
    let request = Request {
        model: &ask.model,
        instructions: ask.instructions,
        input: [Message {
            role: "user",
            content: content.collect(),
        }],
        text: Format {
            format: JsonSchema {
                r#type: "json_schema",
                name: ask.schema_name,
                schema: &ask.schema,
                strict: true,
            },
        },
        tools: ask.web_search.then_some([Tool { r#type: "web_search" }]),
        reasoning: ask.effort.as_deref().map(|effort| Reasoning { effort }),
        max_output_tokens: ask.max_output_tokens,
        store: false,
    };
    let sizes = ask.parts.iter().map(|part| match part {
        Part::Text(text) | Part::Link(text) => text.len() * 2,
        Part::Picture { bytes, .. } => bytes.len().div_ceil(3) * 4 + 64,
    });
    let mut json = Vec::with_capacity(8192 + sizes.sum::<usize>());
    serde_json::to_writer(&mut json, &request).map_err(|error| {
        Error::new(
            ErrorKind::InvalidRequest,
            format!("{}: write the question as JSON", ask.doing),
        )
        .with_source(error)
    })?;
    Ok(json.into())
}

// --- reading -----------------------------------------------------------------------------------

pub(super) fn answer(doing: &str, reply: &Reply) -> Result<Answer> {
    match reply.status {
        200..=299 => read(doing, reply),
        300..=399 => Err(Error::new(
            ErrorKind::Config,
            format!("{doing}: the base URL redirects to another place; give that one as the base URL"),
        )
        .with_status(reply.status)),
        408 | 500.. => {
            let error = Error::new(ErrorKind::Network, Refusal::read(reply).summary());
            Err(lost(doing, &error.with_status(reply.status)))
        }
        _ => Err(Refusal::read(reply).into_error(doing)),
    }
}

fn read(doing: &str, reply: &Reply) -> Result<Answer> {
    let whole: Option<Value> = serde_json::from_slice(&reply.body).ok();
    let Some(whole) = whole.filter(Value::is_object) else {
        return Err(unusable(doing, "the answer is no JSON object")
            .with_status(reply.status)
            .with_charge(Charge::Unknown));
    };
    let has_output = whole.get("output").is_some_and(Value::is_array);
    if !has_output && whole.get("error").is_some_and(|error| !error.is_null()) {
        // An error inside HTTP 200: seen from the older route.
        return Err(Refusal::read(reply)
            .into_error(doing)
            .with_charge(Charge::Unknown)
            .with_advice(RetryAdvice::Change));
    }
    let usage = &whole["usage"];
    let count = |pointer: &str| usage.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    let searches = items(&whole, "web_search_call").count() as u64;
    Ok(Answer {
        reply: text(doing, &whole),
        model: whole["model"].as_str().map(str::to_owned),
        usage: TokenUsage {
            input: count("/input_tokens"),
            cached: count("/input_tokens_details/cached_tokens"),
            output: count("/output_tokens"),
            reasoning: count("/output_tokens_details/reasoning_tokens"),
        },
        cost: usage
            .get("cost_in_usd_ticks")
            .and_then(Value::as_u64)
            .map(UsdTicks::new),
        web_searches: searches.max(count("/num_server_side_tools_used")),
    })
}

fn items<'a>(whole: &'a Value, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    let output = whole["output"].as_array().map_or(&[][..], Vec::as_slice);
    output.iter().filter(move |item| item["type"] == kind)
}

/// What the model says, or why it says nothing.
fn text(doing: &str, whole: &Value) -> Result<String> {
    let word = |value: &Value| value.as_str().map(str::to_ascii_lowercase);
    let parts = |message: &'_ Value| message["content"].as_array().cloned().unwrap_or_default();
    if let Some(refusal) = items(whole, "message")
        .flat_map(parts)
        .find(|part| part["type"] == "refusal")
    {
        return Err(declined(doing, refusal["refusal"].as_str().unwrap_or_default()));
    }
    match word(&whole["status"]).as_deref() {
        Some("incomplete") => {
            let reason = whole["incomplete_details"]["reason"].as_str().map(one_line);
            return Err(match reason.as_deref() {
                Some("content_filter") => declined(doing, "its answer was held back by a content filter"),
                Some(reason) => unusable(doing, format_args!("the answer is incomplete: {reason}")),
                None => unusable(doing, "the answer is incomplete"),
            });
        }
        Some(failed @ ("failed" | "cancelled")) => {
            let error = &whole["error"];
            let reason = error["message"].as_str().or(error.as_str()).map(one_line);
            let reason = reason.unwrap_or_else(|| "the service gives no reason".to_owned());
            return Err(if is_verdict(error["code"].as_str(), Some(&reason)) {
                declined(doing, &reason)
            } else {
                unusable(doing, format_args!("the answer {failed}: {reason}")).with_charge(Charge::Unknown)
            });
        }
        // `completed`, none, and whatever the service may invent: the message decides.
        _ => {}
    }
    let texts = items(whole, "message").map(|message| {
        let parts = parts(message);
        let texts = parts.iter().filter(|part| part["type"] == "output_text");
        texts.filter_map(|part| part["text"].as_str()).collect::<String>()
    });
    // Between searches a model may say what it is about to do; its last word is the answer.
    let mut texts: Vec<String> = texts.collect();
    texts.retain(|text| !text.trim().is_empty());
    texts
        .pop()
        .ok_or_else(|| unusable(doing, "the answer has no text"))
}

#[cfg(test)]
mod tests;

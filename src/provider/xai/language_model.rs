//! Queries to the language models of the service, over `POST /v1/responses`.
//!
//! Reading is lenient: a field of the wrong type counts as absent, and unknown items are skipped. The answer is found
//! by its type, because reasoning and web searches surround it in the output.

use std::fmt;
use std::time::Duration;

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::error_reply::{ErrorReply, sanitize};
use super::moderation::is_moderation_verdict;
use super::paid_request::{error_for, send_paid};
use crate::error::{Charge, Error, ErrorKind, Result, RetryAdvice};
use crate::http::{Http, Reply};
use crate::money::UsdTicks;
use crate::provider::{ModelAnswer, ModelQuery, QueryPart, TokenUsage};
use crate::stop::{BeforeSend, StopSignal};

/// The timeout of the connection is this much longer than that of the query, so that the latter always expires first.
const GRACE: Duration = Duration::from_secs(5);

pub(super) async fn query(http: &Http, query: &ModelQuery, stop: &StopSignal) -> Result<ModelAnswer> {
    let body = body(query)?;
    let deadline = Instant::now() + query.timeout;
    let before = BeforeSend { stop, check: None };
    let send = || {
        let post = http.post_with_timeout(&["responses"], body.clone(), query.timeout + GRACE, before);
        async move {
            match timeout_at(deadline, post).await {
                Ok(reply) => Ok(read_reply(query.action, &reply?)),
                Err(_) => Ok(Err(timed_out(query))),
            }
        }
    };
    let unknown = |cause: &Error| outcome_unknown(query.action, cause);
    // The rate limit is one of the language model, so requests for clips are not delayed.
    send_paid(stop, Some(deadline), send, unknown, |_| {}).await
}

fn timed_out(query: &ModelQuery) -> Error {
    Error::new(
        ErrorKind::Timeout,
        format!(
            "{}: {} did not answer within {} s",
            query.action,
            sanitize(&query.model),
            query.timeout.as_secs_f64()
        ),
    )
    .with_charge(Charge::Unknown)
    .with_advice(RetryAdvice::Wait)
}

/// Returns the error for a query that was sent and has no readable reply. Its cost is unknown.
fn outcome_unknown(action: &str, cause: &Error) -> Error {
    let error = Error::network(format!("{action}: no answer ({cause})"))
        .with_charge(Charge::Unknown)
        .with_advice(RetryAdvice::Wait);
    error.with(cause.status(), Error::with_status)
}

/// Returns the error for an answer that was paid and cannot be used. The same query may get the same answer.
fn unusable(action: &str, what: impl fmt::Display) -> Error {
    Error::protocol(format!("{action}: {what}"))
        .with_charge(Charge::Yes)
        .with_advice(RetryAdvice::Change)
}

fn declined(action: &str, reason: &str) -> Error {
    let reason = sanitize(reason);
    let line = if reason.is_empty() {
        format!("{action}: the model declined")
    } else {
        format!("{action}: the model declined: {reason}")
    };
    Error::new(ErrorKind::Moderated, line).with_charge(Charge::Yes)
}

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    instructions: &'a str,
    input: [Message<'a>; 1],
    text: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<Value>,
    max_output_tokens: u32,
    /// By default the service would keep the query, its images and the answer for 30 days.
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

struct ImageUrl<'a>(&'a QueryPart);

impl fmt::Display for ImageUrl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            QueryPart::Text(_) => Ok(()),
            QueryPart::ImageUrl(url) => f.write_str(url),
            QueryPart::Image { mime, bytes } => {
                write!(f, "data:{mime};base64,{}", Base64Display::new(bytes, &STANDARD))
            }
        }
    }
}

impl Serialize for ImageUrl<'_> {
    /// Writes the base64 directly to the body, so that memory holds it once.
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

fn body(query: &ModelQuery) -> Result<Bytes> {
    let content = query.parts.iter().map(|part| match part {
        QueryPart::Text(text) => Content::Text { text },
        image => Content::Image {
            image_url: ImageUrl(image),
        },
    });
    let request = Request {
        model: &query.model,
        instructions: query.instructions,
        input: [Message {
            role: "user",
            content: content.collect(),
        }],
        text: json!({ "format": {
            "type": "json_schema",
            "name": query.schema_name,
            "schema": query.schema,
            "strict": true,
        } }),
        tools: query.web_search.then(|| json!([{ "type": "web_search" }])),
        reasoning: query
            .reasoning_effort
            .as_ref()
            .map(|effort| json!({ "effort": effort })),
        max_output_tokens: query.max_output_tokens,
        store: false,
    };
    let sizes = query.parts.iter().map(|part| match part {
        QueryPart::Text(text) | QueryPart::ImageUrl(text) => text.len() * 2,
        QueryPart::Image { bytes, .. } => bytes.len().div_ceil(3) * 4 + 64,
    });
    let mut json = Vec::with_capacity(8192 + sizes.sum::<usize>());
    serde_json::to_writer(&mut json, &request).map_err(|error| {
        Error::invalid(format!("{}: encode the query as JSON", query.action)).with_source(error)
    })?;
    Ok(json.into())
}

/// Reads the reply to a query.
pub(super) fn read_reply(action: &str, reply: &Reply) -> Result<ModelAnswer> {
    if !(200..=299).contains(&reply.status) {
        return Err(error_for(reply, action, |cause| outcome_unknown(action, cause)));
    }
    let response: Option<Value> = serde_json::from_slice(&reply.body).ok();
    let Some(response) = response.filter(Value::is_object) else {
        return Err(unusable(action, "the reply is not a JSON object")
            .with_status(reply.status)
            .with_charge(Charge::Unknown));
    };
    let has_output = response["output"].is_array();
    if !has_output && !response["error"].is_null() {
        // The older route has been seen to return an error with HTTP 200.
        return Err(ErrorReply::parse(reply)
            .into_error(action)
            .with_charge(Charge::Unknown)
            .with_advice(RetryAdvice::Change));
    }
    let usage = &response["usage"];
    let count = |pointer: &str| usage.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    let searches = items(&response, "web_search_call").count() as u64;
    Ok(ModelAnswer {
        text: answer_text(action, &response),
        model: response["model"].as_str().map(str::to_owned),
        usage: TokenUsage {
            input: count("/input_tokens"),
            cached: count("/input_tokens_details/cached_tokens"),
            output: count("/output_tokens"),
            reasoning: count("/output_tokens_details/reasoning_tokens"),
        },
        cost: usage["cost_in_usd_ticks"].as_u64().map(UsdTicks::new),
        web_searches: searches.max(count("/num_server_side_tools_used")),
    })
}

/// Iterates over the output items of one type.
fn items<'a>(response: &'a Value, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    let output = response["output"].as_array().map_or(&[][..], Vec::as_slice);
    output.iter().filter(move |item| item["type"] == kind)
}

/// Returns the model's text, or an error with the reason why there is none.
fn answer_text(action: &str, response: &Value) -> Result<String> {
    let parts = |message: &'_ Value| message["content"].as_array().cloned().unwrap_or_default();
    if let Some(refusal) = items(response, "message")
        .flat_map(parts)
        .find(|part| part["type"] == "refusal")
    {
        return Err(declined(action, refusal["refusal"].as_str().unwrap_or_default()));
    }
    let status = response["status"].as_str().map(str::to_ascii_lowercase);
    match status.as_deref() {
        Some("incomplete") => {
            let reason = response["incomplete_details"]["reason"].as_str().map(sanitize);
            return Err(match reason.as_deref() {
                Some("content_filter") => declined(action, "a content filter withheld its answer"),
                Some(reason) => unusable(action, format_args!("the answer is incomplete: {reason}")),
                None => unusable(action, "the answer is incomplete"),
            });
        }
        Some(status @ ("failed" | "cancelled")) => {
            let error = &response["error"];
            let reason = error["message"].as_str().or(error.as_str()).map(sanitize);
            let reason = reason.unwrap_or_else(|| "the service gives no reason".to_owned());
            return Err(if is_moderation_verdict(error["code"].as_str(), Some(&reason)) {
                declined(action, &reason)
            } else {
                unusable(action, format_args!("the answer {status}: {reason}")).with_charge(Charge::Unknown)
            });
        }
        // `completed`, no status, or one that is not known here: the messages decide.
        _ => {}
    }
    let texts = items(response, "message").map(|message| {
        let parts = parts(message);
        let texts = parts.iter().filter(|part| part["type"] == "output_text");
        texts.filter_map(|part| part["text"].as_str()).collect::<String>()
    });
    // Between searches a model may announce its next step. The last text is the answer.
    let mut texts: Vec<String> = texts.collect();
    texts.retain(|text| !text.trim().is_empty());
    texts
        .pop()
        .ok_or_else(|| unusable(action, "the answer has no text"))
}

#[cfg(test)]
mod tests;

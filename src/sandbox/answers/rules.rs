//! What the two routes accept, and a question that has passed.
//!
//! Owns the rules that both share and the words of refusals. `chat` and `responses` give them their shape.

use std::collections::HashSet;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::check;
use super::models::{Effort, Language};
use super::wire::{ChoiceWord, FunctionTool, NamedSchema};
use crate::sandbox::errors::{Refusal, json_response};
use crate::sandbox::rules::{Given, TEAM};

/// Most functions a request may offer.
const MOST_TOOLS: usize = 128;
/// Most domains a web search may be limited to.
const MOST_DOMAINS: usize = 5;

/// A request that is turned down by a rule, before it has the shape of a route.
#[derive(Debug, PartialEq)]
pub(super) struct Wrong {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) param: Option<&'static str>,
}

impl Wrong {
    pub(super) fn invalid(param: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code: "invalid-argument",
            message: message.into(),
            param: Some(param),
        }
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            code: "not-found",
            message: message.into(),
            param: None,
        }
    }

    pub(super) fn image(message: impl Into<String>) -> Self {
        Self {
            code: "invalid_image",
            ..Self::invalid("image", message)
        }
    }

    /// In the style of Chat Completions.
    pub(super) fn nested(self) -> Response {
        let body = json!({ "error": {
            "message": self.message, "type": "invalid_request_error", "param": self.param, "code": self.code,
        }});
        json_response(self.status, &body)
    }

    /// In the style of Responses.
    pub(super) fn flat(self) -> Response {
        let code = match self.code {
            "invalid_image" => "invalid-argument",
            code => code,
        };
        Refusal::flat(self.status, code, self.message).into_response()
    }
}

/// What was asked, whichever route it came by.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) model: &'static Language,
    pub(super) effort: Effort,
    /// What the user wrote last.
    pub(super) text: String,
    /// The user's pictures, in their order.
    pub(super) pictures: Vec<Given>,
    /// What a tool answered, when that is the last that was said.
    pub(super) told: Option<String>,
    pub(super) tools: Vec<Function>,
    pub(super) choice: Choice,
    pub(super) format: Format,
    pub(super) search: bool,
    /// Most tokens of the answer.
    pub(super) most: Option<u64>,
    pub(super) stream: bool,
    /// Tokens of all texts and of all tools, and the number of messages.
    pub(super) tokens: u64,
    pub(super) messages: u64,
}

/// A function that the caller offers.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) parameters: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Choice {
    Auto,
    None,
    Required,
    Named(String),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Format {
    Text,
    Json,
    Schema(Value),
}

impl Choice {
    pub(super) fn word(word: ChoiceWord) -> Self {
        match word {
            ChoiceWord::Auto => Self::Auto,
            ChoiceWord::None => Self::None,
            ChoiceWord::Required => Self::Required,
        }
    }
}

pub(super) fn model(name: &str) -> Result<&'static Language, Wrong> {
    Language::find(name).ok_or_else(|| {
        Wrong::not_found(format!(
            "The model {name} does not exist or your team {TEAM} does not have access to it."
        ))
    })
}

/// `param` is `reasoning_effort` in Chat Completions and `reasoning.effort` in Responses.
pub(super) fn effort(model: &Language, word: Option<&str>, param: &'static str) -> Result<Effort, Wrong> {
    let Some(word) = word else {
        return Ok(model.usual);
    };
    if model.efforts.is_empty() {
        return Err(Wrong::invalid(
            param,
            format!("Model {} does not support parameter reasoningEffort.", model.id),
        ));
    }
    let effort = Effort::parse(word).filter(|effort| model.efforts.contains(effort));
    effort.ok_or_else(|| {
        let known: Vec<_> = model.efforts.iter().map(|effort| effort.as_str()).collect();
        Wrong::invalid(
            param,
            format!(
                "Invalid reasoning effort `{word}` for model {}. Supported values are: {}.",
                model.id,
                known.join(", ")
            ),
        )
    })
}

pub(super) fn sampling(temperature: Option<f64>, top_p: Option<f64>) -> Result<(), Wrong> {
    if temperature.is_some_and(|t| !(0.0..=2.0).contains(&t)) {
        return Err(Wrong::invalid(
            "temperature",
            "Temperature must be between 0 and 2.",
        ));
    }
    if top_p.is_some_and(|p| !(0.0..=1.0).contains(&p)) {
        return Err(Wrong::invalid("top_p", "Top-p must be between 0 and 1."));
    }
    Ok(())
}

pub(super) fn most(tokens: Option<u64>, param: &'static str) -> Result<Option<u64>, Wrong> {
    match tokens {
        Some(0) => Err(Wrong::invalid(param, format!("`{param}` must be at least 1."))),
        other => Ok(other),
    }
}

pub(super) fn functions(offered: Vec<FunctionTool>) -> Result<Vec<Function>, Wrong> {
    if offered.len() > MOST_TOOLS {
        return Err(Wrong::invalid(
            "tools",
            format!(
                "Too many tools: {}. Maximum allowed is {MOST_TOOLS}.",
                offered.len()
            ),
        ));
    }
    let mut seen = HashSet::new();
    let check = |tool: FunctionTool| {
        if !is_name(&tool.name) {
            return Err(Wrong::invalid(
                "tools",
                format!(
                    "Invalid function name `{}`: use letters, digits, _ and -.",
                    tool.name
                ),
            ));
        }
        if !seen.insert(tool.name.clone()) {
            return Err(Wrong::invalid(
                "tools",
                format!("Function `{}` is given twice.", tool.name),
            ));
        }
        let parameters = Value::Object(tool.parameters.unwrap_or_else(empty_object));
        usable("tools", &parameters)?;
        if parameters.get("type").is_some_and(|kind| kind != "object") {
            return Err(Wrong::invalid(
                "tools",
                format!("The parameters of function `{}` must be an object.", tool.name),
            ));
        }
        Ok(Function {
            name: tool.name,
            parameters,
        })
    };
    offered.into_iter().map(check).collect()
}

fn empty_object() -> Map<String, Value> {
    [("type".to_owned(), json!("object"))].into_iter().collect()
}

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

fn usable(param: &'static str, schema: &Value) -> Result<(), Wrong> {
    check::usable(schema).map_err(|why| Wrong::invalid(param, format!("Invalid JSON schema: {why}.")))
}

pub(super) fn schema(param: &'static str, named: NamedSchema) -> Result<Format, Wrong> {
    if !is_name(&named.name) {
        return Err(Wrong::invalid(
            param,
            format!("Invalid schema name `{}`.", named.name),
        ));
    }
    let schema = Value::Object(named.schema);
    usable(param, &schema)?;
    Ok(Format::Schema(schema))
}

/// Whether the choice can be kept with these functions.
pub(super) fn choice(choice: Choice, tools: &[Function], servers: bool) -> Result<Choice, Wrong> {
    match &choice {
        Choice::Required if tools.is_empty() && !servers => Err(Wrong::invalid(
            "tool_choice",
            "A tool_choice was set on the request but no tools were specified.",
        )),
        Choice::Named(name) if !tools.iter().any(|tool| tool.name == *name) => Err(Wrong::invalid(
            "tool_choice",
            format!("Tool choice `{name}` is not among the tools."),
        )),
        _ => Ok(choice),
    }
}

/// The limits of a web search: at most five domains, allowed or excluded, not both.
pub(super) fn search(options: &Map<String, Value>) -> Result<(), Wrong> {
    let filters = options
        .get("filters")
        .and_then(Value::as_object)
        .unwrap_or(options);
    let domains = |key: &str| filters.get(key).and_then(Value::as_array).map_or(0, Vec::len);
    let (allowed, excluded) = (domains("allowed_domains"), domains("excluded_domains"));
    if allowed > 0 && excluded > 0 {
        return Err(Wrong::invalid(
            "tools",
            "`allowed_domains` and `excluded_domains` cannot be combined.",
        ));
    }
    if allowed.max(excluded) > MOST_DOMAINS {
        return Err(Wrong::invalid(
            "tools",
            format!("A web search takes at most {MOST_DOMAINS} domains."),
        ));
    }
    Ok(())
}

/// A picture by its link: data, http or https.
pub(super) fn picture(url: String) -> Result<Given, Wrong> {
    let known = ["data:", "http://", "https://"];
    if known.iter().any(|scheme| url.starts_with(scheme)) {
        Ok(Given::Url(url))
    } else {
        Err(Wrong::image("Invalid image URL: use https or a base64 data URL."))
    }
}

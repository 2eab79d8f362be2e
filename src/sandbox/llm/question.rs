//! A checked question, and the checks that Responses and Chat Completions share.
//!
//! Owns the rules and the wording of refusals. `chat` and `responses` own what only their route has.

use std::collections::HashSet;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::language_body::{ChoiceWord, FunctionTool, NamedSchema};
use super::language_model::{Effort, LanguageModel};
use super::schema_check;
use super::token_usage::text_tokens;
use crate::sandbox::rules::limits::TEAM;
use crate::sandbox::rules::refusal::{Refusal, json_response};
use crate::sandbox::rules::video_request::MediaRef;

/// Maximum number of functions in a request.
const MAX_TOOLS: usize = 128;
/// Maximum number of domains in the filter of a web search.
const MAX_DOMAINS: usize = 5;

/// The refusal of a request by a rule, before it has the form of a route.
#[derive(Debug, PartialEq)]
pub(crate) struct Rejection {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) param: Option<&'static str>,
}

impl Rejection {
    pub(super) fn invalid(param: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code: "invalid-argument",
            message: message.into(),
            param: Some(param),
        }
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            code: "not-found",
            message: message.into(),
            param: None,
        }
    }

    pub(crate) fn image(message: impl Into<String>) -> Self {
        Self {
            code: "invalid_image",
            ..Self::invalid("image", message)
        }
    }

    /// Returns the response of Chat Completions.
    pub(crate) fn chat_response(self) -> Response {
        let body = json!({ "error": {
            "message": self.message, "type": "invalid_request_error", "param": self.param, "code": self.code,
        }});
        json_response(self.status, &body)
    }

    /// Returns the response of Responses.
    pub(crate) fn responses_response(self) -> Response {
        let code = match self.code {
            "invalid_image" => "invalid-argument",
            code => code,
        };
        Refusal::flat(self.status, code, self.message).into_response()
    }
}

/// A question, whichever route it came by.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) model: &'static LanguageModel,
    pub(super) effort: Effort,
    /// The last text of the user.
    pub(crate) text: String,
    /// The user's pictures, in order.
    pub(crate) pictures: Vec<MediaRef>,
    /// The output of a tool, if that is the last message.
    pub(super) tool_output: Option<String>,
    pub(super) tools: Vec<Function>,
    pub(super) choice: ToolChoice,
    pub(super) format: AnswerFormat,
    pub(super) search: bool,
    /// Maximum number of tokens of the answer.
    pub(super) max_tokens: Option<u64>,
    pub(crate) stream: bool,
    /// Tokens of all texts and tools.
    pub(super) tokens: u64,
    /// Number of messages.
    pub(super) messages: u64,
}

impl Question {
    /// Returns a question without messages.
    pub(super) fn new(model: &'static LanguageModel, effort: Effort, tools: Vec<Function>) -> Self {
        let tool_tokens = tools.iter().map(|tool| text_tokens(&tool.parameters.to_string()));
        Self {
            model,
            effort,
            text: String::new(),
            pictures: Vec::new(),
            tool_output: None,
            tokens: tool_tokens.sum(),
            tools,
            choice: ToolChoice::Auto,
            format: AnswerFormat::Text,
            search: false,
            max_tokens: None,
            stream: false,
            messages: 1,
        }
    }
}

/// A function that the model may call.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) parameters: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum ToolChoice {
    Auto,
    None,
    Required,
    Named(String),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum AnswerFormat {
    Text,
    Json,
    Schema(Value),
}

impl ToolChoice {
    pub(super) fn from_word(word: ChoiceWord) -> Self {
        match word {
            ChoiceWord::Auto => Self::Auto,
            ChoiceWord::None => Self::None,
            ChoiceWord::Required => Self::Required,
        }
    }
}

pub(crate) fn find_model(name: &str) -> Result<&'static LanguageModel, Rejection> {
    LanguageModel::find(name).ok_or_else(|| {
        Rejection::not_found(format!(
            "The model {name} does not exist or your team {TEAM} does not have access to it."
        ))
    })
}

/// Checks the reasoning effort. `param` is `reasoning_effort` in Chat Completions and `reasoning.effort` in Responses.
pub(super) fn check_effort(
    model: &LanguageModel,
    word: Option<&str>,
    param: &'static str,
) -> Result<Effort, Rejection> {
    let Some(word) = word else {
        return Ok(model.default_effort);
    };
    if model.efforts.is_empty() {
        return Err(Rejection::invalid(
            param,
            format!("Model {} does not support parameter reasoningEffort.", model.id),
        ));
    }
    let effort = model.efforts.iter().find(|effort| effort.as_str() == word);
    effort.copied().ok_or_else(|| {
        let known: Vec<_> = model.efforts.iter().map(|effort| effort.as_str()).collect();
        Rejection::invalid(
            param,
            format!(
                "Invalid reasoning effort `{word}` for model {}. Supported values are: {}.",
                model.id,
                known.join(", ")
            ),
        )
    })
}

pub(super) fn check_sampling(temperature: Option<f64>, top_p: Option<f64>) -> Result<(), Rejection> {
    if temperature.is_some_and(|t| !(0.0..=2.0).contains(&t)) {
        return Err(Rejection::invalid(
            "temperature",
            "Temperature must be between 0 and 2.",
        ));
    }
    if top_p.is_some_and(|p| !(0.0..=1.0).contains(&p)) {
        return Err(Rejection::invalid("top_p", "Top-p must be between 0 and 1."));
    }
    Ok(())
}

pub(super) fn check_max_tokens(tokens: Option<u64>, param: &'static str) -> Result<Option<u64>, Rejection> {
    match tokens {
        Some(0) => Err(Rejection::invalid(
            param,
            format!("`{param}` must be at least 1."),
        )),
        other => Ok(other),
    }
}

pub(super) fn check_functions(offered: Vec<FunctionTool>) -> Result<Vec<Function>, Rejection> {
    if offered.len() > MAX_TOOLS {
        return Err(Rejection::invalid(
            "tools",
            format!(
                "Too many tools: {}. Maximum allowed is {MAX_TOOLS}.",
                offered.len()
            ),
        ));
    }
    let mut seen = HashSet::new();
    let check = |tool: FunctionTool| {
        if !is_name(&tool.name) {
            return Err(Rejection::invalid(
                "tools",
                format!(
                    "Invalid function name `{}`: use letters, digits, _ and -.",
                    tool.name
                ),
            ));
        }
        if !seen.insert(tool.name.clone()) {
            return Err(Rejection::invalid(
                "tools",
                format!("Function `{}` is given twice.", tool.name),
            ));
        }
        let parameters = Value::Object(tool.parameters.unwrap_or_else(empty_object));
        check_schema("tools", &parameters)?;
        if parameters.get("type").is_some_and(|kind| kind != "object") {
            return Err(Rejection::invalid(
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

fn check_schema(param: &'static str, schema: &Value) -> Result<(), Rejection> {
    schema_check::check_references(schema)
        .map_err(|why| Rejection::invalid(param, format!("Invalid JSON schema: {why}.")))
}

/// Returns the format of an answer that must satisfy a schema.
pub(super) fn schema_format(param: &'static str, named: NamedSchema) -> Result<AnswerFormat, Rejection> {
    if !is_name(&named.name) {
        return Err(Rejection::invalid(
            param,
            format!("Invalid schema name `{}`.", named.name),
        ));
    }
    let schema = Value::Object(named.schema);
    check_schema(param, &schema)?;
    Ok(AnswerFormat::Schema(schema))
}

/// Checks a choice against the functions of the request. `has_server_tools` is whether the service itself offers tools.
pub(super) fn check_choice(
    choice: ToolChoice,
    tools: &[Function],
    has_server_tools: bool,
) -> Result<ToolChoice, Rejection> {
    match &choice {
        ToolChoice::Required if tools.is_empty() && !has_server_tools => Err(Rejection::invalid(
            "tool_choice",
            "A tool_choice was set on the request but no tools were specified.",
        )),
        ToolChoice::Named(name) if !tools.iter().any(|tool| tool.name == *name) => Err(Rejection::invalid(
            "tool_choice",
            format!("Tool choice `{name}` is not among the tools."),
        )),
        _ => Ok(choice),
    }
}

/// Checks the filter of a web search: at most five domains, either allowed or excluded.
pub(super) fn check_search(options: &Map<String, Value>) -> Result<(), Rejection> {
    let filters = options
        .get("filters")
        .and_then(Value::as_object)
        .unwrap_or(options);
    let domains = |key: &str| filters.get(key).and_then(Value::as_array).map_or(0, Vec::len);
    let (allowed, excluded) = (domains("allowed_domains"), domains("excluded_domains"));
    if allowed > 0 && excluded > 0 {
        return Err(Rejection::invalid(
            "tools",
            "`allowed_domains` and `excluded_domains` cannot be combined.",
        ));
    }
    if allowed.max(excluded) > MAX_DOMAINS {
        return Err(Rejection::invalid(
            "tools",
            format!("A web search takes at most {MAX_DOMAINS} domains."),
        ));
    }
    Ok(())
}

/// Checks the URL of a picture: `data`, `http` or `https`.
pub(super) fn picture_ref(url: String) -> Result<MediaRef, Rejection> {
    let known = ["data:", "http://", "https://"];
    if known.iter().any(|scheme| url.starts_with(scheme)) {
        Ok(MediaRef::Url(url))
    } else {
        Err(Rejection::image(
            "Invalid image URL: use https or a base64 data URL.",
        ))
    }
}

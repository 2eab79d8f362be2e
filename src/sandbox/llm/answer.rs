//! Answers a question: which function is called, which format the text has, and what a fault changes.

use serde_json::{Value, json};
use uuid::Uuid;

use super::answer_text::AnswerText;
use super::language_model::{Effort, LanguageModel};
use super::picture_stats::PictureStats;
use super::question::{AnswerFormat, Function, Question, Rejection, ToolChoice};
use super::schema_values;
use super::token_usage::{self, TokenUsage};
use crate::sandbox::faults::FaultKind;

const REFUSAL: &str = "I'm sorry, but I can't help with that request.";

/// An answer before it has the form of a route.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) id: Uuid,
    pub(super) created: i64,
    pub(super) model: &'static LanguageModel,
    /// A summary of the reasoning.
    pub(super) reasoning: Option<String>,
    /// The queries of web searches.
    pub(super) searches: Vec<String>,
    pub(super) sources: Vec<String>,
    pub(super) calls: Vec<FunctionCall>,
    pub(super) text: Option<String>,
    /// Whether it ends because the maximum number of tokens was reached.
    pub(super) is_truncated: bool,
    pub(super) usage: TokenUsage,
}

impl Answer {
    /// Returns the size of the conversation, this answer included. Pictures are counted again with each question.
    pub(crate) fn conversation_tokens(&self) -> u64 {
        let usage = &self.usage;
        usage.input + usage.visible - usage.image.min(usage.input)
    }
}

/// A call of a function that the request offers.
#[derive(Debug)]
pub(super) struct FunctionCall {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: String,
}

/// Answers a question. `earlier` is the size of the conversation so far, in tokens; `now` is in Unix seconds.
pub(crate) fn answer(
    question: &Question,
    pictures: Vec<PictureStats>,
    earlier: u64,
    fault: Option<&FaultKind>,
    now: i64,
) -> Result<Answer, Rejection> {
    let image = pictures
        .iter()
        .map(|picture| token_usage::picture_tokens(picture.width, picture.height))
        .sum();
    let text = AnswerText::new(&question.text, pictures, question.tool_output.clone());
    let mut answer = Answer {
        id: Uuid::new_v4(),
        created: now,
        model: question.model,
        reasoning: reasoning_summary(question.effort, &text),
        searches: Vec::new(),
        sources: Vec::new(),
        calls: Vec::new(),
        text: None,
        is_truncated: false,
        usage: TokenUsage::of_input(question.tokens, question.messages, image, earlier),
    };
    if question.search && question.choice != ToolChoice::None {
        let query: String = text.subject().chars().take(120).collect();
        answer.searches.push(query);
        answer.sources = vec![
            "https://example.com/reference".to_owned(),
            "https://example.org/pictures".to_owned(),
        ];
    }
    let is_broken = fault == Some(&FaultKind::SchemaBreak);
    match called_function(question, &text) {
        Some(function) => {
            let arguments = fill_schema(&function.parameters, &text, is_broken, "tools")?;
            let id = Uuid::new_v4().simple().to_string();
            answer.calls.push(FunctionCall {
                id: format!("call_{}", &id[..8]),
                name: function.name.clone(),
                arguments,
            });
        }
        None => {
            answer.text = Some(match &question.format {
                AnswerFormat::Schema(schema) => fill_schema(schema, &text, is_broken, "response_format")?,
                AnswerFormat::Json => {
                    let key = if text.has_pictures() {
                        "description"
                    } else {
                        "prompt"
                    };
                    json!({ key: text.free_text() }).to_string()
                }
                AnswerFormat::Text if question.search => text.search_brief(),
                AnswerFormat::Text => text.free_text(),
            });
        }
    }
    match fault {
        Some(FaultKind::Refusal) => {
            answer.calls.clear();
            answer.text = Some(REFUSAL.to_owned());
        }
        Some(FaultKind::EmptyAnswer) => {
            answer.calls.clear();
            answer.text = None;
            answer.reasoning = None;
        }
        _ => {}
    }
    let total = visible_tokens(&answer);
    let max = match fault {
        Some(FaultKind::Incomplete) => Some(total / 2),
        _ => question.max_tokens,
    };
    if let Some(max) = max.filter(|max| *max < total) {
        truncate(&mut answer, max);
    }
    answer.usage.visible = visible_tokens(&answer);
    answer.usage.reasoning = match question.effort {
        _ if answer.reasoning.is_none() => 0,
        Effort::None => 0,
        Effort::Low => 64,
        Effort::Medium => 192,
        Effort::High => 448,
        Effort::XHigh => 960,
    };
    answer.usage.searches = answer.searches.len() as u64;
    Ok(answer)
}

/// Returns the function to call: the requested one, the first if any is required, otherwise one whose name appears in
/// the user's words.
fn called_function<'a>(question: &'a Question, text: &AnswerText) -> Option<&'a Function> {
    let tools = &question.tools;
    match &question.choice {
        ToolChoice::None => None,
        ToolChoice::Named(name) => tools.iter().find(|tool| tool.name == *name),
        ToolChoice::Required => tools.first(),
        // The output of a tool is reported instead of calling a function again.
        ToolChoice::Auto if question.tool_output.is_some() => None,
        ToolChoice::Auto => {
            let words = text.subject().to_lowercase();
            tools.iter().find(|tool| {
                tool.name
                    .to_lowercase()
                    .split(['_', '-'])
                    .all(|word| words.contains(word))
            })
        }
    }
}

/// Returns JSON that satisfies the schema, or does not if `is_broken`.
fn fill_schema(
    schema: &Value,
    text: &AnswerText,
    is_broken: bool,
    param: &'static str,
) -> Result<String, Rejection> {
    let value = schema_values::generate(schema, text)
        .ok_or_else(|| Rejection::invalid(param, "Invalid JSON schema: no value can satisfy it."))?;
    let value = if is_broken {
        schema_values::broken(schema, &value)
    } else {
        value
    };
    Ok(value.to_string())
}

fn reasoning_summary(effort: Effort, text: &AnswerText) -> Option<String> {
    let subject: String = text.subject().chars().take(200).collect();
    (effort != Effort::None)
        .then(|| format!("The user asks for: {subject}. I keep their words and add what is needed."))
}

/// Counts the tokens of the text and of the arguments of calls.
fn visible_tokens(answer: &Answer) -> u64 {
    let calls = answer
        .calls
        .iter()
        .map(|call| token_usage::text_tokens(&call.arguments));
    calls.sum::<u64>() + answer.text.as_deref().map_or(0, token_usage::text_tokens)
}

/// Truncates an answer to about this many tokens.
fn truncate(answer: &mut Answer, max_tokens: u64) {
    let max_chars = usize::try_from(max_tokens.saturating_mul(4)).unwrap_or(usize::MAX);
    let shorten = |text: &mut String| {
        if let Some((at, _)) = text.char_indices().nth(max_chars) {
            text.truncate(at);
        }
    };
    answer.is_truncated = true;
    answer
        .calls
        .iter_mut()
        .for_each(|call| shorten(&mut call.arguments));
    if let Some(text) = &mut answer.text {
        shorten(text);
    }
}

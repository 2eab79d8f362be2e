//! From a question to an answer: which tool is called, which form the words have, what goes wrong.

use serde_json::{Value, json};
use uuid::Uuid;

use super::look::Look;
use super::models::{Effort, Language};
use super::plan::Story;
use super::rules::{Choice, Format, Function, Question, Wrong};
use super::schema;
use super::usage::{self, Usage};
use crate::sandbox::faults::FaultKind;
use crate::sandbox::server::unix_now;

const REFUSAL: &str = "I'm sorry, but I can't help with that request.";

/// An answer before it has the shape of a route.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) id: Uuid,
    pub(super) created: i64,
    pub(super) model: &'static Language,
    /// A summary of the reasoning.
    pub(super) thought: Option<String>,
    /// What was looked for in the web.
    pub(super) searches: Vec<String>,
    pub(super) sources: Vec<String>,
    pub(super) calls: Vec<Call>,
    pub(super) text: Option<String>,
    pub(super) end: End,
    pub(super) usage: Usage,
}

/// A call of one of the caller's functions.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Whole,
    /// The tokens ran out.
    Cut,
}

/// Answers a question. `earlier` is what the conversation had so far, in tokens.
pub(super) fn answer(
    question: &Question,
    looks: Vec<Look>,
    earlier: u64,
    fault: Option<&FaultKind>,
) -> Result<Answer, Wrong> {
    let image = looks
        .iter()
        .map(|look| usage::of_picture(look.width, look.height))
        .sum();
    let story = Story::new(&question.text, looks, question.told.clone());
    let mut answer = Answer {
        id: Uuid::new_v4(),
        created: unix_now(),
        model: question.model,
        thought: thought(question.effort, &story),
        searches: Vec::new(),
        sources: Vec::new(),
        calls: Vec::new(),
        text: None,
        end: End::Whole,
        usage: Usage::of_input(question.tokens, question.messages, image, earlier),
    };
    if question.search && question.choice != Choice::None {
        let query: String = story.subject().chars().take(120).collect();
        answer.searches.push(query);
        answer.sources = vec![
            "https://example.com/reference".to_owned(),
            "https://example.org/pictures".to_owned(),
        ];
    }
    let broken = fault == Some(&FaultKind::SchemaBreak);
    match called(question, &story) {
        Some(function) => {
            let arguments = fill(&function.parameters, &story, broken, "tools")?;
            let id = Uuid::new_v4().simple().to_string();
            answer.calls.push(Call {
                id: format!("call_{}", &id[..8]),
                name: function.name.clone(),
                arguments,
            });
        }
        None => {
            answer.text = Some(match &question.format {
                Format::Schema(schema) => fill(schema, &story, broken, "response_format")?,
                Format::Json => {
                    let key = if story.has_pictures() {
                        "description"
                    } else {
                        "prompt"
                    };
                    json!({ key: story.words() }).to_string()
                }
                Format::Text if question.search => story.brief(),
                Format::Text => story.words(),
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
            answer.thought = None;
        }
        _ => {}
    }
    let whole = visible(&answer);
    let most = match fault {
        Some(FaultKind::Incomplete) => Some(whole / 2),
        _ => question.most,
    };
    if let Some(most) = most.filter(|most| *most < whole) {
        cut(&mut answer, most);
    }
    answer.usage.visible = visible(&answer);
    answer.usage.reasoning = match question.effort {
        _ if answer.thought.is_none() => 0,
        Effort::None => 0,
        Effort::Low => 64,
        Effort::Medium => 192,
        Effort::High => 448,
        Effort::XHigh => 960,
    };
    answer.usage.searches = answer.searches.len() as u64;
    Ok(answer)
}

/// The function that is called: the forced one, the first where any is required, and where the choice is
/// free one that the user's words name.
fn called<'a>(question: &'a Question, story: &Story) -> Option<&'a Function> {
    let tools = &question.tools;
    match &question.choice {
        Choice::None => None,
        Choice::Named(name) => tools.iter().find(|tool| tool.name == *name),
        Choice::Required => tools.first(),
        // What a tool has answered is passed on, not asked again.
        Choice::Auto if question.told.is_some() => None,
        Choice::Auto => {
            let said = story.subject().to_lowercase();
            tools.iter().find(|tool| {
                tool.name
                    .to_lowercase()
                    .split(['_', '-'])
                    .all(|word| said.contains(word))
            })
        }
    }
}

/// JSON that satisfies the schema, or on purpose does not.
fn fill(schema: &Value, story: &Story, broken: bool, param: &'static str) -> Result<String, Wrong> {
    let value = schema::generate(schema, story)
        .ok_or_else(|| Wrong::invalid(param, "Invalid JSON schema: no value can satisfy it."))?;
    let value = if broken {
        schema::broken(schema, &value)
    } else {
        value
    };
    Ok(value.to_string())
}

fn thought(effort: Effort, story: &Story) -> Option<String> {
    let subject: String = story.subject().chars().take(200).collect();
    (effort != Effort::None)
        .then(|| format!("The user asks for: {subject}. I keep their words and add what is needed."))
}

/// Tokens of what is said.
fn visible(answer: &Answer) -> u64 {
    let calls = answer.calls.iter().map(|call| usage::of_text(&call.arguments));
    calls.sum::<u64>() + answer.text.as_deref().map_or(0, usage::of_text)
}

fn cut(answer: &mut Answer, most: u64) {
    let most = usize::try_from(most.saturating_mul(4)).unwrap_or(usize::MAX);
    let shorten = |text: &mut String| {
        if let Some((at, _)) = text.char_indices().nth(most) {
            text.truncate(at);
        }
    };
    answer.end = End::Cut;
    answer
        .calls
        .iter_mut()
        .for_each(|call| shorten(&mut call.arguments));
    if let Some(text) = &mut answer.text {
        shorten(text);
    }
}

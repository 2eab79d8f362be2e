//! What language models do here: rewriting a prompt, and describing a clip.
//!
//! Owns the texts the models are given, what they are told of a clip, and the reading of what they
//! answer. Refuses to know where pictures and lineages come from, how a question is sent, and what
//! becomes of a plan: it opens no file, decodes nothing and makes no clip.
//!
//! It improves prompts. It never tries to get around anybody's moderation: the text says so, and what
//! a model declines is not asked again in other words.

mod brief;
#[cfg(feature = "media")]
mod describe;
mod notes;

use serde::Deserialize;
use serde_json::json;
use tracing::field::Empty;

pub(crate) use brief::{Ancestor, Picture, PictureContent, PlanBrief};
#[cfg(feature = "media")]
pub(crate) use describe::{ClipSeen, describe, describe_size};
pub use notes::{ClipNotes, SeenFrame};

use crate::error::{Charge, Error, ErrorKind, Result, RetryAdvice};
use crate::model::ModelTable;
use crate::money::UsdTicks;
use crate::provider::{Answer, Ask, Provider};
use crate::request::{PlannerFailure, PlannerSettings};
use crate::telemetry;

/// What the planner is told to do.
const INSTRUCTIONS: &str = include_str!("instructions.md");
/// How messages call it.
const DOING: &str = "plan the prompt";
/// A prompt of 4,096 characters has some 1,000 tokens; the rest is for thoughts and searches.
const MAX_OUTPUT_TOKENS: u32 = 16_384;

/// Tokens that the service adds to a question: before it, around each message and for the schema's frame. Published
/// answers to short questions have fewer than 200.
const MAX_ADDED_TOKENS: u64 = 2_000;
/// Maximum tokens of a picture, as the service documented them.
const MAX_PICTURE_TOKENS: u64 = 1_792;
/// A question of more tokens costs twice as much, its answer too.
const LONG_QUESTION_TOKENS: u64 = 200_000;

/// What a question consists of, before it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct QuestionSize {
    /// Bytes in UTF-8 of all its texts, the instructions and the schema included.
    text_bytes: u64,
    pictures: u64,
}

impl QuestionSize {
    fn new(instructions: &str, schema: &serde_json::Value, texts: u64, pictures: usize) -> Self {
        let fixed = instructions.len() + schema.to_string().len();
        Self {
            text_bytes: texts.saturating_add(fixed as u64),
            pictures: pictures as u64,
        }
    }

    /// Returns a number of tokens that the question cannot exceed.
    ///
    /// A tokenizer cuts a text into pieces and gives each a token, and the smallest piece is a byte. So a text has at
    /// most as many tokens as it has bytes in UTF-8, in every language: English has about a quarter of that,
    /// Chinese and Japanese a third to a half, rare characters and emoji up to all of it.
    fn max_tokens(self) -> u64 {
        MAX_PICTURE_TOKENS
            .saturating_mul(self.pictures)
            .saturating_add(self.text_bytes)
            .saturating_add(MAX_ADDED_TOKENS)
    }
}

/// Returns the most that one question can cost. `None` when the table has no price for the model, or the model may
/// search the web, which is priced by what it finds.
pub(crate) fn most_cost(
    table: &ModelTable,
    model: &str,
    question: QuestionSize,
    web_search: bool,
) -> Option<UsdTicks> {
    let row = table.language_model(model).filter(|_| !web_search)?;
    let tokens = question.max_tokens();
    let price = row.price(tokens, MAX_OUTPUT_TOKENS.into());
    Some(if tokens > LONG_QUESTION_TOKENS {
        price * 2
    } else {
        price
    })
}

/// Returns the size of the question that [`plan`] asks, at its largest: with `earlier` prompts of a series, which are
/// not known yet, where the brief names one.
pub(crate) fn plan_size(brief: &PlanBrief, earlier: usize) -> QuestionSize {
    let texts = brief.max_text_bytes(earlier);
    QuestionSize::new(INSTRUCTIONS, &schema(), texts, brief.pictures.len())
}

/// What an answer of the planner has to be.
fn schema() -> serde_json::Value {
    json!({
        "type": "object",
        "properties": { "prompt": { "type": "string" } },
        "required": ["prompt"],
        "additionalProperties": false,
    })
}

/// What questions cost, whatever came of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Bill {
    /// In the service's words.
    pub(crate) cost: UsdTicks,
    /// Whether one was or may have been charged without a word on how much.
    pub(crate) unpriced: bool,
}

impl Bill {
    fn add(&mut self, told: &Result<Answer>) {
        match told {
            Ok(Answer { cost: Some(cost), .. }) => self.cost += *cost,
            Ok(_) => self.unpriced = true,
            Err(error) => self.unpriced |= error.may_have_been_charged() != Charge::No,
        }
    }
}

/// What is sent to the video model, and how that came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    /// `None` when the planner failed and the user gave no words of their own.
    pub(crate) prompt: Option<String>,
    /// The language model: the one that answered, else the one that was asked.
    pub(crate) model: String,
    /// What planning cost, where that is known.
    pub(crate) cost: Option<UsdTicks>,
    pub(crate) web_searches: u64,
    /// Why the user's own words are sent, where they are.
    pub(crate) fell_back: Option<String>,
}

/// Rewrites a prompt, with one paid question.
///
/// # Errors
/// `InvalidRequest` for settings that cannot be; `Moderated` when the model declined, whatever the
/// settings say; when they ask for an error also `Timeout`, `Network`, `RateLimited`, `Auth`,
/// `NotFound`, and `Protocol` for an answer that is no plan.
pub(crate) async fn plan(
    provider: &dyn Provider,
    settings: &PlannerSettings,
    brief: &PlanBrief,
    bill: &mut Bill,
) -> Result<Plan> {
    let span = tracing::info_span!(
        "plan",
        otel.name = "video.plan",
        otel.status_code = Empty,
        "error.type" = Empty,
        reelkin.fell_back = Empty,
    );
    let recorded = span.clone();
    let plan = telemetry::instrument(span, plan_or_fall_back(provider, settings, brief, bill)).await?;
    recorded.record("reelkin.fell_back", plan.fell_back.is_some());
    Ok(plan)
}

async fn plan_or_fall_back(
    provider: &dyn Provider,
    settings: &PlannerSettings,
    brief: &PlanBrief,
    bill: &mut Bill,
) -> Result<Plan> {
    settings.check()?;
    let ask = Ask {
        doing: DOING,
        model: settings.model.clone(),
        instructions: INSTRUCTIONS,
        parts: brief.parts(),
        schema_name: "video_prompt",
        schema: schema(),
        web_search: settings.web_search,
        effort: settings.reasoning_effort.clone(),
        max_output_tokens: MAX_OUTPUT_TOKENS,
        deadline: settings.deadline,
    };
    let mut plan = Plan {
        prompt: brief.words.clone(),
        model: settings.model.clone(),
        cost: None,
        web_searches: 0,
        fell_back: None,
    };
    let told = provider.respond(&ask).await;
    bill.add(&told);
    let planned = match told {
        Ok(answer) => {
            let Answer {
                reply,
                model,
                cost,
                web_searches,
                usage: _,
            } = answer;
            plan.model = model.unwrap_or(plan.model);
            plan.cost = cost;
            plan.web_searches = web_searches;
            reply.and_then(|text| read(&text, brief))
        }
        Err(error) => Err(error),
    };
    let error = match planned {
        Ok(prompt) => {
            plan.prompt = Some(prompt);
            return Ok(plan);
        }
        Err(error) => error,
    };
    // What one moderator declined is not handed to the next as if nothing had been said.
    if error.kind() == ErrorKind::Moderated {
        return Err(error.with_guidance("no clip was asked for; change the prompt"));
    }
    match settings.on_failure {
        PlannerFailure::OwnWords => {
            tracing::warn!(error = %error, "no plan, sending the user's own words");
            plan.fell_back = Some(error.to_string());
            Ok(plan)
        }
        PlannerFailure::Error => Err(match error.guidance() {
            Some(_) => error,
            None => error.with_guidance(
                "no clip was asked for; ask again, switch the planner off, or let it fall back to your own words",
            ),
        }),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Planned {
    prompt: String,
}

/// An answer as the object that was asked for. A derived struct would take an array too.
fn answer<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, &'static str> {
    let value: serde_json::Value = serde_json::from_str(text).map_err(|_| "the answer is not JSON")?;
    let object = Some(value).filter(serde_json::Value::is_object);
    let read = object.and_then(|object| serde_json::from_value(object).ok());
    read.ok_or("the answer is not the JSON that was asked for")
}

/// The prompt in an answer, if it is one that can be sent.
fn read(text: &str, brief: &PlanBrief) -> Result<String> {
    let unusable = |what: String| {
        Error::new(ErrorKind::Protocol, format!("{DOING}: {what}"))
            .with_charge(Charge::Yes)
            .with_advice(RetryAdvice::Change)
    };
    let planned: Planned = answer(text).map_err(|what| unusable(what.to_owned()))?;
    let prompt = planned.prompt.trim();
    if prompt.is_empty() {
        // The instructions make this the way to decline: a schema leaves no other.
        return Err(Error::new(
            ErrorKind::Moderated,
            format!("{DOING}: the model declined: it wrote an empty prompt"),
        )
        .with_charge(Charge::Yes));
    }
    let length = prompt.chars().count();
    if length > brief.max_chars {
        return Err(unusable(format!(
            "the planned prompt has {length} characters: the service takes {}",
            brief.max_chars
        )));
    }
    brief.check_tags(prompt).map_err(unusable)?;
    Ok(prompt.to_owned())
}

#[cfg(test)]
mod tests;

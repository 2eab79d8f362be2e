//! Uses language models to rewrite a prompt and to describe a clip.
//!
//! Owns the instructions for the models, the facts about a clip that they receive, and the parsing of their answers.
//! The caller provides images and lineage: this module opens no file, decodes nothing and makes no clip.
//!
//! It improves prompts and never tries to get around moderation. The instructions say so, and a request that a model
//! declined is not rephrased and sent again.

#[cfg(feature = "media")]
mod analyze;
mod clip_notes;
mod cost;
mod input;

use serde::Deserialize;
use serde_json::{Value, json};
use tracing::field::Empty;

#[cfg(feature = "media")]
pub(crate) use analyze::{SampledClip, describe, describe_query_size};
pub use clip_notes::{ClipNotes, SeenFrame};
use cost::MAX_OUTPUT_TOKENS;
pub(crate) use cost::{QueryCost, QuerySize, max_query_cost};
pub(crate) use input::{Ancestor, PlannerImage, PlannerInput};

use crate::error::{Charge, Error, ErrorKind, Result, RetryAdvice};
use crate::money::UsdTicks;
use crate::provider::{ModelQuery, Provider};
use crate::request::{PlannerFailure, PlannerSettings};
use crate::stop::StopSignal;
use crate::telemetry;

const INSTRUCTIONS: &str = include_str!("plan_instructions.md");
const ACTION: &str = "plan the prompt";

/// Returns the maximum size of the query that [`plan`] sends.
///
/// The prompts of a series are not known yet. If the input names a series, `earlier` prompts of maximum length count.
pub(crate) fn plan_query_size(input: &PlannerInput, earlier: usize) -> QuerySize {
    let text_bytes = input.max_text_bytes(earlier);
    QuerySize::new(INSTRUCTIONS, &schema(), text_bytes, input.images.len())
}

/// Returns the JSON schema of the planner's answer.
fn schema() -> Value {
    json!({
        "type": "object",
        "properties": { "prompt": { "type": "string" } },
        "required": ["prompt"],
        "additionalProperties": false,
    })
}

/// The prompt for the video model, and how it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlannedPrompt {
    /// `None` if planning failed and the user's prompt is empty.
    pub(crate) prompt: Option<String>,
    /// The language model that answered, or the requested one if the service does not report it.
    pub(crate) model: String,
    /// The cost of planning, if it is known.
    pub(crate) cost: Option<UsdTicks>,
    pub(crate) web_searches: u64,
    /// Why the user's own prompt is used instead of a planned one.
    pub(crate) fell_back: Option<String>,
}

/// Rewrites a prompt with one paid query, and adds its cost to `cost`.
///
/// # Errors
/// * `InvalidRequest` if the settings are not valid.
/// * `Moderated` if the model declined, whatever the settings say.
/// * If the settings ask for an error: `Timeout`, `Network`, `RateLimited`, `Auth` or `NotFound`, and `Protocol` for an
///   answer that is not a usable prompt.
pub(crate) async fn plan(
    provider: &dyn Provider,
    settings: &PlannerSettings,
    input: &PlannerInput,
    stop: &StopSignal,
    cost: &mut QueryCost,
) -> Result<PlannedPrompt> {
    let span = tracing::info_span!(
        "plan",
        otel.name = "video.plan",
        otel.status_code = Empty,
        "error.type" = Empty,
        reelkin.fell_back = Empty,
    );
    let recorded = span.clone();
    let planned =
        telemetry::instrument(span, plan_or_fall_back(provider, settings, input, stop, cost)).await?;
    recorded.record("reelkin.fell_back", planned.fell_back.is_some());
    Ok(planned)
}

async fn plan_or_fall_back(
    provider: &dyn Provider,
    settings: &PlannerSettings,
    input: &PlannerInput,
    stop: &StopSignal,
    cost: &mut QueryCost,
) -> Result<PlannedPrompt> {
    settings.check()?;
    let query = ModelQuery {
        action: ACTION,
        model: settings.model.clone(),
        instructions: INSTRUCTIONS,
        parts: input.parts(),
        schema_name: "video_prompt",
        schema: schema(),
        web_search: settings.web_search,
        reasoning_effort: settings.reasoning_effort.clone(),
        max_output_tokens: MAX_OUTPUT_TOKENS,
        timeout: settings.deadline,
    };
    let mut planned = PlannedPrompt {
        prompt: input.user_prompt.clone(),
        model: query.model.clone(),
        cost: None,
        web_searches: 0,
        fell_back: None,
    };
    let answer = provider.query_model(&query, stop).await;
    cost.add(&answer);
    let prompt = answer.and_then(|answer| {
        planned.model = answer.model.unwrap_or(query.model);
        planned.cost = answer.cost;
        planned.web_searches = answer.web_searches;
        parse_prompt(&answer.text?, input)
    });
    let error = match prompt {
        Ok(prompt) => {
            planned.prompt = Some(prompt);
            return Ok(planned);
        }
        Err(error) => error,
    };
    // A request that one moderator declined must not be sent to the next one.
    if error.kind() == ErrorKind::Moderated {
        return Err(error.with_guidance("no clip was requested; change the prompt"));
    }
    match settings.on_failure {
        PlannerFailure::OwnWords => {
            // Without the text of the service, which can quote the prompt.
            tracing::warn!(
                error = error.kind().code(),
                status = error.status(),
                "planning failed, using the user's own prompt"
            );
            planned.fell_back = Some(error.to_string());
            Ok(planned)
        }
        PlannerFailure::Error => Err(match error.guidance() {
            Some(_) => error,
            None => error.with_guidance(
                "no clip was requested; try again, turn the planner off, or let it fall back to your own prompt",
            ),
        }),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PromptAnswer {
    prompt: String,
}

/// Parses an answer as a JSON object. The check is explicit because a derived struct would accept an array too.
fn parse_answer<T: serde::de::DeserializeOwned>(action: &str, text: &str) -> Result<T> {
    let value: Value = serde_json::from_str(text).map_err(|_| unusable(action, "the answer is not JSON"))?;
    let object = Some(value).filter(Value::is_object);
    let parsed = object.and_then(|object| serde_json::from_value(object).ok());
    parsed.ok_or_else(|| unusable(action, "the answer does not match the requested schema"))
}

/// Returns the error for an answer that was paid and cannot be used.
fn unusable(action: &str, what: &str) -> Error {
    Error::protocol(format!("{action}: {what}"))
        .with_charge(Charge::Yes)
        .with_advice(RetryAdvice::Change)
}

/// Returns the prompt in an answer, if the video model accepts it.
fn parse_prompt(text: &str, input: &PlannerInput) -> Result<String> {
    let answer: PromptAnswer = parse_answer(ACTION, text)?;
    let prompt = answer.prompt.trim();
    if prompt.is_empty() {
        // The instructions define this as the way to decline, because the schema allows no other.
        return Err(Error::new(
            ErrorKind::Moderated,
            format!("{ACTION}: the model declined: it wrote an empty prompt"),
        )
        .with_charge(Charge::Yes));
    }
    let length = prompt.chars().count();
    if length > input.max_chars {
        let what = format!(
            "the planned prompt has {length} characters; the service accepts {}",
            input.max_chars
        );
        return Err(unusable(ACTION, &what));
    }
    input.check_tags(prompt).map_err(|what| unusable(ACTION, &what))?;
    Ok(prompt.to_owned())
}

#[cfg(test)]
mod tests;

//! Describes a clip from its frames.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::clip_notes::{ClipNotes, SeenFrame};
use super::cost::{MAX_OUTPUT_TOKENS, QueryCost, QuerySize};
use crate::error::Result;
use crate::provider::{ModelQuery, Provider, QueryPart};
use crate::stop::StopSignal;

const INSTRUCTIONS: &str = include_str!("analyze_instructions.md");
const ACTION: &str = "analyze the clip";

/// The frames of a clip that a model receives.
pub(crate) struct SampledClip {
    pub(crate) duration: Duration,
    pub(crate) has_sound: bool,
    /// The frames, each with its JPEG.
    pub(crate) frames: Vec<(SeenFrame, Bytes)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DescriptionAnswer {
    shot: String,
    camera: String,
    light: String,
    palette: Vec<String>,
    subjects: Vec<String>,
    motion: String,
    mood: String,
    sound: String,
    prompt: String,
}

/// Describes a clip with one paid query, and adds its cost to `cost`.
pub(crate) async fn describe(
    provider: &dyn Provider,
    model: &str,
    reasoning_effort: Option<&str>,
    timeout: Duration,
    clip: &SampledClip,
    stop: &StopSignal,
    cost: &mut QueryCost,
) -> Result<ClipNotes> {
    let query = ModelQuery {
        action: ACTION,
        model: model.to_owned(),
        instructions: INSTRUCTIONS,
        parts: parts(clip),
        schema_name: "clip_notes",
        schema: schema(),
        web_search: false,
        reasoning_effort: reasoning_effort.map(str::to_owned),
        max_output_tokens: MAX_OUTPUT_TOKENS,
        timeout,
    };
    let answer = provider.query_model(&query, stop).await;
    cost.add(&answer);
    let answer = answer?;
    let raw = answer.text?;
    let description: DescriptionAnswer = super::parse_answer(ACTION, &raw)?;
    Ok(ClipNotes {
        shot: description.shot,
        camera: description.camera,
        light: description.light,
        palette: description.palette,
        subjects: description.subjects,
        motion: description.motion,
        mood: description.mood,
        sound: description.sound,
        prompt: description.prompt,
        raw,
        model: answer.model.unwrap_or(query.model),
        usage: answer.usage,
        cost: answer.cost,
        frames: clip.frames.iter().map(|(frame, _)| *frame).collect(),
    })
}

/// Returns the size of the query that [`describe`] sends.
pub(crate) fn describe_query_size(clip: &SampledClip) -> QuerySize {
    let text_bytes = parts(clip).iter().fold(0, |sum: u64, part| match part {
        QueryPart::Text(text) => sum.saturating_add(text.len() as u64),
        _ => sum,
    });
    QuerySize::new(INSTRUCTIONS, &schema(), text_bytes, clip.frames.len())
}

/// Returns the message for the model. A line with the time precedes each image.
fn parts(clip: &SampledClip) -> Vec<QueryPart> {
    let sound = if clip.has_sound {
        "has sound"
    } else {
        "has no sound"
    };
    let mut parts = vec![QueryPart::Text(format!(
        "A clip of {:.2} s that {sound}. {} frames of it follow.",
        clip.duration.as_secs_f64(),
        clip.frames.len()
    ))];
    for (frame, jpeg) in &clip.frames {
        parts.push(QueryPart::Text(format!("At {:.2} s:", frame.time.as_secs_f64())));
        parts.push(QueryPart::Image {
            mime: "image/jpeg",
            bytes: jpeg.clone(),
        });
    }
    parts
}

/// Returns the JSON schema of the answer.
fn schema() -> Value {
    let text = json!({ "type": "string" });
    let list = json!({ "type": "array", "items": { "type": "string" } });
    json!({
        "type": "object",
        "properties": {
            "shot": text, "camera": text, "light": text, "palette": list, "subjects": list,
            "motion": text, "mood": text, "sound": text, "prompt": text,
        },
        "required": [
            "shot", "camera", "light", "palette", "subjects", "motion", "mood", "sound", "prompt",
        ],
        "additionalProperties": false,
    })
}

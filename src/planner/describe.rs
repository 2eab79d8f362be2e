//! Describing a clip from its frames.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::notes::{ClipNotes, SeenFrame};
use super::{Bill, QuestionSize};
use crate::error::{Charge, Error, ErrorKind, Result, RetryAdvice};
use crate::provider::{Ask, Part, Provider};

/// What the model is told to look for.
const INSTRUCTIONS: &str = include_str!("analysis.md");
const DOING: &str = "analyze the clip";

/// A clip, as far as it is shown to a model.
pub(crate) struct ClipSeen {
    pub(crate) duration: Duration,
    pub(crate) has_sound: bool,
    /// Each with its JPEG.
    pub(crate) frames: Vec<(SeenFrame, Bytes)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Described {
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

/// Has a model describe a clip, with one paid question.
pub(crate) async fn describe(
    provider: &dyn Provider,
    model: &str,
    effort: Option<&str>,
    deadline: Duration,
    clip: &ClipSeen,
    bill: &mut Bill,
) -> Result<ClipNotes> {
    let ask = Ask {
        doing: DOING,
        model: model.to_owned(),
        instructions: INSTRUCTIONS,
        parts: parts(clip),
        schema_name: "clip_notes",
        schema: schema(),
        web_search: false,
        effort: effort.map(str::to_owned),
        max_output_tokens: super::MAX_OUTPUT_TOKENS,
        deadline,
    };
    let told = provider.respond(&ask).await;
    bill.add(&told);
    let answer = told?;
    let raw = answer.reply?;
    let described: Described = super::answer(&raw).map_err(|what| {
        Error::new(ErrorKind::Protocol, format!("{DOING}: {what}"))
            .with_charge(Charge::Yes)
            .with_advice(RetryAdvice::Change)
    })?;
    Ok(ClipNotes {
        shot: described.shot,
        camera: described.camera,
        light: described.light,
        palette: described.palette,
        subjects: described.subjects,
        motion: described.motion,
        mood: described.mood,
        sound: described.sound,
        prompt: described.prompt,
        raw,
        model: answer.model.unwrap_or_else(|| model.to_owned()),
        usage: answer.usage,
        cost: answer.cost,
        frames: clip.frames.iter().map(|(frame, _)| *frame).collect(),
    })
}

/// Returns the size of the question that [`describe`] asks.
pub(crate) fn describe_size(clip: &ClipSeen) -> QuestionSize {
    let texts = parts(clip).iter().fold(0, |sum: u64, part| match part {
        Part::Text(text) => sum.saturating_add(text.len() as u64),
        _ => sum,
    });
    QuestionSize::new(INSTRUCTIONS, &schema(), texts, clip.frames.len())
}

/// Each picture stands behind a line that says when it is.
fn parts(clip: &ClipSeen) -> Vec<Part> {
    let sound = if clip.has_sound {
        "has sound"
    } else {
        "has no sound"
    };
    let mut parts = vec![Part::Text(format!(
        "A clip of {:.2} s that {sound}. {} frames of it follow.",
        clip.duration.as_secs_f64(),
        clip.frames.len()
    ))];
    for (frame, jpeg) in &clip.frames {
        parts.push(Part::Text(format!("At {:.2} s:", frame.time.as_secs_f64())));
        parts.push(Part::Picture {
            mime: "image/jpeg",
            bytes: jpeg.clone(),
        });
    }
    parts
}

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

//! Describing a clip from its frames.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

use crate::error::{Charge, Error, ErrorKind, Result, RetryAdvice};
use crate::money::UsdTicks;
use crate::provider::{Ask, Part, Provider, TokenUsage};

/// What the model is told to look for.
const INSTRUCTIONS: &str = include_str!("analysis.md");
const DOING: &str = "analyze the clip";
const MAX_OUTPUT_TOKENS: u32 = 16_384;

/// What a language model sees in a clip, field by field, and as it wrote it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ClipNotes {
    /// Size of the shot, angle, composition.
    pub shot: String,
    /// How the camera moves.
    pub camera: String,
    /// Direction, hardness, colour, time of day.
    pub light: String,
    /// The main colours.
    pub palette: Vec<String>,
    /// Who or what is seen.
    pub subjects: Vec<String>,
    /// What happens between the frames.
    pub motion: String,
    /// The feeling.
    pub mood: String,
    /// What would be heard: a guess, for the model sees pictures only.
    pub sound: String,
    /// A prompt from which the clip could be made again.
    pub prompt: String,
    /// The model's answer as it came: the JSON of the fields above.
    pub raw: String,
    /// The model that answered, else the one that was asked.
    pub model: String,
    /// What it read and wrote.
    pub usage: TokenUsage,
    /// What it cost, where the service tells.
    pub cost: Option<UsdTicks>,
    /// The frames it was shown, in order.
    pub frames: Vec<SeenFrame>,
}

/// A frame that the model was shown.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SeenFrame {
    /// What a player's clock shows when it appears. Seconds in JSON.
    #[serde(
        rename = "time_seconds",
        serialize_with = "write_time",
        deserialize_with = "read_time"
    )]
    pub time: Duration,
    /// Width as it was shown: scaled down.
    pub width: u32,
    /// Height as it was shown.
    pub height: u32,
}

impl SeenFrame {
    #[cfg(feature = "media")]
    pub(crate) const fn new(time: Duration, width: u32, height: u32) -> Self {
        Self { time, width, height }
    }
}

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
        max_output_tokens: MAX_OUTPUT_TOKENS,
        deadline,
    };
    let answer = provider.respond(&ask).await?;
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

fn write_time<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(time.as_secs_f64())
}

fn read_time<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let seconds = f64::deserialize(from)?;
    Duration::try_from_secs_f64(seconds).map_err(serde::de::Error::custom)
}

//! What a model says of a clip.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::money::UsdTicks;
use crate::provider::TokenUsage;

/// What a language model sees in a clip, field by field, and as it wrote it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
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
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
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

fn write_time<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(time.as_secs_f64())
}

fn read_time<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let seconds = f64::deserialize(from)?;
    Duration::try_from_secs_f64(seconds).map_err(serde::de::Error::custom)
}

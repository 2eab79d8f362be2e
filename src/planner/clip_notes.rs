//! A language model's description of a clip.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::money::UsdTicks;
use crate::provider::TokenUsage;

/// A language model's description of a clip, as separate fields and as the original answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct ClipNotes {
    /// Shot size, angle and composition.
    pub shot: String,
    /// How the camera moves.
    pub camera: String,
    /// Direction, hardness and color of the light, and time of day.
    pub light: String,
    /// The main colors.
    pub palette: Vec<String>,
    /// The people and things in the clip.
    pub subjects: Vec<String>,
    /// What happens between the frames.
    pub motion: String,
    /// The mood of the clip.
    pub mood: String,
    /// What the clip probably sounds like. This is a guess: the model receives only images.
    pub sound: String,
    /// A prompt to make a similar clip.
    pub prompt: String,
    /// The model's answer, which is the JSON of the fields above.
    pub raw: String,
    /// The model that answered, or the requested one if the service does not report it.
    pub model: String,
    /// The tokens that the query used.
    pub usage: TokenUsage,
    /// The cost of the query, if the service reports it.
    pub cost: Option<UsdTicks>,
    /// The frames that the model received, in order.
    pub frames: Vec<SeenFrame>,
}

/// A frame that the model received.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct SeenFrame {
    /// The time at which a player shows the frame. Seconds in JSON.
    #[serde(
        rename = "time_seconds",
        serialize_with = "write_time",
        deserialize_with = "read_time"
    )]
    pub time: Duration,
    /// The width of the image that the model received, which is scaled down.
    pub width: u32,
    /// The height of the image that the model received.
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

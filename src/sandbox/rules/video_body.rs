//! The request bodies of the video routes as the service parses them.
//!
//! Owns the names, types, aliases and enumerations of fields. A body that violates them is rejected with status 422 and
//! the message of the JSON parser. `validation` checks the values. Unknown fields are ignored, as the service does. The
//! names of the types are part of those messages, so renaming one changes the wire format.

use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::video_model::Resolution;

/// `POST /v1/videos/generations`
#[derive(Debug, Deserialize)]
pub(crate) struct WireGeneration {
    pub(crate) model: Option<String>,
    pub(crate) prompt: Option<String>,
    #[serde(default, alias = "seconds", deserialize_with = "seconds")]
    pub(crate) duration: Option<i64>,
    pub(crate) aspect_ratio: Option<WireAspectRatio>,
    pub(crate) resolution: Option<Resolution>,
    pub(crate) image: Option<WireImage>,
    pub(crate) reference_images: Option<Vec<WireImage>>,
    pub(crate) reference_audios: Option<Vec<WireVoice>>,
    pub(crate) last_frame: Option<WireImage>,
    pub(crate) keyframes: Option<Vec<WireKeyframe>>,
    pub(crate) generate_audio: Option<bool>,
    pub(crate) output: Option<WireOutput>,
    pub(crate) storage_options: Option<WireStorage>,
    #[expect(dead_code, reason = "parsed only so that a wrong type is refused")]
    pub(crate) user: Option<String>,
}

/// `POST /v1/videos/edits`
#[derive(Debug, Deserialize)]
pub(crate) struct WireEdit {
    pub(crate) model: Option<String>,
    pub(crate) prompt: String,
    pub(crate) video: VideoUrl,
    pub(crate) output: Option<WireOutput>,
    pub(crate) storage_options: Option<WireStorage>,
    #[expect(dead_code, reason = "parsed only so that a wrong type is refused")]
    pub(crate) user: Option<String>,
}

/// `POST /v1/videos/extensions`
#[derive(Debug, Deserialize)]
pub(crate) struct WireExtension {
    pub(crate) model: Option<String>,
    pub(crate) prompt: String,
    pub(crate) video: VideoUrl,
    #[serde(default, alias = "seconds", deserialize_with = "seconds")]
    pub(crate) duration: Option<i64>,
    pub(crate) output: Option<WireOutput>,
    pub(crate) storage_options: Option<WireStorage>,
}

/// An input clip. The name of the type appears in the service's message for status 422.
#[derive(Debug, Deserialize)]
pub(crate) struct VideoUrl {
    #[serde(alias = "video_url")]
    pub(crate) url: Option<String>,
    pub(crate) file_id: Option<String>,
}

/// An input picture.
#[derive(Debug)]
pub(crate) struct WireImage {
    pub(crate) url: Option<String>,
    pub(crate) file_id: Option<String>,
}

// Not derived, because for a value that is not an object the service reports "expected a map".
impl<'de> Deserialize<'de> for WireImage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;
        impl<'de> Visitor<'de> for Map {
            type Value = WireImage;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<WireImage, A::Error> {
                let mut image = WireImage {
                    url: None,
                    file_id: None,
                };
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "url" | "image_url" if image.url.is_some() => {
                            return Err(A::Error::duplicate_field("url"));
                        }
                        "url" | "image_url" => image.url = map.next_value()?,
                        "file_id" => image.file_id = map.next_value()?,
                        _ => {
                            map.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(image)
            }
        }
        deserializer.deserialize_map(Map)
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct WireVoice {
    pub(crate) voice_id: Option<String>,
    pub(crate) url: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WireKeyframe {
    pub(crate) image: WireImage,
    pub(crate) timestamp_s: f64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WireOutput {
    pub(crate) upload_url: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WireStorage {
    pub(crate) filename: String,
    pub(crate) expires_after: Option<i64>,
    pub(crate) public_url: Option<WirePublicUrl>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum WirePublicUrl {
    Switch(bool),
    Options { expires_after: Option<i64> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum WireAspectRatio {
    #[serde(rename = "1:1")]
    Square,
    #[serde(rename = "16:9")]
    Wide,
    #[serde(rename = "9:16")]
    Tall,
    #[serde(rename = "4:3")]
    FourThree,
    #[serde(rename = "3:4")]
    ThreeFour,
    #[serde(rename = "3:2")]
    ThreeTwo,
    #[serde(rename = "2:3")]
    TwoThree,
    #[serde(rename = "21:9")]
    Cinema,
    #[serde(rename = "5:2")]
    Banner,
}

/// Parses whole seconds, given as a number or as a string.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    struct Seconds;
    impl Visitor<'_> for Seconds {
        type Value = Option<i64>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an integer number of seconds")
        }
        fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Option<i64>, E> {
            Ok(Some(value))
        }
        fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Option<i64>, E> {
            Ok(Some(i64::try_from(value).unwrap_or(i64::MAX)))
        }
        fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Option<i64>, E> {
            value
                .parse()
                .map(Some)
                .map_err(|_| E::invalid_value(serde::de::Unexpected::Str(value), &self))
        }
        fn visit_unit<E: serde::de::Error>(self) -> Result<Option<i64>, E> {
            Ok(None)
        }
    }
    deserializer.deserialize_any(Seconds)
}

//! Request bodies as the service reads them.
//!
//! Owns names, types, aliases and enumerations: whatever the service turns down with 422 and the words
//! of its JSON reader. Meaning is the business of `rules`. Unknown fields are ignored, as they are there.

use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::rules::Resolution;

/// `POST /v1/videos/generations`
#[derive(Debug, Deserialize)]
pub(super) struct WireGeneration {
    pub(super) model: Option<String>,
    pub(super) prompt: Option<String>,
    #[serde(default, alias = "seconds", deserialize_with = "seconds")]
    pub(super) duration: Option<i64>,
    pub(super) aspect_ratio: Option<WireAspectRatio>,
    pub(super) resolution: Option<Resolution>,
    pub(super) image: Option<WireImage>,
    pub(super) reference_images: Option<Vec<WireImage>>,
    pub(super) reference_audios: Option<Vec<WireVoice>>,
    pub(super) last_frame: Option<WireImage>,
    pub(super) keyframes: Option<Vec<WireKeyframe>>,
    pub(super) generate_audio: Option<bool>,
    pub(super) output: Option<WireOutput>,
    pub(super) storage_options: Option<WireStorage>,
    #[expect(dead_code, reason = "read for its type alone")]
    pub(super) user: Option<String>,
}

/// `POST /v1/videos/edits`
#[derive(Debug, Deserialize)]
pub(super) struct WireEdit {
    pub(super) model: Option<String>,
    pub(super) prompt: String,
    pub(super) video: VideoUrl,
    pub(super) output: Option<WireOutput>,
    pub(super) storage_options: Option<WireStorage>,
    #[expect(dead_code, reason = "read for its type alone")]
    pub(super) user: Option<String>,
}

/// `POST /v1/videos/extensions`
#[derive(Debug, Deserialize)]
pub(super) struct WireExtension {
    pub(super) model: Option<String>,
    pub(super) prompt: String,
    pub(super) video: VideoUrl,
    #[serde(default, alias = "seconds", deserialize_with = "seconds")]
    pub(super) duration: Option<i64>,
    pub(super) output: Option<WireOutput>,
    pub(super) storage_options: Option<WireStorage>,
}

/// A clip that is given. Its name shows in the service's 422.
#[derive(Debug, Deserialize)]
pub(super) struct VideoUrl {
    #[serde(alias = "video_url")]
    pub(super) url: Option<String>,
    pub(super) file_id: Option<String>,
}

/// A picture that is given.
#[derive(Debug)]
pub(super) struct WireImage {
    pub(super) url: Option<String>,
    pub(super) file_id: Option<String>,
}

// By hand, because the service's words for anything but an object are "expected a map".
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
pub(super) struct WireVoice {
    pub(super) voice_id: Option<String>,
    pub(super) url: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct WireKeyframe {
    pub(super) image: WireImage,
    pub(super) timestamp_s: f64,
}

#[derive(Debug, Deserialize)]
pub(super) struct WireOutput {
    pub(super) upload_url: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct WireStorage {
    pub(super) filename: String,
    pub(super) expires_after: Option<i64>,
    pub(super) public_url: Option<WirePublicUrl>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum WirePublicUrl {
    Switch(bool),
    Options { expires_after: Option<i64> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum WireAspectRatio {
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

/// A whole number, or the same as a string (`seconds` is known in both forms).
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

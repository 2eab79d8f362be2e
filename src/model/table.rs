//! The model table: its format, its sources and its queries.

use once_cell::sync::OnceCell;
use serde::{Deserialize, Serialize};

use super::{AspectRatio, LanguageModel, Price, PriceUnit, Resolution, VideoModel};
use crate::error::{Error, Result};
use crate::money::UsdTicks;
use crate::operation::Operation;

/// The mode of a request. The fields of the request determine it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum Mode {
    /// Makes a clip from a prompt alone.
    Text,
    /// Makes a clip that begins with an image.
    Image,
    /// Makes a clip from reference images, voices, or both.
    References,
    /// Makes a clip with pinned frames: the first, the last, and others between them.
    Frames,
    /// Edits a clip.
    Edit,
    /// Extends a clip.
    Extend,
}

impl Mode {
    /// Returns the operation of the service that the mode belongs to: generate, edit or extend.
    pub const fn operation(self) -> Operation {
        match self {
            Self::Text | Self::Image | Self::References | Self::Frames => Operation::Generate,
            Self::Edit => Operation::Edit,
            Self::Extend => Operation::Extend,
        }
    }

    /// Returns the name in messages and JSON: `text`, `image`, `references`, `frames`, `edit` or `extend`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Image => "image",
            Self::References => "references",
            Self::Frames => "frames",
            Self::Edit => "edit",
            Self::Extend => "extend",
        }
    }
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What to do with a request that exceeds the limits of the model table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum Validation {
    /// Refuses the request before anything is paid.
    #[default]
    Strict,
    /// Sends the request, and adds a warning to the clip.
    Warn,
    /// Sends the request without a check.
    Off,
}

/// The limits of one mode of one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct ModeLimits {
    /// The mode.
    pub mode: Mode,
    /// Minimum and maximum duration of the output in whole seconds; for `extend`, of the added part. Absent if the
    /// input clip decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<[u32; 2]>,
    /// The available resolutions. Empty if the input clip decides.
    #[serde(default)]
    pub resolutions: Vec<Resolution>,
    /// The available aspect ratios. Empty if the input image or clip decides.
    #[serde(default)]
    pub aspect_ratios: Vec<AspectRatio>,
    /// Whether a prompt is required.
    #[serde(default)]
    pub prompt_required: bool,
    /// Maximum number of reference images.
    #[serde(default)]
    pub max_references: u32,
    /// Maximum number of voices.
    #[serde(default)]
    pub max_voices: u32,
    /// Maximum number of frames pinned between the first and the last one.
    #[serde(default)]
    pub max_keyframes: u32,
    /// Whether a first frame can be combined with references.
    #[serde(default)]
    pub first_frame: bool,
    /// Minimum and maximum duration of the input clip in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_seconds: Option<[f64; 2]>,
    /// The date on which the source was read, `YYYY-MM-DD`.
    pub date: String,
    /// The source of the row.
    pub source: String,
    /// What other sources say, if they disagree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conflict: Option<String>,
}

/// A video model in the model table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct ModelEntry {
    /// The canonical name.
    pub id: VideoModel,
    /// Other names that the service accepts.
    #[serde(default)]
    pub aliases: Vec<VideoModel>,
    /// Whether a request can turn audio on and off.
    #[serde(default)]
    pub audio: bool,
    /// A short name for display.
    pub label: String,
    /// The date on which the source was read, `YYYY-MM-DD`.
    pub date: String,
    /// The source of the row.
    pub source: String,
    /// What other sources say, if they disagree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conflict: Option<String>,
    /// The modes that the model supports.
    pub modes: Vec<ModeLimits>,
    /// The prices of the model.
    pub prices: Vec<Price>,
}

impl ModelEntry {
    /// Returns the limits of a mode, or `None` if the model does not support it.
    pub fn mode(&self, mode: Mode) -> Option<&ModeLimits> {
        self.modes.iter().find(|limits| limits.mode == mode)
    }

    /// Returns whether `model` is the canonical name or an alias of this model.
    pub fn is_called(&self, model: &VideoModel) -> bool {
        self.id == *model || self.aliases.contains(model)
    }

    /// Returns the price of one unit, or `None` if the table has none.
    pub fn price(&self, unit: PriceUnit, resolution: Option<&Resolution>) -> Option<UsdTicks> {
        let matches = |price: &&Price| price.unit == unit && price.resolution.as_ref() == resolution;
        self.prices.iter().find(matches).map(|price| price.amount)
    }
}

/// The limits and prices of all models.
///
/// The built-in table has a date. A newer one can be loaded with [`from_toml`](Self::from_toml) and passed to the
/// client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct ModelTable {
    /// The date of the table, `YYYY-MM-DD`.
    pub date: String,
    /// Maximum length of a prompt in characters.
    pub max_prompt_chars: u32,
    /// The source of that limit.
    pub max_prompt_source: String,
    /// The names of the preset voices.
    #[serde(default)]
    pub voices: Vec<String>,
    /// The source of the list of voices.
    #[serde(default)]
    pub voices_source: String,
    /// The video models.
    pub models: Vec<ModelEntry>,
    /// The language models that plan prompts and describe clips.
    #[serde(default)]
    pub language_models: Vec<LanguageModel>,
}

impl ModelTable {
    /// Returns the table that is built into this version of the crate.
    ///
    /// # Errors
    /// `Config` if the built-in file is invalid, which a test rules out.
    pub fn built_in() -> Result<&'static Self> {
        static TABLE: OnceCell<ModelTable> = OnceCell::new();
        TABLE.get_or_try_init(|| Self::from_toml(include_str!("models.toml")))
    }

    /// Parses a table in the format of the crate's `models.toml`.
    ///
    /// # Errors
    /// `Config` with the line and the problem.
    pub fn from_toml(text: &str) -> Result<Self> {
        let table: Self = toml::from_str(text).map_err(|error| {
            // The `Display` of a TOML error has several lines.
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map_or(1, |before| before.matches('\n').count() + 1);
            let what = error.message().replace('\n', " ");
            Error::config(format!("parse the model table: line {line}: {what}"))
        })?;
        table.check()?;
        Ok(table)
    }

    /// Checks that no name occurs twice and that every range of seconds is valid.
    fn check(&self) -> Result<()> {
        let invalid = |what: String| Error::config(format!("check the model table: {what}"));
        for (index, entry) in self.models.iter().enumerate() {
            let earlier = &self.models[..index];
            let names = std::iter::once(&entry.id).chain(&entry.aliases);
            for name in names {
                if earlier.iter().any(|other| other.is_called(name)) {
                    return Err(invalid(format!("the name {name} occurs twice")));
                }
            }
            for limits in &entry.modes {
                if limits.seconds.is_some_and(|[min, max]| min > max) {
                    return Err(invalid(format!(
                        "{} {}: the minimum of `seconds` is larger than the maximum",
                        entry.id, limits.mode
                    )));
                }
            }
        }
        Ok(())
    }

    /// Returns the entry of a model by its name or an alias.
    pub fn get(&self, model: &VideoModel) -> Option<&ModelEntry> {
        self.models.iter().find(|entry| entry.is_called(model))
    }

    /// Returns the row of a language model.
    pub fn language_model(&self, name: &str) -> Option<&LanguageModel> {
        self.language_models.iter().find(|model| model.id == name)
    }

    /// Returns whether two names mean the same model.
    pub fn same_model(&self, one: &VideoModel, other: &VideoModel) -> bool {
        one == other || self.get(one).is_some_and(|entry| entry.is_called(other))
    }

    /// Iterates over the names of the models that support a mode.
    pub fn models_with(&self, mode: Mode) -> impl Iterator<Item = &VideoModel> {
        self.models
            .iter()
            .filter(move |entry| entry.mode(mode).is_some())
            .map(|entry| &entry.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn the_built_in_table_is_valid_and_has_the_three_models() {
        let table = ModelTable::built_in().unwrap();
        for model in [VideoModel::CLASSIC, VideoModel::V1_5, VideoModel::V1_5_LITE] {
            let entry = table.get(&model).unwrap();
            assert!(entry.mode(Mode::Text).is_some());
            assert!(
                entry
                    .price(PriceUnit::OutputSecond, Some(&Resolution::P480))
                    .is_some()
            );
        }
        assert!(table.same_model(&VideoModel::V1_5, &"grok-imagine-video-1.5-preview".into()));
    }

    #[test]
    fn every_row_has_a_date_and_a_source() {
        let table = ModelTable::built_in().unwrap();
        let dated = |date: &str, source: &str| {
            let shape = date.len() == 10 && date.bytes().filter(|b| *b == b'-').count() == 2;
            assert!(shape && !source.is_empty(), "{date:?} {source:?}");
        };
        for entry in &table.models {
            dated(&entry.date, &entry.source);
            entry.modes.iter().for_each(|row| dated(&row.date, &row.source));
            entry.prices.iter().for_each(|row| dated(&row.date, &row.source));
        }
        table
            .language_models
            .iter()
            .for_each(|row| dated(&row.date, &row.source));
    }

    #[test]
    fn an_invalid_table_is_refused_with_the_place() {
        let error = ModelTable::from_toml("date = 5").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        let twice = include_str!("models.toml").replace("grok-imagine-video-1.5-lite", "grok-imagine-video");
        let error = ModelTable::from_toml(&twice).unwrap_err().to_string();
        assert!(error.contains("twice"), "{error}");
    }
}

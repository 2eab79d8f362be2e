//! The capability table: its form, where it comes from, and the questions it answers.

use once_cell::sync::OnceCell;
use serde::{Deserialize, Serialize};

use super::{AspectRatio, LanguageModel, Price, PriceUnit, Resolution, VideoModel};
use crate::error::{Error, ErrorKind, Result};
use crate::money::UsdTicks;

/// A verb of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Operation {
    /// A new clip from words, pictures, voices.
    Generate,
    /// A changed copy of a clip.
    Edit,
    /// A clip with seconds added at its end.
    Extend,
}

/// How a clip comes about: the fields of a request decide it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum Mode {
    /// A prompt alone.
    Text,
    /// A picture that becomes the first frame.
    Image,
    /// Reference pictures, voices, or both.
    References,
    /// Pinned frames: first, last, in between.
    Frames,
    /// An edit of a clip.
    Edit,
    /// An extension of a clip.
    Extend,
}

impl Mode {
    /// The verb this mode belongs to.
    pub const fn operation(self) -> Operation {
        match self {
            Self::Text | Self::Image | Self::References | Self::Frames => Operation::Generate,
            Self::Edit => Operation::Edit,
            Self::Extend => Operation::Extend,
        }
    }

    /// The word for messages and JSON: `text`, `image`, `references`, `frames`, `edit`, `extend`.
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

/// What to do with a request that the table says the service will refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum Validation {
    /// Refuse it before anything is paid.
    #[default]
    Strict,
    /// Send it, and say so in the clip's warnings.
    Warn,
    /// Send it.
    Off,
}

/// The limits of one mode of one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct ModeLimits {
    /// The mode.
    pub mode: Mode,
    /// Shortest and longest output in whole seconds; for `extend` of the added part. Absent where the
    /// clip that goes in decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<[u32; 2]>,
    /// Resolutions that can be asked for. Empty where the clip that goes in decides.
    #[serde(default)]
    pub resolutions: Vec<Resolution>,
    /// Aspect ratios that can be asked for. Empty where a picture or clip that goes in decides.
    #[serde(default)]
    pub aspect_ratios: Vec<AspectRatio>,
    /// Whether the service wants a prompt.
    #[serde(default)]
    pub prompt_required: bool,
    /// Most reference pictures.
    #[serde(default)]
    pub max_references: u32,
    /// Most voices.
    #[serde(default)]
    pub max_voices: u32,
    /// Most frames pinned between the first and the last one.
    #[serde(default)]
    pub max_keyframes: u32,
    /// Whether a first frame may be pinned beside references.
    #[serde(default)]
    pub first_frame: bool,
    /// Shortest and longest clip that may go in, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_seconds: Option<[f64; 2]>,
    /// The day the source was read, `YYYY-MM-DD`.
    pub date: String,
    /// Where the row comes from.
    pub source: String,
    /// What other sources say, where they disagree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conflict: Option<String>,
}

/// One model of the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct ModelEntry {
    /// The canonical name.
    pub id: VideoModel,
    /// Other names the service takes for it.
    #[serde(default)]
    pub aliases: Vec<VideoModel>,
    /// Whether audio can be asked for or left out.
    #[serde(default)]
    pub audio: bool,
    /// What people call it.
    pub label: String,
    /// The day the source was read, `YYYY-MM-DD`.
    pub date: String,
    /// Where the row comes from.
    pub source: String,
    /// What other sources say, where they disagree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conflict: Option<String>,
    /// The modes it has.
    pub modes: Vec<ModeLimits>,
    /// What it costs.
    pub prices: Vec<Price>,
}

impl ModelEntry {
    /// The limits of a mode, or `None` when the model does not have it.
    pub fn mode(&self, mode: Mode) -> Option<&ModeLimits> {
        self.modes.iter().find(|limits| limits.mode == mode)
    }

    /// Whether this is the model of that name, canonical or alias.
    pub fn is_called(&self, model: &VideoModel) -> bool {
        self.id == *model || self.aliases.contains(model)
    }

    /// The price of one unit, or `None` when the table has none.
    pub fn price(&self, unit: PriceUnit, resolution: Option<&Resolution>) -> Option<UsdTicks> {
        let matches = |price: &&Price| price.unit == unit && price.resolution.as_ref() == resolution;
        self.prices.iter().find(matches).map(|price| price.amount)
    }
}

/// Models, their limits and prices.
///
/// The built-in table is dated; a newer one can be loaded with [`from_toml`](Self::from_toml) and
/// given to the client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct ModelTable {
    /// The day the table was put together, `YYYY-MM-DD`.
    pub date: String,
    /// Most characters of a prompt.
    pub max_prompt_chars: u32,
    /// Where that number comes from.
    pub max_prompt_source: String,
    /// The voices with a preset name.
    #[serde(default)]
    pub voices: Vec<String>,
    /// Where the list of voices comes from.
    #[serde(default)]
    pub voices_source: String,
    /// The models.
    pub models: Vec<ModelEntry>,
    /// The language models that plan and describe.
    #[serde(default)]
    pub language_models: Vec<LanguageModel>,
}

impl ModelTable {
    /// The table this version of the crate was built with.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when the built-in file is damaged; a test keeps that from happening.
    pub fn built_in() -> Result<&'static Self> {
        static TABLE: OnceCell<ModelTable> = OnceCell::new();
        TABLE.get_or_try_init(|| Self::from_toml(include_str!("models.toml")))
    }

    /// Reads a table of your own, of the same form as `models.toml`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with the line and what is wrong in it.
    pub fn from_toml(text: &str) -> Result<Self> {
        let table: Self = toml::from_str(text).map_err(|error| {
            // Its own text is a drawing of several lines.
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map_or(1, |before| before.matches('\n').count() + 1);
            let what = error.message().replace('\n', " ");
            Error::new(
                ErrorKind::Config,
                format!("read the model table: line {line}: {what}"),
            )
        })?;
        table.check()?;
        Ok(table)
    }

    fn check(&self) -> Result<()> {
        let bad = |what: String| Error::new(ErrorKind::Config, format!("read the model table: {what}"));
        for (index, entry) in self.models.iter().enumerate() {
            let earlier = &self.models[..index];
            let names = std::iter::once(&entry.id).chain(&entry.aliases);
            for name in names {
                if earlier.iter().any(|other| other.is_called(name)) {
                    return Err(bad(format!("{name} stands there twice")));
                }
            }
            for limits in &entry.modes {
                if limits.seconds.is_some_and(|[least, most]| least > most) {
                    return Err(bad(format!(
                        "{} {}: seconds run backwards",
                        entry.id, limits.mode
                    )));
                }
            }
        }
        Ok(())
    }

    /// The entry of a model by its name or an alias.
    pub fn get(&self, model: &VideoModel) -> Option<&ModelEntry> {
        self.models.iter().find(|entry| entry.is_called(model))
    }

    /// The row of a language model.
    pub fn language_model(&self, name: &str) -> Option<&LanguageModel> {
        self.language_models.iter().find(|model| model.id == name)
    }

    /// Whether two names mean the same model.
    pub fn same_model(&self, one: &VideoModel, other: &VideoModel) -> bool {
        one == other || self.get(one).is_some_and(|entry| entry.is_called(other))
    }

    /// The names of the models that have a mode.
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

    #[test]
    fn the_built_in_table_reads_and_has_the_three_models() {
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
    fn a_table_with_a_mistake_says_where() {
        let error = ModelTable::from_toml("date = 5").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        let twice = include_str!("models.toml").replace("grok-imagine-video-1.5-lite", "grok-imagine-video");
        let error = ModelTable::from_toml(&twice).unwrap_err().to_string();
        assert!(error.contains("twice"), "{error}");
    }
}

//! The video models and the resolutions of the service.

use serde::Deserialize;

use super::limits::TEAM;
use super::refusal::Refusal;

/// A video model of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum VideoModel {
    Classic,
    OneFive,
    Lite,
}

impl VideoModel {
    pub(crate) const ALL: [Self; 3] = [Self::Classic, Self::OneFive, Self::Lite];

    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::Classic => "grok-imagine-video",
            Self::OneFive => "grok-imagine-video-1.5",
            Self::Lite => "grok-imagine-video-1.5-lite",
        }
    }

    pub(crate) fn aliases(self) -> &'static [&'static str] {
        match self {
            Self::OneFive => &[
                "grok-imagine-video-1.5-preview",
                "grok-imagine-video-1.5-2026-05-30",
            ],
            Self::Classic | Self::Lite => &[],
        }
    }

    /// Returns the kinds of input that the service lists for the model.
    pub(crate) fn input_modalities(self) -> &'static [&'static str] {
        match self {
            Self::Classic => &["text", "image", "video"],
            Self::OneFive => &["text", "image", "audio"],
            Self::Lite => &["text", "image"],
        }
    }

    /// Finds a model by its id or an alias. Also accepts `grok-imagine-video-beta`, an old name of the classic model.
    pub(crate) fn find(name: &str) -> Result<Self, Refusal> {
        if name == "grok-imagine-video-beta" {
            return Ok(Self::Classic);
        }
        Self::ALL
            .into_iter()
            .find(|model| model.id() == name || model.aliases().contains(&name))
            .ok_or_else(|| {
                Refusal::not_found(format!(
                    "The model {name} does not exist or your team {TEAM} does not have access to it."
                ))
            })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
pub(crate) enum Resolution {
    #[serde(rename = "480p")]
    P480,
    #[serde(rename = "720p")]
    P720,
    #[serde(rename = "1080p")]
    P1080,
}

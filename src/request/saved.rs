//! The form in which a chain stores the request of a step, so that another process can send it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    ContinueRequest, ContinueStrategy, FrameChoice, GenerateRequest, PlanChoice, PlannerFailure,
    PlannerSettings, PublicUrl, StorageOptions,
};
use crate::model::{AspectRatio, Resolution, VideoModel};

/// A generate or continue request without its media and upload targets.
///
/// A chain's id is a hash of this JSON, so the order and form of the fields must not change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SavedRequest {
    #[serde(rename = "verb")]
    kind: StepKind,
    prompt: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sharpest_of_last: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<VideoModel>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resolution: Option<Resolution>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    aspect_ratio: Option<AspectRatio>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    audio: Option<bool>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    voices: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    storage: Option<SavedStorage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    plan: Option<SavedPlan>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StepKind {
    Generate,
    LastFrame,
    Extend,
    Auto,
}

/// A [`PlanChoice`] other than the default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SavedPlan {
    Off,
    On,
    With {
        model: String,
        web_search: bool,
        reasoning_effort: Option<String>,
        deadline: f64,
        own_words: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct SavedStorage {
    file_name: String,
    expires_after: Option<f64>,
    public_url: bool,
    public_url_expires_after: Option<f64>,
}

impl SavedRequest {
    pub(crate) fn prompt(&self) -> Option<&str> {
        self.prompt.as_deref()
    }

    /// Saves the request of the first clip, without its media.
    pub(crate) fn from_generate(request: &GenerateRequest) -> Self {
        Self {
            kind: StepKind::Generate,
            prompt: request.prompt.clone(),
            sharpest_of_last: None,
            model: request.model.clone(),
            seconds: request.duration.map(|duration| duration.as_secs_f64()),
            resolution: request.resolution.clone(),
            aspect_ratio: request.aspect_ratio.clone(),
            audio: request.audio,
            voices: request.voices.clone(),
            user: request.user.clone(),
            storage: request.storage.as_ref().map(SavedStorage::new),
            topic: request.topic.clone(),
            plan: SavedPlan::new(&request.plan),
        }
    }

    /// Saves the request of a step.
    pub(crate) fn from_continue(request: &ContinueRequest) -> Self {
        Self {
            kind: match request.strategy {
                ContinueStrategy::LastFrame => StepKind::LastFrame,
                ContinueStrategy::Extend => StepKind::Extend,
                ContinueStrategy::Auto => StepKind::Auto,
            },
            prompt: request.prompt.clone(),
            sharpest_of_last: match request.frame {
                FrameChoice::Last => None,
                FrameChoice::SharpestOfLast(count) => Some(count),
            },
            model: request.model.clone(),
            seconds: request.duration.map(|duration| duration.as_secs_f64()),
            resolution: request.resolution.clone(),
            aspect_ratio: request.aspect_ratio.clone(),
            audio: request.audio,
            voices: Vec::new(),
            user: request.user.clone(),
            storage: request.storage.as_ref().map(SavedStorage::new),
            topic: None,
            plan: SavedPlan::new(&request.plan),
        }
    }

    /// Restores a generate request, or returns `None` if this is a continue request.
    pub(crate) fn to_generate(&self) -> Option<GenerateRequest> {
        (self.kind == StepKind::Generate).then(|| GenerateRequest {
            prompt: self.prompt.clone(),
            voices: self.voices.clone(),
            model: self.model.clone(),
            duration: self.seconds.and_then(duration),
            resolution: self.resolution.clone(),
            aspect_ratio: self.aspect_ratio.clone(),
            audio: self.audio,
            user: self.user.clone(),
            storage: self.storage.as_ref().map(SavedStorage::to_options),
            plan: SavedPlan::to_choice(self.plan.as_ref()),
            topic: self.topic.clone(),
            ..GenerateRequest::default()
        })
    }

    /// Restores a continue request, or returns `None` if this is a generate request.
    pub(crate) fn to_continue(&self) -> Option<ContinueRequest> {
        Some(ContinueRequest {
            prompt: self.prompt.clone(),
            strategy: match self.kind {
                StepKind::Generate => return None,
                StepKind::LastFrame => ContinueStrategy::LastFrame,
                StepKind::Extend => ContinueStrategy::Extend,
                StepKind::Auto => ContinueStrategy::Auto,
            },
            frame: self
                .sharpest_of_last
                .map_or(FrameChoice::Last, FrameChoice::SharpestOfLast),
            model: self.model.clone(),
            duration: self.seconds.and_then(duration),
            resolution: self.resolution.clone(),
            aspect_ratio: self.aspect_ratio.clone(),
            audio: self.audio,
            user: self.user.clone(),
            storage: self.storage.as_ref().map(SavedStorage::to_options),
            plan: SavedPlan::to_choice(self.plan.as_ref()),
        })
    }
}

impl SavedPlan {
    fn new(choice: &PlanChoice) -> Option<Self> {
        match choice {
            PlanChoice::Default => None,
            PlanChoice::Off => Some(Self::Off),
            PlanChoice::On(None) => Some(Self::On),
            PlanChoice::On(Some(settings)) => Some(Self::With {
                model: settings.model.clone(),
                web_search: settings.web_search,
                reasoning_effort: settings.reasoning_effort.clone(),
                deadline: settings.deadline.as_secs_f64(),
                own_words: settings.on_failure == PlannerFailure::OwnWords,
            }),
        }
    }

    fn to_choice(saved: Option<&Self>) -> PlanChoice {
        match saved {
            None => PlanChoice::Default,
            Some(Self::Off) => PlanChoice::Off,
            Some(Self::On) => PlanChoice::On(None),
            Some(Self::With {
                model,
                web_search,
                reasoning_effort,
                deadline,
                own_words,
            }) => {
                let mut settings = PlannerSettings::default().model(model).web_search(*web_search);
                settings.reasoning_effort.clone_from(reasoning_effort);
                settings.deadline = duration(*deadline).unwrap_or(settings.deadline);
                if *own_words {
                    settings = settings.on_failure(PlannerFailure::OwnWords);
                }
                settings.into()
            }
        }
    }
}

impl SavedStorage {
    fn new(options: &StorageOptions) -> Self {
        Self {
            file_name: options.filename.clone(),
            expires_after: options.expires_after.map(|life| life.as_secs_f64()),
            public_url: options.public_url.is_some(),
            public_url_expires_after: match options.public_url {
                Some(PublicUrl::ExpiresAfter(life)) => Some(life.as_secs_f64()),
                _ => None,
            },
        }
    }

    fn to_options(&self) -> StorageOptions {
        let link_life = self.public_url_expires_after.and_then(duration);
        StorageOptions {
            filename: self.file_name.clone(),
            expires_after: self.expires_after.and_then(duration),
            public_url: self
                .public_url
                .then(|| link_life.map_or(PublicUrl::LikeTheFile, PublicUrl::ExpiresAfter)),
        }
    }
}

fn duration(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::secs;

    #[test]
    fn requests_are_restored_as_they_were_saved() {
        let plain = ContinueRequest::new("on");
        let full = ContinueRequest::new("on")
            .strategy(ContinueStrategy::Auto)
            .frame(FrameChoice::SharpestOfLast(7))
            .model("m")
            .duration(Duration::from_millis(2500))
            .resolution("480p")
            .audio(false)
            .user("u")
            .plan(
                PlannerSettings::default()
                    .model("p")
                    .on_failure(PlannerFailure::OwnWords),
            )
            .storage(StorageOptions::new("a.mp4").public_url(PublicUrl::ExpiresAfter(secs(7200))));
        for request in [plain, full] {
            let json = serde_json::to_string(&SavedRequest::from_continue(&request)).unwrap();
            let saved: SavedRequest = serde_json::from_str(&json).unwrap();
            assert_eq!(saved.to_continue().as_ref(), Some(&request), "{json}");
            assert_eq!(saved.to_generate(), None);
        }
        let first = GenerateRequest::text("dusk")
            .duration(secs(6))
            .aspect_ratio("9:16")
            .plan(false)
            .topic("boats")
            .voices(["eve"]);
        let saved = SavedRequest::from_generate(&first);
        assert_eq!(
            serde_json::to_string(&saved).unwrap(),
            r#"{"verb":"generate","prompt":"dusk","seconds":6.0,"aspect_ratio":"9:16","voices":["eve"],"topic":"boats","plan":"off"}"#
        );
        assert_eq!(saved.to_generate(), Some(first));
        assert_eq!(saved.to_continue(), None);
    }
}

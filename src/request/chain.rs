//! A request for several clips, each going on from the one before.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    ContinueRequest, ContinueStrategy, FrameChoice, GenerateMode, GenerateRequest, MediaInput, PlanChoice,
    PlannerFailure, PlannerSettings, PublicUrl, StorageOptions,
};
use crate::money::UsdTicks;

/// Several clips one after another, each going on where the one before ends, under one budget.
///
/// A chain has an id: its name, else a hash of what is asked. The same request is the same chain: it goes
/// on at the first clip that is not there, and makes nothing when all are. Give a name to make another
/// chain of the same words.
///
/// ```
/// use reelkin::{ChainRequest, ContinueRequest, GenerateRequest, usd};
/// # fn run() -> reelkin::Result<()> {
/// let request = ChainRequest::generate(GenerateRequest::text("a lighthouse at dusk"))
///     .then(ContinueRequest::new("the lamp turns on"))
///     .then(ContinueRequest::new("a ship answers with its horn"))
///     .budget(usd("1.50")?);
/// # let _ = request;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct ChainRequest {
    /// Where it begins.
    pub start: ChainStart,
    /// What follows, each from the clip before it. At most [`MOST_STEPS`](Self::MOST_STEPS).
    pub steps: Vec<ContinueRequest>,
    /// What all clips together may cost: what finished ones did cost, and estimates for the rest. With a
    /// budget, a clip whose price is not in the model table is refused. What planning the prompts costs is
    /// in no table: it is counted once it is known.
    pub budget: Option<UsdTicks>,
    /// The chain's id: 1 to 64 letters, digits, `-`, `_` and `.`, beginning with a letter or digit.
    pub name: Option<String>,
}

/// Where a chain begins.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum ChainStart {
    /// With a clip that exists: of the library, or any file or bytes. It is clip 0.
    Clip(MediaInput),
    /// With a new clip. It is clip 0, and the first one that is made.
    Generate(Box<GenerateRequest>),
    /// With the record of a chain that was begun, by its id. [`steps`](ChainRequest::steps) are left out,
    /// or take the place of all steps that are not sent yet: a prompt that moderation refused is not sent
    /// again unchanged.
    Record(String),
}

impl ChainRequest {
    /// Most steps of one chain.
    pub const MOST_STEPS: usize = 100;

    fn new(start: ChainStart) -> Self {
        Self {
            start,
            steps: Vec::new(),
            budget: None,
            name: None,
        }
    }

    /// From a clip that exists.
    pub fn from_clip(clip: impl Into<MediaInput>) -> Self {
        Self::new(ChainStart::Clip(clip.into()))
    }

    /// From a clip that is made first.
    pub fn generate(request: GenerateRequest) -> Self {
        Self::new(ChainStart::Generate(Box::new(request)))
    }

    /// The rest of a chain that was begun, by its id alone.
    pub fn resume(id: impl Into<String>) -> Self {
        Self::new(ChainStart::Record(id.into()))
    }

    /// Adds a step.
    pub fn then(mut self, step: ContinueRequest) -> Self {
        self.steps.push(step);
        self
    }

    /// What all clips together may cost.
    pub const fn budget(mut self, budget: UsdTicks) -> Self {
        self.budget = Some(budget);
        self
    }

    /// The chain's id.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }
}

/// A step as it is kept, so that it can be sent by another process: every field that is no medium.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeptRequest {
    verb: Verb,
    prompt: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sharpest_of_last: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resolution: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    aspect_ratio: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    audio: Option<bool>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    voices: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    storage: Option<KeptStorage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    plan: Option<KeptPlan>,
}

/// What a request says of planning; nothing for what the client's settings say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KeptPlan {
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Verb {
    Generate,
    LastFrame,
    Extend,
    Auto,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct KeptStorage {
    file_name: String,
    expires_after: Option<f64>,
    public_url: bool,
    public_url_expires_after: Option<f64>,
}

impl KeptRequest {
    pub(crate) fn prompt(&self) -> Option<&str> {
        self.prompt.as_deref()
    }

    /// The request of clip 0, without its media.
    pub(crate) fn of_generate(request: &GenerateRequest) -> Self {
        Self {
            verb: Verb::Generate,
            prompt: request.prompt.clone(),
            sharpest_of_last: None,
            model: request.model.as_ref().map(ToString::to_string),
            seconds: request.duration.map(|duration| duration.as_secs_f64()),
            resolution: request.resolution.as_ref().map(ToString::to_string),
            aspect_ratio: request.aspect_ratio.as_ref().map(ToString::to_string),
            audio: request.audio,
            voices: request.voices.clone(),
            user: request.user.clone(),
            storage: request.storage.as_ref().map(KeptStorage::of),
            topic: request.topic.clone(),
            plan: KeptPlan::of(&request.plan),
        }
    }

    pub(crate) fn of_continue(request: &ContinueRequest) -> Self {
        Self {
            verb: match request.strategy {
                ContinueStrategy::LastFrame => Verb::LastFrame,
                ContinueStrategy::Extend => Verb::Extend,
                ContinueStrategy::Auto => Verb::Auto,
            },
            prompt: request.prompt.clone(),
            sharpest_of_last: match request.frame {
                FrameChoice::Last => None,
                FrameChoice::SharpestOfLast(count) => Some(count),
            },
            model: request.model.as_ref().map(ToString::to_string),
            seconds: request.duration.map(|duration| duration.as_secs_f64()),
            resolution: request.resolution.as_ref().map(ToString::to_string),
            aspect_ratio: request.aspect_ratio.as_ref().map(ToString::to_string),
            audio: request.audio,
            voices: Vec::new(),
            user: request.user.clone(),
            storage: request.storage.as_ref().map(KeptStorage::of),
            topic: None,
            plan: KeptPlan::of(&request.plan),
        }
    }

    /// The request of clip 0, if this is one.
    pub(crate) fn as_generate(&self) -> Option<GenerateRequest> {
        let mut request = GenerateRequest {
            mode: GenerateMode::Text,
            ..GenerateRequest::default()
        };
        request.prompt.clone_from(&self.prompt);
        request.model = self.model.as_deref().map(Into::into);
        request.duration = self.seconds.and_then(seconds);
        request.resolution = self.resolution.as_deref().map(Into::into);
        request.aspect_ratio = self.aspect_ratio.as_deref().map(Into::into);
        request.audio = self.audio;
        request.voices.clone_from(&self.voices);
        request.user.clone_from(&self.user);
        request.storage = self.storage.as_ref().map(KeptStorage::options);
        request.topic.clone_from(&self.topic);
        request.plan = KeptPlan::choice(self.plan.as_ref());
        (self.verb == Verb::Generate).then_some(request)
    }

    /// The request of a step, if this is one.
    pub(crate) fn as_continue(&self) -> Option<ContinueRequest> {
        let mut request = ContinueRequest::new("");
        request.strategy = match self.verb {
            Verb::Generate => return None,
            Verb::LastFrame => ContinueStrategy::LastFrame,
            Verb::Extend => ContinueStrategy::Extend,
            Verb::Auto => ContinueStrategy::Auto,
        };
        request.prompt.clone_from(&self.prompt);
        request.frame = self
            .sharpest_of_last
            .map_or(FrameChoice::Last, FrameChoice::SharpestOfLast);
        request.model = self.model.as_deref().map(Into::into);
        request.duration = self.seconds.and_then(seconds);
        request.resolution = self.resolution.as_deref().map(Into::into);
        request.aspect_ratio = self.aspect_ratio.as_deref().map(Into::into);
        request.audio = self.audio;
        request.user.clone_from(&self.user);
        request.storage = self.storage.as_ref().map(KeptStorage::options);
        request.plan = KeptPlan::choice(self.plan.as_ref());
        Some(request)
    }
}

impl KeptPlan {
    fn of(choice: &PlanChoice) -> Option<Self> {
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

    fn choice(kept: Option<&Self>) -> PlanChoice {
        match kept {
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
                settings.deadline = seconds(*deadline).unwrap_or(settings.deadline);
                if *own_words {
                    settings = settings.on_failure(PlannerFailure::OwnWords);
                }
                settings.into()
            }
        }
    }
}

impl KeptStorage {
    fn of(options: &StorageOptions) -> Self {
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

    fn options(&self) -> StorageOptions {
        let mut options = StorageOptions::new(&self.file_name);
        options.expires_after = self.expires_after.and_then(seconds);
        let life = self.public_url_expires_after.and_then(seconds);
        options.public_url = self
            .public_url
            .then(|| life.map_or(PublicUrl::LikeTheFile, PublicUrl::ExpiresAfter));
        options
    }
}

fn seconds(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::secs;

    #[test]
    fn a_step_is_kept_and_comes_back_as_it_was() {
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
            let json = serde_json::to_string(&KeptRequest::of_continue(&request)).unwrap();
            let kept: KeptRequest = serde_json::from_str(&json).unwrap();
            assert_eq!(kept.as_continue().as_ref(), Some(&request), "{json}");
            assert_eq!(kept.as_generate(), None);
        }
        let first = GenerateRequest::text("dusk")
            .duration(secs(6))
            .aspect_ratio("9:16")
            .plan(false)
            .topic("boats")
            .voices(["eve"]);
        let kept = KeptRequest::of_generate(&first);
        assert_eq!(kept.as_generate(), Some(first));
        assert_eq!(kept.as_continue(), None);
    }
}

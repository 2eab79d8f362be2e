//! A request for several clips, each of which continues the previous one.

use super::{ContinueRequest, GenerateRequest, MediaInput};
use crate::money::UsdTicks;

/// A request for several clips under one budget, each of which continues the previous one.
///
/// A chain is identified by its name, or if it has none, by a hash of its start and steps. Sending the same request
/// again resumes the same chain at the first missing clip, and makes no clip if none is missing. Set a name to make
/// another chain from the same prompts.
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
    /// How the chain starts.
    pub start: ChainStart,
    /// The following clips, at most [`MAX_STEPS`](Self::MAX_STEPS). Each continues the clip before it.
    pub steps: Vec<ContinueRequest>,
    /// The maximum total cost: actual costs of finished clips plus estimates for the rest. With a budget, the chain
    /// fails if the model table has no price for one of the remaining clips. The cost of planning a prompt is not
    /// estimated, and counts once it is known.
    pub budget: Option<UsdTicks>,
    /// The chain's id: 1 to 64 letters, digits, `-`, `_` and `.`, starting with a letter or digit. Defaults to a hash
    /// of the start and the steps.
    pub name: Option<String>,
}

/// How a chain starts.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum ChainStart {
    /// An existing clip: from the library, a file or bytes. It is clip 0.
    Clip(MediaInput),
    /// A new clip. It is clip 0, and the first one to be made.
    Generate(Box<GenerateRequest>),
    /// An existing chain, by its id. If [`steps`](ChainRequest::steps) is not empty, it replaces all steps of the chain
    /// that have failed or were not sent. A prompt that moderation refused is not sent again unchanged.
    Record(String),
}

impl ChainRequest {
    /// Maximum number of steps of a chain.
    pub const MAX_STEPS: usize = 100;

    fn new(start: ChainStart) -> Self {
        Self {
            start,
            steps: Vec::new(),
            budget: None,
            name: None,
        }
    }

    /// Creates a chain that starts with an existing clip.
    pub fn from_clip(clip: impl Into<MediaInput>) -> Self {
        Self::new(ChainStart::Clip(clip.into()))
    }

    /// Creates a chain that starts with a new clip.
    pub fn generate(request: GenerateRequest) -> Self {
        Self::new(ChainStart::Generate(Box::new(request)))
    }

    /// Creates a request that resumes an existing chain.
    pub fn resume(id: impl Into<String>) -> Self {
        Self::new(ChainStart::Record(id.into()))
    }

    /// Adds a step.
    pub fn then(mut self, step: ContinueRequest) -> Self {
        self.steps.push(step);
        self
    }

    /// Sets the maximum total cost.
    pub const fn budget(mut self, budget: UsdTicks) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Sets the chain's id.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }
}

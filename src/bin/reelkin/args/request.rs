//! Option groups of the commands that create clips, and their conversion into requests.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use reelkin::{
    AspectRatio, ContinueRequest, ContinueStrategy, FrameChoice, PlanChoice, PlannerFailure, PlannerSettings,
    TransportChoice, VideoModel,
};

use super::{one_of, seconds};
use crate::output::{CliError, CommandResult};

const TRANSPORTS: &[(&str, TransportChoice)] = &[
    ("auto", TransportChoice::Auto),
    ("inline", TransportChoice::Inline),
    ("upload", TransportChoice::Upload),
    ("upload-and-keep", TransportChoice::UploadAndKeep),
];

const STRATEGIES: &[(&str, ContinueStrategy)] = &[
    ("last-frame", ContinueStrategy::LastFrame),
    ("extend", ContinueStrategy::Extend),
    ("auto", ContinueStrategy::Auto),
];

#[derive(Debug, Args)]
#[command(next_help_heading = "Planning options")]
pub(crate) struct PlanningArgs {
    /// Let a language model rewrite the prompt (default for continued clips)
    #[arg(long, conflicts_with = "no_plan")]
    plan: bool,
    /// Send the prompt unchanged (default for all other clips)
    #[arg(long)]
    no_plan: bool,
    /// The language model that rewrites the prompt
    #[arg(long, value_name = "MODEL", conflicts_with = "no_plan")]
    planner_model: Option<String>,
    /// Let the language model search the web
    #[arg(long, conflicts_with = "no_plan")]
    web_search: bool,
    /// If planning fails, send the prompt unchanged and add a warning to the clip
    #[arg(long, conflicts_with = "no_plan")]
    own_words: bool,
}

impl PlanningArgs {
    pub(crate) fn to_choice(&self) -> PlanChoice {
        if self.no_plan {
            return PlanChoice::Off;
        }
        if self.planner_model.is_none() && !self.web_search && !self.own_words {
            return if self.plan {
                PlanChoice::On(None)
            } else {
                PlanChoice::Default
            };
        }
        let mut settings = PlannerSettings::default().web_search(self.web_search);
        if let Some(model) = &self.planner_model {
            settings = settings.model(model);
        }
        if self.own_words {
            settings = settings.on_failure(PlannerFailure::OwnWords);
        }
        settings.into()
    }
}

// Shared by edit and extend.
#[derive(Debug, Args)]
pub(crate) struct SourceArgs {
    /// The input clip: an id, a file name, a path, an https URL, a `file_id` or a data URL
    #[arg(long, value_name = "CLIP")]
    pub(crate) video: OsString,
    /// The model [default: grok-imagine-video, the only model that supports this]
    #[arg(long)]
    pub(crate) model: Option<VideoModel>,
    /// How to send a local clip: inside the request, or as an upload to the Files API
    #[arg(long, value_parser = one_of(TRANSPORTS), default_value = "auto")]
    pub(crate) transport: TransportChoice,
    /// Also store the clip in the Files API under this name
    #[arg(long, value_name = "NAME")]
    pub(crate) store: Option<String>,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
    #[command(flatten)]
    pub(crate) planning: PlanningArgs,
}

// Shared by continue and chain.
#[derive(Debug, Args)]
pub(crate) struct ContinueArgs {
    /// Start from the exact last frame, use the service's extend operation, or choose automatically
    #[arg(long, value_parser = one_of(STRATEGIES), default_value = "last-frame")]
    strategy: ContinueStrategy,
    /// Start from the sharpest of the last N frames (2 to 48), for clips that end in a fade
    #[arg(long, value_name = "N")]
    sharpest: Option<u32>,
    /// The model [default: grok-imagine-video]
    #[arg(long)]
    pub(crate) model: Option<VideoModel>,
}

impl ContinueArgs {
    /// Returns a request without a prompt.
    pub(crate) fn to_request(&self) -> ContinueRequest {
        let mut request = ContinueRequest::new("").strategy(self.strategy);
        request.frame = self
            .sharpest
            .map_or(FrameChoice::Last, FrameChoice::SharpestOfLast);
        request.model.clone_from(&self.model);
        request
    }
}

#[derive(Debug, Args)]
pub(crate) struct WaitArgs {
    /// Maximum time to wait for the job, in seconds
    #[arg(long, value_name = "S", value_parser = seconds, default_value = "900")]
    pub(crate) timeout: Duration,
    /// Copy the clip to this file
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Copy the clip into this folder
    #[arg(short = 'd', long, value_name = "DIR", conflicts_with = "out")]
    pub(crate) out_dir: Option<PathBuf>,
}

/// Returns the aspect ratio to request. `auto` leaves the choice to the service, as in ima2.
pub(crate) fn aspect_ratio(text: Option<&str>) -> Option<AspectRatio> {
    text.filter(|ratio| *ratio != "auto").map(Into::into)
}

/// Rejects options that the service would silently ignore.
pub(crate) fn reject_ignored(command: &str, options: &[(&str, &Option<String>)]) -> CommandResult<()> {
    match options.iter().find(|(_, value)| value.is_some()) {
        Some((name, _)) => Err(CliError::Usage(format!(
            "--{name} cannot be used with {command}: the result has the {name} of the input clip"
        ))),
        None => Ok(()),
    }
}

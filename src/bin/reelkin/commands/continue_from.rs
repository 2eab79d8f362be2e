//! `reelkin continue`: creates a clip that continues another clip.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;
use reelkin::{Resolution, StorageOptions, VideoClient};

use crate::args::{ContinueArgs, GlobalArgs, PlanningArgs, WaitArgs, aspect_ratio, seconds};
use crate::inputs::video_input;
use crate::output::CommandResult;
use crate::session::create_clip;

#[derive(Debug, Args)]
pub(crate) struct ContinueFromArgs {
    /// What happens next; optional
    prompt: Option<String>,
    /// The clip to continue: an id, a file name or a path
    #[arg(long, value_name = "CLIP")]
    video: OsString,
    #[command(flatten)]
    continuation: ContinueArgs,
    /// The duration in whole seconds [default: 5]
    #[arg(long, value_name = "S", value_parser = seconds, allow_negative_numbers = true)]
    duration: Option<Duration>,
    /// The resolution: 480p, 720p or 1080p [default: 720p]
    #[arg(long)]
    resolution: Option<Resolution>,
    /// Only `auto` is allowed: the start frame determines the ratio
    #[arg(long, value_name = "W:H")]
    aspect_ratio: Option<String>,
    /// Create a clip without sound, at the same price
    #[arg(long)]
    no_audio: bool,
    /// The id of your end user
    #[arg(long)]
    user: Option<String>,
    /// Also store the clip in the Files API under this name
    #[arg(long, value_name = "NAME")]
    store: Option<String>,
    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    planning: PlanningArgs,
}

pub(crate) fn run(global: &GlobalArgs, args: ContinueFromArgs) -> CommandResult {
    let clip = video_input(&args.video)?;
    let mut request = args.continuation.to_request();
    request.prompt = args.prompt;
    request.duration = args.duration;
    request.resolution = args.resolution;
    request.aspect_ratio = aspect_ratio(args.aspect_ratio.as_deref());
    request.audio = args.no_audio.then_some(false);
    request.user = args.user;
    request.storage = args.store.map(StorageOptions::new);
    request.plan = args.planning.to_choice();
    create_clip(global, &args.wait, VideoClient::builder(), |client| async move {
        client.continue_from(clip, request).start().await
    })
}

//! `reelkin extend`.

use std::time::Duration;

use clap::Args;
use reelkin::{ExtendRequest, StorageOptions, VideoClient};

use crate::args::{GlobalArgs, SourceArgs, reject_ignored, seconds};
use crate::inputs::video_input;
use crate::output::CommandResult;
use crate::session::create_clip;

#[derive(Debug, Args)]
pub(crate) struct ExtendArgs {
    /// What happens in the added part
    prompt: String,
    /// Whole seconds to add, 2 to 10 [default: 6]
    #[arg(long, value_name = "S", value_parser = seconds, allow_negative_numbers = true)]
    duration: Option<Duration>,
    // After the other options: its heading would apply to them.
    #[command(flatten)]
    source: SourceArgs,
    // The service ignores these options. They are parsed to reject them with a reason.
    #[arg(long, hide = true)]
    resolution: Option<String>,
    #[arg(long, hide = true)]
    aspect_ratio: Option<String>,
}

pub(crate) fn run(global: &GlobalArgs, args: ExtendArgs) -> CommandResult {
    reject_ignored(
        "extend",
        &[
            ("resolution", &args.resolution),
            ("aspect-ratio", &args.aspect_ratio),
        ],
    )?;
    let source = args.source;
    let mut request =
        ExtendRequest::new(video_input(&source.video)?, args.prompt).transport(source.transport);
    request.model = source.model;
    request.storage = source.store.map(StorageOptions::new);
    request.duration = args.duration;
    request.plan = source.planning.to_choice();
    create_clip(
        global,
        &source.wait,
        VideoClient::builder(),
        |client| async move { client.extend(request).start().await },
    )
}

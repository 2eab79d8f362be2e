//! `reelkin edit`.

use clap::Args;
use reelkin::{EditRequest, StorageOptions, VideoClient};

use crate::args::{GlobalArgs, SourceArgs, reject_ignored};
use crate::inputs::video_input;
use crate::output::CommandResult;
use crate::session::create_clip;

#[derive(Debug, Args)]
pub(crate) struct EditArgs {
    /// What to change
    prompt: String,
    /// The id of your end user
    #[arg(long)]
    user: Option<String>,
    // After the other options: its heading would apply to them.
    #[command(flatten)]
    source: SourceArgs,
    // The service ignores these options. They are parsed to reject them with a reason.
    #[arg(long, hide = true)]
    duration: Option<String>,
    #[arg(long, hide = true)]
    resolution: Option<String>,
    #[arg(long, hide = true)]
    aspect_ratio: Option<String>,
}

pub(crate) fn run(global: &GlobalArgs, args: EditArgs) -> CommandResult {
    reject_ignored(
        "edit",
        &[
            ("duration", &args.duration),
            ("resolution", &args.resolution),
            ("aspect-ratio", &args.aspect_ratio),
        ],
    )?;
    let source = args.source;
    let mut request = EditRequest::new(video_input(&source.video)?, args.prompt).transport(source.transport);
    request.model = source.model;
    request.storage = source.store.map(StorageOptions::new);
    request.user = args.user;
    request.plan = source.planning.to_choice();
    create_clip(
        global,
        &source.wait,
        VideoClient::builder(),
        |client| async move { client.edit(request).start().await },
    )
}

//! `reelkin generate`.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use reelkin::model::Validation;
use reelkin::request::{Defaults, PublicUrl};
use reelkin::{
    GenerateMode, GenerateRequest, Keyframe, ModelTable, Resolution, StorageOptions, UploadTarget,
    VideoClient, VideoModel,
};

use super::models;
use crate::args::{GlobalArgs, PlanningArgs, WaitArgs, aspect_ratio, one_of, seconds};
use crate::inputs::image_input;
use crate::output::{CliError, CommandResult};
use crate::session::create_clip;

const VALIDATIONS: &[(&str, Validation)] = &[
    ("strict", Validation::Strict),
    ("warn", Validation::Warn),
    ("off", Validation::Off),
];

#[derive(Debug, Args)]
pub(crate) struct GenerateArgs {
    /// What the clip shows; optional with images
    prompt: Option<String>,
    /// An image: a file, an https URL, a `file_id` or a data URL. A single image is the first frame, several are
    /// references
    #[arg(long = "ref", value_name = "FILE")]
    references: Vec<OsString>,
    /// Use a single `--ref` as a reference instead of the first frame
    #[arg(long, requires = "references", conflicts_with_all = ["last_frame", "keyframes"])]
    as_reference: bool,
    /// The image of the first frame; can be combined with references, a last frame or keyframes
    #[arg(long, value_name = "FILE")]
    first_frame: Option<OsString>,
    /// The image of the last frame
    #[arg(long, value_name = "FILE", conflicts_with = "references")]
    last_frame: Option<OsString>,
    /// The image at a time in seconds with at most 3 decimals, such as 2.667=middle.png; up to 4
    #[arg(long = "keyframe", value_name = "S=FILE", conflicts_with = "references")]
    keyframes: Vec<OsString>,
    /// A voice: a preset such as eve, or the id of a custom voice; up to 3
    #[arg(long = "voice", value_name = "VOICE")]
    voices: Vec<String>,
    /// The model [default: grok-imagine-video]
    #[arg(long)]
    model: Option<VideoModel>,
    /// The duration in whole seconds [default: 5]
    #[arg(long, value_name = "S", value_parser = seconds, allow_negative_numbers = true)]
    duration: Option<Duration>,
    /// The resolution: 480p, 720p or 1080p [default: 480p]
    #[arg(long)]
    resolution: Option<Resolution>,
    /// The ratio of width to height, such as 16:9; `auto` leaves the choice to the service
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
    /// Delete the stored file after this many seconds
    #[arg(long, value_name = "S", requires = "store", value_parser = seconds)]
    store_expires: Option<Duration>,
    /// Create a public URL for the stored file
    #[arg(long, requires = "store")]
    public_url: bool,
    /// A signed URL that the service uploads the clip to, for teams with zero data retention
    #[arg(long, value_name = "URL", requires = "fetch_url")]
    upload_url: Option<String>,
    /// The signed URL to download that clip from
    #[arg(long, value_name = "URL", requires = "upload_url")]
    fetch_url: Option<String>,
    /// What to do with a request that the model table does not allow: reject it, send it with a warning, or send it
    #[arg(long, value_parser = one_of(VALIDATIONS), default_value = "strict")]
    validation: Validation,
    /// A model table to use instead of the built-in one
    #[arg(long, value_name = "FILE")]
    table: Option<PathBuf>,
    /// The series that the clip belongs to; planning takes the latest prompts of the series into account
    #[arg(long, value_name = "TEXT")]
    topic: Option<String>,
    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    planning: PlanningArgs,
}

pub(crate) fn run(global: &GlobalArgs, args: &GenerateArgs) -> CommandResult {
    let table = args.table.as_deref().map(models::read_table).transpose()?;
    let request = request(args)?;
    // An invalid request is rejected before the library is created.
    let checked_against = match &table {
        Some(table) => table,
        None => ModelTable::built_in()?,
    };
    request.check(checked_against, &Defaults::default(), args.validation)?;
    let mut builder = VideoClient::builder().validation(args.validation);
    if let Some(table) = table {
        builder = builder.models(table);
    }
    create_clip(global, &args.wait, builder, |client| async move {
        client.generate(request).start().await
    })
}

fn request(args: &GenerateArgs) -> CommandResult<GenerateRequest> {
    let mut request = GenerateRequest::default();
    request.prompt.clone_from(&args.prompt);
    request.mode = mode(args)?;
    request.voices.clone_from(&args.voices);
    request.model.clone_from(&args.model);
    request.duration = args.duration;
    request.resolution.clone_from(&args.resolution);
    request.aspect_ratio = aspect_ratio(args.aspect_ratio.as_deref());
    request.audio = args.no_audio.then_some(false);
    request.user.clone_from(&args.user);
    request.storage = args.store.as_deref().map(|name| {
        let mut storage = StorageOptions::new(name);
        storage.expires_after = args.store_expires;
        storage.public_url = args.public_url.then_some(PublicUrl::LikeTheFile);
        storage
    });
    request.output = args.upload_url.as_deref().map(|url| {
        let mut target = UploadTarget::new(url);
        target.fetch_url.clone_from(&args.fetch_url);
        target
    });
    request.topic.clone_from(&args.topic);
    request.plan = args.planning.to_choice();
    Ok(request)
}

fn mode(args: &GenerateArgs) -> CommandResult<GenerateMode> {
    let optional = |text: &Option<OsString>| text.as_deref().map(image_input).transpose();
    let first = optional(&args.first_frame)?;
    let last = optional(&args.last_frame)?;
    if last.is_some() || !args.keyframes.is_empty() {
        let keyframes = args
            .keyframes
            .iter()
            .map(|text| keyframe(text))
            .collect::<CommandResult<_>>()?;
        return Ok(GenerateMode::Frames {
            first,
            last,
            keyframes,
        });
    }
    let mut references = args
        .references
        .iter()
        .map(|text| image_input(text))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(match (references.len(), first) {
        (0, None) => GenerateMode::Text,
        (0, Some(image)) => GenerateMode::Image { image },
        // As in ima2, a single image is the first frame.
        (1, None) if !args.as_reference => GenerateMode::Image {
            image: references.remove(0),
        },
        (_, first_frame) => GenerateMode::References {
            images: references,
            first_frame,
        },
    })
}

/// Splits an argument at its first `=`. The rest may be a path that is not Unicode.
fn split_at_equals(text: &OsStr) -> Option<(&str, &OsStr)> {
    if let Some(text) = text.to_str() {
        let (before, after) = text.split_once('=')?;
        return Some((before, OsStr::new(after)));
    }
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt as _;

        let bytes = text.as_bytes();
        let at = bytes.iter().position(|byte| *byte == b'=')?;
        let before = std::str::from_utf8(&bytes[..at]).ok()?;
        Some((before, OsStr::from_bytes(&bytes[at + 1..])))
    }
    #[cfg(not(unix))]
    None
}

fn keyframe(text: &OsStr) -> CommandResult<Keyframe> {
    let invalid = || {
        CliError::Usage(format!(
            "parse keyframe {:?}: expected SECONDS=FILE, such as 2.667=middle.png",
            text.to_string_lossy()
        ))
    };
    let (at, file) = split_at_equals(text).ok_or_else(invalid)?;
    let at: f64 = at.parse().map_err(|_| invalid())?;
    let at = Duration::try_from_secs_f64(at).map_err(|_| invalid())?;
    Ok(Keyframe::new(at, image_input(file)?))
}

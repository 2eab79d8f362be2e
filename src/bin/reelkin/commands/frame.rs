//! `reelkin frame`: saves a frame as an image. Needs no API key.

use std::ffi::OsString;
use std::fmt::Display;
#[cfg(unix)]
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use reelkin::media::{self, FramePosition, MediaOptions};
use serde_json::json;

use crate::args::{GlobalArgs, seconds};
use crate::inputs::with_clip;
use crate::output::{self, CliError, CommandResult, ExitCode};

#[derive(Debug, Args)]
pub(crate) struct FrameArgs {
    /// The clip: an id, a file name or a path
    clip: OsString,
    /// The last frame (default)
    #[arg(long, group = "which")]
    last: bool,
    /// The first frame
    #[arg(long, group = "which")]
    first: bool,
    /// The frame that is visible at this time, in seconds
    #[arg(long, value_name = "S", group = "which", value_parser = seconds, allow_negative_numbers = true)]
    position: Option<Duration>,
    /// The frame with this number, starting at 0
    #[arg(long, value_name = "N", group = "which")]
    number: Option<u64>,
    /// The file to write, .png or .jpg [default: <CLIP>-<WHICH>.png in the current folder]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The quality of a JPEG file, 1 to 100
    #[arg(long, value_name = "Q", default_value = "90", value_parser = clap::value_parser!(u8).range(1..=100))]
    quality: u8,
    /// Maximum time for decoding, in seconds
    #[arg(long, value_name = "S", value_parser = seconds, default_value = "60")]
    timeout: Duration,
}

pub(crate) fn run(global: &GlobalArgs, args: &FrameArgs) -> CommandResult {
    with_clip(global, &args.clip, |path, source| {
        let (position, name) = position(args);
        let out = args.out.clone().unwrap_or_else(|| default_out(&path, &name));
        let format = ImageFormat::of_path("frame", &out)?;
        if out.is_dir() {
            return Err(CliError::Usage(format!(
                "write frame to {}: the path is a folder; expected a file name",
                out.display()
            )));
        }
        let options = MediaOptions::default().deadline(args.timeout);
        let frame = media::frame(source, position, &options)?;
        let bytes = format.encode(&frame, args.quality)?;
        write_image("frame", &out, &bytes)?;
        if global.json {
            let (numerator, denominator) = frame.time_base();
            output::print_json(&json!({
                "path": output::path_json(&out),
                "width": frame.width(),
                "height": frame.height(),
                "seconds": frame.time().as_secs_f64(),
                "pts": frame.pts(),
                "time_base": format!("{numerator}/{denominator}"),
                "number": frame.number(),
                "rotation": frame.rotation().degrees(),
                "colour": frame.color(),
                "bytes": bytes.len(),
            }));
        } else {
            output::print_line(out.display());
        }
        Ok(ExitCode::Success)
    })
}

/// Returns the position and its name in a default file name.
fn position(args: &FrameArgs) -> (FramePosition, String) {
    match (args.first, args.position, args.number) {
        (true, ..) => (FramePosition::First, "first".to_owned()),
        (_, Some(at), _) => (FramePosition::At(at), format!("{}s", at.as_secs_f64())),
        (.., Some(number)) => (FramePosition::Number(number), number.to_string()),
        _ => (FramePosition::Last, "last".to_owned()),
    }
}

/// Returns a path in the current folder. The folder of the clip may be a library, which contains only clips.
fn default_out(clip: &Path, position: &str) -> PathBuf {
    let mut name = clip
        .file_stem()
        .map_or_else(|| OsString::from("frame"), OsString::from);
    name.push(format!("-{position}.png"));
    name.into()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ImageFormat {
    Png,
    Jpeg,
}

impl ImageFormat {
    /// Returns the format by the extension of a path. `what` names the image in the error message.
    pub(super) fn of_path(what: &str, path: &Path) -> CommandResult<Self> {
        let extension = path
            .extension()
            .map(|extension| extension.to_string_lossy().to_ascii_lowercase());
        match extension.as_deref() {
            Some("png") => Ok(Self::Png),
            Some("jpg" | "jpeg") => Ok(Self::Jpeg),
            _ => Err(CliError::Usage(format!(
                "write {what} to {}: the file name must end in .png or .jpg",
                path.display()
            ))),
        }
    }

    pub(super) fn encode(self, frame: &media::Frame, quality: u8) -> reelkin::Result<Vec<u8>> {
        match self {
            Self::Png => frame.to_png(),
            Self::Jpeg => frame.to_jpeg(quality),
        }
    }
}

/// Writes an image atomically. The temporary file next to it has a random name and is created new, so that no existing
/// link is followed. A link at `out` is replaced.
pub(super) fn write_image(what: &str, out: &Path, bytes: &[u8]) -> CommandResult<()> {
    let failed = |error: &dyn Display| CliError::Local(format!("write {what} to {}: {error}", out.display()));
    let folder = out.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(failed(&"its folder does not exist"));
    }
    let mut temporary = tempfile::Builder::new();
    temporary.prefix(".reelkin-").suffix(".part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;

        // The permissions of any new file, before the umask.
        temporary.permissions(fs::Permissions::from_mode(0o666));
    }
    let written = temporary.tempfile_in(folder).and_then(|mut file| {
        file.write_all(bytes)?;
        file.persist(out).map_err(|failed| failed.error)
    });
    written.map(drop).map_err(|error| failed(&error))
}

//! `reelkin frame`: no key, and, but for a clip in a bucket, no network.

use std::ffi::OsString;
use std::fmt::Display;
#[cfg(unix)]
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use reelkin::media::{self, FramePosition, MediaOptions};
use serde_json::json;

use crate::args::{Frame, Global};
use crate::output::{self, ExitCode, Failure, Outcome};
use crate::session::find_clip;

pub(crate) fn run(global: &Global, command: Frame) -> Outcome {
    let clip = find_clip(global, &command.clip)?;
    let (position, word) = position(&command);
    let out = command.out.unwrap_or_else(|| default_name(&clip.path, &word));
    let format = format_of("frame", &out)?;
    if out.is_dir() {
        return Err(Failure::Arguments(format!(
            "write frame to {}: it is a folder; name a file",
            out.display()
        )));
    }

    let options = MediaOptions::default().with_deadline(command.timeout);
    let frame = media::frame(clip.source, position, &options)?;
    let bytes = encode(&frame, format, command.quality)?;
    write_whole("frame", &out, &bytes)?;
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
            "colour": frame.colour(),
            "bytes": bytes.len(),
        }));
    } else {
        output::print_line(out.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn position(command: &Frame) -> (FramePosition, String) {
    match (command.first, command.position, command.number) {
        (true, ..) => (FramePosition::First, "first".to_owned()),
        (_, Some(at), _) => (FramePosition::At(at), format!("{}s", at.as_secs_f64())),
        (.., Some(number)) => (FramePosition::Number(number), number.to_string()),
        _ => (FramePosition::Last, "last".to_owned()),
    }
}

/// `<clip>-last.png` in the current folder: never beside the clip, where a library keeps clips only.
fn default_name(clip: &Path, word: &str) -> PathBuf {
    let mut name = clip
        .file_stem()
        .map_or_else(|| OsString::from("frame"), OsString::from);
    name.push(format!("-{word}.png"));
    name.into()
}

/// What a picture is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Png,
    Jpeg,
}

/// The format that the name of a file asks for.
pub(crate) fn format_of(what: &str, out: &Path) -> Outcome<Format> {
    let extension = out
        .extension()
        .map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    match extension.as_deref() {
        Some("png") => Ok(Format::Png),
        Some("jpg" | "jpeg") => Ok(Format::Jpeg),
        _ => Err(Failure::Arguments(format!(
            "write {what} to {}: its name ends in neither .png nor .jpg",
            out.display()
        ))),
    }
}

pub(crate) fn encode(frame: &media::Frame, format: Format, quality: u8) -> reelkin::Result<Vec<u8>> {
    match format {
        Format::Png => frame.to_png(),
        Format::Jpeg => frame.to_jpeg(quality),
    }
}

/// Writes a file that appears whole or not at all. Until then it lies beside its place under a random name that was
/// not there before; a link of its own name is replaced, not followed.
pub(crate) fn write_whole(what: &str, out: &Path, bytes: &[u8]) -> Outcome<()> {
    let failed = |error: &dyn Display| Failure::Local(format!("write {what} to {}: {error}", out.display()));
    let folder = out.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(failed(&"its folder does not exist"));
    }
    let mut part = tempfile::Builder::new();
    part.prefix(".reelkin-").suffix(".part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;

        // As for any new file: the mask of the process takes its part away.
        part.permissions(fs::Permissions::from_mode(0o666));
    }
    let written = part.tempfile_in(folder).and_then(|mut file| {
        file.write_all(bytes)?;
        file.persist(out).map_err(|failed| failed.error)
    });
    written.map(drop).map_err(|error| failed(&error))
}

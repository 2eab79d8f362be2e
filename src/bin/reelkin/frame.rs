//! `reelkin frame`: no key, and, but for a clip in a bucket, no network.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use reelkin::media::{self, FramePosition, MediaOptions};
use serde_json::json;

use crate::args::{Frame, Global};
use crate::output::{self, Failure, Outcome};
use crate::session::find_clip;

pub(crate) fn run(global: &Global, command: Frame) -> Outcome {
    let clip = find_clip(global, &command.clip)?;
    let (position, word) = position(&command);
    let out = command.out.unwrap_or_else(|| default_name(&clip.path, &word));
    let format = format_of(&out)?;
    if out.is_dir() {
        return Err(Failure::Arguments(format!(
            "write frame to {}: it is a folder; name a file",
            out.display()
        )));
    }

    let options = MediaOptions::default().with_deadline(command.timeout);
    let frame = media::frame(clip.source, position, &options)?;
    let bytes = match format {
        Format::Png => frame.to_png()?,
        Format::Jpeg => frame.to_jpeg(command.quality)?,
    };
    write_whole(&out, &bytes)?;
    if global.json {
        let (numerator, denominator) = frame.time_base();
        output::print_json(&json!({
            "path": out,
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
    let stem = clip
        .file_stem()
        .map_or_else(|| "frame".into(), |stem| stem.to_string_lossy());
    PathBuf::from(format!("{stem}-{word}.png"))
}

enum Format {
    Png,
    Jpeg,
}

fn format_of(out: &Path) -> Outcome<Format> {
    let extension = out
        .extension()
        .map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    match extension.as_deref() {
        Some("png") => Ok(Format::Png),
        Some("jpg" | "jpeg") => Ok(Format::Jpeg),
        _ => Err(Failure::Arguments(format!(
            "write frame to {}: its name ends in neither .png nor .jpg",
            out.display()
        ))),
    }
}

/// The file appears whole or not at all.
pub(crate) fn write_whole(out: &Path, bytes: &[u8]) -> Outcome<()> {
    let failed = |error: std::io::Error| Failure::Local(format!("write frame to {}: {error}", out.display()));
    let name = out.file_name().unwrap_or_default().to_string_lossy();
    let part = out.with_file_name(format!(".{name}.{}.part", std::process::id()));
    let written = (|| {
        let mut file = fs::File::create(&part)?;
        file.write_all(bytes)?;
        fs::rename(&part, out)
    })();
    written.map_err(|error| {
        // What could not be written is not left behind, if it can be helped.
        let _ = fs::remove_file(&part);
        failed(error)
    })
}

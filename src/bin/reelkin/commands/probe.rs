//! `reelkin probe`.

use std::ffi::OsString;

use clap::Args;
use reelkin::media::{self, MediaOptions, Probe};
use serde_json::json;

use crate::args::GlobalArgs;
use crate::inputs::with_clip;
use crate::output::{self, CommandResult, ExitCode};

#[derive(Debug, Args)]
pub(crate) struct ProbeArgs {
    /// The clip: an id, a file name or a path
    clip: OsString,
}

pub(crate) fn run(global: &GlobalArgs, args: &ProbeArgs) -> CommandResult {
    with_clip(global, &args.clip, |path, source| {
        let probe = media::probe(source, &MediaOptions::default())?;
        if global.json {
            let mut object = json!(probe);
            object["path"] = output::path_json(&path);
            output::print_json(&object);
        } else {
            output::print_line(path.display());
            for line in describe(&probe) {
                output::print_line(line);
            }
        }
        Ok(ExitCode::Success)
    })
}

fn describe(probe: &Probe) -> Vec<String> {
    let video = &probe.video;
    let mut lines = vec![format!(
        "  {}, {} bytes, {:.3} s",
        probe.container,
        probe.size,
        probe.duration.as_secs_f64()
    )];
    let mut stream = format!(
        "  video  {}, {} x {}, {}",
        video.codec, video.width, video.height, video.pixel_format
    );
    if let Some(fps) = video.fps {
        let kind = if video.fps_is_constant == Some(false) {
            " on average"
        } else {
            ""
        };
        stream = format!("{stream}, {} fps{kind}", (fps * 1000.0).round() / 1000.0);
    }
    if let Some(frames) = video.frames {
        stream = format!("{stream}, {}", output::count(frames, "frame"));
    }
    if video.rotation.degrees() != 0 {
        stream = format!("{stream}, rotated by {} degrees", video.rotation.degrees());
    }
    lines.push(stream);
    let color = &video.color;
    let source = |tagged: bool| if tagged { "" } else { " (assumed)" };
    let (matrix, range) = (json_word(&color.matrix), json_word(&color.range));
    lines.push(format!(
        "  color  {matrix}{}, {range} range{}",
        source(color.matrix_tagged),
        source(color.range_tagged)
    ));
    match &probe.audio {
        Some(audio) => lines.push(format!(
            "  audio  {}, {} Hz, {}",
            audio.codec,
            audio.sample_rate,
            output::count(audio.channels.into(), "channel")
        )),
        None => lines.push("  audio  none".to_owned()),
    }
    if !probe.other_streams.is_empty() {
        lines.push(format!("  other  {}", probe.other_streams.join(", ")));
    }
    lines
}

/// Returns the word for a value in JSON, so that both outputs use the same words.
fn json_word(value: &impl serde::Serialize) -> String {
    json!(value).as_str().unwrap_or_default().to_owned()
}

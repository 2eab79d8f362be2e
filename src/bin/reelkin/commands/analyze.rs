//! `reelkin analyze`: describes a clip with a language model.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;
use reelkin::{ClipNotes, VideoClient};
use serde_json::json;

use crate::args::{GlobalArgs, seconds};
use crate::inputs::video_input;
use crate::output::{self, CommandResult, ExitCode, MAX_WORD_CHARS, single_line};
use crate::session::with_session;

/// The maximum number of characters that are printed of each text. No prompt that the service accepts is longer.
const MAX_TEXT_CHARS: usize = 5000;

#[derive(Debug, Args)]
pub(crate) struct AnalyzeArgs {
    /// The clip: an id, a file name or a path
    clip: OsString,
    /// How many frames to show to the model, spread over the clip (2 to 32)
    #[arg(long, value_name = "N")]
    frames: Option<u32>,
    /// The language model; it must accept images
    #[arg(long)]
    model: Option<String>,
    /// Maximum time to wait for the answer, in seconds
    #[arg(long, value_name = "S", value_parser = seconds, default_value = "180")]
    timeout: Duration,
}

pub(crate) fn run(global: &GlobalArgs, args: &AnalyzeArgs) -> CommandResult {
    let clip = video_input(&args.clip)?;
    with_session(global, VideoClient::builder(), None, async |session| {
        let mut analyze = session.client.analyze(clip).deadline(args.timeout);
        if let Some(frames) = args.frames {
            analyze = analyze.frames(frames);
        }
        if let Some(model) = &args.model {
            analyze = analyze.model(model);
        }
        let notes = analyze.await?;
        if global.json {
            output::print_json(&json!(notes));
        } else {
            print_notes(&notes);
        }
        Ok(ExitCode::Success)
    })
}

fn print_notes(notes: &ClipNotes) {
    let rows = [
        ("shot", &notes.shot),
        ("camera", &notes.camera),
        ("light", &notes.light),
        ("palette", &notes.palette.join(", ")),
        ("subjects", &notes.subjects.join(", ")),
        ("motion", &notes.motion),
        ("mood", &notes.mood),
        ("sound", &notes.sound),
        ("prompt", &notes.prompt),
    ];
    for (name, text) in rows {
        output::print_line(format_args!("{name:<9} {}", single_line(text, MAX_TEXT_CHARS)));
    }
    if let Some(cost) = notes.cost {
        output::note(format_args!(
            "{}, {cost}",
            single_line(&notes.model, MAX_WORD_CHARS)
        ));
    }
}

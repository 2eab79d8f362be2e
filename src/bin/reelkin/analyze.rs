//! `reelkin analyze`.

use std::process::ExitCode;

use reelkin::{ClipNotes, MediaInput};
use serde_json::json;

use crate::args::{Analyze, Global};
use crate::output::{self, Outcome};
use crate::session::{Session, Settings, block_on};

pub(crate) fn run(global: &Global, command: &Analyze) -> Outcome {
    let clip = MediaInput::parse_video(&command.clip)?;
    block_on(async {
        let session = Session::open(global, Settings::default()).await?;
        let mut analyze = session.client.analyze(clip).deadline(command.timeout);
        if let Some(frames) = command.frames {
            analyze = analyze.frames(frames);
        }
        if let Some(model) = &command.model {
            analyze = analyze.model(model);
        }
        let notes = analyze.await;
        session.close().await;
        let notes = notes?;
        if global.json {
            output::print_json(&json!(notes));
        } else {
            print(&notes);
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn print(notes: &ClipNotes) {
    let rows = [
        ("shot", notes.shot.clone()),
        ("camera", notes.camera.clone()),
        ("light", notes.light.clone()),
        ("palette", notes.palette.join(", ")),
        ("subjects", notes.subjects.join(", ")),
        ("motion", notes.motion.clone()),
        ("mood", notes.mood.clone()),
        ("sound", notes.sound.clone()),
        ("prompt", notes.prompt.clone()),
    ];
    for (name, text) in rows {
        output::print_line(format_args!("{name:<9} {text}"));
    }
    if let Some(cost) = notes.cost {
        output::note(format_args!("{}, {cost}", notes.model));
    }
}

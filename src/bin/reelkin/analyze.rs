//! `reelkin analyze`.

use reelkin::ClipNotes;
use serde_json::json;

use crate::args::{Analyze, Global};
use crate::output::{self, ExitCode, Outcome, WORD};
use crate::session::{self, Settings, with_session};
use crate::terminal::shown;

/// The longest text of a model that is shown; a prompt is no longer.
const TEXT: usize = 5000;

pub(crate) fn run(global: &Global, command: &Analyze) -> Outcome {
    let clip = session::video(&command.clip)?;
    with_session(global, Settings::default(), async |session| {
        let mut analyze = session.client.analyze(clip).deadline(command.timeout);
        if let Some(frames) = command.frames {
            analyze = analyze.frames(frames);
        }
        if let Some(model) = &command.model {
            analyze = analyze.model(model);
        }
        let notes = analyze.await?;
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
        output::print_line(format_args!("{name:<9} {}", shown(&text, TEXT)));
    }
    if let Some(cost) = notes.cost {
        output::note(format_args!("{}, {cost}", shown(&notes.model, WORD)));
    }
}

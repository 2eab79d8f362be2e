//! `reelkin probe`.

use std::process::ExitCode;

use reelkin::media::{self, MediaOptions, MediaSource};
use serde_json::json;

use crate::args::{Global, Probe};
use crate::output::{self, Outcome};
use crate::session::find_clip;

pub(crate) fn run(global: &Global, command: &Probe) -> Outcome {
    let path = find_clip(global, &command.clip)?;
    let probe = media::probe(MediaSource::from(path.clone()), &MediaOptions::default())?;
    if global.json {
        let mut object = json!(probe);
        object["path"] = json!(path);
        output::print_json(&object);
    } else {
        output::print_line(path.display());
        output::print_line(&probe);
    }
    Ok(ExitCode::SUCCESS)
}

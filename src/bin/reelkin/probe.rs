//! `reelkin probe`.

use reelkin::media::{self, MediaOptions, Probe as Facts};
use serde_json::json;

use crate::args::{Global, Probe};
use crate::output::{self, ExitCode, Outcome};
use crate::session::find_clip;

pub(crate) fn run(global: &Global, command: &Probe) -> Outcome {
    let found = find_clip(global, &command.clip)?;
    let probe = media::probe(found.source, &MediaOptions::default())?;
    let path = found.path;
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
    Ok(ExitCode::SUCCESS)
}

fn describe(facts: &Facts) -> Vec<String> {
    let video = &facts.video;
    let mut lines = vec![format!(
        "  {}, {} bytes, {:.3} s",
        facts.container,
        facts.size,
        facts.duration.as_secs_f64()
    )];
    let mut picture = format!(
        "  video  {}, {} x {}, {}",
        video.codec, video.width, video.height, video.pixel_format
    );
    if let Some(fps) = video.fps {
        let kind = if video.fps_is_constant == Some(false) {
            " on average"
        } else {
            ""
        };
        picture = format!(
            "{picture}, {} frames a second{kind}",
            (fps * 1000.0).round() / 1000.0
        );
    }
    if let Some(frames) = video.frames {
        picture = format!("{picture}, {frames} frames");
    }
    if video.rotation.degrees() != 0 {
        picture = format!("{picture}, turned by {} degrees", video.rotation.degrees());
    }
    lines.push(picture);
    let colour = &video.colour;
    let known = |tagged: bool| if tagged { "" } else { " (assumed)" };
    let (matrix, range) = (word(&colour.matrix), word(&colour.range));
    lines.push(format!(
        "  colour {matrix}{}, {range} range{}",
        known(colour.matrix_tagged),
        known(colour.range_tagged)
    ));
    match &facts.audio {
        Some(audio) => lines.push(format!(
            "  audio  {}, {} Hz, {} channels",
            audio.codec, audio.sample_rate, audio.channels
        )),
        None => lines.push("  audio  none".to_owned()),
    }
    if !facts.other_streams.is_empty() {
        lines.push(format!("  other  {}", facts.other_streams.join(", ")));
    }
    lines
}

/// The JSON word of a value, so that both outputs speak alike.
fn word(value: &impl serde::Serialize) -> String {
    json!(value).as_str().unwrap_or_default().to_owned()
}

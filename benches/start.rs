//! Measures the packaged program from start to exit, in turns with ffmpeg. `REELKIN_PROGRAM` is its path.

#![expect(clippy::cast_precision_loss, reason = "the size of a program fits")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use rows::{Row, is_short, median};

#[path = "rows.rs"]
mod rows;

const GROUP: &str = "start";

type BoxError = Box<dyn std::error::Error>;

fn main() -> Result<(), BoxError> {
    let program = std::env::var_os("REELKIN_PROGRAM").ok_or("REELKIN_PROGRAM is not set")?;
    let program = program
        .into_string()
        .map_err(|_| "REELKIN_PROGRAM is not Unicode")?;
    let folder = tempfile::tempdir()?;
    let [clip, ours, theirs] =
        ["clip.mp4", "ours.png", "theirs.png"].map(|name| folder.path().join(name).display().to_string());
    // The defaults of the service: 480p, 24 fps, 5 s.
    let arguments = "-nostdin -loglevel error -f lavfi -i testsrc2=size=848x480:rate=24:duration=5 -f lavfi \
                -i sine=duration=5 -c:v libx264 -preset medium -crf 23 -g 48 -pix_fmt yuv420p -c:a aac";
    run(command(
        "ffmpeg",
        &arguments.split_whitespace().chain([&*clip]).collect::<Vec<_>>(),
    ))?;

    let rounds = if is_short() { 20 } else { 60 };
    let cases: [(&str, f64, &str, Side, Side); 2] = [
        (
            "--version",
            15.0,
            "ffmpeg -version",
            &|| command(&program, &["--version"]),
            &|| command("ffmpeg", &["-version"]),
        ),
        (
            "frame --last of a clip at 480p",
            60.0,
            "ffmpeg -sseof -1 -update 1",
            &|| command(&program, &["frame", &clip, "--last", "-o", &ours]),
            &|| {
                command(
                    "ffmpeg",
                    &["-y", "-sseof", "-1", "-i", &clip, "-update", "1", &theirs],
                )
            },
        ),
    ];
    for (case, limit, peer, ours, theirs) in cases {
        run(ours())?;
        run(theirs())?;
        let mut wall = Vec::new();
        for _ in 0..rounds {
            wall.push((timed_run(ours())?, timed_run(theirs())?));
        }
        let ours = median(wall.iter().map(|pair| pair.0).collect());
        Row::new(GROUP, case, "wall", "ms", ours).at_most(limit).print();
        Row::of_pairs(GROUP, case, "wall beside ffmpeg", "ms", peer, &wall).print();
    }
    let size = Path::new(&program).metadata()?.len() as f64 / 1e6;
    Row::new(GROUP, "the program", "size", "MB", size).print();
    Ok(())
}

type Side<'a> = &'a dyn Fn() -> Command;

fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn timed_run(command: Command) -> Result<f64, BoxError> {
    let start = Instant::now();
    run(command)?;
    Ok(start.elapsed().as_secs_f64() * 1000.0)
}

fn run(mut command: Command) -> Result<(), BoxError> {
    if command.status()?.success() {
        Ok(())
    } else {
        Err(format!("{command:?} failed").into())
    }
}

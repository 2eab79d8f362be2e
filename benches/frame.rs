//! The last frame of a clip as PNG: this crate in the process against the program ffmpeg, taken in turns.
//!
//! `cargo bench --bench frame [-- CLIP...]`. Without clips it makes its own, with ffmpeg.
#![expect(clippy::print_stdout, reason = "a report for people")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use reelkin::media::{self, FramePosition, MediaOptions};

// ffmpeg writes every frame of the last three seconds as PNG, so a round takes it seconds.
const ROUNDS: usize = 5;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let mut clips: Vec<PathBuf> = std::env::args_os()
        .skip(1)
        .filter(|a| !a.to_string_lossy().starts_with("--"))
        .map(PathBuf::from)
        .collect();
    if clips.is_empty() {
        // A group as long as the clip is the worst case for both; two seconds is what most encoders write.
        for (name, args) in [
            ("720p-6s-gop2s.mp4", "-g 48"),
            ("720p-6s-one-key.mp4", "-g 9999 -keyint_min 9999 -sc_threshold 0"),
        ] {
            clips.push(make(&folder.path().join(name), args)?);
        }
    }
    for clip in &clips {
        compare(clip, folder.path())?;
    }
    Ok(())
}

fn make(path: &Path, args: &str) -> Result<PathBuf, Failure> {
    let source = "-f lavfi -i testsrc2=size=1280x720:rate=24:duration=6 -f lavfi -i sine=duration=6 \
                  -vf noise=alls=2:allf=t -c:v libx264 -preset medium -crf 21 -pix_fmt yuv420p -c:a aac";
    run(
        source
            .split_whitespace()
            .chain(args.split_whitespace())
            .map(String::from),
        path,
    )?;
    Ok(path.to_owned())
}

fn run(args: impl Iterator<Item = String>, output: &Path) -> Result<(), Failure> {
    let status = Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "error", "-y"])
        .args(args)
        .arg(output)
        .stdin(Stdio::null())
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err("ffmpeg failed".into())
    }
}

fn compare(clip: &Path, folder: &Path) -> Result<(), Failure> {
    let theirs = folder.join("theirs.png");
    let options = MediaOptions::new();
    let [mut ours, mut ffmpeg, mut decode, mut encode] = [const { Vec::new() }; 4];
    let mut size = 0;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let frame = media::frame(clip, FramePosition::Last, &options)?;
        decode.push(start.elapsed());
        let png = frame.to_png()?;
        ours.push(start.elapsed());
        encode.push(start.elapsed().saturating_sub(*decode.last().ok_or("no time")?));
        size = png.len();
        let start = Instant::now();
        let args = [
            "-sseof",
            "-3",
            "-i",
            &clip.to_string_lossy(),
            "-update",
            "1",
            "-q:v",
            "1",
        ]
        .map(String::from);
        run(args.into_iter(), &theirs)?;
        ffmpeg.push(start.elapsed());
    }
    let [ours, ffmpeg, decode, encode] = [ours, ffmpeg, decode, encode].map(median);
    let their_size = std::fs::metadata(&theirs)?.len();
    println!("{}", clip.display());
    println!("  here    {ours:>10.2?}  (frame {decode:.2?}, PNG {encode:.2?}, {size} bytes)");
    println!("  ffmpeg  {ffmpeg:>10.2?}  ({their_size} bytes)");
    println!(
        "  ratio of medians {:.1}",
        ffmpeg.as_secs_f64() / ours.as_secs_f64()
    );
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

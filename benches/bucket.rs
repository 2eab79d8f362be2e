//! Counts the bytes and requests for frames and a probe of a 100 MB clip in a bucket.

#![expect(clippy::cast_precision_loss, reason = "sizes of a hundred megabytes fit")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use counting_store::CountingStore;
use object_store::ObjectStoreExt as _;
use object_store::path::Path as StorePath;
use reelkin::VideoClient;
use reelkin::library::Library;
use reelkin::media::{FramePosition, MediaOptions, MediaSource, nonblocking};
use rows::Row;

#[path = "../tests/it/support/counting_store.rs"]
mod counting_store;
#[path = "rows.rs"]
mod rows;

const GROUP: &str = "bucket";
/// The maximum share of a clip that may be read for its last frame.
const MAX_SHARE: f64 = 0.05;

type BoxError = Box<dyn std::error::Error>;

fn main() -> Result<(), BoxError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let folder = tempfile::tempdir()?;
    for (case, gop, index) in [
        ("100 MB, key frames 2 s apart, index last", 48, ""),
        (
            "100 MB, key frames 2 s apart, index first",
            48,
            "-movflags +faststart",
        ),
        (
            "100 MB, key frames 10 s apart, as x264 has them",
            240,
            "-movflags +faststart",
        ),
        (
            "100 MB in fragments",
            48,
            "-movflags +frag_keyframe+empty_moov+default_base_moof",
        ),
    ] {
        let clip = make_clip(folder.path(), gop, index)?;
        runtime.block_on(count(case, clip))?;
    }
    Ok(())
}

async fn count(case: &str, clip: Vec<u8>) -> Result<(), BoxError> {
    let size = clip.len() as f64;
    let store = Arc::new(CountingStore::default());
    let place = StorePath::from("team/long.mp4");
    store.inner.put(&place, clip.into()).await?;
    let library = Library::on_store(Arc::clone(&store) as _, "team")?;
    let client = VideoClient::builder()
        .api_key("none")
        .library_at(library.clone())
        .build()?;
    let clip = library.clip("long").await?;
    store.take();

    client.frame(&clip, FramePosition::Last).await?;
    let last = store.take();
    client.frame(&clip, FramePosition::First).await?;
    let first = store.take();
    let source = MediaSource::reader("long", library.reader(&clip.id).await?);
    nonblocking::probe(source, MediaOptions::default()).await?;
    let probe = store.take();
    for (what, (bytes, requests)) in [("last frame", last), ("first frame", first), ("probe", probe)] {
        let row = |figure: &str, unit, value| {
            Row::new(GROUP, case, &format!("{what}: {figure}"), unit, value).exact()
        };
        let share = row("share of it read", "", (bytes as f64 / size * 1e4).round() / 1e4);
        if what == "last frame" {
            share.at_most(MAX_SHARE).print();
        } else {
            share.print();
        }
        row("requests", "", requests as f64).print();
    }
    Ok(())
}

/// Creates a clip of 100 s at 8 Mbit/s from a part of 20 s that is repeated.
fn make_clip(folder: &Path, gop: u32, index: &str) -> Result<Vec<u8>, BoxError> {
    let (short, long) = (folder.join("short.mp4"), folder.join("long.mp4"));
    let encode = format!(
        "-f lavfi -i testsrc2=size=1280x720:rate=24:duration=20 -f lavfi -i sine=duration=20 -pix_fmt yuv420p \
         -c:v libx264 -preset ultrafast -threads 1 -g {gop} -keyint_min {gop} -sc_threshold 0 \
         -x264-params nal-hrd=cbr:force-cfr=1 -b:v 8M -minrate 8M -maxrate 8M -bufsize 8M -c:a aac -b:a 128k"
    );
    ffmpeg(&encode, &short)?;
    ffmpeg(
        &format!("-stream_loop 4 -i {} -c copy {index}", short.display()),
        &long,
    )?;
    Ok(std::fs::read(long)?)
}

fn ffmpeg(arguments: &str, output: &Path) -> Result<(), BoxError> {
    let status = Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "error", "-y"])
        .args(arguments.split_whitespace())
        .args(["-fflags", "+bitexact"])
        .arg(output)
        .stdin(Stdio::null())
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err("ffmpeg failed".into())
    }
}

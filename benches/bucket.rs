//! What is read of a clip of 100 MB that lies in a bucket: counted by the store itself.

#![expect(clippy::cast_precision_loss, reason = "sizes of a hundred megabytes")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use counting_store::CountingStore;
use object_store::ObjectStoreExt as _;
use object_store::path::Path as StorePath;
use reelkin::VideoClient;
use reelkin::library::Library;
use reelkin::media::{FramePosition, MediaOptions, MediaSource, bridge};
use rows::Row;

#[path = "../tests/it/support/counting_store.rs"]
mod counting_store;
#[path = "rows.rs"]
mod rows;

const GROUP: &str = "bucket";
/// Most of a clip that its last frame may take, as a share.
const MOST: f64 = 0.05;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let folder = tempfile::tempdir()?;
    for (case, group, index) in [
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
        let clip = make(folder.path(), group, index)?;
        runtime.block_on(count(case, clip))?;
    }
    Ok(())
}

async fn count(case: &str, clip: Vec<u8>) -> Result<(), Failure> {
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
    bridge::probe(source, MediaOptions::default()).await?;
    let probe = store.take();
    for (what, (bytes, requests)) in [("last frame", last), ("first frame", first), ("probe", probe)] {
        let row = |figure: &str, unit, value| {
            Row::new(GROUP, case, &format!("{what}: {figure}"), unit, value).exact()
        };
        let share = row("share of it read", "", (bytes as f64 / size * 1e4).round() / 1e4);
        if what == "last frame" {
            share.at_most(MOST).print();
        } else {
            share.print();
        }
        row("requests", "", requests as f64).print();
    }
    Ok(())
}

/// 100 s at 8 Mbit/s, of 20 s that are repeated.
fn make(folder: &Path, group: u32, index: &str) -> Result<Vec<u8>, Failure> {
    let (short, long) = (folder.join("short.mp4"), folder.join("long.mp4"));
    let encode = format!(
        "-f lavfi -i testsrc2=size=1280x720:rate=24:duration=20 -f lavfi -i sine=duration=20 -pix_fmt yuv420p \
         -c:v libx264 -preset ultrafast -threads 1 -g {group} -keyint_min {group} -sc_threshold 0 \
         -x264-params nal-hrd=cbr:force-cfr=1 -b:v 8M -minrate 8M -maxrate 8M -bufsize 8M -c:a aac -b:a 128k"
    );
    ffmpeg(&encode, &short)?;
    ffmpeg(
        &format!("-stream_loop 4 -i {} -c copy {index}", short.display()),
        &long,
    )?;
    Ok(std::fs::read(long)?)
}

fn ffmpeg(arguments: &str, output: &Path) -> Result<(), Failure> {
    let made = Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "error", "-y"])
        .args(arguments.split_whitespace())
        .args(["-fflags", "+bitexact"])
        .arg(output)
        .stdin(Stdio::null())
        .status()?;
    if made.success() {
        Ok(())
    } else {
        Err("ffmpeg failed".into())
    }
}

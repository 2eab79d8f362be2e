//! Measures decoding frames, compared to a plain libav loop over the same packets, to ffmpeg, and to one call per frame or
//! clip. Also measures PNG and JPEG encoding and color conversion.
//!
//! Clips come from benches/clips.sh and from the folder `REELKIN_BENCH_CLIPS`, which defaults to `../shared/data`.
#![expect(clippy::print_stderr, reason = "progress, which is not a row")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use ff::format::Pixel;
use ff::software::scaling::{Context, Flags};
use ffmpeg_next as ff;
use reelkin::media::{self, Frame, FramePosition, MediaOptions};

mod rows;
#[path = "../src/media/pixels/yuv.rs"]
#[expect(dead_code, unused_imports, reason = "its tests are not part of the benchmark")]
mod yuv;

use rows::{Row, is_short, median, timed};

type BoxError = Box<dyn std::error::Error>;

fn main() -> Result<(), BoxError> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("target/bench/clips");
    let made = Command::new(root.join("benches/clips.sh"))
        .arg(&folder)
        .status()?;
    if !made.success() {
        return Err("benches/clips.sh failed".into());
    }
    ff::init()?;
    ff::log::set_level(ff::log::Level::Quiet);
    let others =
        std::env::var_os("REELKIN_BENCH_CLIPS").map_or_else(|| root.join("../shared/data"), PathBuf::from);
    let mut clips = clips_in(&folder)?;
    if is_short() {
        clips.retain(|clip| !name(clip).contains("15s") && !name(clip).contains("1080p"));
    }
    let natural = clips_in(&others).unwrap_or_default();
    for clip in natural.iter().chain(&clips) {
        last_frame(clip)?;
    }
    let clip = folder.join("h264-720p-6s.mp4");
    several_frames(&clip)?;
    several_clips(&clip)?;
    let for_images = natural.iter().find(|clip| name(clip).starts_with("bigbuckbunny"));
    images(for_images.unwrap_or(&clip))
}

fn clips_in(folder: &Path) -> Result<Vec<PathBuf>, BoxError> {
    let mut clips = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "mp4") && !name(&path).starts_with('.') {
            clips.push(path);
        }
    }
    clips.sort();
    Ok(clips)
}

fn name(clip: &Path) -> String {
    clip.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn rounds() -> usize {
    if is_short() { 3 } else { 9 }
}

fn frame(clip: &Path, position: FramePosition) -> Result<Frame, BoxError> {
    Ok(media::frame(clip, position, &MediaOptions::new())?)
}

/// Times two sides in turns, in milliseconds, after a warm-up.
fn pairs(
    rounds: usize,
    mut ours: impl FnMut() -> Result<(), BoxError>,
    mut theirs: impl FnMut() -> Result<(), BoxError>,
) -> Result<Vec<(f64, f64)>, BoxError> {
    ours()?;
    theirs()?;
    let mut pairs = Vec::new();
    for _ in 0..rounds {
        let (result, our_time, _) = timed(&mut ours);
        result?;
        let (result, their_time, _) = timed(&mut theirs);
        result?;
        pairs.push((our_time, their_time));
    }
    Ok(pairs)
}

fn last_frame(clip: &Path) -> Result<(), BoxError> {
    let case = name(clip);
    let take = || frame(clip, FramePosition::Last).map(drop);
    let found = pairs(rounds(), take, || decode_with_libav(clip))?;
    Row::of_pairs(
        "last frame",
        &case,
        "wall, decoded",
        "ms",
        "libav, the same packets",
        &found,
    )
    .at_most(1.15)
    .print();
    let png = std::env::temp_dir().join(format!("reelkin-bench-{}.png", std::process::id()));
    let take = || {
        frame(clip, FramePosition::Last)?.to_png()?;
        Ok(())
    };
    let program = || {
        run(
            ["-sseof", "-3", "-i", &clip.to_string_lossy(), "-update", "1"],
            &png,
        )
    };
    let found = pairs(if is_short() { 1 } else { 3 }, take, program)?;
    let _ = std::fs::remove_file(&png);
    Row::of_pairs(
        "last frame",
        &case,
        "wall, to PNG",
        "ms",
        "ffmpeg -sseof -3 -update 1",
        &found,
    )
    .at_most(1.0 / 12.0)
    .print();
    Ok(())
}

/// Decodes the minimum for the last frame: from the last key frame on, without non-reference frames. libav cannot skip those
/// of AV1.
fn decode_with_libav(clip: &Path) -> Result<(), BoxError> {
    let mut input = ff::format::input(clip)?;
    let stream = input.streams().best(ff::media::Type::Video).ok_or("no video")?;
    let (index, parameters) = (stream.index(), stream.parameters());
    input.seek(i64::MAX / 4, ..)?;
    let mut packets: Vec<ff::Packet> = input
        .packets()
        .filter_map(|(stream, packet)| (stream.index() == index).then_some(packet))
        .collect();
    let last = packets.iter().rposition(ff::Packet::is_key).unwrap_or(0);
    let packets = packets.split_off(last);
    let wanted = packets.iter().filter_map(ff::Packet::pts).max();
    let mut context = ff::codec::Context::from_parameters(parameters)?;
    let mut threads = ff::codec::threading::Config::count(std::thread::available_parallelism()?.get());
    threads.kind = ff::codec::threading::Type::Frame;
    context.set_threading(threads);
    let mut decoder = context.decoder().video()?;
    let mut picture = ff::frame::Video::empty();
    for packet in packets {
        decoder.skip_frame(if packet.pts() == wanted {
            ff::Discard::Default
        } else {
            ff::Discard::NonReference
        });
        decoder.send_packet(&packet)?;
        while decoder.receive_frame(&mut picture).is_ok() {}
    }
    decoder.send_eof()?;
    while decoder.receive_frame(&mut picture).is_ok() {}
    Ok(())
}

fn run<'a>(args: impl IntoIterator<Item = &'a str>, output: &Path) -> Result<(), BoxError> {
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

fn several_frames(clip: &Path) -> Result<(), BoxError> {
    let options = MediaOptions::new();
    let spread: Vec<_> = (0..8)
        .map(|n| FramePosition::At(Duration::from_millis(700 * n)))
        .collect();
    let ends = [FramePosition::First, FramePosition::Last];
    for (case, positions) in [
        ("first and last", &ends[..]),
        ("8 frames spread over a clip", &spread[..]),
    ] {
        let together = || {
            media::frames(clip, positions, &options)?;
            Ok(())
        };
        let one_by_one = || {
            positions
                .iter()
                .try_for_each(|&position| frame(clip, position).map(drop))
        };
        let found = pairs(rounds(), together, one_by_one)?;
        Row::of_pairs("frames", case, "wall", "ms", "one call for each", &found)
            .at_most(1.0)
            .print();
    }
    Ok(())
}

fn several_clips(clip: &Path) -> Result<(), BoxError> {
    let options = MediaOptions::new();
    let clips = vec![clip; if is_short() { 4 } else { 16 }];
    let ends = [FramePosition::First, FramePosition::Last];
    let together = || {
        for frames in media::frames_of_clips(clips.iter().copied(), &ends, &options) {
            frames?;
        }
        Ok(())
    };
    let one_by_one = || {
        for &clip in &clips {
            media::frames(clip, &ends, &options)?;
        }
        Ok(())
    };
    let found = pairs(if is_short() { 1 } else { 3 }, together, one_by_one)?;
    let case = format!("first and last of {} clips", clips.len());
    Row::of_pairs("frames", &case, "wall", "ms", "one clip after the other", &found)
        .at_most(1.0)
        .print();
    let (_, peak) = rows::resident();
    eprintln!("{case}: peak memory {:.0} MiB", peak / 1024.0);
    Ok(())
}

fn images(clip: &Path) -> Result<(), BoxError> {
    let frame = frame(clip, FramePosition::Last)?;
    let size = format!("{}x{}", frame.width(), frame.height());
    let folder = std::env::temp_dir();
    let (ours, theirs) = (
        folder.join("reelkin-bench-ours.png"),
        folder.join("reelkin-bench-theirs.png"),
    );
    let png = frame.to_png()?;
    std::fs::write(&ours, &png)?;
    run(["-i", &*ours.to_string_lossy()], &theirs)?;
    let their_size = std::fs::metadata(&theirs)?.len();
    for file in [ours, theirs] {
        let _ = std::fs::remove_file(file);
    }
    #[expect(clippy::cast_precision_loss, reason = "sizes of some megabytes fit")]
    Row::new(
        "pictures",
        &format!("PNG {size}"),
        "size",
        "bytes",
        png.len() as f64,
    )
    .beside("ffmpeg's default PNG", their_size as f64)
    .at_most(1.25)
    .exact()
    .print();
    let median_wall = |work: &dyn Fn() -> Result<Vec<u8>, BoxError>| -> Result<f64, BoxError> {
        let mut walls = Vec::new();
        for _ in 0..rounds() * 5 {
            let (result, wall, _) = timed(work);
            result?;
            walls.push(wall);
        }
        Ok(median(walls))
    };
    Row::new(
        "pictures",
        &format!("PNG {size}"),
        "wall",
        "ms",
        median_wall(&|| Ok(frame.to_png()?))?,
    )
    .at_most(10.0)
    .print();
    Row::new(
        "pictures",
        &format!("JPEG {size}, quality 90"),
        "wall",
        "ms",
        median_wall(&|| Ok(frame.to_jpeg(90)?))?,
    )
    .print();
    conversion()
}

/// Converts 1280x720 8-bit 4:2:0 to RGB, compared to swscale in its most exact mode and in its default mode. swscale assumes
/// centered chroma in both.
fn conversion() -> Result<(), BoxError> {
    const WIDTH: u32 = 1280;
    const HEIGHT: u32 = 720;
    const REPEATS: usize = 20;
    let mut picture = ff::frame::Video::new(Pixel::YUV420P, WIDTH, HEIGHT);
    for plane in 0..3 {
        for (at, byte) in picture.data_mut(plane).iter_mut().enumerate() {
            *byte = u8::try_from(at * 89 % 251).unwrap_or_default();
        }
    }
    let k = yuv::Coefficients::new((0.2126, 0.0722), false, 8);
    let (layout, siting) = (
        yuv::Layout {
            half_width: true,
            half_height: true,
            gray: false,
            depth: 8,
        },
        yuv::Siting {
            left: true,
            top: false,
        },
    );
    let ours = || {
        for _ in 0..REPEATS {
            let plane = |index: usize, shift: u32| {
                let (width, height) = ((WIDTH >> shift) as usize, (HEIGHT >> shift) as usize);
                yuv::Plane::new(picture.data(index), picture.stride(index), width, height, 8)
                    .ok_or("invalid plane")
            };
            let planes = yuv::Planes {
                luma: plane(0, 0)?,
                chroma: Some([plane(1, 1)?, plane(2, 1)?]),
                layout,
                siting,
            };
            std::hint::black_box(planes.into_rgb(&k));
        }
        Ok(())
    };
    for (mode, flags) in [
        (
            "exact",
            Flags::BICUBIC | Flags::ACCURATE_RND | Flags::FULL_CHR_H_INT | Flags::FULL_CHR_H_INP,
        ),
        ("its default", Flags::BICUBIC),
    ] {
        let mut context = Context::get(Pixel::YUV420P, WIDTH, HEIGHT, Pixel::RGB24, WIDTH, HEIGHT, flags)?;
        let theirs = || {
            for _ in 0..REPEATS {
                let mut out = ff::frame::Video::empty();
                context.run(&picture, &mut out)?;
                std::hint::black_box(out);
            }
            Ok(())
        };
        #[expect(clippy::cast_precision_loss, reason = "a small constant")]
        let per_image = |(ours, theirs): (f64, f64)| (ours / REPEATS as f64, theirs / REPEATS as f64);
        let found: Vec<_> = pairs(rounds(), ours, theirs)?
            .into_iter()
            .map(per_image)
            .collect();
        let peer = format!("swscale, {mode}");
        let case = format!("4:2:0 to RGB, 1280x720, beside {mode}");
        let row = Row::of_pairs("pictures", &case, "wall", "ms", &peer, &found);
        (if mode == "exact" { row.at_most(1.0) } else { row }).print();
    }
    Ok(())
}

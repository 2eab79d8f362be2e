//! Bad input gives one clear line that names the file and what would be right.

#![cfg(feature = "media")]

use std::path::Path;
use std::time::Duration;

use reelkin::ErrorKind;
use reelkin::media::{self, FramePosition, MediaOptions};

use crate::support::clips::{Recipe, ffmpeg};

/// Returns the message. Every entry point must return the same kind of error and name the file.
#[track_caller]
fn line(path: &Path, kind: ErrorKind) -> String {
    let options = MediaOptions::new();
    let lines = [
        media::probe(path, &options).unwrap_err(),
        media::frame(path, FramePosition::Last, &options).unwrap_err(),
        media::frame(path, FramePosition::First, &options).unwrap_err(),
        media::frames(path, &[FramePosition::Number(3)], &options).unwrap_err(),
        media::check_whole(path, &options).unwrap_err(),
        media::picture(path, &options).unwrap_err(),
    ]
    .map(|error| {
        let line = error.to_string();
        assert_eq!(error.kind(), kind, "{line}");
        assert!(
            line.contains(&path.display().to_string()),
            "names the file: {line}"
        );
        assert!(!line.contains('\n') && !line.ends_with('.'), "one line: {line}");
        line
    });
    lines[1].clone()
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn a_missing_file_is_named() {
    let folder = folder();
    let line = line(&folder.path().join("none.mp4"), ErrorKind::NotFound);
    assert!(line.contains("no such file; give an MP4"), "{line}");
}

#[test]
fn a_folder_is_refused() {
    let folder = folder();
    let line = line(folder.path(), ErrorKind::Media);
    assert!(line.contains("is a folder; give an MP4"), "{line}");
}

#[test]
fn empty_and_text_files_are_refused_by_kind() {
    let folder = folder();
    for (content, expect) in [
        ("", "is empty"),
        ("hello, this is no video\n", "is text"),
        ("<!doctype html><html>", "is an HTML or XML page"),
        ("{\"error\": \"gone\"}", "is JSON text"),
        // Playlists that libav would follow to other files or the network.
        ("#EXTM3U\nhttp://127.0.0.1/a.ts\n", "is text"),
        ("ffconcat version 1.0\nfile /etc/passwd\n", "is text"),
        ("GIF89a....", "is a GIF picture"),
        (
            "\u{1}\u{2}\u{3}\u{4}\u{5}\u{6}\u{7}\u{8}\u{9}",
            "is of an unknown kind",
        ),
    ] {
        let path = folder.path().join("clip.mp4");
        std::fs::write(&path, content).unwrap();
        let line = line(&path, ErrorKind::Media);
        assert!(line.contains(expect), "{line}");
        assert!(line.contains("give an MP4"), "{line}");
    }
}

#[test]
fn a_file_with_audio_only_is_refused() {
    let folder = folder();
    let path = folder.path().join("song.mp4");
    ffmpeg(
        "-f lavfi -i sine=duration=1 -c:a aac",
        None,
        &path,
        std::iter::empty(),
    );
    let options = MediaOptions::new();
    for error in [
        media::probe(&path, &options).unwrap_err(),
        media::frame(&path, FramePosition::First, &options).unwrap_err(),
        media::check_whole(&path, &options).unwrap_err(),
    ] {
        let line = error.to_string();
        assert!(
            line.contains("song.mp4: it has no video stream, only aac; give a clip with a picture"),
            "{line}"
        );
    }
}

#[test]
fn a_codec_that_is_not_supported_is_named() {
    let folder = folder();
    let path = folder.path().join("old.mkv");
    ffmpeg(
        "-f lavfi -i testsrc=duration=1:size=64x64 -c:v huffyuv",
        None,
        &path,
        std::iter::empty(),
    );
    let error = media::probe(&path, &MediaOptions::new()).unwrap_err().to_string();
    assert!(
        error.contains("its video is huffyuv, which is not supported; give H.264"),
        "{error}"
    );
}

#[test]
fn truncated_clips_are_reported_as_cut_off() {
    const ARGS: &str = "-c:v libx264 -preset veryfast -g 10 -f lavfi";
    let folder = folder();
    for (ending, args) in [
        // The index at the end, at the front, in fragments, and another container.
        ("mp4", ""),
        ("mp4", "-movflags +faststart"),
        ("mp4", "-movflags frag_keyframe+empty_moov"),
        ("mkv", ""),
        ("webm", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8"),
    ] {
        let recipe =
            Recipe::new(60, &format!("{} {args}", ARGS.trim_end_matches(" -f lavfi"))).ending(ending);
        let whole = std::fs::read(recipe.make()).unwrap();
        let name = format!("half.{ending}");
        let path = folder.path().join(&name);
        let options = MediaOptions::new();
        std::fs::write(&path, &whole).unwrap();
        media::check_whole(&path, &options).unwrap();
        for keep in [whole.len() / 2, whole.len() - 1, whole.len() * 9 / 10] {
            std::fs::write(&path, &whole[..keep]).unwrap();
            let error = media::check_whole(&path, &options).unwrap_err();
            let line = error.to_string();
            assert_eq!(error.kind(), ErrorKind::Media);
            assert!(
                line.contains(&name) && line.contains("cut off"),
                "{args} {keep}: {line}"
            );
            // The last frame is missing, and no other frame may be returned instead.
            let line = media::frame(&path, FramePosition::Last, &options)
                .unwrap_err()
                .to_string();
            assert!(
                line.contains(&name) && line.contains("cut off"),
                "{args} {keep}: {line}"
            );
        }
    }
}

#[test]
fn clips_damaged_inside_cause_no_panic() {
    // The length is right, but the middle is overwritten. There must be no panic and no hang.
    let recipe = Recipe::new(60, "-c:v libx264 -preset veryfast -bf 2 -movflags +faststart");
    let whole = std::fs::read(recipe.make()).unwrap();
    for (from, to) in [(1, 2), (10, 11), (13, 14)] {
        let mut bytes = whole.clone();
        for (i, byte) in bytes[whole.len() * from / 16..whole.len() * to / 16]
            .iter_mut()
            .enumerate()
        {
            *byte = u8::try_from(i * 37 % 251).unwrap();
        }
        let options = MediaOptions::new().deadline(Duration::from_secs(20));
        let _ = media::frame(bytes.clone(), FramePosition::Last, &options);
        let _ = media::frame(bytes.clone(), FramePosition::Number(30), &options);
        let _ = media::probe(bytes, &options);
    }
}

#[test]
fn a_picture_of_40000_by_40000_is_refused_by_its_header() {
    // Only the header declares the size. There are no pixels.
    let mut png = Vec::new();
    let mut encoder = png::Encoder::new(&mut png, 40_000, 40_000);
    encoder.set_color(png::ColorType::Rgb);
    drop(encoder.write_header().unwrap());
    let folder = folder();
    let path = folder.path().join("huge.png");
    std::fs::write(&path, png).unwrap();
    let line = line(&path, ErrorKind::Media);
    assert!(
        line.contains("40000x40000 is more than the limit of 67108864 pixels"),
        "{line}"
    );
}

#[test]
fn limits_on_pixels_and_bytes_apply_to_clips() {
    let path = Recipe::new(10, "-c:v libx264 -preset veryfast").make();
    let options = MediaOptions::new().max_pixels(1000);
    let error = media::frame(&path, FramePosition::First, &options)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("320x192 is more than the limit of 1000 pixels"),
        "{error}"
    );
    let options = MediaOptions::new().max_decoded_bytes(100);
    let error = media::frame(&path, FramePosition::Last, &options)
        .unwrap_err()
        .to_string();
    assert!(error.contains("more than 100 bytes of coded data"), "{error}");
}

#[test]
fn damaged_pictures_are_refused() {
    let folder = folder();
    for (ending, args) in [("png", ""), ("jpg", "-c:v mjpeg"), ("webp", "-c:v libwebp")] {
        let picture = folder.path().join(format!("picture.{ending}"));
        ffmpeg(
            &format!("-f lavfi -i testsrc=size=320x192 -frames:v 1 {args}"),
            None,
            &picture,
            std::iter::empty(),
        );
        let whole = std::fs::read(&picture).unwrap();
        std::fs::write(&picture, &whole[..whole.len() / 2]).unwrap();
        line(&picture, ErrorKind::Media);
        std::fs::write(&picture, &whole[..20]).unwrap();
        line(&picture, ErrorKind::Media);

        // Half of the coded data in a file that looks complete: with an end marker, with matching lengths.
        let mut half = whole[..whole.len() / 2].to_vec();
        let length = |bytes: usize| u32::try_from(bytes).unwrap().to_le_bytes();
        match ending {
            "jpg" => half.extend([0xff, 0xd9]),
            "webp" => {
                half.truncate(half.len() / 2 * 2);
                let data = half.windows(4).position(|name| name == b"VP8 ").unwrap() + 8;
                let (file, chunk) = (length(half.len() - 8), length(half.len() - data));
                half[4..8].copy_from_slice(&file);
                half[data - 4..data].copy_from_slice(&chunk);
            }
            _ => continue,
        }
        std::fs::write(&picture, half).unwrap();
        line(&picture, ErrorKind::Media);
    }
}

#[test]
fn truncations_and_bit_flips_end_in_a_result() {
    let recipe = Recipe::new(8, "-c:v libx264 -preset veryfast -bf 2 -movflags +faststart");
    let whole = std::fs::read(recipe.make()).unwrap();
    let options = MediaOptions::new().deadline(Duration::from_secs(5));
    for keep in (0..whole.len()).step_by(61) {
        assert!(
            media::check_whole(whole[..keep].to_vec(), &options).is_err(),
            "{keep} of {}",
            whole.len()
        );
    }
    let header = 1500.min(whole.len());
    for at in (0..header).step_by(7) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        let _ = media::check_whole(bytes.clone(), &options);
        let _ = media::frame(bytes, FramePosition::Number(3), &options);
    }
}

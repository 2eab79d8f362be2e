//! Several frames of a clip in one call, and frames of many clips, equal frames taken one by one.
//!
//! The same holds where disposable frames are skipped. Frames by number are decoded without skipping.

#![cfg(feature = "media")]

use std::path::Path;
use std::time::Duration;

use reelkin::ErrorKind;
use reelkin::media::{self, Frame, FramePosition, MediaOptions};

use crate::media::clip_frames::{X264, frame};
use crate::support::clips::{Recipe, number, unturned};

fn assert_same_frame(a: &Frame, b: &Frame, what: &str) {
    assert!(a.rgb() == b.rgb(), "{what}: other pixels");
    assert_eq!((a.pts(), a.time()), (b.pts(), b.time()), "{what}");
    assert!(
        a.number().is_none() || b.number().is_none() || a.number() == b.number(),
        "{what}"
    );
}

/// Takes every frame by its time in one call, out of order and with both ends. Compares them with the frames by
/// number, which decode everything from the start.
#[track_caller]
fn check_together(recipe: &Recipe) {
    let path = recipe.make();
    let options = MediaOptions::new();
    let numbers: Vec<_> = (0..recipe.frames as u64).map(FramePosition::Number).collect();
    let all = media::frames(&path, &numbers, &options).unwrap();
    for (step, from) in [(1, 0), (3, 1), (7, 2)] {
        let mut wanted: Vec<usize> = (from..all.len()).step_by(step).rev().collect();
        wanted.push(all.len() / 2);
        let mut positions: Vec<_> = wanted.iter().map(|&n| FramePosition::At(all[n].time())).collect();
        positions.insert(1, FramePosition::Last);
        wanted.insert(1, all.len() - 1);
        positions.push(FramePosition::First);
        wanted.push(0);
        let found = media::frames(&path, &positions, &options).unwrap();
        assert_eq!(found.len(), wanted.len());
        for (found, n) in found.iter().zip(wanted) {
            assert_eq!(number(&unturned(found)), n);
            assert_same_frame(found, &all[n], &format!("{n}, every {step}"));
        }
    }
    for position in [FramePosition::First, FramePosition::Last] {
        let one = frame(&path, position);
        let [both, _] =
            <[Frame; 2]>::try_from(media::frames(&path, &[position; 2], &options).unwrap()).unwrap();
        assert_same_frame(&both, &one, &position.to_string());
        assert_eq!(both.number(), one.number());
    }
}

#[test]
fn h264_with_one_key_frame_and_a_pyramid() {
    check_together(&Recipe::new(
        75,
        &format!("{X264} -bf 7 -g 9999 -keyint_min 9999 -sc_threshold 0 -x264-params b-pyramid=normal"),
    ));
}

#[test]
fn h264_with_open_groups() {
    check_together(&Recipe::new(
        60,
        &format!("{X264} -bf 3 -g 12 -x264-params open-gop=1:scenecut=0"),
    ));
}

#[test]
fn h264_interlaced() {
    check_together(&Recipe::new(
        40,
        &format!("{X264} -bf 3 -g 15 -flags +ildct+ilme"),
    ));
}

#[test]
fn h264_in_matroska() {
    check_together(&Recipe::new(60, &format!("{X264} -bf 3 -g 12")).ending("mkv"));
}

#[test]
fn h264_in_fragments() {
    check_together(&Recipe::new(
        60,
        &format!("{X264} -bf 2 -g 10 -movflags frag_keyframe+empty_moov+default_base_moof"),
    ));
}

#[test]
fn h264_with_intra_refresh() {
    let path = Recipe::new(60, &format!("{X264} -g 20 -bf 2 -x264-params intra-refresh=1")).make();
    let positions = [
        FramePosition::First,
        FramePosition::At(Duration::from_secs(1)),
        FramePosition::Last,
    ];
    let found = media::frames(&path, &positions, &MediaOptions::new()).unwrap();
    for (found, position) in found.iter().zip(positions) {
        assert_same_frame(found, &frame(&path, position), &position.to_string());
    }
}

const X265: &str = "-c:v libx265 -preset ultrafast -tag:v hvc1";

#[test]
fn h265_with_a_pyramid() {
    let params = "-x265-params log-level=none:keyint=9999:bframes=4:b-pyramid=1:scenecut=0";
    check_together(&Recipe::new(60, &format!("{X265} {params}")));
}

/// Frames that are referenced only from other sub-layers.
#[test]
fn h265_with_temporal_layers() {
    let params = "-x265-params log-level=none:keyint=20:bframes=3:b-pyramid=1:temporal-layers=1";
    check_together(&Recipe::new(50, &format!("{X265} {params}")));
}

#[test]
fn h265_in_matroska_with_open_groups() {
    let params = "-x265-params log-level=none:keyint=12:bframes=3:open-gop=1";
    check_together(&Recipe::new(40, &format!("{X265} {params}")).ending("mkv"));
}

#[test]
fn av1_in_layers() {
    check_together(&Recipe::new(50, "-c:v libsvtav1 -preset 10 -crf 35 -g 9999"));
    check_together(&Recipe::new(
        40,
        "-c:v libaom-av1 -cpu-used 8 -crf 30 -g 20 -lag-in-frames 19",
    ));
}

#[test]
fn vp9_and_mpeg4() {
    check_together(
        &Recipe::new(40, "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 1M -g 15").ending("webm"),
    );
    check_together(&Recipe::new(40, "-c:v mpeg4 -bf 2 -q:v 3 -g 12"));
}

#[test]
fn a_time_past_the_end_is_an_error_among_several() {
    let path = Recipe::new(60, &format!("{X264} -bf 3 -g 12")).make();
    let positions = [FramePosition::First, FramePosition::At(Duration::from_secs(9))];
    let error = media::frames(&path, &positions, &MediaOptions::new()).unwrap_err();
    assert!(error.to_string().contains("past the end"), "{error}");
}

#[test]
fn many_clips_keep_their_order_and_their_own_errors() {
    let lengths = [5, 60, 12, 40, 3, 30, 25, 8, 17];
    let mut paths: Vec<_> = lengths
        .iter()
        .map(|&frames| Recipe::new(frames, &format!("{X264} -bf 3 -g 12")).make())
        .collect();
    paths.insert(4, Path::new("no such clip.mp4").to_owned());
    let ends = [FramePosition::Last, FramePosition::First];
    let found: Vec<_> = media::frames_of_clips(&paths, &ends, &MediaOptions::new()).collect();
    assert_eq!(found.len(), paths.len());
    for (path, found) in paths.iter().zip(found) {
        match found {
            Ok(found) => {
                let one_by_one = media::frames(path, &ends, &MediaOptions::new()).unwrap();
                for (a, b) in found.iter().zip(&one_by_one) {
                    assert_same_frame(a, b, &path.display().to_string());
                }
                assert_eq!(found.len(), 2);
            }
            Err(error) => {
                assert!(!path.exists(), "{error}");
                assert_eq!(error.kind(), ErrorKind::NotFound);
            }
        }
    }
}

/// Clips are opened as frames are requested, so a batch may be endless.
#[test]
fn clips_of_a_batch_are_decoded_in_turn() {
    let path = Recipe::new(12, X264).make();
    let mut opened = 0;
    let clips = std::iter::repeat_with(|| {
        opened += 1;
        path.clone()
    });
    let taken = media::frames_of_clips(clips, &[FramePosition::Last], &MediaOptions::new())
        .take(3)
        .count();
    assert_eq!(taken, 3);
    let cores = std::thread::available_parallelism().unwrap().get();
    assert!(opened <= taken + 2 * cores, "{opened} opened");
}

//! The last frame is the last frame that a player would show, and so are all other frames.

#![cfg(feature = "media")]

use std::time::Duration;

use reelkin::media::{self, Frame, FramePosition, MediaOptions, MediaSource};

use crate::media::clip_frames::{X264, frame};
use crate::support::clips::{Recipe, number, unturned, worst_patch};

/// Compares the first, the last and every frame, by number and by time, with the numbers painted in.
#[track_caller]
fn check_every_frame(recipe: &Recipe) {
    let path = recipe.make();
    check_last_frame(recipe, recipe.frames - 1);
    assert_eq!(number(&unturned(&frame(&path, FramePosition::First))), 0);
    let positions: Vec<_> = (0..recipe.frames as u64).map(FramePosition::Number).collect();
    let all = media::frames(&*path, &positions, &MediaOptions::new()).unwrap();
    for (n, by_number) in all.iter().enumerate() {
        assert_eq!(number(&unturned(by_number)), n, "by number");
        assert_eq!(by_number.number(), Some(n as u64));
        // Some frames by time, at their start and shortly before the start of the next one.
        if n % 7 == 0 || n + 3 > recipe.frames {
            let by_time = frame(&path, FramePosition::At(by_number.time()));
            assert_eq!(number(&unturned(&by_time)), n, "at {:?}", by_number.time());
            assert_eq!(
                by_time.rgb(),
                by_number.rgb(),
                "the same pixels however it is reached"
            );
            assert!(
                by_time.number().is_none_or(|found| found == n as u64),
                "{n}: {:?}",
                by_time.number()
            );
            if let Some(next) = all.get(n + 1) {
                let just_before = next.time().saturating_sub(Duration::from_millis(2));
                assert_eq!(
                    number(&unturned(&frame(&path, FramePosition::At(just_before)))),
                    n,
                    "before {n} ends"
                );
            }
        }
    }
    let error = media::frame(
        &*path,
        FramePosition::Number(recipe.frames as u64),
        &MediaOptions::new(),
    )
    .unwrap_err();
    assert!(
        error
            .to_string()
            .contains(&format!("it has {} frames", recipe.frames)),
        "{error}"
    );
}

// Requirement: design, promise 4.
#[track_caller]
fn check_last_frame(recipe: &Recipe, expect: usize) -> Frame {
    let path = recipe.make();
    let last = frame(&path, FramePosition::Last);
    assert_eq!(
        number(&unturned(&last)),
        expect,
        "the last frame of {}",
        path.display()
    );
    if let Some(n) = last.number() {
        assert_eq!(n, expect as u64, "its number");
    }
    // Memory and a reader give the same frame.
    let bytes = std::fs::read(&path).unwrap();
    let again = media::frame(bytes.clone(), FramePosition::Last, &MediaOptions::new()).unwrap();
    assert_eq!(again.rgb(), last.rgb());
    let reader = MediaSource::reader("clip", std::io::Cursor::new(bytes));
    let again = media::frame(reader, FramePosition::Last, &MediaOptions::new()).unwrap();
    assert_eq!(again.rgb(), last.rgb());
    last
}

#[test]
fn b_frames() {
    check_every_frame(&Recipe::new(
        60,
        &format!("{X264} -bf 3 -g 25 -x264-params b-pyramid=normal"),
    ));
}

#[test]
fn one_key_frame() {
    check_every_frame(&Recipe::new(
        75,
        &format!("{X264} -g 9999 -keyint_min 9999 -sc_threshold 0"),
    ));
}

#[test]
fn open_gop() {
    check_every_frame(&Recipe::new(
        60,
        &format!("{X264} -bf 3 -g 12 -x264-params open-gop=1:scenecut=0"),
    ));
}

#[test]
fn intra_refresh_without_key_frames() {
    check_last_frame(
        &Recipe::new(60, &format!("{X264} -g 20 -x264-params intra-refresh=1")),
        59,
    );
}

#[test]
fn fragmented() {
    check_every_frame(&Recipe::new(
        60,
        &format!("{X264} -bf 2 -g 10 -movflags frag_keyframe+empty_moov+default_base_moof"),
    ));
}

#[test]
fn fragmented_with_a_segment_index() {
    check_every_frame(&Recipe::new(
        60,
        &format!("{X264} -bf 2 -g 10 -movflags frag_keyframe+dash"),
    ));
}

#[test]
fn fragmented_every_frame_with_sound() {
    check_last_frame(
        &Recipe::new(
            40,
            &format!("-f lavfi -i sine -t 1.6 {X264} -c:a aac -movflags frag_every_frame+empty_moov"),
        ),
        39,
    );
}

#[test]
fn edit_list_hides_the_start() {
    for codec in [
        &format!("{X264} -bf 2"),
        "-c:v libx265 -preset ultrafast -tag:v hvc1 -x265-params log-level=none:bframes=2:open-gop=0",
        "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 1M",
        "-c:v libaom-av1 -cpu-used 8 -crf 30",
        "-c:v mpeg4 -q:v 3 -bf 2",
    ] {
        // Copied from the middle of a GOP. The key frame before it is in the file, and hidden.
        let path = Recipe::new(75, &format!("{codec} -g 25"))
            .remux("-ss 1.2 -- -c copy")
            .make();
        let first = frame(&path, FramePosition::First);
        assert_eq!((number(&first), first.time()), (30, Duration::ZERO), "{codec}");
        assert_eq!(last_number(&path), 74, "{codec}");
        assert_eq!(number(&frame(&path, FramePosition::Number(3))), 33, "{codec}");
        assert_eq!(
            number(&frame(&path, FramePosition::At(Duration::from_millis(400)))),
            40,
            "{codec}"
        );
        assert_eq!(
            media::probe(&path, &MediaOptions::new()).unwrap().video.frames,
            Some(45),
            "{codec}"
        );
    }
}

#[test]
fn edit_list_hides_the_end() {
    // The track keeps all its samples. Only its edit list, shortened by hand, ends after a second.
    let path = Recipe::new(75, &format!("{X264} -bf 2 -g 250")).make();
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(4).position(|w| w == b"elst").unwrap();
    let duration = &mut bytes[at + 12..at + 16];
    assert_eq!(
        u32::from_be_bytes(duration.try_into().unwrap()),
        3000,
        "milliseconds of the movie"
    );
    duration.copy_from_slice(&1000_u32.to_be_bytes());
    let last = media::frame(bytes.clone(), FramePosition::Last, &MediaOptions::new()).unwrap();
    assert_eq!((number(&last), last.number()), (24, Some(24)));
    let probe = media::probe(bytes.clone(), &MediaOptions::new()).unwrap();
    assert_eq!(
        (probe.video.frames, probe.duration),
        (Some(25), Duration::from_secs(1))
    );
    let error = media::frame(bytes, FramePosition::Number(25), &MediaOptions::new()).unwrap_err();
    assert!(error.to_string().contains("it has 25 frames"), "{error}");
}

#[test]
fn a_header_that_ends_before_its_frames() {
    // The muxer sums decoding times, which end too early with B-frames and a variable rate.
    let path = Recipe::new(
        20,
        &format!("-vf settb=1/1000,setpts=N*N*5 -fps_mode passthrough -enc_time_base 1:1000 -video_track_timescale 1000 {X264} -bf 2"),
    )
    .make();
    assert_eq!(last_number(&path), 19);
    assert_eq!(
        number(&frame(&path, FramePosition::At(Duration::from_millis(1805)))),
        19
    );
    assert_eq!(
        number(&frame(&path, FramePosition::At(Duration::from_millis(1700)))),
        18
    );
    assert!(media::probe(&path, &MediaOptions::new()).unwrap().duration >= Duration::from_millis(1805));
    assert!(
        media::frame(
            &path,
            FramePosition::At(Duration::from_secs(9)),
            &MediaOptions::new()
        )
        .is_err()
    );
}

#[track_caller]
fn last_number(path: &std::path::Path) -> usize {
    number(&frame(path, FramePosition::Last))
}

#[test]
fn variable_rate_with_a_long_last_frame() {
    let recipe = Recipe::new(
        20,
        &format!(
            "-vf settb=1/1000,setpts=N*N*5 -fps_mode passthrough -enc_time_base 1:1000 -video_track_timescale 1000 {X264} -bf 2 -bsf:v setts=pts=PTS:dts=DTS:duration=if(eq(N\\,19)\\,3\\,0.04)/TB"
        ),
    );
    let path = recipe.make();
    assert_eq!(last_number(&path), 19);
    // Frame n appears at n²/200 s.
    for (time, expect) in [
        (0, 0),
        (4, 0),
        (5, 1),
        (44, 2),
        (1279, 15),
        (1281, 16),
        (1806, 19),
    ] {
        let found = frame(&path, FramePosition::At(Duration::from_millis(time)));
        assert_eq!(number(&found), expect, "at {time} ms");
    }
    let probe = media::probe(&path, &MediaOptions::new()).unwrap();
    assert_eq!(probe.video.fps_is_constant, Some(false));
    // Two seconds into the last frame, which starts at 1.805 s.
    assert_eq!(
        number(&frame(&path, FramePosition::At(Duration::from_millis(3800)))),
        19
    );
    assert!(probe.duration > Duration::from_secs(4), "{:?}", probe.duration);
}

#[test]
fn audio_longer_than_video() {
    let recipe = Recipe::new(50, &format!("-f lavfi -i sine -t 6 {X264} -c:a aac"));
    check_last_frame(&recipe, 49);
    let path = recipe.make();
    // A player keeps the last frame while the sound continues.
    assert_eq!(
        number(&frame(&path, FramePosition::At(Duration::from_secs(5)))),
        49
    );
    let error = media::frame(
        &path,
        FramePosition::At(Duration::from_secs(7)),
        &MediaOptions::new(),
    )
    .unwrap_err();
    assert!(
        error.to_string().contains("past the end: the clip lasts 6"),
        "{error}"
    );
}

#[test]
fn audio_shorter_than_video() {
    check_last_frame(
        &Recipe::new(50, &format!("-f lavfi -i sine=duration=0.5 {X264} -c:a aac")),
        49,
    );
}

#[test]
fn picture_starts_after_the_sound() {
    let recipe = Recipe::new(
        25,
        &format!("-f lavfi -i sine=duration=2 -filter:v setpts=PTS+0.6/TB {X264} -c:a aac"),
    );
    let path = recipe.make();
    assert_eq!(
        frame(&path, FramePosition::First).time(),
        Duration::from_millis(600)
    );
    assert_eq!(
        number(&frame(&path, FramePosition::At(Duration::from_millis(800)))),
        5
    );
    assert_eq!(
        number(&frame(&path, FramePosition::At(Duration::from_millis(100)))),
        0
    );
}

#[test]
fn one_frame() {
    check_every_frame(&Recipe::new(1, X264));
}

#[test]
fn two_frames() {
    check_every_frame(&Recipe::new(2, X264));
}

#[test]
fn odd_sizes() {
    check_every_frame(&Recipe::new(10, X264).size(321, 193).pix_fmt("yuv444p"));
    let odd = Recipe::new(10, "-c:v mpeg4 -q:v 2").size(321, 193);
    let last = check_last_frame(&odd, 9);
    assert_eq!((last.width(), last.height()), (321, 193));
}

#[test]
fn cover_art_beside_the_video() {
    let cover = Recipe::new(1, "-frames:v 1 -c:v mjpeg")
        .size(640, 480)
        .pix_fmt("yuvj420p")
        .ending("jpg")
        .make();
    let recipe = Recipe::new(30, X264).remux(&format!(
        "-i {} -- -map 1:v -map 0:v -c copy -disposition:v:1 attached_pic",
        cover.display()
    ));
    let last = check_last_frame(&recipe, 29);
    assert_eq!((last.width(), last.height()), (320, 192));
    let probe = media::probe(recipe.make(), &MediaOptions::new()).unwrap();
    assert_eq!(
        (probe.video.codec.as_str(), probe.other_streams),
        ("h264", vec!["mjpeg".to_owned()])
    );
}

#[test]
fn h265() {
    check_every_frame(&Recipe::new(
        40,
        "-c:v libx265 -preset ultrafast -tag:v hvc1 -x265-params log-level=none:keyint=12:bframes=3:open-gop=1",
    ));
}

#[test]
fn vp9() {
    check_every_frame(
        &Recipe::new(40, "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 1M -g 15").ending("webm"),
    );
}

#[test]
fn vp9_with_hidden_frames_in_mp4() {
    check_every_frame(&Recipe::new(
        40,
        "-c:v libvpx-vp9 -deadline good -cpu-used 5 -b:v 1M -g 20 -auto-alt-ref 1 -lag-in-frames 16",
    ));
}

#[test]
fn vp8_with_hidden_frames() {
    check_every_frame(
        &Recipe::new(
            40,
            "-c:v libvpx -deadline good -cpu-used 4 -b:v 1M -g 20 -auto-alt-ref 1 -lag-in-frames 16",
        )
        .ending("webm"),
    );
}

#[test]
fn av1() {
    check_every_frame(&Recipe::new(30, "-c:v libaom-av1 -cpu-used 8 -crf 30 -g 12"));
}

#[test]
fn av1_in_matroska() {
    check_every_frame(&Recipe::new(30, "-c:v libsvtav1 -preset 12 -crf 30 -g 12").ending("mkv"));
}

#[test]
fn h264_in_matroska() {
    check_every_frame(&Recipe::new(60, &format!("{X264} -bf 3 -g 12")).ending("mkv"));
}

#[test]
fn matroska_without_an_index() {
    check_last_frame(
        &Recipe::new(60, &format!("{X264} -bf 3 -g 12 -live 1 -f matroska")).ending("mkv"),
        59,
    );
}

#[test]
fn mpeg4_with_b_frames() {
    check_every_frame(&Recipe::new(40, "-c:v mpeg4 -q:v 3 -bf 2 -g 12"));
}

#[test]
fn h264_without_reorder_hints() {
    // The stream does not declare its reorder depth, and libav does not probe it.
    check_every_frame(
        &Recipe::new(60, &format!("{X264} -bf 3 -g 25 -x264-params b-pyramid=normal"))
            .remux("-c copy -bsf:v filter_units=remove_types=6")
            .ending("mov"),
    );
}

#[test]
fn motion_jpeg() {
    check_every_frame(
        &Recipe::new(12, "-c:v mjpeg -q:v 2")
            .pix_fmt("yuvj420p")
            .ending("mov"),
    );
}

#[test]
fn several_positions_in_one_call_equal_single_calls() {
    let path = Recipe::new(60, &format!("{X264} -bf 3 -g 25 -x264-params b-pyramid=normal")).make();
    let at = |ms| FramePosition::At(Duration::from_millis(ms));
    let positions = [
        FramePosition::Last,
        at(1000),
        FramePosition::Number(7),
        FramePosition::First,
        at(2400),
        at(0),
    ];
    let frames = media::frames(&path, &positions, &MediaOptions::new()).unwrap();
    assert_eq!(
        frames.iter().map(number).collect::<Vec<_>>(),
        [59, 25, 7, 0, 59, 0]
    );
    let single: Vec<_> = positions.iter().map(|&p| frame(&path, p)).collect();
    assert!(
        frames
            .iter()
            .zip(&single)
            .all(|(a, b)| a.rgb() == b.rgb() && a.time() == b.time())
    );
}

#[test]
fn png_is_lossless_and_jpeg_is_close() {
    let path = Recipe::new(3, X264).make();
    let last = frame(&path, FramePosition::Last);
    let png = media::picture(last.to_png().unwrap(), &MediaOptions::new()).unwrap();
    assert_eq!(png.rgb(), last.rgb());
    let jpeg = media::picture(last.to_jpeg(95).unwrap(), &MediaOptions::new()).unwrap();
    assert!(media::psnr(&jpeg, &last).unwrap() > 35.0);
    let small = last.to_jpeg(40).unwrap();
    assert!(small.len() < last.to_jpeg(95).unwrap().len());
    assert!(last.to_jpeg(0).is_err());
    // A picture is a clip of one frame.
    for position in [
        FramePosition::First,
        FramePosition::Last,
        FramePosition::Number(0),
        FramePosition::At(Duration::ZERO),
    ] {
        assert_eq!(
            media::frame(last.to_png().unwrap(), position, &MediaOptions::new())
                .unwrap()
                .rgb(),
            last.rgb()
        );
    }
    let error = media::frame(small, FramePosition::Number(1), &MediaOptions::new()).unwrap_err();
    assert!(error.to_string().contains("a picture has one frame"), "{error}");
}

#[test]
fn webp_picture() {
    let recipe = Recipe::new(1, "-frames:v 1 -c:v libwebp -quality 95").ending("webp");
    let picture = media::picture(recipe.make(), &MediaOptions::new()).unwrap();
    assert_eq!(
        (picture.width(), picture.height(), number(&picture)),
        (320, 192, 0)
    );
    assert!(
        worst_patch(&picture, false) < 6.0,
        "{}",
        worst_patch(&picture, false)
    );
}

#[test]
fn probe_reports_the_properties_of_a_clip() {
    let recipe = Recipe::new(
        50,
        &format!("-f lavfi -i sine=sample_rate=44100 -t 2 {X264} -ac 2 -c:a aac"),
    );
    let path = recipe.make();
    let probe = media::probe(&path, &MediaOptions::new()).unwrap();
    assert_eq!(
        (probe.container.as_str(), probe.size),
        ("mp4", std::fs::metadata(&path).unwrap().len())
    );
    assert_eq!(probe.duration, Duration::from_secs(2));
    let video = &probe.video;
    assert_eq!(
        (video.codec.as_str(), video.profile.as_deref()),
        ("h264", Some("high"))
    );
    assert_eq!((video.width, video.height, video.frames), (320, 192, Some(50)));
    assert_eq!((video.fps, video.fps_is_constant), (Some(25.0), Some(true)));
    assert_eq!(
        (video.pixel_format.as_str(), video.bit_depth),
        ("yuv420p", Some(8))
    );
    let audio = probe.audio.as_ref().unwrap();
    assert_eq!(
        (audio.codec.as_str(), audio.sample_rate, audio.channels),
        ("aac", 44100, 2)
    );
    let json = serde_json::to_value(&probe).unwrap();
    assert_eq!(json["duration"], 2.0);
    assert_eq!(json["video"]["colour"]["matrix"], "bt601");
}

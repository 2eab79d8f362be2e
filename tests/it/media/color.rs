//! The color matrix and range of a clip, and what is assumed for a clip without tags.

#![cfg(feature = "media")]

use reelkin::media::{self, ColorMatrix, ColorRange, FramePosition, MediaOptions};

use crate::support::clips::{Matrix, Recipe, number, worst_patch};

const X264: &str = "-c:v libx264 -preset veryfast -crf 12";
const TAG_601: &str = "-colorspace smpte170m -color_primaries smpte170m -color_trc smpte170m -color_range tv";
const TAG_709: &str = "-colorspace bt709 -color_primaries bt709 -color_trc bt709 -color_range tv";
const TAG_2020: &str = "-colorspace bt2020nc -color_primaries bt2020 -color_trc bt2020-10 -color_range tv";

#[track_caller]
fn check_colors(recipe: &Recipe, matrix: ColorMatrix, range: ColorRange, tagged: (bool, bool)) {
    let last = media::frame(recipe.make(), FramePosition::Last, &MediaOptions::new()).unwrap();
    assert_eq!(number(&last), recipe.frames - 1);
    let color = last.color();
    assert_eq!((color.matrix, color.range), (matrix, range));
    assert_eq!((color.matrix_tagged, color.range_tagged), tagged);
    let worst = worst_patch(&last, recipe.pix_fmt.starts_with("gray"));
    assert!(worst <= 3.0, "a patch is off by {worst}");
}

use ColorMatrix::{Bt601, Bt709, Bt2020};
use ColorRange::{Full, Limited};

#[test]
fn bt601_tagged() {
    let recipe = Recipe::new(4, &format!("{X264} {TAG_601}")).size(1280, 720);
    check_colors(&recipe, Bt601, Limited, (true, true));
}

#[test]
fn bt709_tagged() {
    let recipe = Recipe::new(4, &format!("{X264} {TAG_709}")).color(Matrix::Bt709, false);
    check_colors(&recipe, Bt709, Limited, (true, true));
}

#[test]
fn bt709_tagged_in_the_container_only() {
    let recipe = Recipe::new(4, X264)
        .color(Matrix::Bt709, false)
        .remux("-c copy -colorspace bt709 -color_primaries bt709 -color_trc bt709 -movflags write_colr");
    // An `nclx` box has a bit for the range, so it always declares the range as well.
    check_colors(&recipe, Bt709, Limited, (true, true));
}

#[test]
fn untagged_small_is_bt601() {
    check_colors(
        &Recipe::new(4, X264).size(1280, 718),
        Bt601,
        Limited,
        (false, false),
    );
}

#[test]
fn untagged_from_720_lines_is_bt709() {
    let recipe = Recipe::new(4, X264).size(1280, 720).color(Matrix::Bt709, false);
    check_colors(&recipe, Bt709, Limited, (false, false));
}

#[test]
fn full_range() {
    let recipe = Recipe::new(4, &format!("{X264} -colorspace smpte170m -color_range pc"))
        .pix_fmt("yuvj420p")
        .color(Matrix::Bt601, true);
    check_colors(&recipe, Bt601, Full, (true, true));
}

#[test]
fn ten_bit_h265_in_bt2020() {
    let recipe = Recipe::new(
        4,
        &format!("-c:v libx265 -preset ultrafast -crf 8 -x265-params log-level=none {TAG_2020}"),
    )
    .pix_fmt("yuv420p10le")
    .color(Matrix::Bt2020, false);
    check_colors(&recipe, Bt2020, Limited, (true, true));
}

#[test]
fn ten_bit_h264() {
    let recipe = Recipe::new(4, &format!("{X264} {TAG_709}"))
        .pix_fmt("yuv422p10le")
        .color(Matrix::Bt709, false);
    check_colors(&recipe, Bt709, Limited, (true, true));
}

#[test]
fn ten_bit_av1() {
    let recipe = Recipe::new(4, &format!("-c:v libaom-av1 -cpu-used 8 -crf 10 {TAG_709}"))
        .pix_fmt("yuv420p10le")
        .color(Matrix::Bt709, false);
    check_colors(&recipe, Bt709, Limited, (true, true));
}

#[test]
fn full_chroma() {
    let recipe = Recipe::new(4, &format!("{X264} {TAG_601}")).pix_fmt("yuv444p");
    check_colors(&recipe, Bt601, Limited, (true, true));
    let recipe = Recipe::new(4, &format!("{X264} {TAG_601}")).pix_fmt("yuv422p");
    check_colors(&recipe, Bt601, Limited, (true, true));
}

#[test]
fn gray() {
    check_colors(
        &Recipe::new(4, X264).pix_fmt("gray"),
        Bt601,
        Limited,
        (false, false),
    );
    let recipe = Recipe::new(4, &format!("{X264} -color_range pc"))
        .pix_fmt("gray")
        .color(Matrix::Bt601, true);
    check_colors(&recipe, Bt601, Full, (false, true));
}

#[test]
fn rgb_in_h264() {
    let recipe = Recipe::new(4, "-c:v libx264rgb -preset ultrafast -crf 0 -vf format=rgb24");
    let path = recipe.make();
    // The recipe's own pixel format goes to ffmpeg last, so this is made in two steps.
    let folder = tempfile::tempdir().unwrap();
    let rgb = folder.path().join("rgb.mp4");
    crate::support::clips::ffmpeg(
        "-c:v libx264rgb -crf 0 -pix_fmt rgb24",
        Some(&path),
        &rgb,
        std::iter::empty(),
    );
    let last = media::frame(&rgb, FramePosition::Last, &MediaOptions::new()).unwrap();
    assert_eq!((number(&last), last.color().matrix), (3, ColorMatrix::Rgb));
    assert!(worst_patch(&last, false) < 4.0);
}

#[test]
fn an_unusual_color_tag_is_not_a_failure() {
    let recipe = Recipe::new(4, &format!("{X264} -colorspace ictcp"));
    let last = media::frame(recipe.make(), FramePosition::Last, &MediaOptions::new()).unwrap();
    assert_eq!((last.color().matrix, last.color().matrix_tagged), (Bt601, false));
}

#[test]
fn jpeg_is_bt601_full_range_at_any_size() {
    let recipe = Recipe::new(1, "-frames:v 1 -c:v mjpeg -q:v 1 -qmin 1")
        .size(1280, 720)
        .pix_fmt("yuvj420p")
        .color(Matrix::Bt601, true)
        .ending("jpg");
    check_colors(&recipe, Bt601, Full, (true, true));
}

#[test]
fn an_unknown_color_tag_is_not_a_crash() {
    // The enums of the bindings have no 200. Reading it as one of them aborted the process.
    const NUMBERS: &str = "matrix_coefficients=200:transfer_characteristics=200";
    for (codec, filter) in [
        (
            "-c:v libx264 -preset veryfast",
            "h264_metadata=colour_primaries=200",
        ),
        ("-c:v libaom-av1 -cpu-used 8", "av1_metadata=color_primaries=200"),
    ] {
        let recipe = Recipe::new(4, codec).remux(&format!("-c copy -bsf:v {filter}:{NUMBERS}"));
        let last = media::frame(recipe.make(), FramePosition::Last, &MediaOptions::new()).unwrap();
        assert_eq!((number(&last), last.color().matrix_tagged), (3, false));
        assert_eq!(
            (
                last.color().primaries.as_deref(),
                last.color().transfer.as_deref()
            ),
            (None, None)
        );
        media::probe(recipe.make(), &MediaOptions::new()).unwrap();
    }
}

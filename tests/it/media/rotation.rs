//! Frames are upright for every rotation of the clip.

#![cfg(feature = "media")]

use reelkin::media::{self, FramePosition, MediaOptions};

use crate::media::clip_frames::{X264, frame};
use crate::support::clips::{self, Recipe, number, unturned, worst_patch};

/// The number one in the fixed-point format of a track header.
const ONE: i32 = 1 << 16;

#[test]
fn all_eight_orientations_are_upright() {
    let path = Recipe::new(5, X264).make();
    let bytes = std::fs::read(path).unwrap();
    let at = bytes.windows(4).position(|w| w == b"tkhd").unwrap() + 4 + 40;
    for (matrix, degrees, mirrored) in [
        ([ONE, 0, 0, ONE], 0, false),
        ([0, ONE, -ONE, 0], 90, false),
        ([-ONE, 0, 0, -ONE], 180, false),
        ([0, -ONE, ONE, 0], 270, false),
        ([-ONE, 0, 0, ONE], 0, true),
        ([0, ONE, ONE, 0], 90, true),
        ([ONE, 0, 0, -ONE], 180, true),
        ([0, -ONE, -ONE, 0], 270, true),
    ] {
        let mut turned = bytes.clone();
        let [a, b, c, d] = matrix;
        for (i, value) in [a, b, 0, c, d, 0].into_iter().enumerate() {
            turned[at + i * 4..at + i * 4 + 4].copy_from_slice(&value.to_be_bytes());
        }
        let last = media::frame(turned.clone(), FramePosition::Last, &MediaOptions::new()).unwrap();
        assert_eq!(
            (last.rotation().degrees(), last.rotation().is_mirrored()),
            (degrees, mirrored)
        );
        let size = if degrees % 180 == 0 {
            (320, 192)
        } else {
            (192, 320)
        };
        assert_eq!((last.width(), last.height()), size);
        let upright = unturned(&last);
        assert_eq!(number(&upright), 4);
        assert!(worst_patch(&upright, false) < 4.0);
        let video = media::probe(turned, &MediaOptions::new()).unwrap().video;
        assert_eq!((video.width, video.height), size);
        assert_eq!((video.coded_width, video.coded_height), (320, 192));
    }
}

#[test]
fn rotation_matches_ffmpeg() {
    for degrees in ["90", "180"] {
        let recipe = Recipe::new(5, X264).remux(&format!("-c copy -metadata:s:v:0 rotate={degrees}"));
        let path = recipe.make();
        let ours = frame(&path, FramePosition::Last);
        let folder = tempfile::tempdir().unwrap();
        let theirs = folder.path().join("theirs.png");
        clips::ffmpeg(
            "-vf select=eq(n\\,4) -frames:v 1 -pix_fmt rgb24",
            Some(&path),
            &theirs,
            std::iter::empty(),
        );
        let theirs = media::picture(theirs, &MediaOptions::new()).unwrap();
        // A wrong rotation gives about 8 dB. The remaining difference is chroma interpolation at hard edges.
        assert!(
            media::psnr(&ours, &theirs).unwrap() > 22.0,
            "{degrees} degrees: {ours:?}"
        );
    }
}

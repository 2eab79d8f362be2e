//! Decodes frames of arbitrary bytes, by seeking and in one pass.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use reelkin::media::{self, FramePosition, MediaOptions};

fuzz_target!(|data: &[u8]| {
    let options = MediaOptions::new()
        .deadline(Duration::from_secs(5))
        .max_pixels(1 << 20);
    let seeking = [
        FramePosition::Last,
        FramePosition::At(Duration::from_millis(120)),
        FramePosition::First,
    ];
    let one_pass = [FramePosition::Number(2), FramePosition::Last];
    for positions in [&seeking[..], &one_pass[..]] {
        for frame in media::frames(data.to_vec(), positions, &options).into_iter().flatten() {
            let pixels = frame.width() as usize * frame.height() as usize;
            assert_eq!(frame.rgb().len(), pixels * 3);
        }
    }
});

//! Decodes arbitrary bytes as an image.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use reelkin::media::{self, MediaOptions};

fuzz_target!(|data: &[u8]| {
    let options = MediaOptions::new()
        .deadline(Duration::from_secs(5))
        .max_pixels(1 << 20);
    if let Ok(frame) = media::picture(data.to_vec(), &options) {
        assert!(u64::from(frame.width()) * u64::from(frame.height()) <= 1 << 20);
        assert_eq!(frame.rgb().len(), frame.width() as usize * frame.height() as usize * 3);
    }
});

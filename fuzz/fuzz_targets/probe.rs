//! Probes arbitrary bytes and checks them for completeness. Complete media can always be probed.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use reelkin::media::{self, MediaOptions};

fuzz_target!(|data: &[u8]| {
    let options = MediaOptions::new()
        .deadline(Duration::from_secs(5))
        .max_pixels(1 << 20);
    let probed = media::probe(data.to_vec(), &options);
    let whole = media::check_whole(data.to_vec(), &options);
    assert!(probed.is_ok() || whole.is_err(), "complete media cannot be probed");
});

//! Breaks every byte of a download.
//!
//! No wrong byte is ever saved if the server declares a checksum.

#![cfg(feature = "cli")]

use std::sync::Arc;

use reelkin::sandbox::ClipChecksum;

use crate::support::byte_faults::{ByteFaultRig, FinishedJob, Kind, byte_faults, reply, sampled_bytes};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_at_any_byte_of_a_download_saves_no_wrong_byte() {
    let rig = Arc::new(ByteFaultRig::start(ClipChecksum::Sha256, &[]).await);
    let places = FinishedJob::make(&rig).await;
    let replies = places[0].replies().await;
    let reply = reply(&replies, "GET /vidgen/");
    let byte_faults = byte_faults(reply.head, sampled_bytes(reply.head, reply.whole));
    FinishedJob::pick_all_up(
        "download, with a checksum",
        &rig,
        places,
        byte_faults,
        ("download", false),
    )
    .await;
}

/// Without a checksum not every flipped bit can be detected. The clip still has its length, its container is whole,
/// and its first and last frame can be decoded.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_at_any_byte_of_a_download_without_a_checksum_saves_a_whole_clip() {
    let rig = Arc::new(ByteFaultRig::start(ClipChecksum::None, &[]).await);
    let places = FinishedJob::make(&rig).await;
    let whole = places.iter().map(|place| place.bytes.len()).max().unwrap() + 300;
    let mut byte_faults = byte_faults(0, sampled_bytes(0, whole));
    for fault in &mut byte_faults {
        fault.kind = Kind::Corrupt((fault.at % 8) as u8);
    }
    FinishedJob::pick_all_up(
        "download, no checksum",
        &rig,
        places,
        byte_faults,
        ("download", true),
    )
    .await;
}

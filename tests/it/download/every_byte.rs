//! Every byte of a download is broken once.

#![cfg(feature = "cli")]

use std::sync::Arc;

use reelkin::sandbox::ClipChecksum;

use crate::support::byte_faults::{Finished, Kind, Rig, ends_and_some, reply, shots};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_at_any_byte_of_a_download_saves_no_wrong_byte() {
    let rig = Arc::new(Rig::start(ClipChecksum::Sha256, &[]).await);
    let places = Finished::some(&rig).await;
    let replies = places[0].replies().await;
    let reply = reply(&replies, "GET /vidgen/");
    let shots = shots(reply.head, ends_and_some(reply.head, reply.whole));
    Finished::pick_all_up(
        "download, with a checksum",
        &rig,
        places,
        shots,
        ("download", false),
    )
    .await;
}

/// Without a checksum nobody can tell every flipped bit from one that was meant: the clip still has its
/// length, its container is whole and its first and last frame decode.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_at_any_byte_of_a_download_without_a_checksum_saves_a_whole_clip() {
    let rig = Arc::new(Rig::start(ClipChecksum::None, &[]).await);
    let places = Finished::some(&rig).await;
    let whole = places.iter().map(|place| place.bytes.len()).max().unwrap() + 300;
    let mut shots = shots(0, ends_and_some(0, whole));
    for shot in &mut shots {
        shot.kind = Kind::Corrupt((shot.at % 8) as u8);
    }
    Finished::pick_all_up("download, no checksum", &rig, places, shots, ("download", true)).await;
}

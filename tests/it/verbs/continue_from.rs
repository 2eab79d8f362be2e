//! `continue_from`: the first frame of a clip is the last one of its parent.

#![cfg(feature = "cli")]

use reelkin::media::{FramePosition, likeness};
use reelkin::{ContinueRequest, secs};

use crate::support::bench::{Bench, request, sidecar};

// Requirement: ima2-gen 1.1.21, `video continue`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn continue_starts_on_the_last_frame_with_the_lineage_of_the_parent() {
    let bench = Bench::start(&[]).await;
    let client = bench.client();
    let parent = client.generate(request().resolution("720p")).await.unwrap();
    let child = client
        .continue_from(&parent, ContinueRequest::new("the lamp turns on"))
        .await
        .unwrap();
    let sidecar = sidecar(&child.path.clone().unwrap());
    assert_eq!(
        (
            sidecar["video"]["duration"].as_u64(),
            sidecar["video"]["resolution"].as_str()
        ),
        (Some(5), Some("720p"))
    );
    let block = &sidecar["videoContinuity"];
    assert_eq!(block["parentFilename"], parent.file_name.as_str());
    assert_eq!(
        (block["sourceFrame"].as_str(), block["maxEntries"].as_u64()),
        (Some("last"), Some(4))
    );
    assert_eq!(block["entries"].as_array().unwrap().len(), 2);
    let last = client.frame(&parent, FramePosition::Last).await.unwrap();
    let first = client.frame(&child, FramePosition::First).await.unwrap();
    assert!(
        likeness(&last, &first).luma_db > 35.0,
        "{:?}",
        likeness(&last, &first)
    );
    // The planned prompt was sent, and the user's prompt is kept.
    assert_eq!(sidecar["userPrompt"], "the lamp turns on");
    assert_ne!(sidecar["revisedPrompt"], sidecar["userPrompt"]);
}

// Requirement: ima2-gen 1.1.21, chains of continuations.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_twenty_continuations_every_clip_starts_on_the_frame_that_was_sent() {
    let bench = Bench::start(&[]).await;
    let client = bench.client();
    let mut clip = client.generate(request()).await.unwrap();
    for hop in 0..20 {
        let next = ContinueRequest::new(format!("hop {hop}"))
            .duration(secs(1))
            .resolution("480p")
            .plan(false);
        clip = client.continue_from(&clip, next).await.unwrap();
        let report = &sidecar(&clip.path.clone().unwrap())["reelkin"]["delivery"];
        let luma = report["start"]["luma_db"].as_f64().unwrap();
        assert!(luma >= 35.0, "hop {hop}: {luma}");
    }
    let family = client.library().family(&clip).await.unwrap();
    assert_eq!(family.clips().count(), 21);
    let depth = family.path_to(clip.id.as_str()).len();
    assert_eq!(depth, 21);
    let entries = sidecar(&clip.path.unwrap())["videoContinuity"]["entries"].clone();
    assert_eq!(entries.as_array().unwrap().len(), 4);
}

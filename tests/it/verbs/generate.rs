//! `generate` from a prompt, from a picture and from references.

#![cfg(feature = "cli")]

use std::path::Path;

use reelkin::media::FramePosition;
use reelkin::{GenerateRequest, MediaInput, secs};

use crate::support::bench::{Bench, request, sidecar};
use crate::support::program::Program;

async fn picture(bench: &Bench) -> MediaInput {
    let client = bench.client();
    let clip = client.generate(request()).await.unwrap();
    let frame = client.frame(&clip, FramePosition::First).await.unwrap();
    MediaInput::bytes("picture", frame.to_png().unwrap())
}

// Requirement: ima2-gen 1.1.21, `video generate` without references.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn generate_without_references_is_text_to_video() {
    let bench = Bench::start(&[]).await;
    let ran = Program::at(&bench)
        .args(["generate", "a kite over dunes", "--json"])
        .run()
        .await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let job = &bench.state().jobs[0];
    assert_eq!(
        (
            job.request["duration"].as_u64(),
            job.request["resolution"].as_str()
        ),
        (Some(5), Some("480p"))
    );
    // `auto` means that the field is omitted.
    assert!(job.request.get("aspect_ratio").is_none(), "{:?}", job.request);
    let sidecar = sidecar(Path::new(ran.json()["path"].as_str().unwrap()));
    for (field, value) in [
        ("kind", "video"),
        ("mediaType", "video"),
        ("provider", "grok"),
        ("prompt", "a kite over dunes"),
    ] {
        assert_eq!(sidecar[field], value, "{field}");
    }
    assert_eq!(sidecar["video"]["aspectRatio"], "auto");
    assert_eq!(sidecar["video"]["xaiVideoRequestId"], job.id.as_str());
    assert_eq!(sidecar["usage"]["grok_cost_usd_ticks"], 2_500_000_000_u64);
    assert!(sidecar["elapsed"].is_number() && sidecar["createdAt"].is_number());
}

// Requirement: ima2-gen 1.1.21, `video generate` with references.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn generate_with_one_reference_is_image_to_video_and_with_more_reference_to_video() {
    let bench = Bench::start(&[]).await;
    let client = bench.client();
    let clip = client.generate(request()).await.unwrap();
    let still = bench.folder.path().join("still.png");
    std::fs::write(
        &still,
        client
            .frame(&clip, FramePosition::Last)
            .await
            .unwrap()
            .to_png()
            .unwrap(),
    )
    .unwrap();
    let still = still.to_str().unwrap();
    for (count, mode) in [(1, "image"), (2, "reference")] {
        let mut args = vec!["generate", "it moves", "--duration", "1", "--json"];
        for _ in 0..count {
            args.extend(["--ref", still]);
        }
        let ran = Program::at(&bench).args(&args).run().await;
        assert_eq!(ran.code, 0, "{ran:?}");
        let jobs = bench.state().jobs;
        let made = jobs
            .iter()
            .find(|job| job.id == ran.json()["job_id"].as_str().unwrap())
            .unwrap();
        assert!(made.mode.starts_with(mode), "{}", made.mode);
    }
}

// Requirement: ima2-gen 1.1.21, start pictures.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_picture_matches_the_first_frame_of_the_clip() {
    let bench = Bench::start(&[]).await;
    let start = picture(&bench).await;
    let clip = bench
        .client()
        .generate(GenerateRequest::image(start).duration(secs(1)))
        .await
        .unwrap();
    let report = sidecar(&clip.path.unwrap())["reelkin"]["delivery"].clone();
    assert!(report["start"]["luma_db"].as_f64().unwrap() > 35.0, "{report}");
    assert_eq!(report["findings"].as_array().unwrap().len(), 0, "{report}");
}

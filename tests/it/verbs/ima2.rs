//! One test a row of what ima2-gen 1.1.21 does with video, named after the row: the same thing done here,
//! from the crate or from the program.

#![cfg(feature = "cli")]

use std::path::Path;

use reelkin::media::{FramePosition, MediaOptions, MediaSource, frame, likeness, probe};
use reelkin::{
    ContinueRequest, EditRequest, ErrorKind, ExtendRequest, GenerateRequest, JobEvent, MediaInput, secs,
};
use serde_json::Value;

use crate::support::program::Program;
use crate::support::bench::{Bench, KEY, all_events, request};

fn sidecar(path: &Path) -> Value {
    let json = std::fs::read(format!("{}.json", path.display())).unwrap();
    serde_json::from_slice(&json).unwrap()
}

fn length(path: &Path) -> f64 {
    let facts = probe(MediaSource::from(path), &MediaOptions::default()).unwrap();
    facts.duration.as_secs_f64()
}

async fn picture(bench: &Bench) -> MediaInput {
    let client = bench.client();
    let clip = client.generate(request()).await.unwrap();
    let frame = client.frame(&clip, FramePosition::First).await.unwrap();
    MediaInput::bytes("picture", frame.to_png().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn video_generate_without_references_is_text_to_video() {
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
    // `auto` is the field left out.
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn video_generate_with_one_reference_is_image_to_video_and_with_more_reference_to_video() {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn video_edit_takes_a_url_a_file_id_a_data_url_and_a_file_of_the_library() {
    use base64::Engine as _;

    let bench = Bench::start(&[]).await;
    let client = bench.client();
    let clip = client.generate(request()).await.unwrap();
    let path = clip.path.clone().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let http = reqwest::Client::builder().build().unwrap();
    let base = bench.sandbox.base_url();
    let form = reqwest::multipart::Form::new().part(
        "file",
        reqwest::multipart::Part::bytes(bytes.clone()).file_name("clip.mp4"),
    );
    let uploaded: Value = serde_json::from_str(
        &http
            .post(format!("{base}/files"))
            .bearer_auth(KEY)
            .multipart(form)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap(),
    )
    .unwrap();
    let id = uploaded["id"].as_str().unwrap().to_owned();
    let public: Value = serde_json::from_str(
        &http
            .post(format!("{base}/files/{id}/public-url"))
            .bearer_auth(KEY)
            .header("content-type", "application/json")
            .body("{}")
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap(),
    )
    .unwrap();
    let url = public["public_url"].as_str().unwrap().to_owned();
    let data = format!(
        "data:video/mp4;base64,{}",
        base64::engine::general_purpose::STANDARD.encode(&bytes)
    );
    for (video, kind) in [
        (MediaInput::from(&clip), "generated-file"),
        (MediaInput::Url(url), "url"),
        (MediaInput::FileId(id), "file_id"),
        (MediaInput::DataUrl(data), "data-url"),
    ] {
        let edited = client
            .edit(EditRequest::new(video, "make it night"))
            .await
            .unwrap();
        let sidecar = sidecar(&edited.path.unwrap());
        assert_eq!(sidecar["video"]["operation"], "edit");
        assert_eq!(sidecar["video"]["source"]["kind"], kind, "{sidecar}");
        assert_eq!(sidecar["video"]["contentType"], "video/mp4");
        assert!(sidecar.get("elapsed").is_none(), "{sidecar}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn video_extend_is_the_source_plus_the_added_part() {
    let bench = Bench::start(&[]).await;
    let client = bench.client();
    let clip = client.generate(request().duration(secs(2))).await.unwrap();
    let longer = client
        .extend(ExtendRequest::new(&clip, "on it goes").duration(secs(2)))
        .await
        .unwrap();
    let path = longer.path.clone().unwrap();
    assert!((length(&path) - 4.0).abs() < 0.1);
    let sidecar = sidecar(&path);
    let seam = sidecar["reelkin"]["delivery"]["seam"]["seconds"]
        .as_f64()
        .unwrap();
    assert!((seam - 2.0).abs() < 0.05, "{seam}");
    // Left open, six seconds are added.
    let error = client
        .extend(ExtendRequest::new(&clip, "on").duration(secs(11)))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert_eq!(bench.state().creates, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn video_continue_starts_on_the_last_frame_with_the_parents_lineage() {
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
    // The planner's words were sent, and the user's are kept.
    assert_eq!(sidecar["userPrompt"], "the lamp turns on");
    assert_ne!(sidecar["revisedPrompt"], sidecar["userPrompt"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn video_frame_writes_a_png_of_the_last_frame_or_of_a_position() {
    let bench = Bench::start(&[]).await;
    let clip = bench.client().generate(request()).await.unwrap();
    let out = bench.folder.path().join("frame.png");
    for which in [&["--last"][..], &["--position", "0.5"], &[]] {
        let mut args = vec!["frame", clip.file_name.as_str(), "-o", out.to_str().unwrap()];
        args.extend(which);
        assert_eq!(Program::at(&bench).args(&args).run().await.code, 0);
        let png = frame(
            MediaSource::from(&out),
            FramePosition::First,
            &MediaOptions::default(),
        )
        .unwrap();
        assert_eq!(png.height(), 480);
    }
    let both = ["frame", clip.file_name.as_str(), "--last", "--position", "1"];
    assert_eq!(Program::at(&bench).args(both).run().await.code, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn video_analyze_describes_a_file_of_the_library_and_refuses_urls() {
    let bench = Bench::start(&[]).await;
    let client = bench.client();
    let clip = client.generate(request()).await.unwrap();
    let notes = client.analyze(&clip).await.unwrap();
    assert_eq!(notes.frames.len(), 2);
    assert!(!notes.prompt.is_empty() && !notes.palette.is_empty());
    for remote in [
        MediaInput::Url("https://host/clip.mp4".into()),
        MediaInput::DataUrl("data:video/mp4;base64,AA==".into()),
    ] {
        assert_eq!(
            client.analyze(remote).await.unwrap_err().kind(),
            ErrorKind::InvalidRequest
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ls_lists_saved_clips_with_their_continuity() {
    let bench = Bench::start(&[]).await;
    let client = bench.client();
    let parent = client.generate(request()).await.unwrap();
    client
        .continue_from(&parent, ContinueRequest::new("on").duration(secs(1)))
        .await
        .unwrap();
    let ran = Program::at(&bench).args(["ls", "--json"]).run().await;
    let listed = ran.json()["clips"].clone();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert_eq!(
        listed[0]["video_continuity"]["parentFilename"],
        parent.file_name.as_str()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loopback_proxy_takes_any_key() {
    // ima2 sends `dummy` to its proxy; the proxy adds the account's token.
    let bench = Bench::with(reelkin::sandbox::Sandbox::builder().seconds_per_job(0.1), &[]).await;
    let error = bench
        .builder()
        .api_key("dummy")
        .build()
        .unwrap()
        .generate(request())
        .await
        .unwrap_err();
    assert_eq!(
        error.kind(),
        ErrorKind::Auth,
        "a sandbox with a key of its own is no such proxy"
    );
    let open = reelkin::sandbox::Sandbox::builder()
        .api_key("dummy")
        .seconds_per_job(0.1)
        .start()
        .await
        .unwrap();
    let client = crate::support::bench::builder(&open.base_url(), &bench.library())
        .api_key("dummy")
        .build()
        .unwrap();
    assert!(client.generate(request()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_planning_submitted_progress_done_and_error() {
    let bench = Bench::start(&[]).await;
    let job = bench.client().generate(request()).start().await.unwrap();
    let events = all_events(&job).await;
    assert_eq!(events[0], JobEvent::Planning);
    assert!(matches!(&events[1], JobEvent::Submitted { job_id, .. } if job_id == job.id()));
    assert!(
        events
            .iter()
            .any(|event| matches!(event, JobEvent::Progress { .. }))
    );
    assert!(matches!(events.last(), Some(JobEvent::Saved { .. })));
    // `error`: message, code, status and guidance.
    let error = bench
        .client()
        .generate(GenerateRequest::text(" "))
        .await
        .unwrap_err();
    assert_eq!(error.kind().code(), "invalid_request");
    assert!(error.guidance().unwrap().contains("ending frame"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn series_plan_with_the_newest_four_prompts_of_their_topic() {
    let bench = Bench::start(&[]).await;
    let client = bench.client();
    for part in ["dawn", "morning", "noon", "afternoon", "dusk"] {
        client
            .generate(request().prompt(part).topic("the bay"))
            .await
            .unwrap();
    }
    let last = client
        .generate(request().prompt("night").topic("the bay").plan(true))
        .await
        .unwrap();
    let sidecar = sidecar(&last.path.unwrap());
    assert_eq!(sidecar["videoSeries"]["topic"], "the bay");
    assert_eq!(sidecar["videoSeries"]["chainIndex"], 4);
    assert_eq!(bench.state().answers, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_twenty_hops_every_start_is_the_frame_that_was_sent() {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_picture_is_found_again_in_the_clip() {
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

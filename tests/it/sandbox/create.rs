//! The sandbox end to end: creates, polls and downloads a clip, and checks the clip.

#![cfg(feature = "sandbox")]

use std::time::Duration;

use serde_json::json;

use crate::sandbox::raw::{RawBench, ffprobe, read_reply};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_to_video_job_returns_a_playable_clip() {
    let bench = RawBench::quick().await;
    let body = json!({
        "model": "grok-imagine-video-1.5-preview", "prompt": "a lighthouse at dusk, waves roll in",
        "duration": 3, "aspect_ratio": "16:9", "resolution": "720p",
    });
    let answer = bench.run_job("/videos/generations", &body).await;
    assert_eq!(answer["model"], "grok-imagine-video-1.5");
    assert_eq!(answer["progress"], 100);
    assert_eq!(answer["video"]["duration"], 3);
    assert_eq!(answer["usage"]["cost_in_usd_ticks"], 3 * 1_400_000_000_u64);
    let clip = bench.download(&answer).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clip.mp4");
    std::fs::write(&path, &clip).unwrap();
    let facts = ffprobe(&path);
    let video = &facts["streams"][0];
    assert_eq!(video["codec_name"], "h264");
    assert_eq!((&video["width"], &video["height"]), (&json!(1280), &json!(720)));
    assert_eq!(video["avg_frame_rate"], "24/1");
    assert_eq!(video["nb_read_frames"], "72");
    assert_eq!(video["pix_fmt"], "yuv420p");
    assert_eq!(video["color_space"], "bt709");
    assert_eq!(facts["streams"][1]["codec_name"], "aac");
    let seconds: f64 = video["duration"].as_str().unwrap().parse().unwrap();
    assert!((seconds - 3.0).abs() < 0.001, "{seconds}");
    let seconds: f64 = facts["format"]["duration"].as_str().unwrap().parse().unwrap();
    assert!((seconds - 3.0).abs() < 0.05, "{seconds}");
    let moov = clip.windows(4).position(|w| w == b"moov").unwrap();
    let mdat = clip.windows(4).position(|w| w == b"mdat").unwrap();
    assert!(moov < mdat, "the index comes first");
    let state = bench.sandbox.state();
    assert_eq!((state.creates, state.downloads), (1, 1));
    assert_eq!(state.jobs[0].state, "done");
    bench.sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_key_is_400_and_a_missing_one_401() {
    let bench = RawBench::quick().await;
    let answer = bench
        .http
        .get(bench.url("/models"))
        .bearer_auth("dummy")
        .send()
        .await
        .unwrap();
    let (status, body) = read_reply(answer).await;
    assert_eq!(
        (status, &body["code"]),
        (400, &json!("invalid-argument")),
        "{body}"
    );
    assert!(
        body["error"]
            .as_str()
            .unwrap()
            .starts_with("Incorrect API key provided: du***my."),
        "{body}"
    );
    let (status, _) = read_reply(bench.http.get(bench.url("/models")).send().await.unwrap()).await;
    assert_eq!(status, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clips_pass_the_crates_check_and_differ() {
    use reelkin::media::{MediaOptions, MediaSource, check_whole};

    let bench = RawBench::quick().await;
    let body = json!({ "model": "grok-imagine-video", "prompt": "twice the same", "duration": 1 });
    let mut clips = Vec::new();
    for _ in 0..2 {
        clips.push(
            bench
                .download(&bench.run_job("/videos/generations", &body).await)
                .await,
        );
    }
    assert_ne!(clips[0], clips[1], "two jobs with one prompt are two clips");
    for clip in clips {
        let probe = check_whole(MediaSource::named_bytes("clip", clip), &MediaOptions::new()).unwrap();
        assert_eq!(probe.duration, Duration::from_secs(1));
        assert_eq!(probe.video.frames, Some(24));
        assert_eq!((probe.video.width, probe.video.height), (848, 480));
        assert_eq!(probe.audio.unwrap().channels, 2);
    }
}

//! The clips that the sandbox renders in each mode, measured against the inputs.

#![cfg(feature = "sandbox")]
#![expect(clippy::print_stdout, reason = "prints measurements")]

use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use reelkin::media::{self, Frame, FramePosition, MediaOptions, MediaSource};
use serde_json::{Value, json};

use crate::sandbox::raw::{RawBench, ffprobe};

/// Makes a picture with ffmpeg, as soft as a photograph. Color edges of one pixel do not survive 4:2:0.
fn test_picture(source: &str, size: &str) -> Vec<u8> {
    let output = Command::new("ffmpeg")
        .args([
            "-v",
            "error",
            "-f",
            "lavfi",
            "-i",
            &format!("{source}=s={size}"),
            "-frames:v",
            "1",
        ])
        .args(["-vf", "format=gbrp,gblur=sigma=2"])
        .args(["-f", "image2pipe", "-c:v", "png", "-"])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// Makes a clip of this length with ffmpeg.
fn test_clip(seconds: &str, size: &str, rate: u32) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("given.mp4");
    let output = Command::new("ffmpeg")
        .args([
            "-v",
            "error",
            "-f",
            "lavfi",
            "-i",
            &format!("testsrc2=s={size}:r={rate}:d={seconds}"),
        ])
        .args([
            "-f",
            "lavfi",
            "-i",
            &format!("sine=f=300:d={seconds}"),
            "-pix_fmt",
            "yuv420p",
            "-shortest",
        ])
        .arg(&path)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    std::fs::read(path).unwrap()
}

fn inline(kind: &str, bytes: &[u8]) -> Value {
    json!({ "url": format!("data:{kind};base64,{}", base64::engine::general_purpose::STANDARD.encode(bytes)) })
}

fn decode(bytes: &[u8]) -> Frame {
    media::picture(
        MediaSource::named_bytes("picture", bytes.to_vec()),
        &MediaOptions::new(),
    )
    .unwrap()
}

fn frame(clip: &[u8], number: u64) -> Frame {
    let source = MediaSource::named_bytes("clip", clip.to_vec());
    media::frame(source, FramePosition::Number(number), &MediaOptions::new()).unwrap()
}

/// Keeps a clip for inspection if `REELKIN_KEEP_CLIPS` names a folder.
#[expect(clippy::disallowed_methods, reason = "a switch of this test alone")]
fn keep(name: &str, clip: &[u8]) {
    if let Ok(folder) = std::env::var("REELKIN_KEEP_CLIPS") {
        std::fs::write(Path::new(&folder).join(name), clip).unwrap();
    }
}

fn probe_bytes(clip: &[u8]) -> Value {
    let file = tempfile::NamedTempFile::with_suffix(".mp4").unwrap();
    std::fs::write(file.path(), clip).unwrap();
    ffprobe(file.path())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn image_to_video_starts_on_the_given_picture_and_moves() {
    let bench = RawBench::quick().await;
    for source in ["testsrc2", "mandelbrot"] {
        let picture = test_picture(source, "1280x720");
        let body = json!({
            "model": "grok-imagine-video", "prompt": "the picture comes to life", "duration": 2,
            "resolution": "720p", "aspect_ratio": "9:16", "image": inline("image/png", &picture),
        });
        let answer = bench.run_job("/videos/generations", &body).await;
        assert_eq!(answer["usage"]["cost_in_usd_ticks"], 2 * 700_000_000 + 20_000_000);
        let clip = bench.download(&answer).await;
        keep(&format!("i2v-{source}.mp4"), &clip);
        let given = decode(&picture);
        let first = media::psnr(&given, &frame(&clip, 0)).unwrap();
        let last = media::psnr(&given, &frame(&clip, 47)).unwrap();
        println!("{source}: frame 0 {first:.2} dB, frame 47 {last:.2} dB");
        assert!(
            first >= 40.0,
            "{source}: frame 0 is {first:.2} dB from the given picture"
        );
        assert!(
            last < 25.0,
            "{source}: frame 47 is {last:.2} dB from the given picture"
        );
        // The same with the last frame of that clip, as a continuation does.
        let seam = frame(&clip, 47);
        let body = json!({
            "model": "grok-imagine-video", "prompt": "and on it goes", "duration": 1, "resolution": "720p",
            "image": inline("image/png", &seam.to_png().unwrap()),
        });
        let child = bench
            .download(&bench.run_job("/videos/generations", &body).await)
            .await;
        let seam = media::psnr(&seam, &frame(&child, 0)).unwrap();
        println!("{source}: parent's last frame to child's first {seam:.2} dB");
        assert!(seam >= 40.0, "{source}: the seam is {seam:.2} dB");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pinned_frames_show_their_pictures() {
    let bench = RawBench::quick().await;
    let pictures: Vec<_> = ["testsrc2", "mandelbrot", "smptehdbars"]
        .iter()
        .map(|source| test_picture(source, "848x480"))
        .collect();
    let body = json!({
        "model": "grok-imagine-video-1.5", "prompt": "from here over there to the end", "duration": 2,
        "image": inline("image/png", &pictures[0]),
        "keyframes": [{ "image": inline("image/png", &pictures[1]), "timestamp_s": 1.0 }],
        "last_frame": inline("image/png", &pictures[2]),
    });
    let answer = bench.run_job("/videos/generations", &body).await;
    assert_eq!(
        answer["usage"]["cost_in_usd_ticks"],
        2 * 800_000_000_u64 + 3 * 100_000_000
    );
    let clip = bench.download(&answer).await;
    keep("pins.mp4", &clip);
    for (number, picture) in [0, 24, 47].into_iter().zip(&pictures) {
        let psnr = media::psnr(&decode(picture), &frame(&clip, number)).unwrap();
        println!("pinned frame {number}: {psnr:.2} dB");
        assert!(psnr >= 36.0, "frame {number} is {psnr:.2} dB from its picture");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn references_appear_in_the_clip() {
    let bench = RawBench::quick().await;
    let references: Vec<_> = ["testsrc2", "mandelbrot", "smptehdbars", "rgbtestsrc"]
        .iter()
        .map(|source| inline("image/png", &test_picture(source, "600x400")))
        .collect();
    let body = json!({
        "model": "grok-imagine-video-1.5", "prompt": "<IMAGE_0> meets <IMAGE_1>, <AUDIO_0> speaks",
        "duration": 1, "resolution": "720p", "reference_images": references,
        "reference_audios": [{ "voice_id": "Eve" }],
    });
    let answer = bench.run_job("/videos/generations", &body).await;
    keep("references.mp4", &bench.download(&answer).await);
    assert_eq!(bench.sandbox.state().jobs[0].mode, "references");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_extension_is_the_source_followed_by_a_continuation() {
    let bench = RawBench::quick().await;
    let given = test_clip("3", "640x360", 30);
    let body = json!({
        "model": "grok-imagine-video", "prompt": "the camera moves on", "duration": 2,
        "video": inline("video/mp4", &given),
    });
    let answer = bench.run_job("/videos/extensions", &body).await;
    assert_eq!(answer["video"]["duration"], 5);
    assert_eq!(
        answer["usage"]["cost_in_usd_ticks"],
        2 * 500_000_000_u64 + 3 * 100_000_000
    );
    let clip = bench.download(&answer).await;
    keep("extension.mp4", &clip);
    let facts = probe_bytes(&clip);
    assert_eq!(facts["streams"][0]["nb_read_frames"], "120");
    assert_eq!(
        (&facts["streams"][0]["width"], &facts["streams"][0]["height"]),
        (&json!(640), &json!(360))
    );
    let start = media::psnr(&frame(&given, 0), &frame(&clip, 0)).unwrap();
    // The last frame of the source part is the last frame of the source, at any frame rate.
    let end = media::psnr(&frame(&given, 89), &frame(&clip, 71)).unwrap();
    println!("extension: start {start:.2} dB, end {end:.2} dB");
    assert!(start > 30.0 && end > 30.0, "start {start:.2} dB, end {end:.2} dB");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sources_of_the_wrong_length_fail_the_job_later() {
    let bench = RawBench::quick().await;
    for (path, seconds, words) in [
        ("/videos/edits", "9", "Video duration must be at most 8.7 seconds"),
        (
            "/videos/extensions",
            "1",
            "Video duration must be between 2 and 15 seconds",
        ),
        (
            "/videos/extensions",
            "16",
            "Video duration must be between 2 and 15 seconds",
        ),
    ] {
        let video = inline("video/mp4", &test_clip(seconds, "160x90", 24));
        let body =
            json!({ "model": "grok-imagine-video", "prompt": "too long or too short", "video": video });
        let id = bench.create_job(path, &body).await;
        let answer = bench.wait_for_job(&id).await.1;
        let error = json!({ "code": "invalid_argument", "message": words });
        assert_eq!(
            answer,
            json!({ "status": "failed", "error": error }),
            "{path} {seconds}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn media_is_fetched_from_this_machine() {
    let (bench, other) = (RawBench::quick().await, RawBench::quick().await);
    let body = json!({ "model": "grok-imagine-video", "prompt": "elsewhere", "duration": 2 });
    let clip = other.run_job("/videos/generations", &body).await;
    let body = json!({
        "model": "grok-imagine-video", "prompt": "brought here", "duration": 2,
        "video": { "url": clip["video"]["url"] },
    });
    assert_eq!(
        bench.run_job("/videos/extensions", &body).await["video"]["duration"],
        4
    );
    assert_eq!(other.sandbox.state().downloads, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prompts_of_any_length_and_script_are_rendered() {
    let bench = RawBench::quick().await;
    let long =
        "A red fox with a white tip on its tail crosses a frozen lake at first light, slowly; ".repeat(40);
    for (name, prompt) in [
        ("long", &long[..3000]),
        ("middle", &long[..500]),
        (
            "script",
            "Gr\u{fc}\u{df}e \u{201c}\u{e0} la carte\u{201d} \u{2013} \u{3b1}\u{3b2}\u{3b3} \u{3053}\u{3093} \u{41b}\u{438}\u{441}\u{430} \u{72d0}\u{72f8}",
        ),
    ] {
        let body = json!({
            "model": "grok-imagine-video", "prompt": prompt, "duration": 1, "resolution": "720p",
        });
        let answer = bench.run_job("/videos/generations", &body).await;
        keep(&format!("prompt-{name}.mp4"), &bench.download(&answer).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_recolors_every_frame_and_keeps_length_and_size() {
    let bench = RawBench::quick().await;
    let given = test_clip("2.5", "640x360", 24);
    let body = json!({
        "model": "grok-imagine-video", "prompt": "make it night", "duration": 9, "resolution": "1080p",
        "aspect_ratio": "1:1", "video": inline("video/mp4", &given),
    });
    let answer = bench.run_job("/videos/edits", &body).await;
    assert_eq!(
        answer["usage"]["cost_in_usd_ticks"],
        1_250_000_000_u64 + 250_000_000
    );
    let clip = bench.download(&answer).await;
    keep("edit.mp4", &clip);
    let facts = probe_bytes(&clip);
    assert_eq!(facts["streams"][0]["nb_read_frames"], "60");
    assert_eq!(
        (&facts["streams"][0]["width"], &facts["streams"][0]["height"]),
        (&json!(640), &json!(360))
    );
    assert!(media::psnr(&frame(&given, 30), &frame(&clip, 30)).unwrap() < 25.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_clips_have_no_sound_track_and_every_ratio_its_size() {
    let bench = RawBench::quick().await;
    for (ratio, resolution, size) in [
        ("16:9", "480p", (848, 480)),
        ("9:16", "720p", (720, 1280)),
        ("2:3", "720p", (768, 1168)),
        ("1:1", "1080p", (1440, 1440)),
        ("5:2", "480p", (880, 352)),
    ] {
        let body = json!({
            "model": "grok-imagine-video-1.5", "prompt": format!("silence at {ratio} \u{732b}\u{1f600}"), "duration": 1,
            "aspect_ratio": ratio, "resolution": resolution, "generate_audio": false,
        });
        let answer = bench.run_job("/videos/generations", &body).await;
        let clip = bench.download(&answer).await;
        keep(&format!("size-{}x{}.mp4", size.0, size.1), &clip);
        let facts = probe_bytes(&clip);
        assert_eq!(facts["streams"].as_array().unwrap().len(), 1);
        let video = &facts["streams"][0];
        assert_eq!(
            (&video["width"], &video["height"]),
            (&json!(size.0), &json!(size.1))
        );
        assert_eq!(video["nb_read_frames"], "24");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn six_seconds_of_720p_are_rendered_quickly() {
    let bench = RawBench::quick().await;
    let body = json!({
        "model": "grok-imagine-video", "prompt": "how long does it take", "duration": 6, "resolution": "720p",
    });
    let begun = std::time::Instant::now();
    bench.run_job("/videos/generations", &body).await;
    println!("text, 6 s of 720p: {:.2?}", begun.elapsed());
    let mut body = body;
    body["image"] = inline("image/png", &test_picture("mandelbrot", "1280x720"));
    let begun = std::time::Instant::now();
    bench.run_job("/videos/generations", &body).await;
    println!("image, 6 s of 720p: {:.2?}", begun.elapsed());
}

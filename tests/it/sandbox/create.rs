//! The sandbox end to end: create, poll, download, look at the clip.

#![cfg(feature = "sandbox")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use reelkin::sandbox::{Sandbox, SandboxBuilder};
use serde_json::{Value, json};

/// A sandbox and plain HTTP to talk to it: no line of the crate's client.
pub(crate) struct Bench {
    pub(crate) sandbox: Sandbox,
    pub(crate) http: reqwest::Client,
}

impl Bench {
    pub(crate) async fn start(builder: SandboxBuilder) -> Self {
        let sandbox = builder.start().await.unwrap();
        let http = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(60))
            .build()
            .unwrap();
        Self { sandbox, http }
    }

    pub(crate) async fn quick() -> Self {
        Self::start(Sandbox::builder().seconds_per_job(0.05)).await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.sandbox.base_url())
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> reqwest::Result<reqwest::Response> {
        let request = self.http.post(self.url(path)).bearer_auth(self.sandbox.api_key());
        request
            .header("content-type", "application/json")
            .body(body.to_string())
            .send()
            .await
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Result<reqwest::Response> {
        self.http
            .get(self.url(path))
            .bearer_auth(self.sandbox.api_key())
            .send()
            .await
    }

    /// Status and JSON of a POST.
    pub(crate) async fn say(&self, path: &str, body: &Value) -> (u16, Value) {
        read(self.post(path, body).await.unwrap()).await
    }

    pub(crate) async fn create(&self, path: &str, body: &Value) -> String {
        let (status, answer) = self.say(path, body).await;
        assert_eq!(status, 200, "{answer}");
        answer["request_id"].as_str().unwrap().to_owned()
    }

    /// Polls until the answer is final.
    pub(crate) async fn finish(&self, id: &str) -> (u16, Value) {
        for _ in 0..2000 {
            let (status, answer) = read(self.get(&format!("/videos/{id}")).await.unwrap()).await;
            if status != 202 {
                return (status, answer);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("job {id} does not end");
    }

    pub(crate) async fn make(&self, path: &str, body: &Value) -> Value {
        let id = self.create(path, body).await;
        let (status, answer) = self.finish(&id).await;
        assert_eq!((status, &answer["status"]), (200, &json!("done")), "{answer}");
        answer
    }

    pub(crate) async fn download(&self, answer: &Value) -> Vec<u8> {
        let response = self
            .http
            .get(answer["video"]["url"].as_str().unwrap())
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
        response.bytes().await.unwrap().to_vec()
    }
}

pub(crate) async fn read(response: reqwest::Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// What ffprobe says of a clip.
pub(crate) fn ffprobe(path: &Path) -> Value {
    let output = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-count_frames",
            "-show_streams",
            "-show_format",
            "-of",
            "json",
        ])
        .arg(path)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_to_video_job_gives_a_real_clip() {
    let bench = Bench::quick().await;
    let body = json!({
        "model": "grok-imagine-video-1.5-preview", "prompt": "a lighthouse at dusk, waves roll in",
        "duration": 3, "aspect_ratio": "16:9", "resolution": "720p",
    });
    let answer = bench.make("/videos/generations", &body).await;
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
    let bench = Bench::quick().await;
    let answer = bench
        .http
        .get(bench.url("/models"))
        .bearer_auth("dummy")
        .send()
        .await
        .unwrap();
    let (status, body) = read(answer).await;
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
    let (status, _) = read(bench.http.get(bench.url("/models")).send().await.unwrap()).await;
    assert_eq!(status, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clips_are_whole_for_the_crates_own_check_and_no_two_are_equal() {
    use reelkin::media::{MediaOptions, MediaSource, check_whole};

    let bench = Bench::quick().await;
    let body = json!({ "model": "grok-imagine-video", "prompt": "twice the same", "duration": 1 });
    let mut clips = Vec::new();
    for _ in 0..2 {
        clips.push(
            bench
                .download(&bench.make("/videos/generations", &body).await)
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

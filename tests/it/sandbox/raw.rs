//! Plain HTTP to a sandbox, without any code of the client under test.

#![cfg(feature = "sandbox")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use reelkin::sandbox::{Sandbox, SandboxBuilder};
use serde_json::{Value, json};

use crate::support::fixtures::fixture;

/// A sandbox, and plain HTTP to talk to it.
pub(crate) struct RawBench {
    pub(crate) sandbox: Sandbox,
    pub(crate) http: reqwest::Client,
}

impl RawBench {
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

    /// Starts a sandbox with short jobs.
    pub(crate) async fn quick() -> Self {
        Self::start(Sandbox::builder().min_job_duration(Duration::from_millis(50))).await
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

    /// Sends a POST and returns its status and its JSON.
    pub(crate) async fn post_json(&self, path: &str, body: &Value) -> (u16, Value) {
        read_reply(self.post(path, body).await.unwrap()).await
    }

    /// Creates a job and returns its id.
    pub(crate) async fn create_job(&self, path: &str, body: &Value) -> String {
        let (status, answer) = self.post_json(path, body).await;
        assert_eq!(status, 200, "{answer}");
        answer["request_id"].as_str().unwrap().to_owned()
    }

    /// Polls until the answer is final.
    pub(crate) async fn wait_for_job(&self, id: &str) -> (u16, Value) {
        for _ in 0..2000 {
            let (status, answer) = read_reply(self.get(&format!("/videos/{id}")).await.unwrap()).await;
            if status != 202 {
                return (status, answer);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("job {id} does not end");
    }

    /// Creates a job, waits for it, and returns its final reply.
    pub(crate) async fn run_job(&self, path: &str, body: &Value) -> Value {
        let id = self.create_job(path, body).await;
        let (status, answer) = self.wait_for_job(&id).await;
        assert_eq!((status, &answer["status"]), (200, &json!("done")), "{answer}");
        answer
    }

    /// Downloads the clip of a final reply.
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

/// Returns the status and the JSON of a reply, or its text.
pub(crate) async fn read_reply(response: reqwest::Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// Returns the output of ffprobe for a clip.
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

/// Starts a sandbox with faults.
pub(crate) async fn bench_with(faults: &[&str]) -> RawBench {
    let builder = Sandbox::builder().min_job_duration(Duration::from_millis(10));
    RawBench::start(
        faults
            .iter()
            .fold(builder, |builder, fault| builder.fault(fault.parse().unwrap())),
    )
    .await
}

/// Returns a request for a clip from text.
pub(crate) fn text(prompt: &str) -> Value {
    json!({ "model": "grok-imagine-video", "prompt": prompt, "duration": 1, "resolution": "480p" })
}

/// A picture of one pixel, as a data URL.
pub(crate) const PNG: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC";

/// Checks that a request is refused with exactly this answer.
pub(crate) async fn refused(bench: &RawBench, path: &str, body: Value, status: u16, error: &str) {
    let answer = bench.post_json(path, &body).await;
    let code = if status == 403 {
        "permission-denied"
    } else {
        "invalid-argument"
    };
    assert_eq!(
        answer,
        (status, json!({ "code": code, "error": error })),
        "{body}"
    );
}

/// Checks that an answer has the fields of a fixture, with the same types at every depth.
#[track_caller]
pub(crate) fn assert_shape(answer: &Value, name: &str) {
    assert_eq!(shape(answer), shape(&fixture(name)), "{name}: {answer}");
}

pub(crate) fn shape(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| (key.clone(), shape(value)))
            .collect(),
        Value::Array(items) => items.first().map_or(json!([]), |first| json!([shape(first)])),
        Value::String(_) => json!("string"),
        Value::Number(number) if number.is_f64() => json!("float"),
        Value::Number(_) => json!("integer"),
        Value::Bool(_) => json!("bool"),
        Value::Null => Value::Null,
    }
}

//! A service whose language model gives the answers that a test scripts.

#![cfg(feature = "cli")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reelkin::media::{self, Frame, MediaOptions};
use reelkin::{VideoClient, VideoClientBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::bench::{builder, clips_in, real_clip};
use crate::support::fixtures::fixture;
use crate::support::http_server::{Answer, ReceivedRequest, Server};

/// A service with scripted answers of its language model, and an empty library.
pub(crate) struct PlannerRig {
    pub(crate) server: Server,
    pub(crate) folder: TempDir,
}

impl PlannerRig {
    pub(crate) async fn start(
        says: impl Fn(&ReceivedRequest, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let script =
            move |seen: &ReceivedRequest, n: usize| (seen.path == "/v1/responses").then(|| says(seen, n));
        Self {
            server: Server::start(real_clip().await, script).await,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Starts a service whose language model plans this prompt.
    pub(crate) async fn planning(prompt: &str) -> Self {
        let answer = answer_with(&json!({ "prompt": prompt }).to_string());
        Self::start(move |_, _| answer.clone()).await
    }

    pub(crate) fn builder(&self) -> VideoClientBuilder {
        builder(&self.server.base_url(), &self.folder.path().join("clips"))
    }

    pub(crate) fn client(&self) -> VideoClient {
        self.builder().build().unwrap()
    }

    /// Returns the bodies of all requests to a path.
    pub(crate) fn bodies(&self, path: &str) -> Vec<Value> {
        let seen = self.server.requests_to(path);
        let posts = seen.iter().filter(|seen| seen.method == "POST");
        posts
            .map(|seen| serde_json::from_slice(&seen.body).unwrap())
            .collect()
    }

    pub(crate) fn questions(&self) -> Vec<Value> {
        self.bodies("/v1/responses")
    }

    pub(crate) fn creates(&self) -> Vec<Value> {
        self.bodies("/v1/videos/generations")
    }

    /// Returns the sidecar of the only clip.
    pub(crate) fn sidecar(&self) -> Value {
        let mut clips = clips_in(&self.folder.path().join("clips"));
        assert_eq!(clips.len(), 1);
        clips.remove(0).sidecar
    }
}

/// Returns the default answer with this text.
pub(crate) fn answer_with(text: &str) -> Answer {
    let mut answer = fixture("language/plan-answer.json");
    answer["output"][1]["content"][0]["text"] = json!(text);
    Answer::new(200, answer.to_string())
}

/// Returns the text of a question.
pub(crate) fn told(question: &Value) -> &str {
    question["input"][0]["content"][0]["text"].as_str().unwrap()
}

/// Returns the pictures of a question.
pub(crate) fn pictures(question: &Value) -> Vec<Frame> {
    let parts = question["input"][0]["content"].as_array().unwrap();
    let urls = parts.iter().filter_map(|part| part["image_url"].as_str());
    urls.map(|url| {
        let jpeg = STANDARD
            .decode(url.strip_prefix("data:image/jpeg;base64,").unwrap())
            .unwrap();
        media::picture(jpeg, &MediaOptions::default()).unwrap()
    })
    .collect()
}

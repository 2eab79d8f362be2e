//! The client accepts exactly the keyframe times that the service accepts, over many pairs of times.

#![cfg(feature = "sandbox")]

use std::time::Duration;

use reelkin::model::Validation;
use reelkin::request::Defaults;
use reelkin::sandbox::Sandbox;
use reelkin::{GenerateRequest, Keyframe, MediaInput, ModelTable, VideoModel, secs};
use serde_json::{Value, json};

fn client_accepts(millis: &[u64], seconds: u64) -> bool {
    let picture = || MediaInput::Url("https://host/a.png".to_owned());
    let keyframes = millis
        .iter()
        .map(|ms| Keyframe::new(Duration::from_millis(*ms), picture()));
    let request = GenerateRequest::frames(None, None, keyframes)
        .prompt("x")
        .model(VideoModel::V1_5)
        .duration(secs(seconds));
    let table = ModelTable::built_in().unwrap();
    request
        .check(table, &Defaults::default(), Validation::Strict)
        .is_ok()
}

/// Asks the sandbox. It refuses the invalid target after it has checked the keyframes, so no clip is made.
async fn sandbox_accepts(sandbox: &Sandbox, http: &reqwest::Client, millis: &[u64], seconds: u64) -> bool {
    let pin =
        |ms: &u64| json!({ "image": { "url": "https://host/a.png" }, "timestamp_s": *ms as f64 / 1000.0 });
    let body = json!({
        "model": "grok-imagine-video-1.5", "prompt": "x", "duration": seconds,
        "keyframes": millis.iter().map(pin).collect::<Vec<_>>(), "output": { "upload_url": "nowhere" },
    });
    let request = http
        .post(format!("{}/videos/generations", sandbox.base_url()))
        .bearer_auth(sandbox.api_key())
        .header("content-type", "application/json")
        .body(body.to_string());
    let answer = request.send().await.unwrap().bytes().await.unwrap();
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    let words = answer["error"].as_str().unwrap();
    let accepted = words.contains("output.upload_url");
    assert!(accepted || words.contains("eyframe"), "{words}");
    accepted
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_accepts_the_keyframe_times_that_the_service_accepts() {
    let sandbox = Sandbox::builder().start().await.unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    // Every pair of tenths of a second, and every millisecond around the start of a slot.
    let mut pairs: Vec<[u64; 2]> = Vec::new();
    for one in (100..2000).step_by(100) {
        pairs.extend((100..2000).step_by(100).map(|other| [one, other]));
    }
    for slot in 0..6_u64 {
        let edge = slot * 1000 / 3 + 166;
        for one in edge - 2..=edge + 3 {
            pairs.extend([1, 333, 334, 500, 1999].map(|other| [one, other]));
            pairs.push([one, one + 1]);
        }
    }
    let (mut both, mut neither) = (0, 0);
    for pair in pairs {
        let client = client_accepts(&pair, 2);
        let service = sandbox_accepts(&sandbox, &http, &pair, 2).await;
        // The client does not refuse valid times either.
        assert_eq!(client, service, "{pair:?}");
        both += usize::from(client);
        neither += usize::from(!client);
    }
    assert!(both > 100 && neither > 50, "{both} {neither}");
    assert!(!client_accepts(&[100, 300], 2) && client_accepts(&[300, 600], 2));
    assert_eq!(sandbox.state().creates, 0);
}

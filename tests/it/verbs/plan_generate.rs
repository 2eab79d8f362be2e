//! Planned prompts: the question to the language model, the prompt that is sent, and what the sidecar records.

#![cfg(feature = "cli")]

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reelkin::media::Frame;
use reelkin::{GenerateRequest, MediaInput, PlanWhen, PlannerSettings, UsdTicks, secs};
use serde_json::{Value, json};

use crate::support::bench::{Bench, KEY, request, sidecar};
use crate::support::fixtures::fixture;
use crate::support::http_server::Answer;
use crate::support::planner::{PlannerRig, pictures, told};

fn plain(width: u32, height: u32, color: [u8; 3]) -> Bytes {
    let rgb = color.repeat((width * height) as usize);
    Frame::from_rgb(width, height, rgb)
        .unwrap()
        .to_png()
        .unwrap()
        .into()
}

#[track_caller]
fn looks(frame: &Frame, size: (u32, u32), color: [u8; 3]) {
    assert_eq!((frame.width(), frame.height()), size);
    let middle = frame.rgb().len() / 2 / 3 * 3;
    let pixel = &frame.rgb()[middle..middle + 3];
    let near = pixel.iter().zip(color).all(|(&a, b)| a.abs_diff(b) < 6);
    assert!(near, "{pixel:?} for {color:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_question_matches_the_fixture() {
    let planned = "A white lighthouse stands on a dark cliff at dusk.";
    let rig =
        PlannerRig::start(|_, _| Answer::new(200, fixture("language/plan-answer.json").to_string())).await;
    let clip = rig.client().generate(request().plan(true)).await.unwrap();

    let [question] = &mut rig.questions()[..] else {
        panic!()
    };
    assert_eq!(
        question["instructions"],
        include_str!("../../../src/planner/plan_instructions.md")
    );
    question["instructions"] = json!("(src/planner/plan_instructions.md)");
    assert_eq!(*question, fixture("language/plan-request.json"));
    let post = &rig.server.requests_to("/v1/responses")[0];
    assert_eq!(post.header("authorization"), Some(&*format!("Bearer {KEY}")));
    assert_eq!(post.header("content-type"), Some("application/json"));

    let [create] = &rig.creates()[..] else { panic!() };
    assert_eq!(create["prompt"], planned);
    let sidecar = rig.sidecar();
    assert_eq!(sidecar["prompt"], planned);
    assert_eq!(sidecar["revisedPrompt"], planned);
    assert_eq!(sidecar["userPrompt"], "a lighthouse at dusk");
    assert_eq!(sidecar["webSearchCalls"], 0);
    let entry = &sidecar["videoContinuity"]["entries"][0];
    assert_eq!(entry["userPrompt"], "a lighthouse at dusk");
    assert_eq!(entry["revisedPrompt"], planned);
    assert_eq!(
        sidecar["reelkin"]["planner"],
        json!({ "model": "grok-4.3", "cost_usd_ticks": 20_750_000, "web_searches": 0 })
    );
    assert_eq!(sidecar["reelkin"]["request"]["prompt"], planned);
    assert_eq!(sidecar["reelkin"]["warnings"], json!([]));
    assert_eq!(
        sidecar["reelkin"]["cost_usd_ticks"], 500_000_000,
        "the clip's own price"
    );
    assert!(!sidecar.to_string().contains(KEY));
    let record = clip.record.unwrap();
    assert!(record.unreadable().is_empty());
    assert_eq!(
        record.reelkin.unwrap().planner.unwrap().cost,
        Some(UsdTicks::new(20_750_000))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_of_the_request_override_those_of_the_client() {
    let rig = PlannerRig::start(|_, _| {
        let mut answer = fixture("language/plan-answer.json");
        answer["model"] = json!("grok-4.6-0930");
        answer["output"]
            .as_array_mut()
            .unwrap()
            .insert(1, json!({ "type": "web_search_call" }));
        Answer::new(200, answer.to_string())
    })
    .await;
    let settings = PlannerSettings::default()
        .model("grok-4.6")
        .web_search(true)
        .reasoning_effort("high");
    let client = rig
        .builder()
        .planner(settings.when(PlanWhen::Always))
        .build()
        .unwrap();
    client.generate(request()).await.unwrap();
    let [question] = &rig.questions()[..] else {
        panic!()
    };
    assert_eq!(question["model"], "grok-4.6");
    assert_eq!(question["tools"], json!([{ "type": "web_search" }]));
    assert_eq!(question["reasoning"], json!({ "effort": "high" }));
    assert_eq!(question["store"], false);
    let sidecar = rig.sidecar();
    assert_eq!(sidecar["webSearchCalls"], 1);
    assert_eq!(sidecar["reelkin"]["planner"]["model"], "grok-4.6-0930");

    // The request overrides the client.
    let rig = PlannerRig::planning("Never.").await;
    let always = PlannerSettings::default().when(PlanWhen::Always);
    let client = rig.builder().planner(always).build().unwrap();
    client.generate(request().plan(false)).await.unwrap();
    assert!(rig.questions().is_empty());
    assert_eq!(rig.creates()[0]["prompt"], "a lighthouse at dusk");
    let sidecar = rig.sidecar();
    assert_eq!(sidecar["userPrompt"], sidecar["revisedPrompt"]);
    assert!(sidecar["reelkin"].get("planner").is_none());

    let rig = PlannerRig::planning("Planned.").await;
    let never = PlannerSettings::default().when(PlanWhen::Never);
    let client = rig.builder().planner(never).build().unwrap();
    let own = PlannerSettings::default().model("grok-4.9");
    client.generate(request().plan(own)).await.unwrap();
    assert_eq!(rig.questions()[0]["model"], "grok-4.9");
    assert_eq!(rig.creates()[0]["prompt"], "Planned.");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_planned_unless_asked_for() {
    let rig = PlannerRig::planning("Never.").await;
    rig.client().generate(request()).await.unwrap();
    assert!(rig.questions().is_empty());
    assert_eq!(rig.sidecar()["webSearchCalls"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_picture_is_shown_scaled_down_and_sent_unchanged() {
    let rig = PlannerRig::planning("It turns.").await;
    let png = plain(1600, 900, [200, 40, 30]);
    let start = GenerateRequest::image(MediaInput::bytes("start.png", png.clone())).duration(secs(1));
    rig.client().generate(start.plan(true)).await.unwrap();

    let [question] = &rig.questions()[..] else {
        panic!()
    };
    let [shown] = &pictures(question)[..] else {
        panic!()
    };
    looks(shown, (768, 432), [200, 40, 30]);
    let text = told(question);
    assert!(text.contains("- kind: image to video"), "{text}");
    assert!(text.contains("1. start picture, the first frame\n"), "{text}");
    assert!(text.ends_with("(none: go by the pictures)\n"), "{text}");
    let sent = rig.creates()[0]["image"]["url"].as_str().unwrap().to_owned();
    assert_eq!(sent, format!("data:image/png;base64,{}", STANDARD.encode(&png)));
    let sidecar = rig.sidecar();
    assert_eq!(sidecar["prompt"], "It turns.");
    assert!(sidecar["userPrompt"].is_null());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn references_are_shown_in_order_with_their_tags() {
    let rig = PlannerRig::planning("<IMAGE_0> bows to <IMAGE_1>, <IMAGE_2> looks on.").await;
    let request = GenerateRequest::references([
        MediaInput::bytes("tall", plain(400, 1200, [20, 200, 30])),
        MediaInput::bytes("small", plain(64, 48, [30, 40, 210])),
        MediaInput::Url("https://pictures.example/a.png?sig=SIGNED".to_owned()),
    ])
    .prompt("<IMAGE_0> bows")
    .duration(secs(1));
    rig.client().generate(request.plan(true)).await.unwrap();
    let [question] = &mut rig.questions()[..] else {
        panic!()
    };
    let parts = question["input"][0]["content"].as_array_mut().unwrap();
    let link = parts.pop().unwrap();
    assert_eq!(link["image_url"], "https://pictures.example/a.png?sig=SIGNED");
    let shown = pictures(question);
    looks(&shown[0], (256, 768), [20, 200, 30]);
    looks(&shown[1], (64, 48), [30, 40, 210]);
    let text = told(question);
    assert!(
        text.contains("2. reference picture, <IMAGE_1> in the prompt\n"),
        "{text}"
    );
    assert!(!text.contains("SIGNED"));
    assert!(!rig.sidecar().to_string().contains("SIGNED"));
}

/// Adds a clip of a series that another program wrote.
fn leave(folder: &Path, millis: u64, sidecar: &Value) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join(format!("{millis}_0a1b2c3d.mp4")), b"clip").unwrap();
    let text = sidecar.to_string();
    std::fs::write(folder.join(format!("{millis}_0a1b2c3d.mp4.json")), text).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_series_is_planned_with_its_newest_four_prompts() {
    let rig = PlannerRig::planning("The fifth boat.").await;
    let folder = rig.folder.path().join("clips");
    for n in 0..6_u64 {
        let series = json!({ "topic": "boats", "chainIndex": n });
        let sidecar =
            json!({ "kind": "video", "revisedPrompt": format!("Boat {n}."), "videoSeries": series });
        leave(&folder, 1_763_812_000_000 + n, &sidecar);
    }
    let other = json!({ "revisedPrompt": "A cat.", "videoSeries": { "topic": "cats", "chainIndex": 9 } });
    leave(&folder, 1_763_812_000_500, &other);
    leave(&folder, 1_763_812_000_600, &json!({ "revisedPrompt": "Alone." }));
    leave(&folder, 1_763_812_000_700, &json!("damaged"));

    let clip = rig
        .client()
        .generate(request().topic("boats").plan(true))
        .await
        .unwrap();
    let question = &rig.questions()[0];
    let text = told(question);
    assert!(
        text.contains(
            "# Series: boats\n\nPrompts of its newest clips, oldest first:\n\n\
             1. Boat 2.\n2. Boat 3.\n3. Boat 4.\n4. Boat 5.\n"
        ),
        "{text}"
    );
    let sidecar = std::fs::read(clip.sidecar_path().unwrap()).unwrap();
    let sidecar: Value = serde_json::from_slice(&sidecar).unwrap();
    assert_eq!(
        sidecar["videoSeries"],
        json!({ "topic": "boats", "chainIndex": 4 })
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_is_recorded_without_a_planner() {
    let rig = PlannerRig::planning("Never.").await;
    rig.client().generate(request().topic("boats")).await.unwrap();
    assert!(rig.questions().is_empty());
    assert_eq!(
        rig.sidecar()["videoSeries"],
        json!({ "topic": "boats", "chainIndex": 0 })
    );
    let error = rig.client().generate(request().topic(" ")).await.unwrap_err();
    assert!(error.to_string().contains("topic is blank"), "{error}");
}

// Requirement: ima2-gen 1.1.21, series.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_series_counts_its_clips_and_plans_once() {
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

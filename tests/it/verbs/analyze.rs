//! Descriptions of clips by a language model: which frames it gets, what comes back, and which clips are refused.

#![cfg(feature = "cli")]

use std::time::Duration;

use bytes::Bytes;
use reelkin::media::{self, Frame, FramePosition, MediaOptions, psnr};
use reelkin::{AnalyzeOptions, Charge, ClipNotes, ErrorKind, MediaInput, secs};
use serde_json::{Value, json};

use crate::support::bench::{Bench, KEY, MAX_WAIT, ms, real_clip, request};
use crate::support::fixtures::fixture;
use crate::support::http_server::Answer;
use crate::support::planner::{PlannerRig, answer_with, pictures};

async fn rig() -> PlannerRig {
    PlannerRig::start(|_, _| Answer::new(200, fixture("language/notes-answer.json").to_string())).await
}

fn frame(clip: &Bytes, position: FramePosition) -> Frame {
    media::frame(clip.clone(), position, &MediaOptions::default()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn analyze_sends_the_first_and_last_frame_of_a_library_clip() {
    let rig = rig().await;
    let client = rig.client();
    let clip = client.generate(request()).await.unwrap();
    let notes = client.analyze(&clip).await.unwrap();

    let [question] = &mut rig.questions()[..] else {
        panic!()
    };
    let shown = pictures(question);
    let bytes = real_clip().await;
    for (shown, position) in shown.iter().zip([FramePosition::First, FramePosition::Last]) {
        assert_eq!((shown.width(), shown.height()), (768, 435), "scaled from 848x480");
        let close = psnr(shown, &frame(&bytes, position).fit_within(768)).unwrap();
        assert!(close > 30.0, "{position:?}: {close}");
    }
    assert_eq!(
        question["instructions"],
        include_str!("../../../src/planner/analyze_instructions.md")
    );
    question["instructions"] = json!("(src/planner/analyze_instructions.md)");
    for part in question["input"][0]["content"].as_array_mut().unwrap() {
        if let Some(url) = part.get_mut("image_url") {
            *url = json!("(picture)");
        }
    }
    assert_eq!(*question, fixture("language/notes-request.json"));
    assert_eq!(rig.creates().len(), 1, "the clip itself");

    assert_eq!(notes.shot, "wide, eye level");
    assert_eq!(notes.camera, "still");
    assert_eq!(notes.light, "soft dusk");
    assert_eq!(notes.palette, ["slate blue", "amber"]);
    assert_eq!(notes.subjects, ["a white lighthouse"]);
    assert_eq!(notes.motion, "the lamp turns");
    assert_eq!(notes.mood, "calm");
    assert_eq!(notes.sound, "probably waves; a guess");
    assert_eq!(notes.prompt, "A white lighthouse at dusk.");
    let raw: Value = serde_json::from_str(&notes.raw).unwrap();
    assert_eq!(raw["shot"], "wide, eye level");
    assert_eq!(notes.model, "grok-4.3");
    assert_eq!((notes.usage.input, notes.usage.reasoning), (2210, 120));
    assert_eq!(notes.cost.unwrap().ticks(), 35_375_000);
    let times: Vec<Duration> = notes.frames.iter().map(|frame| frame.time).collect();
    assert_eq!(times[0], Duration::ZERO);
    assert!(times[1] > ms(950) && times[1] < ms(965), "{times:?}");

    let json = serde_json::to_value(&notes).unwrap();
    assert_eq!(
        json["frames"][0],
        json!({ "time_seconds": 0.0, "width": 768, "height": 435 })
    );
    assert_eq!(serde_json::from_value::<ClipNotes>(json).unwrap(), notes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn analyze_spreads_frames_over_a_file_or_bytes() {
    let rig = rig().await;
    let client = rig.client();
    let bytes = real_clip().await;
    let path = rig.folder.path().join("elsewhere.bin");
    std::fs::write(&path, &bytes).unwrap();
    let from_file = client
        .analyze(path.as_path())
        .frames(5)
        .model("grok-4.6")
        .reasoning_effort("low")
        .await
        .unwrap();
    let from_bytes = client
        .analyze(MediaInput::bytes("clip", bytes.clone()))
        .frames(5)
        .await
        .unwrap();
    assert_eq!(from_file.frames, from_bytes.frames);
    let times: Vec<f64> = from_file
        .frames
        .iter()
        .map(|frame| frame.time.as_secs_f64())
        .collect();
    for (time, expect) in times.iter().zip([0.0, 0.25, 0.5, 0.75, 0.958]) {
        assert!((time - expect).abs() < 0.05, "{times:?}");
    }
    let questions = rig.questions();
    assert_eq!(questions[0]["model"], "grok-4.6");
    assert_eq!(questions[0]["reasoning"], json!({ "effort": "low" }));
    assert_eq!(pictures(&questions[0]).len(), 5);
    for seen in rig.server.requests() {
        assert_eq!(seen.path, "/v1/responses", "the clip is not uploaded");
        assert!(!String::from_utf8_lossy(&seen.body).contains("video/mp4"));
        assert!(!String::from_utf8_lossy(&seen.body).contains(KEY));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn analyze_sends_each_frame_once_when_more_are_requested() {
    let rig = rig().await;
    let clip = MediaInput::bytes("clip", real_clip().await);
    let notes = rig.client().analyze(clip).frames(32).await.unwrap();
    let times: Vec<Duration> = notes.frames.iter().map(|frame| frame.time).collect();
    assert!(times.windows(2).all(|two| two[0] < two[1]), "{times:?}");
    assert_eq!(times.len(), 24, "{times:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clips_that_are_not_local_are_refused_with_a_reason() {
    let rig = rig().await;
    let client = rig.client();
    let png = Frame::from_rgb(8, 8, vec![9; 192]).unwrap().to_png().unwrap();
    for (input, kind, says) in [
        (
            MediaInput::Url("https://cdn.example/a.mp4?sig=SIGNED".to_owned()),
            ErrorKind::InvalidRequest,
            "the service looks at pictures, not at videos",
        ),
        (
            MediaInput::FileId("file_1".to_owned()),
            ErrorKind::InvalidRequest,
            "download it first",
        ),
        (
            MediaInput::DataUrl("data:video/mp4;base64,U0lHTkVE".to_owned()),
            ErrorKind::InvalidRequest,
            "as a file or as bytes",
        ),
        (
            MediaInput::bytes("p.png", png),
            ErrorKind::InvalidRequest,
            "it is a picture; give a clip",
        ),
        (
            MediaInput::bytes("noise", &b"no clip at all"[..]),
            ErrorKind::Media,
            "noise",
        ),
        (
            MediaInput::Path("/nowhere/a.mp4".into()),
            ErrorKind::NotFound,
            "/nowhere/a.mp4",
        ),
        (
            MediaInput::clip("1763812000000_0a1b2c3d"),
            ErrorKind::NotFound,
            "1763812000000_0a1b2c3d",
        ),
    ] {
        let error = client.analyze(input).await.unwrap_err();
        let line = error.to_string();
        assert_eq!(error.kind(), kind, "{line}");
        assert!(line.contains(says) && !line.contains("SIGNED"), "{line}");
        assert_eq!(error.may_have_been_charged(), Charge::No);
    }
    let clip = MediaInput::bytes("clip", real_clip().await);
    for frames in [0, 1, 33] {
        let error = client.analyze(clip.clone()).frames(frames).await.unwrap_err();
        assert!(error.to_string().contains("use 2 to 32"), "{error}");
    }
    let mut options = AnalyzeOptions::default();
    options.deadline = Duration::ZERO;
    assert!(client.analyze(clip).options(options).await.is_err());
    assert!(rig.server.requests().is_empty(), "nothing was sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_not_a_description_is_an_error() {
    let mut refusal = fixture("language/notes-answer.json");
    refusal["output"][1]["content"][0] = json!({ "type": "refusal", "refusal": "No." });
    for (answer, kind, charge, says) in [
        (
            Answer::new(500, ""),
            ErrorKind::Network,
            Charge::Unknown,
            "http 500",
        ),
        (
            Answer::new(200, "{}").cut(0).silent(),
            ErrorKind::Timeout,
            Charge::Unknown,
            "did not answer within",
        ),
        (
            Answer::new(200, refusal.to_string()),
            ErrorKind::Moderated,
            Charge::Yes,
            "declined: No",
        ),
        (
            answer_with("a lamp"),
            ErrorKind::Protocol,
            Charge::Yes,
            "not JSON",
        ),
        (
            answer_with(r#"{"shot":"wide"}"#),
            ErrorKind::Protocol,
            Charge::Yes,
            "not match the requested schema",
        ),
        (
            answer_with(r#"["a","b"]"#),
            ErrorKind::Protocol,
            Charge::Yes,
            "not match the requested schema",
        ),
    ] {
        let rig = PlannerRig::start(move |_, _| answer.clone()).await;
        let clip = MediaInput::bytes("clip", real_clip().await);
        let client = rig.client();
        let analyze = async |deadline| client.analyze(clip.clone()).deadline(deadline).await.unwrap_err();
        let mut error = analyze(if kind == ErrorKind::Timeout {
            secs(5)
        } else {
            MAX_WAIT
        })
        .await;
        // On a busy machine the deadline may pass before the query is sent.
        while kind == ErrorKind::Timeout && rig.questions().is_empty() {
            error = analyze(secs(20)).await;
        }
        let line = error.to_string();
        assert_eq!(
            (error.kind(), error.may_have_been_charged()),
            (kind, charge),
            "{line}"
        );
        assert!(
            line.starts_with("analyze the clip: ") && line.contains(says),
            "{line}"
        );
        assert_eq!(rig.questions().len(), 1);
    }
}

// Requirement: ima2-gen 1.1.21, `video analyze`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn analyze_describes_a_library_clip_and_refuses_urls() {
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

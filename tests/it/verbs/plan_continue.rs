//! Planned continuations, edits and extensions.
//!
//! The planner gets the clips that came before and the frame where they end.

#![cfg(feature = "cli")]

use std::path::PathBuf;

use reelkin::media::{self, FramePosition, MediaOptions, psnr};
use reelkin::{
    ContinueRequest, ContinueStrategy, EditRequest, ErrorKind, ExtendRequest, FrameChoice, GenerateRequest,
    PlanWhen, PlannerSettings, secs,
};
use serde_json::{Value, json};

use crate::support::bench::{Bench, real_clip};
use crate::support::clips::Recipe;
use crate::support::planner::{PlannerRig, answer_with, pictures, told};

const PARENT: &str = "1763812000000_0a1b2c3d.mp4";

/// Adds a clip with a continuity block to the library.
async fn parent(rig: &PlannerRig) -> PathBuf {
    let folder = rig.folder.path().join("clips");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(PARENT);
    std::fs::write(&path, real_clip().await).unwrap();
    let entry = |n: u64, role: &str, name: &str| {
        json!({ "id": format!("clip:{name}"), "ordinal": n, "role": role, "filename": name,
                "userPrompt": format!("said {n}"), "revisedPrompt": format!("Sent {n}."), "createdAt": n })
    };
    let sidecar = json!({
        "kind": "video", "revisedPrompt": "Sent 2.", "userPrompt": "said 2", "createdAt": 2,
        "videoContinuity": {
            "lineageId": "lineage:first", "parentFilename": "first.mp4", "sourceFrame": "last",
            "maxEntries": 4, "retention": "keep-start-plus-latest-3",
            "entries": [entry(1, "start", "first.mp4"), entry(2, "current", PARENT)],
        },
    });
    std::fs::write(folder.join(format!("{PARENT}.json")), sidecar.to_string()).unwrap();
    path
}

fn sidecar(clip: &reelkin::Clip) -> Value {
    serde_json::from_slice(&std::fs::read(clip.sidecar_path().unwrap()).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_continuation_is_planned_with_its_branch_and_the_last_frame() {
    let rig = PlannerRig::planning("From the last frame on, the lamp turns.").await;
    let path = parent(&rig).await;
    let client = rig.client();
    let request = ContinueRequest::new("the lamp turns").duration(secs(1));
    let clip = client.continue_from(path.as_path(), request).await.unwrap();

    let [question] = &rig.questions()[..] else {
        panic!()
    };
    let text = told(question);
    assert!(
        text.contains("- kind: continuation, from the final frame"),
        "{text}"
    );
    assert!(text.contains("- resolution: 720p\n"), "{text}");
    assert!(
        text.contains(
            "# Lineage, oldest first\n\n\
             1. start, file first.mp4\n   prompt sent: Sent 1.\n   user wrote: said 1\n\
             2. parent, file 1763812000000_0a1b2c3d.mp4\n   prompt sent: Sent 2.\n   user wrote: said 2\n\n\
             Continue from the final frame, the action and the sound of item 2. Do not restart the scene.\n"
        ),
        "{text}"
    );
    let [shown] = &pictures(question)[..] else {
        panic!()
    };
    let last = media::frame(real_clip().await, FramePosition::Last, &MediaOptions::default()).unwrap();
    assert!(psnr(shown, &last.fit_within(768)).unwrap() > 30.0);

    assert_eq!(
        rig.creates()[0]["prompt"],
        "From the last frame on, the lamp turns."
    );
    let sidecar = sidecar(&clip);
    assert_eq!(sidecar["userPrompt"], "the lamp turns");
    assert_eq!(
        sidecar["revisedPrompt"],
        "From the last frame on, the lamp turns."
    );
    let entries = sidecar["videoContinuity"]["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 3);
    assert_eq!(entries[2]["userPrompt"], "the lamp turns");
    assert_eq!(
        entries[2]["revisedPrompt"],
        "From the last frame on, the lamp turns."
    );
    assert_eq!(sidecar["reelkin"]["operation"], "continue");
    assert_eq!(sidecar["reelkin"]["planner"]["cost_usd_ticks"], 20_750_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_continuation_is_planned_as_the_settings_say() {
    for (when, plan, planned) in [
        (PlanWhen::Continuing, None, true),
        (PlanWhen::Always, None, true),
        (PlanWhen::Never, None, false),
        (PlanWhen::Continuing, Some(false), false),
        (PlanWhen::Never, Some(true), true),
    ] {
        let rig = PlannerRig::planning("Planned.").await;
        let path = parent(&rig).await;
        let settings = PlannerSettings::default().when(when);
        let client = rig.builder().planner(settings).build().unwrap();
        let mut request = ContinueRequest::new("the lamp turns").duration(secs(1));
        if let Some(plan) = plan {
            request = request.plan(plan);
        }
        client.continue_from(path.as_path(), request).await.unwrap();
        assert_eq!(rig.questions().len(), usize::from(planned), "{when:?} {plan:?}");
        let sent = if planned { "Planned." } else { "the lamp turns" };
        assert_eq!(rig.creates()[0]["prompt"], sent);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_continuation_whose_planner_fails_sends_no_create() {
    let rig = PlannerRig::start(|_, _| answer_with("{\"prompt\":\"\"}")).await;
    let path = parent(&rig).await;
    let request = ContinueRequest::new("the lamp turns").duration(secs(1));
    let error = rig
        .client()
        .continue_from(path.as_path(), request)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Moderated);
    assert!(rig.server.requests_to("/v1/videos").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clip_that_fades_out_is_continued_from_its_sharpest_frame() {
    let rig = PlannerRig::planning("Planned.").await;
    // Of the frames 0 to 24 those from 20 on are black.
    let fading = Recipe::new(25, "-vf fade=t=out:s=15:n=5 -c:v libx264 -preset veryfast").make();
    let mut request = ContinueRequest::new("the lamp turns")
        .duration(secs(1))
        .plan(false);
    request.frame = FrameChoice::SharpestOfLast(10);
    let client = rig.client();
    let clip = client.continue_from(fading.as_path(), request).await.unwrap();
    let warnings = sidecar(&clip)["reelkin"]["warnings"].to_string();
    assert!(
        warnings.contains("sharpest of the last 10 frames, 0.360 s before the end"),
        "{warnings}"
    );
}

/// Runs against the sandbox, which evaluates prompts and pictures itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_verb_can_be_planned() {
    let bench = Bench::start(&[]).await;
    let client = bench.client();
    let first = GenerateRequest::text("a red kite over dunes")
        .duration(secs(2))
        .plan(true);
    let first = client.generate(first).await.unwrap();
    let next = ContinueRequest::new("the kite dives").duration(secs(1));
    let next = client.continue_from(&first, next).await.unwrap();
    let extended = ContinueRequest::new("the kite lands").strategy(ContinueStrategy::Extend);
    let extended = client
        .continue_from(&first, extended.duration(secs(2)))
        .await
        .unwrap();
    let edit = EditRequest::new(&first, "make it night").plan(true);
    let edit = client.edit(edit).await.unwrap();
    let plain = ExtendRequest::new(&first, "it flies on").duration(secs(2));
    let plain = client.extend(plain).await.unwrap();
    for (clip, words, operation) in [
        (&first, "a red kite over dunes", "generate"),
        (&next, "the kite dives", "continue"),
        (&extended, "the kite lands", "extend"),
        (&edit, "make it night", "edit"),
    ] {
        let sidecar = sidecar(clip);
        assert_eq!(sidecar["userPrompt"], words);
        assert_eq!(sidecar["reelkin"]["operation"], operation);
        let sent = sidecar["revisedPrompt"].as_str().unwrap();
        assert!(
            sent.len() > words.len() + 40 && sent.contains(words),
            "{operation}: {sent}"
        );
        let planner = &sidecar["reelkin"]["planner"];
        assert_eq!(planner["model"], "grok-4.3", "{operation}");
        assert!(planner["cost_usd_ticks"].as_u64().unwrap() > 0, "{operation}");
        let entries = sidecar["videoContinuity"]["entries"].as_array().unwrap();
        assert_eq!(entries.last().unwrap()["userPrompt"], words);
    }
    let plain = sidecar(&plain);
    assert_eq!(
        plain["revisedPrompt"], "it flies on",
        "an extension is not planned unless asked for"
    );
    assert!(plain["reelkin"].get("planner").is_none());

    let notes = client.analyze(&first).await.unwrap();
    assert!(!notes.shot.is_empty() && !notes.prompt.is_empty(), "{notes:?}");
    assert!(notes.cost.is_some());
    assert_eq!(bench.state().creates, 5, "an analysis makes no clip");
}

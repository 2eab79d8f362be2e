//! The scenarios that the packages of every language go through, as listed in `bindings/SCENARIOS.md`.
//!
//! Their details are tested in the other files. These tests only keep the list complete, name by name.

#![cfg(feature = "cli")]

use std::time::Duration;

use std::io::{BufRead as _, BufReader};

use reelkin::library::{InputRecord, ParentRecord};
use reelkin::media::{FramePosition, MediaOptions, probe};
use reelkin::sandbox::Sandbox;
use reelkin::{
    Budget, Clip, ContinueRequest, EditRequest, ErrorKind, ExtendRequest, GenerateRequest, JobState,
    MediaInput, Settlement, UsdTicks, secs, usd,
};

use crate::support::bench::{Bench, KEY, PENDING, request};
use crate::support::program::Program;

fn cost(clip: &Clip) -> u64 {
    clip.cost().unwrap().ticks()
}

fn parents(clip: &Clip) -> Vec<ParentRecord> {
    let record = clip.record.clone().unwrap_or_default();
    record.reelkin.unwrap_or_default().parents.unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenario_generate_from_text() {
    let bench = Bench::start(&[]).await;
    let client = bench.client();
    let clip = client.generate(request()).await.unwrap();
    assert!(clip.path.as_ref().unwrap().is_file());
    let record = clip.record.clone().unwrap();
    assert_eq!(record.user_prompt.as_deref(), Some("a lighthouse at dusk"));
    let ours = record.reelkin.unwrap();
    assert_eq!(ours.job_id.as_deref(), Some(bench.state().jobs[0].id.as_str()));
    assert_eq!(ours.delivery.unwrap().findings, []);
    assert_eq!(bench.state().creates, 1);
    assert_eq!(client.spent(..).await.unwrap().paid, UsdTicks::new(cost(&clip)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenario_generate_from_an_image() {
    let bench = Bench::start(&[]).await;
    let client = bench.client();
    let first = client.generate(request()).await.unwrap();
    let picture = client.frame(&first, FramePosition::Last).await.unwrap();
    let picture = MediaInput::bytes("start.png", picture.to_png().unwrap());
    let wanted = GenerateRequest::image(picture).prompt("a gull").duration(secs(1));
    let clip = client.generate(wanted).await.unwrap();
    let ours = clip.record.unwrap().reelkin.unwrap();
    let start = ours.delivery.unwrap().start.unwrap();
    assert!(start.luma_db >= 35.0, "{start:?}");
    let Some([InputRecord { sha256, .. }]) = ours.inputs.as_deref() else {
        panic!("one input")
    };
    assert_eq!(sha256.as_ref().unwrap().len(), 64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenario_continue_twice_and_read_the_family() {
    let bench = Bench::start(&[]).await;
    let client = bench.client();
    let on = |words: &str| ContinueRequest::new(words).duration(secs(1)).plan(false);
    let first = client.generate(request()).await.unwrap();
    let second = client
        .continue_from(&first, on("the lamp turns on"))
        .await
        .unwrap();
    let third = client.continue_from(&second, on("a ship")).await.unwrap();
    let family = client.library().family(&third).await.unwrap();
    let ids = |clips: &[&Clip]| -> Vec<String> { clips.iter().map(|clip| clip.id.to_string()).collect() };
    let members: Vec<_> = family.members().iter().map(|member| member.id.clone()).collect();
    assert_eq!(members, ids(&[&first, &second, &third]));
    assert_eq!(
        (family.focus().id.as_str(), family.root().id.as_str()),
        (third.id.as_str(), first.id.as_str())
    );
    let path: Vec<_> = family
        .path_to(third.id.as_str())
        .iter()
        .map(|member| member.id.clone())
        .collect();
    assert_eq!(path, members);
    let parents: Vec<_> = family
        .parents(third.id.as_str())
        .map(|member| member.id.clone())
        .collect();
    assert_eq!(parents, ids(&[&second]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenario_edit() {
    let bench = Bench::start(&[]).await;
    let client = bench.client();
    let clip = client.generate(request()).await.unwrap();
    let edited = client
        .edit(EditRequest::new(&clip, "make it night"))
        .await
        .unwrap();
    assert_eq!(parents(&edited)[0].id.as_deref(), Some(clip.id.as_str()));
    let ours = edited.record.unwrap().reelkin.unwrap();
    assert_eq!(ours.operation.as_deref(), Some("edit"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenario_extend() {
    let bench = Bench::start(&[]).await;
    let client = bench.client();
    let two = GenerateRequest::text("a lighthouse at dusk").duration(secs(2));
    let clip = client.generate(two).await.unwrap();
    let extend = ExtendRequest::new(&clip, "the camera pulls back").duration(secs(2));
    let long = client.extend(extend).await.unwrap();
    let length = |clip: &Clip| {
        probe(clip.path.clone().unwrap(), &MediaOptions::default())
            .unwrap()
            .duration
    };
    assert_eq!(length(&long), length(&clip) + secs(2));
    let seam = long
        .record
        .unwrap()
        .reelkin
        .unwrap()
        .delivery
        .unwrap()
        .seam
        .unwrap();
    assert!((seam.seconds - 2.0).abs() < 0.001, "{seam:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenario_analyze() {
    let bench = Bench::start(&[]).await;
    let client = bench.client();
    let clip = client.generate(request()).await.unwrap();
    let notes = client.analyze(&clip).await.unwrap();
    assert!(!notes.prompt.is_empty() && !notes.shot.is_empty(), "{notes:?}");
    assert_eq!(notes.frames.len(), 2);
    assert!(notes.cost.unwrap() > UsdTicks::ZERO);
    assert_eq!((bench.state().creates, bench.clips().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenario_frame_equals_rusts() {
    let bench = Bench::start(&[]).await;
    let client = bench.client();
    let clip = client.generate(request()).await.unwrap();
    let frame = client.frame(&clip, FramePosition::Last).await.unwrap();
    let out = bench.folder.path().join("last.png");
    let program = Program::at(&bench).args(["frame", clip.id.as_str(), "--last", "-o"]);
    assert_eq!(program.arg(&out).run().await.code, 0);
    assert_eq!(frame.to_png().unwrap(), std::fs::read(out).unwrap());
    assert_eq!(
        frame.rgb().len(),
        frame.width() as usize * frame.height() as usize * 3
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenario_moderation() {
    let bench = Bench::start(&["moderated=400"]).await;
    let error = bench.client().generate(request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Moderated);
    assert_eq!(error.job_id(), Some(bench.state().jobs[0].id.as_str()));
    assert!(!error.is_retryable());
    assert_eq!(bench.clips().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenario_submission_unknown() {
    let bench = Bench::start(&["create:lost-reply,times=1"]).await;
    let client = bench.client();
    let error = client.generate(request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SubmissionUnknown);
    let record_id = error.record_id().unwrap();
    assert_eq!(bench.state().creates, 1);
    let found = client.recover().await.unwrap();
    assert_eq!(found.unsettled[0].id, record_id);
    let settled = client
        .library()
        .settle(record_id, Settlement::NeverMade)
        .await
        .unwrap();
    assert_eq!(settled.state, JobState::Settled);
    assert_eq!(client.library().jobs().await.unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenario_budget() {
    let bench = Bench::start(&[]).await;
    let budget = Budget::new().per_request(usd("0.01").unwrap());
    let client = bench.builder().budget(budget).build().unwrap();
    let error = client.generate(request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Budget);
    assert_eq!(bench.state().create_requests, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenario_pick_up_in_another_process() {
    let bench = Bench::start(&[PENDING]).await;
    let words = ["generate", "a lighthouse", "--duration", "1", "--verbose"];
    let mut child = Program::at(&bench).args(words).spawn();
    let stderr = child.stderr.take().unwrap();
    let killed = tokio::task::spawn_blocking(move || {
        let mut lines = BufReader::new(stderr).lines().map_while(Result::ok);
        let told = lines.any(|line| line.contains("job "));
        child.kill().unwrap();
        child.wait().unwrap();
        told
    });
    let job = bench.until("a job", |state| state.jobs.len() == 1).await.jobs[0]
        .id
        .clone();
    assert!(killed.await.unwrap(), "the id was never shown");
    bench.end_pending();
    let client = bench.client();
    let found = client.recover().await.unwrap();
    let [clip] = &found.saved[..] else {
        panic!("{found:?}")
    };
    assert_eq!(bench.clips()[0].job_id(), job);
    let again = client.job(&job).unwrap().wait().await.unwrap();
    assert_eq!(again.id, clip.id);
    assert_eq!(bench.state().creates, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenario_cancel_then_recover() {
    let bench = Bench::start(&[PENDING]).await;
    let client = bench.client();
    let job = client.generate(request()).start().await.unwrap();
    job.stop_waiting();
    assert_eq!(job.wait().await.unwrap_err().kind(), ErrorKind::Stopped);
    assert_eq!(bench.clips().len(), 0);
    bench.end_pending();
    let found = client.recover().await.unwrap();
    assert_eq!((found.saved.len(), bench.clips().len()), (1, 1));
    assert_eq!(bench.state().creates, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenario_twenty_at_once() {
    let bench = Bench::start(&[]).await;
    let client = bench.client();
    let clips = (0..20).map(|number| {
        let request = GenerateRequest::text(format!("lighthouse {number}")).duration(secs(1));
        let making = client.generate(request);
        tokio::spawn(async move { making.await.unwrap().id })
    });
    let mut ids = std::collections::BTreeSet::new();
    for clip in clips.collect::<Vec<_>>() {
        ids.insert(clip.await.unwrap());
    }
    assert_eq!((ids.len(), bench.clips().len()), (20, 20));
    assert_eq!(bench.state().creates, 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenario_key_never_shown() {
    let bench = Bench::with(
        Sandbox::builder().min_job_duration(Duration::from_millis(50)),
        &[],
    )
    .await;
    let wrong = format!("{KEY}-wrong");
    let client = bench.builder().api_key(&wrong).build().unwrap();
    let error = client.generate(request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth);
    let right = bench.client();
    let job = right.generate(request()).start().await.unwrap();
    let clip = job.wait().await.unwrap();
    let frame = right.frame(&clip, FramePosition::First).await.unwrap();
    let family = right.library().family(&clip).await.unwrap();
    let shown = [
        format!("{error} {error:?}"),
        format!("{client:?} {right:?} {:?}", right.library()),
        format!("{job:?} {clip:?} {frame:?} {family:?}"),
    ];
    for text in &shown {
        assert!(!text.contains(KEY), "{text}");
    }
    let program = Program::at(&bench).args(["generate", "a gull", "--duration", "1", "--verbose"]);
    let ran = program.env("REELKIN_LOG", "trace").run().await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        !ran.stdout.contains(KEY) && !ran.stderr.contains(KEY),
        "the key was shown"
    );
    let mut folders = vec![bench.library()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
                assert!(!text.contains(KEY), "{}", path.display());
            }
        }
    }
}

/// Neither the list nor its tests can grow alone.
#[test]
fn every_scenario_of_the_list_has_its_test() {
    let list = include_str!("../../../bindings/SCENARIOS.md");
    let tests = include_str!("scenarios.rs");
    let rows = list
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let mut count = 0;
    for name in rows {
        assert!(tests.contains(&format!("async fn scenario_{name}()")), "{name}");
        count += 1;
    }
    assert_eq!(count, tests.matches("async fn scenario_").count() - 2);
}

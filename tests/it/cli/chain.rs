//! `reelkin chain`: its output, its exit codes, and kills in the middle.

#![cfg(feature = "cli")]

use serde_json::{Value, json};

use crate::support::bench::{Bench, PENDING, wait_until};
use crate::support::program::{Program, finish, kill};

const FILM: [&str; 10] = [
    "chain",
    "a lighthouse at dusk",
    "the lamp turns on",
    "a ship answers",
    "--duration",
    "1",
    "--resolution",
    "480p",
    "--name",
    "film",
];

fn chain_record(bench: &Bench) -> Value {
    let path = bench.library().join("chains/film.json");
    std::fs::read(path).map_or(Value::Null, |json| serde_json::from_slice(&json).unwrap())
}

/// Waits until the document of the chain is as wanted.
async fn wait_for_chain(bench: &Bench, what: &str, wanted: impl Fn(&Value) -> bool + Send + Sync) {
    let describe = || format!("{what}: {}", chain_record(bench));
    wait_until(describe, async || wanted(&chain_record(bench))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chain_prints_its_clips_costs_and_drift() {
    let bench = Bench::start(&[]).await;
    let ran = Program::at(&bench)
        .args(FILM)
        .args(["--budget", "1.00", "-d", "copies", "--json"])
        .run()
        .await;
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    let told = ran.json();
    assert_eq!(told["chain"], "film");
    let clips = told["clips"].as_array().unwrap();
    assert_eq!(clips.len(), 3, "{told}");
    let costs: u64 = clips
        .iter()
        .map(|clip| clip["cost_usd_ticks"].as_u64().unwrap())
        .sum();
    assert!(
        told["cost_usd_ticks"].as_u64().unwrap() > costs,
        "planning costs too: {told}"
    );
    assert_eq!(told["drift"][0], Value::Null);
    for drift in &told["drift"].as_array().unwrap()[1..] {
        for field in ["colour_delta", "contrast_ratio", "sharpness_ratio"] {
            assert!(drift[field].is_f64(), "{told}");
        }
    }
    assert!(
        clips
            .iter()
            .all(|clip| bench.folder.path().join(clip["copy"].as_str().unwrap()).is_file())
    );
    assert_eq!(bench.state().creates, 3);

    // Output for a person, with nothing left to make.
    let ran = Program::at(&bench).args(FILM).run().await;
    assert_eq!((ran.code, bench.state().creates), (0, 3), "{ran:?}");
    assert_eq!(
        ran.stdout.matches("drift from clip 0: color").count(),
        2,
        "{ran:?}"
    );
    assert!(
        ran.stdout.lines().last().unwrap().starts_with("chain film  $0."),
        "{ran:?}"
    );
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_killed_after_a_submit_sends_nothing_twice_when_repeated() {
    let bench = Bench::start(&[&format!("{PENDING},prompt=lamp")]).await;
    let child = Program::at(&bench).args(FILM).spawn();
    wait_for_chain(&bench, "the job of clip 1", |record| {
        record["steps"][1]["job_id"].is_string()
    })
    .await;
    kill(child).await;
    bench.end_pending();
    assert_eq!(bench.state().creates, 2);

    let ran = Program::at(&bench).args(FILM).run().await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let job = bench.state().jobs[1].id.clone();
    assert!(ran.stderr.contains(&format!("resuming job {job}")), "{ran:?}");
    assert_eq!(bench.state().create_requests, 3);
    // The clip that was picked up has the same fields as an uninterrupted one.
    let clips = bench.clips();
    let (picked, whole) = (&clips[1].sidecar, &clips[2].sidecar);
    assert_eq!(picked["reelkin"]["job_id"], job.as_str());
    assert_eq!(picked["userPrompt"], "the lamp turns on");
    // The planned prompt was sent, and it was planned once.
    assert_eq!(picked["prompt"], bench.state().jobs[1].prompt.as_str());
    assert!(picked["reelkin"]["planner"]["model"].is_string(), "{picked}");
    let fields = |sidecar: &Value| -> Vec<String> {
        sidecar["reelkin"].as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(fields(picked), fields(whole));
    assert_eq!(
        picked["reelkin"]["parents"][0]["id"],
        clips[0].path.file_stem().unwrap().to_str().unwrap()
    );
    assert!(
        picked["reelkin"]["parents"][0]["frame"]["sha256"].is_string(),
        "{picked}"
    );
    assert!(picked["reelkin"]["delivery"]["start"].is_object(), "{picked}");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_killed_during_a_create_does_not_send_it_again() {
    let bench = Bench::start(&["create:delay=30,after=1"]).await;
    let child = Program::at(&bench).args(FILM).spawn();
    wait_for_chain(&bench, "clip 1 on its way", |record| {
        record["steps"][1]["state"] == "sending"
    })
    .await;
    bench
        .until("the create", |state| state.create_requests == 2)
        .await;
    kill(child).await;

    for args in [
        &FILM[..],
        &["chain", "--resume", "film"],
        &["chain", "--resume", "film", "other words"],
    ] {
        let ran = Program::at(&bench).args(args).arg("--json").run().await;
        assert_eq!(ran.code, 3, "{ran:?}");
        let told = ran.json();
        assert_eq!(told["error"]["code"], "submission_unknown");
        assert_eq!(told["error"]["retry_advice"], "check_account");
        assert_eq!(
            (&told["chain"], told["clips"].as_array().unwrap().len()),
            (&json!("film"), 1),
            "{told}"
        );
        assert_eq!(bench.state().create_requests, 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_submission_stops_the_chain() {
    let bench = Bench::start(&["create:lost-reply,prompt=ship"]).await;
    for creates in [3, 3] {
        let ran = Program::at(&bench).args(FILM).arg("--json").run().await;
        assert_eq!(ran.code, 3, "{ran:?}");
        let told = ran.json();
        assert_eq!(told["steps"][2]["state"], "unknown", "{told}");
        assert_eq!(bench.state().creates, creates);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_moderated_step_stops_the_chain_until_its_prompt_changes() {
    let bench = Bench::start(&["moderated=400,prompt=lamp"]).await;
    let ran = Program::at(&bench).args(FILM).run().await;
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(
        ran.stderr.contains("1 of 3 clips done") && ran.stderr.contains("reelkin chain --resume film"),
        "{ran:?}"
    );
    let requests = bench.state().create_requests;
    for args in [&FILM[..], &["chain", "--resume", "film"]] {
        let ran = Program::at(&bench).args(args).arg("--json").run().await;
        assert_eq!(ran.code, 4, "{ran:?}");
        let told = ran.json();
        assert_eq!(told["error"]["code"], "moderated");
        assert_eq!(told["error"]["may_have_been_charged"], "no");
        assert_eq!(
            (&told["chain"], &told["steps"][1]["state"]),
            (&json!("film"), &json!("failed")),
            "{told}"
        );
        assert_eq!(told["clips"].as_array().unwrap().len(), 1);
    }
    assert_eq!(
        bench.state().create_requests,
        requests,
        "the same is not sent again"
    );
    let ran = Program::at(&bench)
        .args([
            "chain",
            "--resume",
            "film",
            "dawn breaks",
            "gulls cry",
            "--duration",
            "1",
            "--resolution",
            "480p",
            "--json",
        ])
        .run()
        .await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.json()["clips"].as_array().unwrap().len(), 3);
    assert_eq!(bench.clips()[1].sidecar["userPrompt"], "dawn breaks");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_too_small_for_the_chain_exits_with_5_and_pays_nothing() {
    let bench = Bench::start(&[]).await;
    let ran = Program::at(&bench)
        .args(FILM)
        .args(["--budget", "0.10", "--json"])
        .run()
        .await;
    assert_eq!(ran.code, 5, "{ran:?}");
    let told = ran.json();
    assert_eq!(
        (&told["error"]["code"], &told["error"]["may_have_been_charged"]),
        (&json!("budget"), &json!("no"))
    );
    assert_eq!(
        (&told["resumable"], &told["clips"]),
        (&json!(false), &json!([])),
        "{told}"
    );
    assert_eq!(bench.state().create_requests, 0);
    assert_eq!(chain_record(&bench), Value::Null);
    for (args, words) in [
        (&["chain"][..], "PROMPT"),
        (&["chain", "x", "--budget", "five"], "\"five\""),
        (&["chain", "x", "--resume", "film", "--video", "y"], "--video"),
        (&["chain", "x", "--duration", "1.5"], "duration"),
    ] {
        let ran = Program::at(&bench).args(args).run().await;
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.stderr.contains(words), "{ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_on_the_same_chain_is_refused() {
    let bench = Bench::start(&[PENDING]).await;
    let child = Program::at(&bench).args(FILM).spawn();
    wait_for_chain(&bench, "the chain", Value::is_object).await;
    let ran = Program::at(&bench).args(FILM).run().await;
    bench.end_pending();
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.line().contains("another process is working on it"), "{ran:?}");
    let ran = tokio::task::spawn_blocking(|| finish(child)).await.unwrap();
    assert_eq!((ran.code, bench.state().creates), (0, 3), "{ran:?}");
}

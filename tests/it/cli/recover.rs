//! `reelkin recover` with a copy that fails after the clip was saved.

#![cfg(feature = "cli")]

use serde_json::json;

use crate::support::program::{Program, bench_with_open_job};

/// Returns the name of a folder that no system can create.
fn long_name() -> String {
    "x".repeat(300)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_copy_is_in_the_json_of_its_clip() {
    let (bench, _) = bench_with_open_job().await;
    let all = Program::at(&bench)
        .args(["recover", "-d", &long_name(), "--json"])
        .run()
        .await;
    let clips = bench.clips();
    let (path, job) = (clips[0].path.canonicalize().unwrap(), clips[0].job_id());
    // Again by its id: the clip is in the library already, and is copied.
    let named = Program::at(&bench)
        .args(["recover", job, "-d", &long_name(), "--json"])
        .run()
        .await;
    for (ran, list) in [(all, "saved"), (named, "jobs")] {
        assert_eq!(ran.code, 1, "{ran:?}");
        let clip = &ran.json()[list][0];
        assert_eq!(
            (&clip["outcome"], &clip["path"]),
            (&json!("done"), &json!(path)),
            "{clip}"
        );
        let error = &clip["error"];
        assert_eq!(
            (
                &error["code"],
                &error["job_id"],
                &error["may_have_been_charged"],
                &error["retry_advice"]
            ),
            (&json!("library"), &json!(job), &json!("yes"), &json!("resume")),
            "{clip}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_copy_is_reported_after_its_saved_clip() {
    let (bench, _) = bench_with_open_job().await;
    let all = Program::at(&bench)
        .args(["recover", "-d", &long_name()])
        .run()
        .await;
    let clips = bench.clips();
    let named = Program::at(&bench)
        .args(["recover", clips[0].job_id(), "-d", &long_name()])
        .run()
        .await;
    let id = clips[0].path.file_stem().unwrap().to_str().unwrap();
    for ran in [all, named] {
        assert_eq!((ran.code, ran.stdout.lines().count()), (1, 1), "{ran:?}");
        assert!(ran.stdout.contains(id), "{ran:?}");
        assert!(
            ran.stderr.contains("reelkin: create folder")
                && ran.stderr.contains(&format!("clip {id} is saved in the library")),
            "{ran:?}"
        );
    }
}

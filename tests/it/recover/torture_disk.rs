//! Disks that are full or read-only, and files that are deleted under a running client.

#![cfg(feature = "cli")]

use std::time::Duration;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use reelkin::library::Library;
use reelkin::sandbox::Sandbox;
use reelkin::{ErrorKind, GenerateRequest, JobEvent, JobState, RetryAdvice, secs};
use serde_json::Value;

use crate::recover::torture_records::{interrupted, reopen};
use crate::support::audit::{JournalFiles, audit, closing_audit, recover, settle};
use crate::support::bench::{Bench, KEY, PENDING};
use crate::support::program::{ProgramOutput, finish};

/// Runs the program with the sandbox and the library of a bench, after some shell commands.
fn program(bench: &Bench, binary: &str, shell: &str, args: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("{shell} exec \"$0\" \"$@\""), binary])
        .args(["--base-url", &bench.sandbox.base_url(), "--library"])
        .arg(bench.library())
        .args(args)
        .current_dir("/")
        .env("HOME", "/")
        .env("XAI_API_KEY", KEY)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for variable in ["REELKIN_LIBRARY", "REELKIN_LOG"] {
        command.env_remove(variable);
    }
    command
}

async fn run(mut command: Command) -> ProgramOutput {
    tokio::task::spawn_blocking(move || finish(command.spawn().unwrap()))
        .await
        .unwrap()
}

fn generate(prompt: &str) -> GenerateRequest {
    GenerateRequest::text(prompt).duration(secs(1))
}

/// Limits the file size to simulate a full disk, at every size that the files of a job have. This needs no
/// privileges. With SIGXFSZ ignored the write fails like any other.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "prints the counts of `make torture`")]
async fn a_disk_that_is_full_at_any_byte_loses_nothing() {
    let sandbox = Sandbox::builder().min_job_duration(Duration::from_millis(20));
    let bench = Bench::with(sandbox, &["render-size=64x64"]).await;
    fs::create_dir(bench.library()).unwrap();
    let (mut refused, mut held_up, mut saved, mut tries) = (0, 0, 0, 0);
    // In blocks of 512 bytes. The length of the prompt varies the sizes in between.
    for blocks in [0, 1, 2, 3, 4, 5, 6, 8, 10, 14, 20, 64] {
        for longer in [0, 170, 340] {
            let prompt = format!("full {blocks} {longer} {}", "x".repeat(longer));
            let shell = format!("trap '' XFSZ; ulimit -f {blocks};");
            let args = ["generate", &prompt, "--duration", "1", "--json"];
            let before = bench.state().creates;
            let ran = run(program(&bench, env!("CARGO_BIN_EXE_reelkin"), &shell, &args)).await;
            tries += 1;
            let made = bench.state().creates - before;
            let told: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"));
            match (ran.code, made) {
                (0, 1) => saved += 1,
                (_, 0) => {
                    assert_eq!(told["error"]["may_have_been_charged"], "no", "{ran:?}");
                    refused += 1;
                }
                (_, 1) => {
                    // It was paid, so the error names the job and the advice.
                    assert!(told["error"]["job_id"].is_string(), "{ran:?}");
                    assert_eq!(told["error"]["retry_advice"], "resume", "{ran:?}");
                    held_up += 1;
                }
                _ => panic!("{made} creates: {ran:?}"),
            }
            audit(&bench.library(), &bench.state());
        }
    }
    assert!(
        refused > 0 && held_up > 0 && saved > 0,
        "{refused} {held_up} {saved}"
    );
    let client = bench.client();
    recover(&client).await;
    settle(client.library(), &bench.state()).await;
    recover(&client).await;
    drop(client);
    let counts = closing_audit(Library::open(bench.library()).unwrap(), &bench.state()).await;
    assert_eq!((counts.saved, counts.failed), (held_up + saved, 0));
    println!(
        "torture: disk: {tries} requests on a disk that fills up: {refused} refused before they were paid, {held_up} saved later, {saved} saved at once"
    );
}

/// Checks that nothing is paid or lost while nothing can be written, and that reading still works.
async fn check_read_only(bench: &Bench, run_in: impl AsyncFn(&[&str]) -> ProgramOutput, reason: &str) {
    for args in [&["generate", "x", "--json"][..], &["recover", "--json"]] {
        let ran = run_in(args).await;
        let told: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"));
        let message = told["error"]["message"]
            .as_str()
            .unwrap_or_else(|| panic!("{ran:?}"));
        assert!(ran.code == 1 && message.contains(reason), "{ran:?}");
    }
    let ran = run_in(&["ls", "--open", "--json"]).await;
    assert_eq!(ran.json()["jobs"].as_array().unwrap().len(), 1, "{ran:?}");
    assert_eq!(bench.state().creates, 1);
    assert_eq!(audit(&bench.library(), &bench.state()).open, 1);
}

async fn check_writable_again(bench: &Bench) {
    recover(&bench.client()).await;
    let counts = closing_audit(Library::open(bench.library()).unwrap(), &bench.state()).await;
    assert_eq!(counts.saved, 1);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_library_without_write_permission_costs_and_loses_nothing() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    use std::os::unix::process::CommandExt as _;

    let (bench, _) = interrupted(1).await;
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    // Permissions do not bind the superuser. The program then runs as `nobody`, from a folder that `nobody` can
    // reach.
    let is_root = fs::metadata(bench.folder.path()).unwrap().uid() == 0;
    mode(bench.folder.path(), 0o755);
    let binary = bench.folder.path().join("reelkin");
    fs::copy(env!("CARGO_BIN_EXE_reelkin"), &binary).unwrap();
    mode(&binary, 0o755);
    mode(&bench.library(), 0o555);
    let run_in = async |args: &[&str]| {
        let mut command = program(&bench, binary.to_str().unwrap(), "", args);
        if is_root {
            command.uid(65_534).gid(65_534);
        }
        run(command).await
    };
    check_read_only(&bench, run_in, "permission is denied").await;
    mode(&bench.library(), 0o755);
    check_writable_again(&bench).await;
}

/// The same on a read-only mount, in a mount namespace if the machine allows it.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stderr, reason = "a variant that cannot run says so")]
async fn a_read_only_mount_costs_and_loses_nothing() {
    let (bench, _) = interrupted(1).await;
    let library = bench.library();
    let library = library.to_str().unwrap();
    let inner = format!(
        "mount --bind '{library}' '{library}' && mount -o remount,ro,bind '{library}' && exec \"$0\" \"$@\""
    );
    let outer = format!(
        "exec unshare --map-root-user --mount sh -c '{}' \"$0\" \"$@\";",
        inner.replace('\'', "'\\''")
    );
    let run_in =
        async |args: &[&str]| run(program(&bench, env!("CARGO_BIN_EXE_reelkin"), &outer, args)).await;
    let probe = run_in(&["--version"]).await;
    if probe.code != 0 {
        eprintln!(
            "NOT RUN: a read-only mount ({}); the test of the library without the right to write stands for it",
            probe.stderr.trim()
        );
        return;
    }
    check_read_only(&bench, run_in, "the disk is read-only").await;
    check_writable_again(&bench).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_deleted_between_two_steps_are_fetched_again() {
    let sandbox = Sandbox::builder().min_job_duration(Duration::from_millis(20));
    let bench = Bench::with(sandbox, &["render-size=64x64"]).await;
    let library = bench.library();
    let client = bench.client();
    // A crash happened before the record was closed. These files were deleted meanwhile:
    let deleted: [&[&str]; 5] = [
        &[],
        &["*.mp4"],
        &["*.mp4.json"],
        &["*.mp4", "*.mp4.json"],
        &[".incoming", "*.mp4"],
    ];
    for (number, names) in deleted.iter().enumerate() {
        let clip = client
            .generate(generate(&format!("deleted {number}")))
            .await
            .unwrap();
        let job = bench.state().jobs.last().unwrap().id.clone();
        let record = JournalFiles::read(&library)
            .settled
            .into_values()
            .find(|record| record.job_id.as_deref() == Some(&job));
        reopen(&library, &record.unwrap().id);
        for name in *names {
            let path = library.join(name.replace('*', clip.id.as_str()));
            if path.is_dir() {
                fs::remove_dir_all(path).unwrap();
            } else {
                fs::remove_file(path).unwrap();
            }
        }
        let recovered = bench.client().recover().await.unwrap();
        assert_eq!(recovered.saved.len(), 1, "{names:?}: {recovered:?}");
        assert_eq!(recovered.saved[0].id, clip.id, "{names:?}");
    }
    // The sidecar of another clip blocks the name. It must not be removed.
    let clip = client.generate(generate("in the way")).await.unwrap();
    let job = bench.state().jobs.last().unwrap().id.clone();
    let record = JournalFiles::read(&library)
        .settled
        .into_values()
        .find(|record| record.job_id.as_deref() == Some(&job));
    let record = record.unwrap().id;
    reopen(&library, &record);
    fs::remove_file(library.join(clip.id.file_name())).unwrap();
    let sidecar = library.join(clip.id.sidecar_name());
    let whole = fs::read_to_string(&sidecar).unwrap();
    fs::write(&sidecar, whole.replace(&job, "another")).unwrap();
    let recovered = bench.client().recover().await.unwrap();
    assert_eq!(recovered.open.len(), 1, "{recovered:?}");
    assert_eq!(recovered.open[0].failure().unwrap().kind(), ErrorKind::Library);
    assert!(fs::read_to_string(&sidecar).unwrap().contains("another"));
    fs::remove_file(&sidecar).unwrap();
    assert_eq!(bench.client().recover().await.unwrap().saved.len(), 1);
    drop(client);
    let counts = closing_audit(Library::open(&library).unwrap(), &bench.state()).await;
    assert_eq!((counts.saved, bench.state().creates), (6, 6));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn folders_deleted_under_a_running_client_lose_no_clip() {
    let sandbox = Sandbox::builder().min_job_duration(Duration::from_millis(300));
    let bench = Bench::with(sandbox, &["render-size=64x64", "slow-body=30000"]).await;
    let library = bench.library();
    for (number, (folder, downloading)) in [
        ("jobs", false),
        ("jobs", true),
        ("jobs/owners", false),
        ("ledger", false),
        (".incoming", false),
    ]
    .into_iter()
    .enumerate()
    {
        let client = bench.client();
        client
            .generate(generate(&format!("before {number}")))
            .await
            .unwrap();
        let job = client
            .generate(generate(&format!("under {number}")))
            .start()
            .await
            .unwrap();
        let mut events = job.events();
        let mut ledger = None;
        while let Some(event) = events.next().await {
            let now = if downloading {
                matches!(event, JobEvent::Downloading { .. })
            } else {
                matches!(event, JobEvent::Submitted { .. })
            };
            if now {
                // The deleted ledger is restored here for the audit.
                let kept = bench.folder.path().join(format!("kept-{number}"));
                fs::rename(library.join(folder), &kept).unwrap();
                ledger = (folder == "ledger").then_some(kept);
                break;
            }
        }
        let clip = job
            .wait()
            .await
            .unwrap_or_else(|error| panic!("{folder}: {error}"));
        assert!(clip.record.is_some(), "{folder}");
        if let Some(kept) = ledger {
            for day in fs::read_dir(kept).unwrap().flatten() {
                for entry in fs::read_dir(day.path()).unwrap().flatten() {
                    fs::copy(
                        entry.path(),
                        library
                            .join("ledger")
                            .join(day.file_name())
                            .join(entry.file_name()),
                    )
                    .unwrap();
                }
            }
        }
        let id = job.id().to_string();
        let books = JournalFiles::read(&library);
        let record = books.all().find(|record| record.job_id.as_deref() == Some(&id));
        assert_eq!(record.unwrap().state, JobState::Saved, "{folder}");
    }
    let counts = closing_audit(Library::open(&library).unwrap(), &bench.state()).await;
    assert_eq!((counts.saved, bench.state().creates), (10, 10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_library_deleted_under_a_running_client_still_reports_the_job_id() {
    let sandbox = Sandbox::builder().min_job_duration(Duration::from_millis(100));
    let bench = Bench::with(sandbox, &["render-size=64x64", PENDING]).await;
    let job = bench
        .client()
        .generate(generate("all gone"))
        .start()
        .await
        .unwrap();
    let id = job.id().to_string();
    fs::remove_dir_all(bench.library()).unwrap();
    bench.end_pending();
    let error = job.wait().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.job_id(), error.retry_advice()),
        (ErrorKind::NotFound, Some(id.as_str()), RetryAdvice::Resume),
        "{error}"
    );
    let clip = bench.client().job(&id).unwrap().wait().await.unwrap();
    assert!(clip.path.unwrap().is_file());
    assert_eq!(bench.state().creates, 1);
}

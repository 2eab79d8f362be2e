//! The verbs of the program: their output, their JSON and their exit codes.

#![cfg(feature = "cli")]

use std::io::{BufRead as _, BufReader};

use bytes::Bytes;
use reelkin::media::{FramePosition, MediaOptions, MediaSource, frame};
use reelkin::{ContinueRequest, secs};
use serde_json::{Value, json};

use crate::support::bench::{Bench, KEY, real_clip, request};
use crate::support::http_server::{Answer, Server};
use crate::support::program::{GENERATE, Program, bench_with_open_job, finish};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn generate_prints_the_path_of_the_clip() {
    let bench = Bench::start(&[]).await;
    let ran = Program::at(&bench).args(GENERATE).run().await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let clips = bench.clips();
    let line = ran.stdout.lines().next().unwrap();
    assert!(
        line.ends_with("$0.05") && line.contains(clips[0].path.file_name().unwrap().to_str().unwrap()),
        "{line}"
    );
    let id = &bench.state().jobs[0].id;
    assert!(ran.stderr.contains(id), "{ran:?}");
    assert!(
        !ran.stderr.contains("WARN") && !ran.stderr.contains("ERROR"),
        "{ran:?}"
    );

    let ran = Program::at(&bench).args(GENERATE).arg("--json").run().await;
    let clip = ran.json();
    assert_eq!(ran.stderr, "");
    for field in [
        "id",
        "path",
        "sidecar",
        "operation",
        "job_id",
        "cost_usd_ticks",
        "delivery",
    ] {
        assert!(!clip[field].is_null(), "{field}: {clip}");
    }
    assert_eq!(clip["operation"], "generate");
    assert_eq!(clip["cost_usd_ticks"], 500_000_000);
    assert_eq!(clip["job_id"], bench.state().jobs[1].id.as_str());
    assert_eq!(clip["delivery"]["findings"], json!([]));
    let sidecar: Value =
        serde_json::from_slice(&std::fs::read(clip["sidecar"].as_str().unwrap()).unwrap()).unwrap();
    assert_eq!(sidecar["reelkin"]["job_id"], clip["job_id"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_are_written_to_the_given_paths() {
    let bench = Bench::start(&[]).await;
    let at = |name: &str| bench.folder.path().join(name);
    std::fs::write(at("old.mp4"), "old").unwrap();
    let ran = Program::at(&bench)
        .args(GENERATE)
        .args(["-o", "old.mp4", "--json"])
        .run()
        .await;
    let clip = ran.json();
    let bytes = std::fs::read(clip["path"].as_str().unwrap()).unwrap();
    assert_eq!(std::fs::read(at("old.mp4")).unwrap(), bytes);
    assert!(clip["copy"].as_str().unwrap().ends_with("old.mp4"), "{clip}");
    let ran = Program::at(&bench)
        .args(GENERATE)
        .args(["-d", "new/folder", "--json"])
        .run()
        .await;
    let clip = ran.json();
    let copy = at("new/folder").join(format!("{}.mp4", clip["id"].as_str().unwrap()));
    assert!(copy.is_file(), "{clip}");
    assert_eq!(bench.clips().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_copy_still_reports_the_saved_clip() {
    let bench = Bench::start(&[]).await;
    let long = format!("{}.mp4", "x".repeat(300));
    let ran = Program::at(&bench)
        .args(GENERATE)
        .args(["-o", &long, "--json"])
        .run()
        .await;
    assert_eq!(ran.code, 1, "{ran:?}");
    let told = ran.json();
    assert_eq!(told["error"]["may_have_been_charged"], "yes", "{told}");
    assert_eq!(told["error"]["job_id"], bench.state().jobs[0].id.as_str());
    assert_eq!(
        told["clip"]["path"].as_str().unwrap(),
        bench.clips()[0].path.canonicalize().unwrap().to_str().unwrap()
    );
    let ran = Program::at(&bench).args(GENERATE).args(["-o", &long]).run().await;
    assert_eq!((ran.code, ran.stdout.lines().count()), (1, 1), "{ran:?}");
    assert!(
        ran.stderr.contains("reelkin: ") && bench.clips().len() == 2,
        "{ran:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exit_codes_distinguish_kinds_of_failure() {
    for (fault, exit, code, charged, advice) in [
        (
            "create:lost-reply",
            3,
            "submission_unknown",
            "unknown",
            "check_account",
        ),
        ("create:503", 3, "submission_unknown", "unknown", "check_account"),
        ("moderated=400", 4, "moderated", "yes", "change"),
        ("moderated=null", 4, "moderated", "yes", "change"),
        ("failed=internal_error", 1, "job_failed", "unknown", "wait"),
        ("expired", 1, "job_expired", "unknown", "change"),
        ("create:status=401", 1, "auth", "no", "change"),
        ("create:429-credits=0", 1, "rate_limited", "no", "change"),
        ("redirect", 1, "protocol", "yes", "resume"),
    ] {
        let bench = Bench::start(&[fault]).await;
        let ran = Program::at(&bench).args(GENERATE).arg("--json").run().await;
        assert_eq!(ran.code, exit, "{fault}: {ran:?}");
        let error = &ran.json()["error"];
        assert_eq!(error["code"], code, "{fault}: {error}");
        assert_eq!(error["may_have_been_charged"], charged, "{fault}: {error}");
        assert_eq!(error["retry_advice"], advice, "{fault}: {error}");
        let job = bench.state().jobs.first().map(|job| job.id.clone());
        let told = error["job_id"].as_str().map(str::to_owned);
        assert_eq!(told, job.filter(|_| exit != 3), "{fault}: {error}");
        assert_eq!(ran.stderr, "", "{fault}");
        assert!(bench.clips().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timeout_names_recover_which_saves_the_clip() {
    let (bench, ran) = bench_with_open_job().await;
    let id = bench.state().jobs[0].id.clone();
    assert!(ran.stderr.contains(&format!("reelkin recover {id}")), "{ran:?}");

    let ran = Program::at(&bench)
        .args(["recover", &id, "-o", "copy.mp4"])
        .run()
        .await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(bench.folder.path().join("copy.mp4").is_file());
    assert_eq!((bench.clips().len(), bench.state().creates), (1, 1));

    // Again, with an unknown job: each is reported, and the last failure is the exit code.
    let unknown = "00000000-0000-4000-8000-000000000000";
    let ran = Program::at(&bench)
        .args(["recover", unknown, &id, "--json"])
        .run()
        .await;
    assert_eq!(ran.code, 1, "{ran:?}");
    let jobs = ran.json()["jobs"].clone();
    assert_eq!(jobs[0]["error"]["code"], "not_found");
    assert_eq!(jobs[0]["error"]["job_id"], unknown);
    assert_eq!(jobs[1]["job_id"], id.as_str());
    assert_eq!(bench.clips().len(), 1);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ctrl_c_stops_waiting_and_names_the_job() {
    let bench = Bench::start(&["stalled"]).await;
    let mut child = Program::at(&bench).args(GENERATE).spawn();
    let stderr = child.stderr.take().unwrap();
    let ran = tokio::task::spawn_blocking(move || {
        let mut lines = BufReader::new(stderr).lines();
        // By then the program handles the signal.
        while !lines.next().unwrap().unwrap().starts_with("rendering") {}
        let sent = std::process::Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
        let rest: Vec<String> = lines.map(Result::unwrap).collect();
        let mut ran = finish(child);
        ran.stderr = rest.join("\n");
        ran
    })
    .await
    .unwrap();
    assert_eq!(ran.code, 130, "{ran:?}");
    let id = &bench.state().jobs[0].id;
    assert!(
        ran.stderr.contains("stopped") && ran.stderr.contains(&format!("reelkin recover {id}")),
        "{ran:?}"
    );
    assert!(bench.clips().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_are_written_at_every_position() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("clip.mp4"), real_clip().await).unwrap();
    let rows: [(&[&str], &str, u64); 6] = [
        (&[], "clip-last.png", 23),
        (&["--last"], "clip-last.png", 23),
        (&["--first"], "clip-first.png", 0),
        (&["--position", "0.5"], "clip-0.5s.png", 12),
        (&["--number", "7"], "clip-7.png", 7),
        (
            &["--number", "7", "-o", "seven.jpg", "--quality", "80"],
            "seven.jpg",
            7,
        ),
    ];
    for (args, name, number) in rows {
        let ran = Program::in_folder(folder.path())
            .args(["frame", "clip.mp4", "--json"])
            .args(args)
            .run()
            .await;
        assert_eq!(ran.code, 0, "{ran:?}");
        let frame = ran.json();
        assert_eq!(
            (frame["path"].as_str(), frame["number"].as_u64()),
            (Some(name), Some(number)),
            "{frame}"
        );
        let size = imagesize::size(folder.path().join(name)).unwrap();
        assert_eq!(
            (json!(size.width), json!(size.height)),
            (frame["width"].clone(), frame["height"].clone())
        );
        let bytes = std::fs::read(folder.path().join(name)).unwrap();
        assert_eq!(bytes.starts_with(b"\xff\xd8"), name.ends_with("jpg"));
    }
    let ran = Program::in_folder(folder.path())
        .args(["frame", "clip.mp4"])
        .run()
        .await;
    assert_eq!(ran.stdout, "clip-last.png\n");
    let ran = Program::in_folder(folder.path())
        .args(["probe", "clip.mp4", "--json"])
        .run()
        .await;
    let facts = ran.json();
    assert_eq!(
        (&facts["video"]["width"], &facts["video"]["frames"]),
        (&json!(848), &json!(24)),
        "{facts}"
    );
    let ran = Program::in_folder(folder.path())
        .args(["probe", "clip.mp4"])
        .run()
        .await;
    assert!(
        ran.stdout.contains("848 x 480") && ran.stdout.contains("aac"),
        "{ran:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_library_clip_is_found_by_id_file_name_and_path() {
    let bench = Bench::start(&[]).await;
    let clip = Program::at(&bench)
        .args(GENERATE)
        .arg("--json")
        .run()
        .await
        .json();
    let id = clip["id"].as_str().unwrap();
    for name in [
        id.to_owned(),
        format!("{id}.mp4"),
        clip["path"].as_str().unwrap().to_owned(),
    ] {
        let ran = Program::at(&bench).args(["probe", &name, "--json"]).run().await;
        assert_eq!(ran.json()["video"]["frames"], 24, "{name}: {ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ls_lists_pages_newest_first() {
    let bench = Bench::start(&[]).await;
    let mut made = Vec::new();
    for number in 0..3 {
        let prompt = format!("boat {number}");
        let ran = Program::at(&bench)
            .args(["generate", &prompt, "--duration", "1", "--json"])
            .run()
            .await;
        made.push(ran.json()["id"].as_str().unwrap().to_owned());
    }
    made.reverse();
    let ran = Program::at(&bench).args(["ls", "-n", "2", "--json"]).run().await;
    let page = ran.json();
    let ids = |page: &Value| -> Vec<String> {
        let clips = page["clips"].as_array().unwrap();
        clips
            .iter()
            .map(|clip| clip["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(ids(&page), made[..2]);
    assert_eq!(page["next"], made[1].as_str());
    assert_eq!(page["clips"][0]["prompt"], "boat 2");
    let ran = Program::at(&bench)
        .args(["ls", "-n", "2", "--json", "--before", &made[1]])
        .run()
        .await;
    let page = ran.json();
    assert_eq!((ids(&page), &page["next"]), (made[2..].to_vec(), &Value::Null));
    let ran = Program::at(&bench).args(["ls", "-n", "1"]).run().await;
    assert!(
        ran.stdout.contains("boat 2") && ran.stdout.lines().count() == 1,
        "{ran:?}"
    );
    assert!(
        ran.stderr.contains(&format!("reelkin ls --before {}", made[0])),
        "{ran:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn models_prints_the_table() {
    let ran = Program::bare().arg("models").run().await;
    for word in [
        "grok-imagine-video-1.5-lite",
        "1080p",
        "$0.05",
        "eve",
        "https://docs.x.ai",
    ] {
        assert!(ran.stdout.contains(word), "{word}: {ran:?}");
    }
    let table = Program::bare().args(["models", "--json"]).run().await.json();
    assert_eq!(table["models"].as_array().unwrap().len(), 3, "{table}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_distinguishes_valid_keys_wrong_keys_and_unreachable_hosts() {
    let bench = Bench::start(&[]).await;
    let checks = |report: &Value| -> Vec<(String, bool)> {
        let checks = report["checks"].as_array().unwrap();
        let one = |check: &Value| {
            (
                check["name"].as_str().unwrap().to_owned(),
                check["ok"].as_bool().unwrap(),
            )
        };
        checks.iter().map(one).collect()
    };
    let expect = |states: [bool; 5]| -> Vec<(String, bool)> {
        let names = ["libav", "library", "key", "service", "models"].map(str::to_owned);
        names.into_iter().zip(states).collect()
    };
    let ran = Program::at(&bench).args(["doctor", "--json"]).run().await;
    assert_eq!((ran.code, checks(&ran.json())), (0, expect([true; 5])), "{ran:?}");

    let ran = Program::at(&bench)
        .env("XAI_API_KEY", "xai-WRONG-0123456789")
        .args(["doctor", "--json"])
        .run()
        .await;
    assert_eq!(
        (ran.code, checks(&ran.json())),
        (1, expect([true, true, false, true, false])),
        "{ran:?}"
    );
    assert!(
        !ran.stdout.contains("WRONG") && ran.stdout.contains("API key is wrong"),
        "{ran:?}"
    );

    let dead = Program::bare().env("XAI_API_KEY", KEY).args([
        "doctor",
        "--json",
        "--base-url",
        "http://127.0.0.1:1/v1",
    ]);
    let ran = dead.run().await;
    assert_eq!(
        (ran.code, checks(&ran.json())),
        (1, expect([true, true, false, false, false])),
        "{ran:?}"
    );

    let ran = Program::bare().arg("doctor").run().await;
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.stdout.contains("FAIL  key") && ran.stdout.contains("XAI_API_KEY"),
        "{ran:?}"
    );
    assert_eq!(bench.state().create_requests, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_built_in_sandbox_needs_no_key() {
    let ran = Program::bare()
        .args(GENERATE)
        .args(["--sandbox", "--json"])
        .run()
        .await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.json()["operation"], "generate");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn help_and_version_exit_with_0() {
    for args in [
        &["--help"][..],
        &["generate", "--help"],
        &["sandbox", "--help"],
        &["--version"],
    ] {
        let ran = Program::bare().args(args).run().await;
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{args:?}");
        assert!(!ran.stdout.is_empty());
    }
}

// Requirement: ima2-gen 1.1.21, `video frame`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frame_writes_a_png_of_the_last_frame_or_of_a_position() {
    let bench = Bench::start(&[]).await;
    let clip = bench.client().generate(request()).await.unwrap();
    let out = bench.folder.path().join("frame.png");
    for which in [&["--last"][..], &["--position", "0.5"], &[]] {
        let mut args = vec!["frame", clip.file_name.as_str(), "-o", out.to_str().unwrap()];
        args.extend(which);
        assert_eq!(Program::at(&bench).args(&args).run().await.code, 0);
        let png = frame(
            MediaSource::from(&out),
            FramePosition::First,
            &MediaOptions::default(),
        )
        .unwrap();
        assert_eq!(png.height(), 480);
    }
    let both = ["frame", clip.file_name.as_str(), "--last", "--position", "1"];
    assert_eq!(Program::at(&bench).args(both).run().await.code, 2);
}

// Requirement: ima2-gen 1.1.21, `ls`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ls_lists_saved_clips_with_their_continuity() {
    let bench = Bench::start(&[]).await;
    let client = bench.client();
    let parent = client.generate(request()).await.unwrap();
    client
        .continue_from(&parent, ContinueRequest::new("on").duration(secs(1)))
        .await
        .unwrap();
    let ran = Program::at(&bench).args(["ls", "--json"]).run().await;
    let listed = ran.json()["clips"].clone();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert_eq!(
        listed[0]["video_continuity"]["parentFilename"],
        parent.file_name.as_str()
    );
}

// Requirement: field study of other clients, report 38.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_distinguishes_a_wrong_key_from_a_wrong_base_url() {
    let bench = Bench::start(&[]).await;
    let doctor = || Program::at(&bench).args(["doctor", "--json"]);
    let ran = doctor().run().await;
    assert_eq!((ran.code, &ran.json()["ok"]), (0, &true.into()), "{ran:?}");
    let check = |ran: &crate::support::program::ProgramOutput, name: &str| {
        let report = ran.json();
        let checks = report["checks"].as_array().unwrap();
        checks.iter().find(|check| check["name"] == name).unwrap().clone()
    };
    let ran = doctor().env("XAI_API_KEY", "grok-com-session-token").run().await;
    let (key, service) = (check(&ran, "key"), check(&ran, "service"));
    assert_eq!(
        (&key["ok"], &service["ok"]),
        (&false.into(), &true.into()),
        "{ran:?}"
    );
    assert!(
        key["advice"].as_str().unwrap().contains("https://console.x.ai"),
        "{key}"
    );
    // A web page instead of the API.
    let page = Server::start(Bytes::new(), |_, _| Some(Answer::new(200, "<html></html>"))).await;
    let program = Program::in_folder(bench.folder.path()).env("XAI_API_KEY", "xai-0123456789");
    let ran = program
        .args(["doctor", "--json", "--base-url", &page.base_url()])
        .run()
        .await;
    assert_eq!(
        (ran.code, &check(&ran, "service")["ok"]),
        (1, &false.into()),
        "{ran:?}"
    );
    assert_eq!(bench.state().create_requests, 0);
}

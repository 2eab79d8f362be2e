//! Bad input: one clear line that names what would be right, the right exit code, and nothing written or paid.

#![cfg(feature = "cli")]

use std::time::Duration;

use std::path::Path;

use reelkin::sandbox::Sandbox;

use crate::support::bench::{Bench, KEY, real_clip};
use crate::support::clips;
use crate::support::program::{GENERATE, Program, ProgramOutput};

/// Runs a call that must be refused, with and without `--json`. The message must contain all words.
async fn refused(bench: &Bench, args: &[&str], code: i32, words: &[&str]) {
    let before = listing(bench.folder.path());
    let ran = Program::at(bench).args(args).run().await;
    check(args, &ran, code, ran.line(), words);
    assert!(ran.stdout.is_empty(), "{args:?}: {ran:?}");

    let ran = Program::at(bench).args(args).arg("--json").run().await;
    let error = ran.json()["error"].clone();
    let line = error["message"]
        .as_str()
        .unwrap_or_else(|| panic!("{args:?}: {ran:?}"))
        .to_owned();
    check(args, &ran, code, &line, words);
    assert!(ran.stderr.is_empty(), "{args:?}: {ran:?}");
    for field in ["code", "may_have_been_charged", "retry_advice"] {
        assert!(error[field].is_string(), "{args:?}: {error}");
    }
    assert_eq!(error["may_have_been_charged"], "no", "{args:?}");
    assert_eq!(bench.state().create_requests, 0, "{args:?}");
    assert_eq!(
        listing(bench.folder.path()),
        before,
        "{args:?}: something was written"
    );
}

fn check(args: &[&str], ran: &ProgramOutput, code: i32, line: &str, words: &[&str]) {
    assert_eq!(ran.code, code, "{args:?}: {ran:?}");
    for word in words {
        assert!(line.contains(word), "{args:?}: no {word:?} in {line:?}");
    }
    assert!(!line.contains('\n') && line.len() < 500, "{args:?}: {line:?}");
    assert!(!ran.stdout.contains(KEY) && !ran.stderr.contains(KEY), "{args:?}");
}

/// Returns every file below a folder, with its size.
fn listing(folder: &Path) -> Vec<(String, u64)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let about = entry.metadata().unwrap();
        if about.is_dir() {
            all.extend(listing(&entry.path()));
        } else {
            all.push((entry.path().display().to_string(), about.len()));
        }
    }
    all.sort();
    all
}

async fn prepared_bench() -> Bench {
    let bench = Bench::with(
        Sandbox::builder().min_job_duration(Duration::from_millis(100)),
        &[],
    )
    .await;
    let at = |name: &str| bench.folder.path().join(name);
    std::fs::create_dir(at("folder")).unwrap();
    std::fs::write(at("empty.png"), "").unwrap();
    std::fs::write(at("words.png"), "this is no picture").unwrap();
    std::fs::write(at("words.mp4"), "this is no clip").unwrap();
    std::fs::write(at("empty.mp4"), "").unwrap();
    std::fs::write(at("dot.png"), include_bytes!("../../fixtures/dot.png")).unwrap();
    std::fs::write(at("huge.png"), png_header(40_000, 40_000)).unwrap();
    let clip = real_clip().await;
    std::fs::write(at("half.mp4"), &clip[..clip.len() / 2]).unwrap();
    std::fs::write(at("half.png"), &include_bytes!("../../fixtures/dot.png")[..40]).unwrap();
    bench
}

/// Returns a PNG that ends after its header, which declares this size.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    png.extend(width.to_be_bytes());
    png.extend(height.to_be_bytes());
    png.extend([8, 2, 0, 0, 0]);
    let crc = png[12..].iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 * (crc & 1))
        })
    });
    png.extend((!crc).to_be_bytes());
    png
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_arguments_are_refused_before_anything_is_sent() {
    let bench = prepared_bench().await;
    let long = "x".repeat(4097);
    let rows: &[(&[&str], &[&str])] = &[
        (&["generate", ""], &["prompt", "blank"]),
        (&["generate", " \t "], &["prompt", "blank"]),
        (&["generate"], &["prompt", "blank"]),
        (&["generate", &long], &["prompt", "4097", "4096"]),
        (
            &["generate", "a boat", "--duration", "0"],
            &["duration", "whole number"],
        ),
        (
            &["generate", "a boat", "--duration", "16"],
            &["duration 16", "1 to 15"],
        ),
        (
            &["generate", "a boat", "--duration", "2.5"],
            &["duration 2.5", "whole"],
        ),
        (
            &["generate", "a boat", "--duration", "abc"],
            &["abc", "--duration", "seconds"],
        ),
        (&["generate", "a boat", "--duration=-1"], &["-1", "--duration"]),
        (
            &["generate", "a boat", "--duration", "NaN"],
            &["NaN", "--duration"],
        ),
        (
            &["generate", "a boat", "--duration", "1e400"],
            &["1e400", "--duration"],
        ),
        (
            &["generate", "a boat", "--resolution", "1080p"],
            &["resolution 1080p", "480p or 720p"],
        ),
        (
            &["generate", "a boat", "--resolution", "tiny"],
            &["resolution tiny", "480p or 720p"],
        ),
        (
            &["generate", "a boat", "--aspect-ratio", "7:1"],
            &["aspect_ratio 7:1", "16:9"],
        ),
        (&["generate", "a boat", "--voice", "eve"], &["voices"]),
        (&["generate", "a boat", "--colour", "red"], &["--colour"]),
        (&["generate", "a boat", "a ship"], &["a ship"]),
        (
            &["generate", "a boat", "--timeout", "soon"],
            &["soon", "--timeout"],
        ),
        (
            &["generate", "a boat", "--timeout", "1e19"],
            &["1e19", "--timeout", "year"],
        ),
        (
            &["chain", "a boat", "--timeout", "1e19"],
            &["1e19", "--timeout", "year"],
        ),
        (
            &["recover", "--timeout", "31536001"],
            &["31536001", "--timeout", "year"],
        ),
        (
            &["generate", "a boat", "--upload-url", "https://b.example/x"],
            &["--fetch-url"],
        ),
        (
            &["generate", "a boat", "--keyframe", "dot.png"],
            &["keyframe", "SECONDS=FILE"],
        ),
        (
            &["generate", "a boat", "--keyframe", "x=dot.png"],
            &["keyframe", "SECONDS=FILE"],
        ),
        (
            &["generate", "a boat", "--table", "nothing.toml"],
            &["nothing.toml"],
        ),
        (
            &["generate", "a boat", "--table", "/dev/zero"],
            &["/dev/zero", "not a regular file"],
        ),
        (
            &["generate", "a boat", "--table", "words.png"],
            &["words.png", "table", "line 1"],
        ),
        (&["paint"], &["paint"]),
        (&["recover", "../x"], &["job id"]),
        (&["recover", "-o", "x.mp4"], &["-d"]),
        (&["settle"], &["RECORD_ID"]),
        (&["settle", "1763829999123_a1b2c3d4"], &["--never-made"]),
        (&["settle", "../x", "--never-made"], &["looks like"]),
        (
            &["settle", "1763829999123_a1b2c3d4", "--lost", "much"],
            &["dollars"],
        ),
        (&["generate", "a", "--budget-day", "5 dollars"], &["dollars"]),
        (&["ls", "--before", "../x"], &["../x", "separator"]),
        (&["ls", "-n", "0"], &["1..=1000"]),
        (&["frame"], &["CLIP"]),
    ];
    // The library exists, so that only the arguments are wrong.
    std::fs::create_dir(bench.library()).unwrap();
    for (args, words) in rows {
        refused(&bench, args, 2, words).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_pictures_are_refused_before_anything_is_paid() {
    let bench = prepared_bench().await;
    let many: Vec<&str> = std::iter::once(["generate", "a boat"])
        .chain(std::iter::repeat_n(["--ref", "dot.png"], 15))
        .flatten()
        .collect();
    refused(&bench, &many, 2, &["15 reference pictures", "at most 14"]).await;
    let rows: &[(&str, i32, &[&str])] = &[
        ("words.png", 2, &["image words.png", "PNG, JPEG or WebP"]),
        ("words.mp4", 2, &["image words.mp4", "PNG, JPEG or WebP"]),
        ("empty.png", 2, &["image empty.png", "empty"]),
        ("half.png", 2, &["image half.png"]),
        ("huge.png", 2, &["image huge.png", "40000 x 40000", "8192"]),
        ("folder", 2, &["image folder", "folder", "PNG, JPEG or WebP"]),
        ("missing.png", 1, &["image missing.png", "no such file"]),
        ("../missing.png", 1, &["../missing.png"]),
        ("dot.png/x.png", 2, &["dot.png/x.png"]),
        ("ftp://host/a.png", 2, &["ftp", "https"]),
        ("data:image/png;base64,!!!", 2, &["data URL", "base64"]),
        ("data:image/png,abc", 2, &["data URL", "base64"]),
    ];
    for (picture, code, words) in rows {
        refused(&bench, &["generate", "a boat", "--ref", picture], *code, words).await;
    }
    #[cfg(unix)]
    refused(
        &bench,
        &["generate", "a boat", "--ref", "/dev/zero"],
        2,
        &["/dev/zero", "regular file"],
    )
    .await;
    let second = &["generate", "a boat", "--ref", "dot.png", "--ref", "words.png"];
    refused(&bench, second, 2, &["reference 2 words.png"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_clips_are_refused_before_they_are_sent() {
    let bench = prepared_bench().await;
    let rows: &[(&str, i32, &[&str])] = &[
        ("words.mp4", 1, &["words.mp4"]),
        ("empty.mp4", 1, &["empty.mp4"]),
        ("folder", 2, &["video folder", "folder", "give an MP4"]),
        ("./missing.mp4", 1, &["video ./missing.mp4", "no such file"]),
        ("ftp://host/a.mp4", 2, &["ftp", "https"]),
        ("data:video/mp4;base64,!!!", 2, &["data URL", "base64"]),
        ("data:video/mp4,abc", 2, &["data URL", "base64"]),
        ("file_12 ab", 2, &["video file_12 ab", "not a file_id"]),
        ("file_12/../34", 2, &["video file_12/../34", "not a file_id"]),
    ];
    for (clip, code, words) in rows {
        for verb in ["edit", "extend"] {
            refused(&bench, &[verb, "go on", "--video", clip], *code, words).await;
        }
    }
    #[cfg(unix)]
    refused(
        &bench,
        &["edit", "at night", "--video", "/dev/zero"],
        2,
        &["/dev/zero", "regular file"],
    )
    .await;
    let none = &["continue", "go on", "--video", "words.mp4", "--sharpest", "1"];
    refused(&bench, none, 2, &["last 1 frames", "use 2 to 48"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_clips_are_refused_by_frame_and_probe() {
    let bench = prepared_bench().await;
    let sound = clips::Recipe::new(24, "-f lavfi -i sine=duration=1 -map 1:a -c:a aac").make();
    let sound = sound.to_str().unwrap().to_owned();
    let rows: &[(&str, i32, &[&str])] = &[
        ("words.mp4", 1, &["words.mp4"]),
        ("empty.mp4", 1, &["empty.mp4"]),
        ("half.mp4", 1, &["half.mp4"]),
        ("huge.png", 1, &["huge.png"]),
        (&sound, 1, &["video"]),
        ("folder", 1, &["folder"]),
        ("missing.mp4", 2, &["missing.mp4", "no such clip"]),
        ("../missing.mp4", 2, &["../missing.mp4"]),
        ("../../etc/missing", 2, &["../../etc/missing"]),
        ("", 2, &["no such clip"]),
    ];
    for (clip, code, words) in rows {
        for verb in ["frame", "probe"] {
            // A truncated clip can still be probed.
            if verb == "probe" && *clip == "half.mp4" {
                continue;
            }
            refused(&bench, &[verb, clip], *code, words).await;
        }
    }
    std::fs::write(bench.folder.path().join("clip.mp4"), real_clip().await).unwrap();
    for (args, code, word) in [
        (
            ["frame", "clip.mp4", "-o", "a.gif"],
            2,
            "must end in .png or .jpg",
        ),
        (["frame", "clip.mp4", "-o", "folder"], 2, "folder"),
        (["frame", "clip.mp4", "-o", "nowhere/a.png"], 1, "nowhere/a.png"),
        (["frame", "clip.mp4", "--number", "99"], 1, "99"),
        (["frame", "clip.mp4", "--position", "77"], 1, "77"),
        (["frame", "clip.mp4", "--quality", "0"], 2, "1..=100"),
    ] {
        refused(&bench, &args, code, &[word]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unwritable_copy_targets_are_refused_before_anything_is_paid() {
    let bench = prepared_bench().await;
    let own = bench.library().join("copy.mp4");
    std::fs::create_dir(bench.library()).unwrap();
    for (args, word) in [
        (["-o", "nowhere/a.mp4"], "nowhere/a.mp4"),
        (["-o", "folder"], "folder"),
        (["-o", "words.mp4/a.mp4"], "words.mp4/a.mp4"),
        (["-o", own.to_str().unwrap()], "copy.mp4"),
        (["-d", "words.mp4"], "words.mp4"),
        (["-d", "words.mp4/below"], "words.mp4/below"),
        (["-d", bench.library().to_str().unwrap()], "clips"),
    ] {
        let args: Vec<_> = GENERATE.into_iter().chain(args).collect();
        refused(&bench, &args, 2, &[word]).await;
    }
    refused(&bench, &["recover", "a", "b", "-o", "x.mp4"], 2, &["-d"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_library_is_refused_before_anything_is_paid() {
    let bench = prepared_bench().await;
    for (args, code) in [
        (["generate", "a boat", "--library", "words.png"], 1),
        (["ls", "--library", "nowhere", "-v"], 1),
        (["ls", "--library", "words.png", "-v"], 1),
    ] {
        refused(&bench, &args, code, &["library"]).await;
    }
    for name in ["jobs", "ledger", "chains", "quarantine"] {
        let library = bench.folder.path().join(format!("with-{name}"));
        std::fs::create_dir(&library).unwrap();
        std::fs::write(library.join(name), "").unwrap();
        let library = library.to_str().unwrap();
        let args = ["generate", "a boat", "--library", library];
        refused(&bench, &args, 1, &[name, "is not a folder"]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_key_is_reported_with_how_to_get_one() {
    for args in [&["generate", "a boat"][..], &["recover", "some-job"]] {
        for key in [None, Some(""), Some("  \n")] {
            let mut program = Program::bare().args(args);
            if let Some(key) = key {
                program = program.env("XAI_API_KEY", key);
            }
            let ran = program.run().await;
            assert_eq!(ran.code, 2, "{ran:?}");
            assert!(ran.line().contains("no key"), "{ran:?}");
            assert!(
                ran.stderr.contains("XAI_API_KEY") && ran.stderr.contains("sandbox"),
                "{ran:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_or_unreachable_base_url_is_reported() {
    let rows = [
        ("http://127.0.0.1:1/v1", 1, "refused"),
        ("http://api.example/v1", 2, "https"),
        ("api.example", 2, "not a URL"),
        ("https://me:SECRET@api.example/v1", 2, "user name"),
        ("https://api.example/v1?key=SECRET", 2, "query"),
    ];
    for (url, code, word) in rows {
        let ran = Program::bare()
            .env("XAI_API_KEY", KEY)
            .args(["generate", "a boat", "--base-url", url])
            .run()
            .await;
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(ran.line().contains(word), "{url}: {ran:?}");
        assert!(!ran.stderr.contains("SECRET"), "{ran:?}");
    }
    let ran = Program::bare()
        .env("XAI_API_KEY", KEY)
        .args([
            "generate",
            "a boat",
            "--json",
            "--base-url",
            "http://127.0.0.1:1/v1",
        ])
        .run()
        .await;
    let error = &ran.json()["error"];
    assert_eq!(
        (&error["code"], &error["may_have_been_charged"]),
        (&"network".into(), &"no".into())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_with_a_line_break_is_refused_as_a_wrong_setting() {
    let bench = Bench::start(&[]).await;
    let ran = Program::at(&bench)
        .env("XAI_API_KEY", "xai-CANARY\nSECOND")
        .args(["generate", "a boat"])
        .run()
        .await;
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.line().contains("line break"), "{ran:?}");
    assert!(
        !ran.stderr.contains("CANARY") && !ran.stderr.contains("SECOND"),
        "{ran:?}"
    );
    // A line break at the end is removed.
    let ran = Program::at(&bench)
        .env("XAI_API_KEY", format!(" {KEY}\r\n"))
        .args(GENERATE)
        .run()
        .await;
    assert_eq!(ran.code, 0, "{ran:?}");
}

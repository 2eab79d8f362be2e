//! The output of the program: untrusted text on a terminal, streams that cannot be written, names that are not
//! Unicode, and pictures at paths that an attacker could predict.

#![cfg(feature = "cli")]

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::bench::{Bench, request};
use crate::support::program::{GENERATE, Program, ProgramOutput};

/// Saves a clip in the library of a bench and returns its path.
async fn save_clip(bench: &Bench) -> PathBuf {
    bench.client().generate(request()).await.unwrap().path.unwrap()
}

/// Checks that the output has no control characters but line breaks.
fn assert_plain(ran: &ProgramOutput) {
    for text in [&ran.stdout, &ran.stderr] {
        let active = |c: char| {
            (c.is_control() && c != '\n')
                || ('\u{2028}'..='\u{202e}').contains(&c)
                || ('\u{2066}'..='\u{2069}').contains(&c)
        };
        assert!(!text.contains(active), "{ran:?}");
    }
}

/// Sets the clipboard, clears the screen in both ways, reverses what follows, and forges a line.
const BAD: &str =
    "\u{1b}]52;c;ZXZpbA==\u{7}\u{1b}[2J\u{9b}2J\u{202e}\u{2066}\u{7f}\u{2028}\nreelkin: all is well";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn terminal_escapes_in_sidecars_are_neutralized() {
    let bench = Bench::start(&[]).await;
    let clip = save_clip(&bench).await;
    let sidecar = PathBuf::from(format!("{}.json", clip.display()));
    let mut record: Value = serde_json::from_slice(&std::fs::read(&sidecar).unwrap()).unwrap();
    let long = format!("{BAD}{}", "x".repeat(100_000));
    for field in ["prompt", "userPrompt", "revisedPrompt", "model"] {
        record[field] = json!(long);
    }
    record["video"]["resolution"] = json!(long);
    record["reelkin"]["operation"] = json!(long);
    record["reelkin"]["warnings"] = json!([long]);
    std::fs::write(&sidecar, record.to_string()).unwrap();

    let path = clip.to_str().unwrap();
    for args in [
        &["ls", "--cost"][..],
        &["lineage", path],
        &["lineage", path, "--verify"],
        &["probe", path],
    ] {
        let ran = Program::at(&bench).args(args).run().await;
        assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
        assert_plain(&ran);
        assert!(ran.stdout.len() < 2000, "{args:?}: {} bytes", ran.stdout.len());
        assert!(
            !ran.stdout.lines().any(|line| line.starts_with("reelkin:")),
            "{ran:?}"
        );

        // JSON has the whole text, without control characters.
        let ran = Program::at(&bench).args(args).arg("--json").run().await;
        assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
        assert_plain(&ran);
        if args[0] == "ls" {
            assert_eq!(ran.json()["clips"][0]["prompt"], long);
        }
    }
    for form in ["--mermaid", "--dot"] {
        let ran = Program::at(&bench).args(["lineage", path, form]).run().await;
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_plain(&ran);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn terminal_escapes_from_the_service_are_neutralized() {
    let fault = format!("failed={BAD}{}", "x".repeat(20_000));
    let bench = Bench::start(&[&fault]).await;
    for args in [&GENERATE[..], &["ls", "--open"]] {
        for log in ["warn", "trace"] {
            let ran = Program::at(&bench).env("REELKIN_LOG", log).args(args).run().await;
            assert_plain(&ran);
        }
        let ran = Program::at(&bench).args(args).run().await;
        assert!(ran.stderr.len() < 10_000, "{args:?}: {} bytes", ran.stderr.len());
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unwritable_output_is_a_failure() {
    let bench = Bench::start(&[]).await;
    save_clip(&bench).await;
    for args in [
        &["ls", "--json"][..],
        &["ls"],
        &["models"],
        &["--help"],
        &["generate", "a boat", "--duration", "1", "--json"],
        &["sandbox"],
    ] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let ran = Program::at(&bench).args(args).stdout(full).run().await;
        assert_eq!(ran.code, 1, "{args:?}: {ran:?}");
        assert!(
            ran.stderr.contains("write to standard output: "),
            "{args:?}: {ran:?}"
        );
    }
    // The paid clip is saved anyway.
    assert_eq!(bench.clips().len(), 2);
    // A failure keeps its own exit code.
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let ran = Program::at(&bench)
        .args(["generate", "", "--json"])
        .stdout(full)
        .run()
        .await;
    assert_eq!(ran.code, 2, "{ran:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_pipe_is_not_a_failure() {
    let bench = Bench::start(&[]).await;
    save_clip(&bench).await;
    for args in [&["models"][..], &["--help"], &["ls", "--json"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ran = Program::at(&bench).args(args).stdout(writer).run().await;
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{args:?}");
    }
}

/// Returns a name that is not Unicode.
#[cfg(target_os = "linux")]
fn non_unicode_name(ending: &str) -> std::ffi::OsString {
    use std::os::unix::ffi::OsStringExt as _;

    std::ffi::OsString::from_vec([b"caf\xe9".as_slice(), ending.as_bytes()].concat())
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn non_unicode_file_names_work() {
    let bench = Bench::start(&[]).await;
    let clip = save_clip(&bench).await;
    let at = |name: &std::ffi::OsStr| bench.folder.path().join(name);
    std::fs::copy(&clip, at(&non_unicode_name(".mp4"))).unwrap();
    std::fs::write(
        at(&non_unicode_name(".png")),
        include_bytes!("../../fixtures/dot.png"),
    )
    .unwrap();
    std::os::unix::fs::symlink(bench.library(), at(&non_unicode_name(""))).unwrap();
    let keyframe = {
        let mut text = std::ffi::OsString::from("0.334=");
        text.push(non_unicode_name(".png"));
        text
    };
    let in_library = at(&non_unicode_name("")).join(clip.file_name().unwrap());
    type Args = Vec<std::ffi::OsString>;
    let call = |words: &[&str], last: &std::ffi::OsStr| -> Args {
        words
            .iter()
            .map(std::ffi::OsString::from)
            .chain([last.to_owned()])
            .collect()
    };
    let rows: Vec<Args> = vec![
        call(&["probe"], &non_unicode_name(".mp4")),
        call(&["frame"], &non_unicode_name(".mp4")),
        call(
            &["frame", clip.to_str().unwrap(), "-o"],
            &non_unicode_name("-last.jpg"),
        ),
        call(&["lineage"], in_library.as_os_str()),
        call(
            &["lineage", clip.to_str().unwrap(), "--sheet"],
            &non_unicode_name("-sheet.png"),
        ),
        call(&["analyze"], &non_unicode_name(".mp4")),
        call(&[&GENERATE[..], &["--ref"]].concat(), &non_unicode_name(".png")),
        call(
            &[&GENERATE[..], &["--first-frame"]].concat(),
            &non_unicode_name(".png"),
        ),
        call(
            &[
                &GENERATE[..],
                &["--model", "grok-imagine-video-1.5", "--keyframe"],
            ]
            .concat(),
            &keyframe,
        ),
        call(&[&GENERATE[..], &["-o"]].concat(), &non_unicode_name("-copy.mp4")),
        call(&["edit", "at night", "--video"], &non_unicode_name(".mp4")),
        call(
            &["continue", "a storm", "--no-plan", "--duration", "1", "--video"],
            &non_unicode_name(".mp4"),
        ),
        call(
            &["chain", "a storm", "--no-plan", "--duration", "1", "--video"],
            &non_unicode_name(".mp4"),
        ),
        call(&["ls", "--library"], &non_unicode_name("")),
        call(
            &[&GENERATE[..], &["--library"]].concat(),
            &non_unicode_name("-library"),
        ),
    ];
    for args in rows {
        // Verbs that render run once.
        let is_made = ["generate", "edit", "continue", "chain"]
            .iter()
            .any(|verb| args[0] == *verb);
        for json in [&["--json"][..], &[]].iter().take(if is_made { 1 } else { 2 }) {
            let library = args.iter().any(|arg| arg == "--library");
            let mut program = Program::at_service(bench.folder.path(), &bench.sandbox.base_url());
            if !library {
                program = program.arg("--library").arg(bench.library());
            }
            let ran = program.args(&args).args(*json).run().await;
            assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
            if !json.is_empty() {
                ran.json();
            }
        }
    }
    for made in [
        non_unicode_name("-last.png"),
        non_unicode_name("-last.jpg"),
        non_unicode_name("-sheet.png"),
        non_unicode_name("-copy.mp4"),
    ] {
        assert!(at(&made).is_file(), "{made:?}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn non_unicode_text_arguments_are_refused() {
    let bench = Bench::start(&[]).await;
    let mut lost = std::ffi::OsString::from("0.5");
    lost.push(non_unicode_name(".png"));
    for args in [
        &["generate".into(), non_unicode_name("")][..],
        &["ls".into(), "--before".into(), non_unicode_name("")],
        &["paint".into(), non_unicode_name("")],
        &[non_unicode_name("")],
        &["frame".into(), non_unicode_name("-nothing.mp4")],
        &["generate".into(), "--keyframe".into(), lost],
    ] {
        for json in [&[][..], &["--json"]] {
            let ran = Program::at(&bench).args(args).args(json).run().await;
            assert_eq!(ran.code, 2, "{args:?}: {ran:?}");
            if json.is_empty() {
                ran.line();
            } else {
                assert!(ran.json()["error"]["message"].is_string(), "{ran:?}");
            }
        }
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frame_does_not_write_through_a_planted_link() {
    use std::os::unix::fs::PermissionsExt as _;

    let bench = Bench::start(&[]).await;
    let clip = save_clip(&bench).await;
    let at = |name: &str| bench.folder.path().join(name);
    std::fs::write(at("victim"), "precious").unwrap();
    std::os::unix::fs::symlink("victim", at("link.png")).unwrap();
    for (target, planted) in [("a.png", ".a.png.$$.part"), ("link.png", ".link.png.$$.part")] {
        // The process keeps its id across `exec`, so the temporary name is predictable.
        let script = format!("ln -s victim \"{planted}\" && exec \"$0\" frame \"$1\" -o {target}");
        let ran = std::process::Command::new("sh")
            .args(["-c", &script, env!("CARGO_BIN_EXE_reelkin")])
            .arg(&clip)
            .current_dir(bench.folder.path())
            .output()
            .unwrap();
        assert!(ran.status.success(), "{ran:?}");
        assert_eq!(std::fs::read_to_string(at("victim")).unwrap(), "precious");
        let about = std::fs::symlink_metadata(at(target)).unwrap();
        assert!(about.is_file());
        // It has the permissions of any new file.
        std::fs::write(at("new"), "").unwrap();
        let new = std::fs::metadata(at("new")).unwrap();
        assert_eq!(about.permissions().mode(), new.permissions().mode());
    }
}

fn starts_with(path: &Path, magic: &[u8]) -> bool {
    std::fs::read(path).unwrap().starts_with(magic)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sheet_has_the_format_of_its_file_name() {
    let bench = Bench::start(&[]).await;
    let clip = save_clip(&bench).await;
    let at = |name: &str| bench.folder.path().join(name);
    let sheet = |name: &'static str| {
        let lineage = Program::at(&bench).arg("lineage").arg(&clip);
        lineage.args(["--sheet", name]).run()
    };
    for (name, magic) in [
        ("sheet.jpg", &b"\xff\xd8\xff"[..]),
        ("sheet.JPEG", b"\xff\xd8\xff"),
        ("sheet.png", b"\x89PNG"),
    ] {
        let ran = sheet(name).await;
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(starts_with(&at(name), magic), "{name}");
    }
    for name in ["sheet.gif", "sheet"] {
        let ran = sheet(name).await;
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.line().contains(".png or .jpg"), "{ran:?}");
        assert!(!at(name).exists());
    }
}

/// A stand-in for the program in the demo. It prints the same output at once.
#[cfg(unix)]
const STAND_IN: &str = r#"#!/bin/sh
case "$1" in
sandbox) echo '{"base_url":"http://127.0.0.1:1/v1","api_key":"k"}'; exec sleep 60 ;;
esac
echo "demo-out/clip.mp4  \$0.10"
"#;

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_script_logs_all_its_output() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("scripts")).unwrap();
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/demo.sh");
    std::fs::copy(demo, at("scripts/demo.sh")).unwrap();
    std::fs::write(at("played"), STAND_IN).unwrap();
    std::fs::set_permissions(at("played"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let log = std::fs::File::create(at("log")).unwrap();
    let mut command = std::process::Command::new("bash");
    command
        .arg(at("scripts/demo.sh"))
        .env("REELKIN", at("played"))
        .stdin(std::process::Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log);
    let status = tokio::task::spawn_blocking(move || command.status().unwrap())
        .await
        .unwrap();
    let log = std::fs::read_to_string(at("log")).unwrap();
    assert!(status.success(), "{log}");
    assert!(log.starts_with("the sandbox is at http://127.0.0.1:1\n"), "{log}");
    assert_eq!(log.matches("$ reelkin ").count(), 10, "{log}");
    assert_eq!(log.matches("demo-out/clip.mp4  $0.10\n").count(), 10, "{log}");
}

/// A failing write to the log must not end paid work.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unwritable_log_loses_no_job() {
    let bench = Bench::start(&[]).await;
    let mut command = Program::at(&bench)
        .args(["-v", "generate", "a boat", "--duration", "1", "--json"])
        .command();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    command.stdin(std::process::Stdio::null()).stderr(full);
    let ran = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    assert!(ran.status.success(), "{ran:?}");
    assert_eq!((bench.state().creates, bench.clips().len()), (1, 1));
}

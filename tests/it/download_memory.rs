//! A large clip goes to the disk, not through memory.

use std::io::{BufRead as _, BufReader};
use std::process::Child;

use serde_json::Value;

use super::cli_run::{Program, finish};
use super::client_bench::KEY;

const CLIP: u64 = 100 << 20;
/// Program, libraries, the first and last frame decoded: all of it without the clip.
const MOST_KIB: u64 = 96 << 10;

/// The largest resident size that a process has had, in KiB; None when it is gone.
fn peak(child: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[test]
fn a_clip_of_100_mb_is_saved_in_less_memory() {
    let folder = tempfile::tempdir().unwrap();
    let sandbox = ["sandbox", "--api-key", KEY, "--seconds-per-job", "0.1"];
    let mut server = Program::in_folder(folder.path())
        .args(sandbox)
        .args(["--fault", &format!("pad={CLIP}")])
        .spawn();
    let mut told = String::new();
    BufReader::new(server.stdout.take().unwrap())
        .read_line(&mut told)
        .unwrap();
    let told: Value = serde_json::from_str(&told).unwrap();

    let mut child = Program::in_folder(folder.path())
        .env("XAI_API_KEY", KEY)
        .args(["generate", "a boat", "--duration", "1", "--json", "--base-url"])
        .arg(told["base_url"].as_str().unwrap())
        .spawn();
    // The mark only grows, so the last one seen is the peak but for the last moment.
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        most = peak(&child).unwrap_or(0).max(most);
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let ran = finish(child);
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(ran.code, 0, "{ran:?}");
    let path = ran.json()["path"].as_str().unwrap().to_owned();
    assert_eq!(std::fs::metadata(path).unwrap().len(), CLIP);
    assert!(most > 4 << 10, "the peak was not seen: {most} KiB");
    assert!(most < MOST_KIB, "{} MiB", most >> 10);
}

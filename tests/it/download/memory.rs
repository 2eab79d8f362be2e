//! A large clip goes to the disk and to the service, not through memory.

#![cfg(all(feature = "cli", target_os = "linux"))]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Child;

use serde_json::Value;

use crate::support::bench::KEY;
use crate::support::program::{Program, finish};

const CLIP: u64 = 100 << 20;
/// Program, libraries, the first and last frame decoded: all of it without the clip.
const MOST_KIB: u64 = 96 << 10;

/// The largest resident size that a process has had, in KiB; None when it is gone.
fn peak(child: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// A sandbox in a process of its own, so that its memory is not the client's.
struct Server {
    child: Child,
    base_url: String,
}

impl Server {
    fn start(folder: &Path, faults: &[String]) -> Self {
        let sandbox = ["sandbox", "--api-key", KEY, "--seconds-per-job", "0.1"];
        let faults = faults.iter().flat_map(|fault| ["--fault", fault.as_str()]);
        let mut child = Program::in_folder(folder).args(sandbox).args(faults).spawn();
        let mut told = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut told)
            .unwrap();
        let told: Value = serde_json::from_str(&told).unwrap();
        let base_url = told["base_url"].as_str().unwrap().to_owned();
        Self { child, base_url }
    }

    /// Runs the program to its end; its JSON and its peak memory.
    fn run(&self, folder: &Path, args: &[&str]) -> (Value, u64) {
        let mut child = Program::in_folder(folder)
            .env("XAI_API_KEY", KEY)
            .args(args)
            .args(["--json", "--base-url", &self.base_url])
            .spawn();
        // The mark only grows, so the last one seen is the peak but for the last moment.
        let mut most = 0;
        while child.try_wait().unwrap().is_none() {
            most = peak(&child).unwrap_or(0).max(most);
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        let ran = finish(child);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(most > 4 << 10, "the peak was not seen: {most} KiB");
        assert!(most < MOST_KIB, "{args:?}: {} MiB", most >> 10);
        (ran.json(), most)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_clip_of_100_mb_is_saved_in_less_memory_than_its_size() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[format!("pad={CLIP}")]);
    let (saved, _) = server.run(folder.path(), &["generate", "a boat", "--duration", "1"]);
    assert_eq!(
        std::fs::metadata(saved["path"].as_str().unwrap()).unwrap().len(),
        CLIP
    );
}

/// Inside the request 100 MB, through Files as much as the service takes.
#[test]
fn large_sources_are_sent_in_less_memory_than_their_size() {
    let folder = tempfile::tempdir().unwrap();
    for (size, transport) in [(CLIP, "inline"), (48_000_000, "upload")] {
        let server = Server::start(folder.path(), &[format!("pad={size},times=1")]);
        let (made, _) = server.run(folder.path(), &["generate", "a boat", "--duration", "1"]);
        let path = made["path"].as_str().unwrap();
        assert_eq!(std::fs::metadata(path).unwrap().len(), size);
        let edit = ["edit", "make it night", "--video", path, "--transport", transport];
        let (edited, _) = server.run(folder.path(), &edit);
        let used = edited["delivery"]["asked"]["transports"][0]["transport"].clone();
        assert_eq!(used == "inline", transport == "inline", "{used}");
    }
}

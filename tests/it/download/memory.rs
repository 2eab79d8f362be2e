//! A large clip is streamed to the disk and to the service instead of being held in memory.

#![cfg(all(feature = "cli", target_os = "linux"))]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Child;

use serde_json::Value;

use crate::support::bench::KEY;
use crate::support::memory::peak_kib;
use crate::support::program::{GENERATE, Program, finish};

const CLIP: u64 = 100 << 20;
/// Limit for the program with its libraries and two decoded frames, without the clip.
const MAX_KIB: u64 = 96 << 10;

/// A sandbox in a process of its own, so that its memory is not counted as that of the client.
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

    /// Runs the program to its end, and returns its JSON and its peak memory.
    fn run(&self, folder: &Path, args: &[&str]) -> (Value, u64) {
        let mut child = Program::in_folder(folder)
            .env("XAI_API_KEY", KEY)
            .args(args)
            .args(["--json", "--base-url", &self.base_url])
            .spawn();
        // The value only grows, so the last one is the peak except for the last moment.
        let mut peak = 0;
        while child.try_wait().unwrap().is_none() {
            peak = peak_kib(&child).unwrap_or(0).max(peak);
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        let ran = finish(child);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(peak > 4 << 10, "the peak was not seen: {peak} KiB");
        assert!(peak < MAX_KIB, "{args:?}: {} MiB", peak >> 10);
        (ran.json(), peak)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_clip_of_100_mb_is_saved_in_less_memory_than_its_size() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[format!("pad={CLIP}")]);
    let (saved, _) = server.run(folder.path(), &GENERATE);
    assert_eq!(
        std::fs::metadata(saved["path"].as_str().unwrap()).unwrap().len(),
        CLIP
    );
}

/// Inline media is 100 MB, an upload has the maximum size of the service.
#[test]
fn large_sources_are_sent_in_less_memory_than_their_size() {
    let folder = tempfile::tempdir().unwrap();
    for (size, transport) in [(CLIP, "inline"), (48_000_000, "upload")] {
        let server = Server::start(folder.path(), &[format!("pad={size},times=1")]);
        let (made, _) = server.run(folder.path(), &GENERATE);
        let path = made["path"].as_str().unwrap();
        assert_eq!(std::fs::metadata(path).unwrap().len(), size);
        let edit = ["edit", "make it night", "--video", path, "--transport", transport];
        let (edited, _) = server.run(folder.path(), &edit);
        let used = edited["delivery"]["asked"]["transports"][0]["transport"].clone();
        assert_eq!(used == "inline", transport == "inline", "{used}");
    }
}

//! What lies in the journal of a library, read as files.

#![cfg(feature = "cli")]

use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Instant;

use serde_json::Value;

use crate::support::bench::{PATIENCE, ms};

pub(crate) fn open_records(library: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(library.join("jobs"))
        .into_iter()
        .flatten()
        .flatten();
    let mut paths: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    paths.sort();
    paths
}

pub(crate) fn ledger(library: &Path) -> Vec<Value> {
    let days = std::fs::read_dir(library.join("ledger"))
        .into_iter()
        .flatten()
        .flatten();
    let files = days.flat_map(|day| std::fs::read_dir(day.path()).unwrap().flatten());
    let mut records: Vec<Value> = files
        .map(|file| file.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
        .collect();
    records.sort_by_key(|record| record["id"].as_str().unwrap().to_owned());
    records
}

pub(crate) async fn until_state(library: &Path, state: &str) {
    let started = Instant::now();
    loop {
        let found = open_records(library).into_iter().any(|path| {
            let text = std::fs::read_to_string(path).unwrap_or_default();
            text.contains(&format!("\"state\": \"{state}\""))
        });
        if found {
            return;
        }
        let open = open_records(library);
        assert!(started.elapsed() < PATIENCE, "never {state}: {open:?}");
        tokio::time::sleep(ms(5)).await;
    }
}

pub(crate) async fn kill(mut child: Child) {
    let killed = tokio::task::spawn_blocking(move || {
        child.kill().unwrap();
        child.wait().unwrap()
    });
    assert!(!killed.await.unwrap().success());
}

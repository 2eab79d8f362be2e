//! The journal of a library, read as files.

#![cfg(feature = "cli")]

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::bench::wait_until;

/// Returns the files of the open records, in the order of their names.
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

/// Returns the entries of the ledger, in the order of their ids.
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

/// Waits until a record is open in a state.
pub(crate) async fn wait_for_state(library: &Path, state: &str) {
    let is_there = async || {
        open_records(library).into_iter().any(|path| {
            let text = std::fs::read_to_string(path).unwrap_or_default();
            text.contains(&format!("\"state\": \"{state}\""))
        })
    };
    wait_until(|| format!("{state}: {:?}", open_records(library)), is_there).await;
}

//! Reads `tests/fixtures/xai`: requests and replies of the service.

#![cfg(feature = "sandbox")]

use std::collections::BTreeSet;
use std::path::PathBuf;

use bytes::Bytes;
use reelkin::MediaInput;
use serde_json::Value;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/xai")
        .join(name)
}

/// Returns the text of a fixture.
pub(crate) fn fixture_text(name: &str) -> String {
    let path = path(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns a fixture as JSON.
pub(crate) fn fixture(name: &str) -> Value {
    serde_json::from_str(&fixture_text(name)).unwrap()
}

/// Returns the names of the fixtures in a folder.
pub(crate) fn fixture_names(folder: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(path(folder)).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// Returns the picture of the fixtures, as bytes.
pub(crate) fn dot() -> MediaInput {
    const PNG: &[u8] = include_bytes!("../../fixtures/dot.png");
    MediaInput::bytes("dot.png", Bytes::from_static(PNG))
}

//! Looks for keys, bearer tokens and signatures in everything that is printed or stored.

#![cfg(feature = "cli")]

use std::path::Path;

use crate::support::bench::KEY;

/// Returns the names of the secrets that a text contains.
pub(crate) fn leaks(text: &str) -> Vec<&'static str> {
    let lower = text.to_lowercase();
    let marks = [
        ("the key", KEY.to_lowercase()),
        ("most of the key", KEY[4..20].to_lowercase()),
        ("a bearer", "bearer xai".to_owned()),
        ("a bearer of some sort", "bearer ".to_owned()),
        ("a signature", "sig=".to_owned()),
        ("a signature of another form", "signature=".to_owned()),
    ];
    marks
        .iter()
        .filter(|(_, mark)| lower.contains(mark))
        .map(|(name, _)| *name)
        .collect()
}

pub(crate) fn assert_clean(what: &str, text: &str) {
    let found = leaks(text);
    let lines: Vec<_> = text
        .lines()
        .filter(|line| !leaks(line).is_empty())
        .take(3)
        .collect();
    assert!(found.is_empty(), "{what} has {found:?}: {lines:#?}");
}

/// Returns whether a file is an open record. It contains the link to a clip that is not saved yet, because the
/// service may forget the job before the link expires. The ledger does not contain it.
pub(crate) fn is_open_record(path: &Path) -> bool {
    path.parent()
        .and_then(Path::file_name)
        .is_some_and(|folder| folder == "jobs")
}

/// Checks every file below a folder, including hidden ones.
pub(crate) fn assert_files_clean(what: &str, folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            assert_files_clean(what, &path);
        } else if let Ok(bytes) = std::fs::read(&path) {
            let mut text = String::from_utf8_lossy(&bytes).into_owned();
            if is_open_record(&path)
                && let Ok(mut record) = serde_json::from_str::<serde_json::Value>(&text)
            {
                // The link of the last reply.
                if let Some(video) = record["reply"]["video"].as_object_mut() {
                    video.remove("url");
                }
                text = serde_json::to_string_pretty(&record).unwrap();
            }
            assert_clean(&format!("{what}: {}", path.display()), &text);
        }
    }
}

/// Checks an error in all its printed forms, and the files of its library.
pub(crate) fn assert_outcome_clean(what: &str, outcome: &reelkin::Result<reelkin::Clip>, folder: &Path) {
    match outcome {
        Ok(clip) => assert_clean(what, &format!("{clip:?}")),
        Err(error) => {
            let source = std::error::Error::source(error).map(|source| format!("{source} {source:?}"));
            assert_clean(what, &format!("{error} {error:?} {error:#?} {source:?}"));
        }
    }
    assert_files_clean(what, folder);
}

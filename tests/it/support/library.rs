//! Libraries on a folder.

use reelkin::library::Library;
use tempfile::TempDir;

/// Returns an empty library in a temporary folder.
pub(crate) fn empty_library() -> (TempDir, Library) {
    let folder = tempfile::tempdir().unwrap();
    let library = Library::open(folder.path()).unwrap();
    (folder, library)
}

/// Returns a time in milliseconds since the Unix epoch.
pub(crate) fn at(millis: u64) -> reelkin::Timestamp {
    reelkin::Timestamp::from_millis(millis)
}

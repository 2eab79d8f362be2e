//! A library of ima2-gen, and children of its clips.

use crate::support::library::at;
use std::fs;
use std::path::Path;

use reelkin::Result;
use reelkin::library::{Clip, ClipId, ClipRecord, FrameRecord, Library};

/// The folder of the golden sidecars.
pub(crate) const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/ima2");

/// Returns the golden library, with a file for every sidecar.
pub fn golden() -> (tempfile::TempDir, Library) {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(FIXTURES).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if let Some(clip) = name.strip_suffix(".json") {
            fs::copy(Path::new(FIXTURES).join(&name), folder.path().join(&name)).unwrap();
            fs::write(folder.path().join(clip), format!("bytes of {clip}")).unwrap();
        }
    }
    let library = Library::open(folder.path()).unwrap();
    (folder, library)
}

/// Saves a child of `parent`, as the verbs do.
pub async fn child(library: &Library, parent: &Clip, id: &str, relation: &str, words: &str) -> Result<Clip> {
    let id: ClipId = id.parse()?;
    let parent = library.parent(parent).await?;
    let mut record = ClipRecord::new(at(id.millis().unwrap_or(1)));
    record.user_prompt = Some(words.to_owned());
    record.prompt = Some(words.to_owned());
    record.revised_prompt = Some(format!("{words}, revised."));
    let mut frame = FrameRecord::default();
    frame.number = Some(119);
    frame.sha256 = Some("ab".repeat(32));
    parent.write_into(&mut record, &id, relation, Some(frame));
    let mut staged = library.stage(&id).await?;
    staged.append(format!("bytes of {id}").as_bytes()).await?;
    staged.commit(record).await
}

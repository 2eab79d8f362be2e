//! Copies of clips outside of the library (`-o` and `-d`).

use std::path::{Path, absolute};

use reelkin::{Clip, Library};

use crate::args::WaitArgs;
use crate::output::{CliError, CommandResult, CopyResult};

/// Copies a clip to the destination, if there is one, and returns the path of the copy.
pub(crate) async fn copy_clip(library: &Library, clip: &Clip, wait: &WaitArgs) -> CopyResult {
    match (&wait.out, &wait.out_dir) {
        (Some(file), _) => library.copy_out(clip, file).await.map(Some),
        (None, Some(folder)) => library.copy_into(clip, folder).await.map(Some),
        (None, None) => Ok(None),
    }
}

/// Rejects a destination that cannot work, before anything is paid.
pub(crate) fn check_destination(wait: &WaitArgs, library: &Path) -> CommandResult<()> {
    let reject = |path: &Path, why: &str| {
        Err(CliError::Usage(format!(
            "copy the clip to {}: {why}",
            path.display()
        )))
    };
    if let Some(file) = &wait.out {
        let folder = file.parent().filter(|parent| !parent.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        if file.is_dir() {
            return reject(file, "the path is a folder; use -d to copy into a folder");
        }
        if !folder.is_dir() {
            return reject(file, "its folder does not exist");
        }
        if is_same(folder, library) {
            return reject(file, "the path is in the library; use a path outside of it");
        }
    }
    if let Some(folder) = &wait.out_dir {
        if folder.exists() && !folder.is_dir() {
            return reject(folder, "the path is a file; use -o to copy to a file");
        }
        if let Some(above) = folder.ancestors().skip(1).find(|above| above.exists())
            && !above.is_dir()
        {
            return reject(folder, "a parent of the folder is a file");
        }
        if is_same(folder, library) {
            return reject(folder, "the folder is the library, which has the clip already");
        }
    }
    Ok(())
}

/// Returns whether two paths name the same folder. Either may not exist yet.
fn is_same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => absolute(one).is_ok_and(|one| absolute(other).is_ok_and(|other| one == other)),
    }
}

//! Clips and images that are named on the command line.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use reelkin::library::ClipReader;
use reelkin::media::MediaSource;
use reelkin::{ErrorKind, Library, MediaInput};

use crate::args::GlobalArgs;
use crate::output::{CliError, CommandResult};
use crate::session::new_runtime;

/// Parses an image argument. Text that is not Unicode is a path.
pub(crate) fn image_input(text: &OsStr) -> reelkin::Result<MediaInput> {
    match text.to_str() {
        Some(text) => MediaInput::parse(text),
        None => Ok(Path::new(text).into()),
    }
}

/// Parses a clip argument of a command that sends the clip. Text that is not Unicode is a path.
pub(crate) fn video_input(text: &OsStr) -> reelkin::Result<MediaInput> {
    match text.to_str() {
        Some(text) => MediaInput::parse_video(text),
        None => Ok(Path::new(text).into()),
    }
}

/// Finds the clip that an argument names and passes its path and content to `read`. An existing file of any kind takes
/// precedence over a clip of the library. For a clip in a bucket, the path is its file name.
pub(crate) fn with_clip(
    global: &GlobalArgs,
    text: &OsStr,
    read: impl FnOnce(PathBuf, MediaSource) -> CommandResult,
) -> CommandResult {
    let path = Path::new(text);
    if path.exists() {
        return read(path.to_owned(), path.into());
    }
    let not_found = || {
        CliError::Usage(format!(
            "find clip {:?}: no such file, and no such clip in library {}",
            text.to_string_lossy(),
            global.library.display()
        ))
    };
    // Clips of a library have Unicode names.
    let name = text.to_str().ok_or_else(not_found)?;
    let is_url = global.library.to_str().is_some_and(|place| place.contains("://"));
    if !is_url && !global.library.is_dir() {
        return Err(not_found());
    }
    let library = Library::open_to_read(&global.library)?;
    // A reader of a bucket fetches in this runtime, so the runtime must outlive it.
    let runtime = new_runtime()?;
    let found: reelkin::Result<_> = runtime.block_on(async {
        let clip = library.resolve(name).await?;
        let reader = match &clip.path {
            Some(_) => None,
            None => Some(library.reader(&clip.id).await?),
        };
        Ok((clip, reader))
    });
    match found {
        Ok((clip, Some(reader))) => {
            let source = bucket_source(&clip.file_name, &reader);
            read(clip.file_name.into(), source)
        }
        Ok((clip, None)) => {
            let path = clip.path.ok_or_else(not_found)?;
            let source = MediaSource::from(&path);
            read(path, source)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Err(not_found()),
        Err(error) => Err(error.into()),
    }
}

/// Returns a source that fetches only those parts of a clip that are read.
pub(crate) fn bucket_source(name: &str, clip: &ClipReader) -> MediaSource {
    let (reader, stop) = clip.stoppable();
    MediaSource::reader(name, reader).on_stop(stop)
}

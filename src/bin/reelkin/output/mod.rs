//! Standard output, standard error and exit codes.
//!
//! Writes lines and JSON objects. What they say about clips, jobs and errors is in the submodules.

mod clip;
mod error;
mod escape;
mod job;
mod progress;

use std::fmt::Display;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

pub(crate) use clip::{
    CopyResult, clip_json, copy_error_json, print_clip, print_saved, report_saved, saved_json, short_prompt,
};
pub(crate) use error::{CliError, CommandResult, error_json, error_line};
pub(crate) use escape::{LogWriter, single_line};
pub(crate) use job::{
    job_json, job_line, quarantine_hint, quarantined_json, quarantined_line, settle_hint, stuck_json,
    stuck_line,
};
pub(crate) use progress::{Progress, draw, job_progress};

/// The maximum length of a word from outside, such as a model, an operation or a resolution.
pub(crate) const MAX_WORD_CHARS: usize = 80;
/// The maximum length of a message from outside, such as an error of the service.
pub(crate) const MAX_MESSAGE_CHARS: usize = 2000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum ExitCode {
    Success = 0,
    Failure = 1,
    Usage = 2,
    SubmissionUnknown = 3,
    Moderated = 4,
    Budget = 5,
}

/// The first error of a write to standard output. Later output is discarded.
static STDOUT_ERROR: Mutex<Option<io::Error>> = Mutex::new(None);

/// Writes to standard output. An error does not stop the command, because its work may be paid; [`finish`] reports it.
fn print(text: &str) {
    let mut failed = STDOUT_ERROR.lock().unwrap_or_else(PoisonError::into_inner);
    if failed.is_none() {
        let mut out = io::stdout().lock();
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        *failed = written.err();
    }
}

/// Returns whether everything printed so far was written to standard output.
pub(crate) fn is_stdout_ok() -> bool {
    STDOUT_ERROR
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .is_none()
}

/// Returns the exit code of the program, after reporting a failed write to standard output. A pipe that its reader
/// closed is not a failure.
pub(crate) fn finish(code: ExitCode) -> ExitCode {
    let failed = STDOUT_ERROR.lock().unwrap_or_else(PoisonError::into_inner);
    match &*failed {
        Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            note(format_args!("reelkin: write to standard output: {error}"));
            if code == ExitCode::Success {
                ExitCode::Failure
            } else {
                code
            }
        }
        _ => code,
    }
}

/// Returns a number with its noun, such as `1 request` or `2 requests`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Prints a JSON object on one line.
pub(crate) fn print_json(value: &Value) {
    let mut line = escape::escape_json(&value.to_string());
    line.push('\n');
    print(&line);
}

/// Prints a line of the result.
pub(crate) fn print_line(line: impl Display) {
    print(&escape::escape_lines(&format!("{line}\n")));
}

/// Prints a line to standard error, ignoring a failed write.
pub(crate) fn note(line: impl Display) {
    let _ = io::stderr().write_all(escape::escape_lines(&format!("{line}\n")).as_bytes());
}

/// Returns a path as a JSON string, with replacement characters where it is not Unicode.
pub(crate) fn path_json(path: &Path) -> Value {
    path.to_string_lossy().into()
}

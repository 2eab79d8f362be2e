//! Clips as JSON and as text.

use std::path::{Path, PathBuf};

use reelkin::library::Severity;
use reelkin::{Clip, Error, RetryAdvice};
use serde_json::{Value, json};

use super::{
    ExitCode, MAX_MESSAGE_CHARS, MAX_WORD_CHARS, error_json, error_line, note, path_json, print_json,
    print_line, single_line,
};

/// Returns a clip as JSON. `copy` is the path of its copy outside the library.
pub(crate) fn clip_json(clip: &Clip, copy: Option<&Path>) -> Value {
    let reelkin = clip.record.as_ref().and_then(|record| record.reelkin.as_ref());
    let mut object = json!({
        "outcome": "done",
        "id": clip.id.as_str(),
        "path": clip.path.as_deref().map(path_json),
        "sidecar": clip.sidecar_path().as_deref().map(path_json),
        "operation": reelkin.and_then(|fields| fields.operation.clone()),
        "job_id": reelkin.and_then(|fields| fields.job_id.clone()),
        "cost_usd_ticks": clip.cost(),
        "delivery": reelkin.and_then(|fields| fields.delivery.as_ref()),
        "warnings": reelkin.and_then(|fields| fields.warnings.as_ref()),
    });
    if let Some(copy) = copy {
        object["copy"] = path_json(copy);
    }
    object
}

/// The result of copying a clip: the path of the copy, or `None` if no copy was requested.
pub(crate) type CopyResult = reelkin::Result<Option<PathBuf>>;

/// Returns the error of a failed copy as JSON. The clip itself is paid and in the library.
pub(crate) fn copy_error_json(error: &Error) -> Value {
    let mut object = error_json(error);
    object["may_have_been_charged"] = "yes".into();
    object["retry_advice"] = RetryAdvice::Resume.as_str().into();
    object
}

/// Returns a clip of the library as JSON, with its copy. If the copy failed, its error is the field `error`.
pub(crate) fn saved_json(clip: &Clip, copy: &CopyResult) -> Value {
    match copy {
        Ok(copy) => clip_json(clip, copy.as_deref()),
        Err(error) => {
            let mut object = clip_json(clip, None);
            object["error"] = failed_copy_json(&object, error);
            object
        }
    }
}

/// Returns the error of a failed copy with the job of its clip.
fn failed_copy_json(clip: &Value, error: &Error) -> Value {
    let mut object = copy_error_json(error);
    object["job_id"] = clip["job_id"].clone();
    object
}

/// Prints a clip of the library, and its copy or why the copy failed.
pub(crate) fn print_saved(clip: &Clip, copy: &CopyResult) {
    match copy {
        Ok(copy) => print_clip(clip, copy.as_deref()),
        Err(error) => {
            print_clip(clip, None);
            note(format_args!("reelkin: {}", error_line(error)));
            note(format_args!(
                "  clip {} is saved in the library; only its copy failed",
                clip.id
            ));
        }
    }
}

/// Prints the result of a command that made one clip, and returns the exit code. A failed copy does not hide the clip.
pub(crate) fn report_saved(clip: &Clip, copy: &CopyResult, as_json: bool) -> ExitCode {
    match copy {
        _ if !as_json => print_saved(clip, copy),
        Ok(copy) => print_json(&clip_json(clip, copy.as_deref())),
        Err(error) => {
            let clip = clip_json(clip, None);
            print_json(&json!({ "error": failed_copy_json(&clip, error), "clip": clip }));
        }
    }
    if copy.is_ok() {
        ExitCode::Success
    } else {
        ExitCode::Failure
    }
}

/// Prints a clip: its path and cost, its copy, and warnings about it.
pub(crate) fn print_clip(clip: &Clip, copy: Option<&Path>) {
    let place = clip
        .path
        .as_ref()
        .map_or_else(|| clip.file_name.clone(), |path| path.display().to_string());
    match clip.cost() {
        Some(cost) => print_line(format_args!("{place}  {cost}")),
        None => print_line(place),
    }
    if let Some(copy) = copy {
        print_line(copy.display());
    }
    let Some(reelkin) = clip.record.as_ref().and_then(|record| record.reelkin.as_ref()) else {
        return;
    };
    for finding in reelkin.delivery.iter().flat_map(|delivery| &delivery.findings) {
        if finding.severity > Severity::Unchecked {
            let [field, requested, delivered] = [&finding.field, &finding.requested, &finding.delivered]
                .map(|text| single_line(text, MAX_WORD_CHARS));
            note(format_args!(
                "warning: {field}: requested {requested}, delivered {delivered}"
            ));
        }
    }
    for warning in reelkin.warnings.iter().flatten() {
        note(format_args!(
            "warning: {}",
            single_line(warning, MAX_MESSAGE_CHARS)
        ));
    }
}

/// Returns a prompt on one line of at most `max_chars` characters.
pub(crate) fn short_prompt(prompt: &str, max_chars: usize) -> String {
    single_line(
        &prompt.split_whitespace().collect::<Vec<_>>().join(" "),
        max_chars,
    )
}

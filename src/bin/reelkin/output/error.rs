//! Errors of commands: their exit codes, their JSON and their text.

use reelkin::{Error, ErrorKind, InvalidId, JobOutcome, RetryAdvice};
use serde_json::{Value, json};

use super::{ExitCode, MAX_MESSAGE_CHARS, job, note, print_json, single_line};

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum CliError {
    /// An error of the library.
    Library(Error),
    /// Invalid arguments that the argument parser accepts.
    Usage(String),
    /// A failed operation on this machine: a file, a signal handler or the runtime.
    Local(String),
    /// Work that did not finish in time after a signal.
    Interrupted(String),
}

/// The result of a command or of one of its steps.
pub(crate) type CommandResult<T = ExitCode> = Result<T, CliError>;

impl From<InvalidId> for CliError {
    fn from(error: InvalidId) -> Self {
        Self::Library(error.into())
    }
}

impl From<Error> for CliError {
    fn from(error: Error) -> Self {
        Self::Library(error)
    }
}

impl From<ErrorKind> for ExitCode {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::InvalidRequest | ErrorKind::Config => Self::Usage,
            ErrorKind::SubmissionUnknown => Self::SubmissionUnknown,
            ErrorKind::Moderated => Self::Moderated,
            ErrorKind::Budget => Self::Budget,
            _ => Self::Failure,
        }
    }
}

impl CliError {
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Library(error) => error.kind().into(),
            Self::Usage(_) => ExitCode::Usage,
            Self::Local(_) | Self::Interrupted(_) => ExitCode::Failure,
        }
    }

    pub(crate) fn message(&self) -> String {
        match self {
            Self::Library(error) => error.to_string(),
            Self::Usage(message) | Self::Local(message) | Self::Interrupted(message) => message.clone(),
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        let (code, [outcome, charged, advice]) = match self {
            Self::Library(error) => return error_json(error),
            Self::Usage(_) => (ErrorKind::InvalidRequest.code(), ["refused", "no", "change"]),
            Self::Local(_) => ("local", ["refused", "no", "change"]),
            Self::Interrupted(_) => (ErrorKind::Stopped.code(), ["stopped", "unknown", "resume"]),
        };
        json!({
            "code": code,
            "outcome": outcome,
            "message": self.message(),
            "may_have_been_charged": charged,
            "retry_advice": advice,
        })
    }

    /// Prints the error and returns the exit code.
    pub(crate) fn report(&self, as_json: bool) -> ExitCode {
        if as_json {
            print_json(&json!({ "error": self.to_json() }));
        } else {
            note(format_args!(
                "reelkin: {}",
                single_line(&self.message(), MAX_MESSAGE_CHARS)
            ));
            if let Self::Library(error) = self {
                print_hints(error);
            }
        }
        self.exit_code()
    }
}

/// Prints what to do about an error, in indented lines.
fn print_hints(error: &Error) {
    if let Some(guidance) = error.guidance() {
        note(format_args!("  {}", single_line(guidance, MAX_MESSAGE_CHARS)));
    }
    let is_resumable = error.retry_advice() == RetryAdvice::Resume;
    match error.job_id() {
        Some(id) if is_resumable => note(format_args!(
            "  job {id}; to resume it, run: reelkin recover {id}"
        )),
        Some(id) => note(format_args!("  job {id}")),
        None => {}
    }
    if let Some(record_id) = error.record_id() {
        let hint = if error.kind() == ErrorKind::SubmissionUnknown {
            job::settle_hint(record_id)
        } else if is_resumable {
            // The job stays open while its clip is in quarantine.
            job::quarantine_hint(record_id, true)
        } else {
            job::failed_hint(record_id)
        };
        note(format_args!("  {hint}"));
    }
}

pub(crate) fn error_json(error: &Error) -> Value {
    let mut object = json!({
        "code": error.kind().code(),
        "outcome": JobOutcome::from(Err(error.clone())).code(),
        "message": error.to_string(),
        "may_have_been_charged": error.may_have_been_charged().as_str(),
        "retry_advice": error.retry_advice().as_str(),
    });
    let optional = [
        ("guidance", error.guidance().map(Value::from)),
        ("job_id", error.job_id().map(Value::from)),
        ("record", error.record_id().map(Value::from)),
        ("status", error.status().map(Value::from)),
        ("service_code", error.service_code().map(Value::from)),
        (
            "retry_after_seconds",
            error.retry_after().map(|after| after.as_secs_f64().into()),
        ),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            object[name] = value;
        }
    }
    object
}

/// Returns the message of an error, on one line.
pub(crate) fn error_line(error: &Error) -> String {
    single_line(&error.to_string(), MAX_MESSAGE_CHARS)
}

//! What the program prints, and its exit codes.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use reelkin::library::{Severity, Usage};
use reelkin::{
    Clip, Error, ErrorKind, InvalidId, JobEvent, JobHandle, JobRecord, Outcome as EndedAs, QuarantinedClip,
    RecordId, RetryAdvice, StuckJob, UsdTicks,
};
use serde_json::{Value, json};

use crate::terminal::{self, shown};

/// The longest error of others that is shown.
const ERROR: usize = 2000;
/// The longest word of others: a model, an operation, a size.
pub(crate) const WORD: usize = 80;

/// How a command ended. std's own cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ExitCode(u8);

impl ExitCode {
    pub(crate) const SUCCESS: Self = Self(0);
    pub(crate) const FAILURE: Self = Self(1);

    pub(crate) const fn get(self) -> u8 {
        self.0
    }
}

impl From<u8> for ExitCode {
    fn from(code: u8) -> Self {
        Self(code)
    }
}

/// Why standard output takes nothing more.
static BROKEN: Mutex<Option<io::Error>> = Mutex::new(None);

/// Writes to standard output. The work goes on when that fails, since it may be paid; [`finished`] tells it.
fn print(text: &str) {
    let mut broken = BROKEN.lock().unwrap_or_else(PoisonError::into_inner);
    if broken.is_none() {
        let mut out = io::stdout().lock();
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        *broken = written.err();
    }
}

/// Whether everything so far was written to standard output.
pub(crate) fn is_intact() -> bool {
    BROKEN.lock().unwrap_or_else(PoisonError::into_inner).is_none()
}

/// Returns the exit code after all is printed. A reader that closed the pipe has what it wanted; any other
/// failure to write is a failure of the command.
pub(crate) fn finished(code: ExitCode) -> ExitCode {
    let broken = BROKEN.lock().unwrap_or_else(PoisonError::into_inner);
    match &*broken {
        Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            note(format_args!("reelkin: write to standard output: {error}"));
            if code == ExitCode::SUCCESS {
                ExitCode::FAILURE
            } else {
                code
            }
        }
        _ => code,
    }
}

/// One JSON object on one line.
pub(crate) fn print_json(value: &Value) {
    let mut line = terminal::json(&value.to_string());
    line.push('\n');
    print(&line);
}

/// One line for a person.
pub(crate) fn print_line(line: impl std::fmt::Display) {
    print(&terminal::lines(&format!("{line}\n")));
}

/// One line beside the result.
pub(crate) fn note(line: impl std::fmt::Display) {
    // Where nobody can be told anything there is nobody to tell that to.
    let _ = io::stderr().write_all(terminal::lines(&format!("{line}\n")).as_bytes());
}

/// A path in JSON, which has no place for one that is not Unicode.
pub(crate) fn path_json(path: &Path) -> Value {
    path.to_string_lossy().into()
}

/// Why a command failed: the crate says so, or the program itself.
#[derive(Debug)]
pub(crate) enum Failure {
    Crate(Error),
    /// A mistake in the arguments that only shows when they are looked at closely.
    Arguments(String),
    /// A file or a pipe of this machine.
    Local(String),
    /// A signal came, and the work did not end in time.
    GaveUp(String),
}

impl From<InvalidId> for Failure {
    fn from(error: InvalidId) -> Self {
        Error::from(error).into()
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Crate(error)
    }
}

/// What a command returns.
pub(crate) type Outcome<T = ExitCode> = Result<T, Failure>;

fn exit_code(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::InvalidRequest | ErrorKind::Config => 2,
        ErrorKind::SubmissionUnknown => 3,
        ErrorKind::Moderated => 4,
        ErrorKind::Budget => 5,
        _ => 1,
    }
}

pub(crate) fn error_json(error: &Error) -> Value {
    let mut object = json!({
        "code": error.kind().code(),
        "outcome": outcome(error),
        "message": error.to_string(),
        "may_have_been_charged": error.may_have_been_charged().as_str(),
        "retry_advice": error.retry_advice().as_str(),
    });
    let optional = [
        ("guidance", error.guidance().map(Value::from)),
        ("job_id", error.job_id().map(|id| id.as_str().into())),
        ("record", error.record().map(|id| id.as_str().into())),
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

fn outcome(error: &Error) -> &'static str {
    EndedAs::from(Err(error.clone())).code()
}

pub(crate) fn code_of_kind(kind: ErrorKind) -> ExitCode {
    ExitCode::from(exit_code(kind))
}

/// The exit code of a failure that was printed already.
pub(crate) fn code_of(failure: &Failure) -> ExitCode {
    ExitCode::from(match failure {
        Failure::Crate(error) => exit_code(error.kind()),
        Failure::Arguments(_) => 2,
        Failure::Local(_) | Failure::GaveUp(_) => 1,
    })
}

/// Prints a failure and says the exit code.
pub(crate) fn failure(failure: &Failure, as_json: bool) -> ExitCode {
    let (code, told, line) = match failure {
        Failure::Crate(error) => return crate_failure(error, as_json),
        Failure::Arguments(line) => (
            ErrorKind::InvalidRequest.code(),
            ["refused", "no", "change"],
            line,
        ),
        Failure::Local(line) => ("local", ["refused", "no", "change"], line),
        Failure::GaveUp(line) => (ErrorKind::Stopped.code(), ["stopped", "unknown", "resume"], line),
    };
    if as_json {
        let [outcome, charge, advice] = told;
        print_json(&json!({ "error": {
            "code": code,
            "outcome": outcome,
            "message": line,
            "may_have_been_charged": charge,
            "retry_advice": advice,
        }}));
    } else {
        note(format_args!("reelkin: {}", shown(line, ERROR)));
    }
    code_of(failure)
}

fn crate_failure(error: &Error, as_json: bool) -> ExitCode {
    if as_json {
        print_json(&json!({ "error": error_json(error) }));
    } else {
        note(format_args!("reelkin: {}", error_line(error)));
        if let Some(guidance) = error.guidance() {
            note(format_args!("  {}", shown(guidance, ERROR)));
        }
        if let Some(job) = error.job_id() {
            let hint = match error.retry_advice() {
                RetryAdvice::Resume => format!("; pick it up with: reelkin recover {job}"),
                _ => String::new(),
            };
            note(format_args!("  job {job}{hint}"));
        }
        if let Some(record) = error.record().map(RecordId::as_str) {
            let hint = match error.kind() {
                ErrorKind::SubmissionUnknown => settle_hint(record),
                // Bytes in quarantine leave the job open.
                _ if error.retry_advice() == RetryAdvice::Resume => quarantine_hint(record, true),
                _ => failed_hint(record),
            };
            note(format_args!("  {hint}"));
        }
    }
    ExitCode::from(exit_code(error.kind()))
}

/// A clip as JSON.
pub(crate) fn clip_json(clip: &Clip, copy: Option<&Path>) -> Value {
    let record = clip.record.as_ref();
    let ours = record.and_then(|record| record.reelkin.as_ref());
    let mut object = json!({
        "outcome": "done",
        "id": clip.id.as_str(),
        "path": clip.path.as_deref().map(path_json),
        "sidecar": clip.sidecar_path().as_deref().map(path_json),
        "operation": ours.and_then(|ours| ours.operation.clone()),
        "job_id": ours.and_then(|ours| ours.job_id.clone()),
        "cost_usd_ticks": cost(clip).map(UsdTicks::ticks),
        "delivery": ours.and_then(|ours| ours.delivery.as_ref()),
        "warnings": ours.and_then(|ours| ours.warnings.as_ref()),
    });
    if let Some(copy) = copy {
        object["copy"] = path_json(copy);
    }
    object
}

/// Prints a clip that is in the library, whether or not its copy could be written, and says the exit
/// code. A copy that failed is a failure of a clip that is paid for and there.
pub(crate) fn saved(clip: &Clip, copy: reelkin::Result<Option<PathBuf>>, as_json: bool) -> ExitCode {
    let error = match copy {
        Ok(copy) => {
            if as_json {
                print_json(&clip_json(clip, copy.as_deref()));
            } else {
                print_clip(clip, copy.as_deref());
            }
            return ExitCode::SUCCESS;
        }
        Err(error) => error,
    };
    if as_json {
        let clip = clip_json(clip, None);
        let mut told = error_json(&error);
        told["may_have_been_charged"] = "yes".into();
        told["retry_advice"] = RetryAdvice::Resume.as_str().into();
        told["job_id"] = clip["job_id"].clone();
        print_json(&json!({ "error": told, "clip": clip }));
    } else {
        print_clip(clip, None);
        note(format_args!("reelkin: {}", error_line(&error)));
    }
    // The request was good: what failed is this machine.
    ExitCode::FAILURE
}

/// An error on one line for a person.
pub(crate) fn error_line(error: &Error) -> String {
    shown(&error.to_string(), ERROR)
}

/// How to tell what became of a request that only a person can find out about.
pub(crate) fn settle_hint(record: &str) -> String {
    format!("look at the account, then: reelkin settle {record} --never-made, or --job JOB_ID, or --lost USD")
}

/// How to tell what a failed job cost.
fn failed_hint(record: &str) -> String {
    format!("look at the account, then: reelkin settle {record} --never-made, or --lost USD")
}

/// What can be done about bytes in quarantine.
pub(crate) fn quarantine_hint(record: &str, is_open: bool) -> String {
    if is_open {
        format!(
            "take it as the clip: reelkin settle {record} --accept; try again: reelkin recover; give up: reelkin settle {record} --lost USD"
        )
    } else {
        format!("its job is settled; remove it: reelkin settle {record} --discard")
    }
}

/// Bytes in quarantine as JSON.
pub(crate) fn quarantined_json(kept: &QuarantinedClip) -> Value {
    json!({
        "record": kept.record,
        "job_id": kept.job_id,
        "file": kept.file_name,
        "path": kept.path,
        "reason": kept.reason,
        "bytes": kept.bytes,
        "sha256": kept.sha256,
        "attempted_at": kept.attempted_at,
    })
}

/// Bytes in quarantine, on one line.
pub(crate) fn quarantined_line(kept: &QuarantinedClip) -> String {
    let place = kept
        .path
        .as_ref()
        .map_or_else(|| kept.file_name.clone(), |path| path.display().to_string());
    let (bytes, reason) = (kept.bytes, short(&kept.reason, 200));
    format!("{}  quarantined  {place}  {bytes} bytes  {reason}", kept.record)
}

/// A record of the journal as JSON.
pub(crate) fn job_json(record: &JobRecord) -> Value {
    let mut object = json!({
        "record": record.id,
        "state": record.state.as_str(),
        "operation": record.operation,
        "created_at": record.created_at,
        "service": record.service,
        "model": record.model,
        "prompt": record.prompt,
        "prompt_sha256": record.prompt_sha256,
        "request_sha256": record.request_sha256,
        "job_id": record.job_id,
        "estimate_usd_ticks": record.estimate,
        "cost_usd_ticks": record.cost,
    });
    if let Some(error) = record.failure() {
        object["error"] = error_json(&error);
    }
    object
}

/// A record that cannot be taken up, as JSON.
pub(crate) fn stuck_json(stuck: &StuckJob) -> Value {
    json!({ "record": stuck.record, "error": error_json(&stuck.error) })
}

/// A record that cannot be taken up, on one line.
pub(crate) fn stuck_line(stuck: &StuckJob) -> String {
    format!("{}  stuck: {}", stuck.record, error_line(&stuck.error))
}

/// A record of the journal for a person, on one line.
pub(crate) fn job_line(record: &JobRecord) -> String {
    let cost = match (record.cost, record.estimate) {
        (Some(cost), _) => cost.to_string(),
        (None, Some(estimate)) => format!("about {estimate}"),
        (None, None) => "price unknown".to_owned(),
    };
    let prompt = record.prompt.as_deref().map(|prompt| short(prompt, 60));
    let fields = [record.job_id.as_ref().map(|id| shown(id.as_str(), WORD)), prompt];
    [
        record.id.as_str(),
        record.state.as_str(),
        &shown(&record.operation, WORD),
        &cost,
    ]
    .into_iter()
    .map(str::to_owned)
    .chain(fields.into_iter().flatten())
    .collect::<Vec<_>>()
    .join("  ")
}

/// What the clip cost, as far as is known.
pub(crate) fn cost(clip: &Clip) -> Option<UsdTicks> {
    let record = clip.record.as_ref()?;
    let ours = record.reelkin.as_ref().and_then(|ours| ours.cost_usd_ticks);
    let usage = |usage: &Usage| usage.grok_cost_usd_ticks;
    ours.or_else(|| record.usage.as_ref().and_then(usage))
        .map(UsdTicks::new)
}

/// A prompt on one line, cut to so many characters.
pub(crate) fn short(prompt: &str, most: usize) -> String {
    shown(&prompt.split_whitespace().collect::<Vec<_>>().join(" "), most)
}

/// A clip for a person.
pub(crate) fn print_clip(clip: &Clip, copy: Option<&Path>) {
    let place = clip
        .path
        .as_ref()
        .map_or_else(|| clip.file_name.clone(), |path| path.display().to_string());
    let ours = clip.record.as_ref().and_then(|record| record.reelkin.as_ref());
    match cost(clip) {
        Some(cost) => print_line(format_args!("{place}  {cost}")),
        None => print_line(place),
    }
    if let Some(copy) = copy {
        print_line(copy.display());
    }
    let Some(ours) = ours else { return };
    for finding in ours.delivery.iter().flat_map(|delivery| &delivery.findings) {
        if finding.severity > Severity::Unchecked {
            note(format_args!(
                "not as asked: {} {} was asked, {} came",
                shown(&finding.field, WORD),
                shown(&finding.asked, WORD),
                shown(&finding.delivered, WORD)
            ));
        }
    }
    for warning in ours.warnings.iter().flatten() {
        note(format_args!("note: {}", shown(warning, ERROR)));
    }
}

/// Draws a job's events until it is over: a bar on a terminal, lines in a log, nothing for `--json`.
pub(crate) async fn follow(job: JobHandle, as_json: bool) {
    if !as_json {
        draw(job.events().map(|event| describe(&event))).await;
    }
}

/// Draws what happens, a message and maybe a percentage at a time.
pub(crate) async fn draw(mut events: impl Stream<Item = (String, Option<u64>)> + Unpin) {
    let drawn = std::io::stderr().is_terminal();
    let target = if drawn {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(Some(100), target);
    // The template is a constant; were it wrong, the default style would do.
    if let Ok(style) = ProgressStyle::with_template("{msg:22} [{bar:32}] {pos:>3}% {elapsed}") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    let mut last_line = String::new();
    while let Some((message, percent)) = events.next().await {
        let message = shown(&message, 2 * WORD);
        bar.set_message(message.clone());
        if let Some(percent) = percent {
            bar.set_position(percent);
        }
        if !drawn {
            // In a log every tenth is enough.
            let line = match percent {
                Some(percent) => format!("{message} {} %", percent / 10 * 10),
                None => message,
            };
            if line != last_line {
                note(&line);
                last_line = line;
            }
        }
    }
    bar.finish_and_clear();
}

pub(crate) fn describe(event: &JobEvent) -> (String, Option<u64>) {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a fraction of 0 to 1"
    )]
    let percent = |fraction: f64| (fraction.clamp(0.0, 1.0) * 100.0) as u64;
    match event {
        JobEvent::Planning => ("planning".to_owned(), None),
        JobEvent::Submitted { job_id, .. } => (format!("job {job_id}"), None),
        JobEvent::Progress {
            fraction, stalled, ..
        } => {
            let message = if *stalled {
                "rendering (stalled)"
            } else {
                "rendering"
            };
            (message.to_owned(), fraction.map(percent))
        }
        JobEvent::Downloading { received, total } => {
            let share = total
                .filter(|total| *total > 0)
                .map(|total| received * 100 / total);
            ("downloading".to_owned(), share)
        }
        JobEvent::Saved { clip, .. } => (format!("saved {clip}"), Some(100)),
        _ => (String::new(), None),
    }
}

//! The one error of the crate.
//!
//! Owns what went wrong, in which words, and the questions a caller may ask of it: is it worth
//! another try, may it have cost money, which job is it about. Knows nothing of HTTP, libav or the
//! service: modules keep private error enums and fold them by meaning into [`ErrorKind`].
//!
//! A message is lower case, has no full stop, and says what was being done to what. It never holds a
//! key, a signed URL or a response body.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::ids::{InvalidId, JobId, RecordId};

/// What the crate's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Arc<dyn std::error::Error + Send + Sync + 'static>;

/// Anything that can go wrong, one pointer wide.
///
/// Match on [`kind`](Self::kind); ask the questions for the rest. `Display` is one line that names
/// what was being done to what. Cheap to clone: everybody who waits for one job gets the same error.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    guidance: Option<Cow<'static, str>>,
    job_id: Option<JobId>,
    record: Option<RecordId>,
    status: Option<u16>,
    service_code: Option<String>,
    retry_after: Option<Duration>,
    charge: Option<Charge>,
    advice: Option<RetryAdvice>,
    attempts: u32,
    source: Option<Source>,
}

/// The meaning of an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The client was set up wrongly: no key, a base URL that is none, a table that does not parse.
    Config,
    /// The service refused the key, or the key lacks the right.
    Auth,
    /// The request cannot be sent as it is. Nothing was paid.
    InvalidRequest,
    /// A clip, a file or a job that was named does not exist.
    NotFound,
    /// The service asked for fewer requests, or has no capacity, or the credit is used up.
    RateLimited,
    /// Moderation withheld the clip or refused the request. Not to be sent again unchanged.
    Moderated,
    /// The service took the job and reported its failure.
    JobFailed,
    /// The service let the job or the link to its clip expire. A job that it does not know is
    /// [`NotFound`](Self::NotFound).
    JobExpired,
    /// A create left this machine and no answer came back: a job may exist and may be charged.
    SubmissionUnknown,
    /// The deadline passed. The job, where there is one, goes on: pick it up by its id.
    Timeout,
    /// The caller stopped waiting. The job goes on and its charge stands.
    Stopped,
    /// A spending limit forbids the request. Nothing was paid.
    Budget,
    /// The network or the service failed, and trying again did not help.
    Network,
    /// The service answered in a way its contract does not allow.
    Protocol,
    /// A clip or a picture cannot be read: damaged, unsupported, or above a limit.
    Media,
    /// The crate was built without the feature `media`, and a frame was asked for.
    FramesUnavailable,
    /// The library could not be read or written.
    Library,
    /// A defect of this crate ended the work. A job that was sent goes on, and a recovery finishes it.
    Internal,
}

impl ErrorKind {
    const ALL: [Self; 18] = [
        Self::Config,
        Self::Auth,
        Self::InvalidRequest,
        Self::NotFound,
        Self::RateLimited,
        Self::Moderated,
        Self::JobFailed,
        Self::JobExpired,
        Self::SubmissionUnknown,
        Self::Timeout,
        Self::Stopped,
        Self::Budget,
        Self::Network,
        Self::Protocol,
        Self::Media,
        Self::FramesUnavailable,
        Self::Library,
        Self::Internal,
    ];

    /// The kind of a word that [`code`](Self::code) gave.
    pub(crate) fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// The word for this kind in the JSON of the command line and in every other language.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Auth => "auth",
            Self::InvalidRequest => "invalid_request",
            Self::NotFound => "not_found",
            Self::RateLimited => "rate_limited",
            Self::Moderated => "moderated",
            Self::JobFailed => "job_failed",
            Self::JobExpired => "job_expired",
            Self::SubmissionUnknown => "submission_unknown",
            Self::Timeout => "timeout",
            Self::Stopped => "stopped",
            Self::Budget => "budget",
            Self::Network => "network",
            Self::Protocol => "protocol",
            Self::Media => "media",
            Self::FramesUnavailable => "frames_unavailable",
            Self::Library => "library",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Whether money may be gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum Charge {
    /// Nothing was charged.
    No,
    /// The service charges for this outcome.
    Yes,
    /// Nobody here can know: look at the account.
    Unknown,
}

impl Charge {
    /// `no`, `yes` or `unknown`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Yes => "yes",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Charge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What to do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum RetryAdvice {
    /// The same call may be made again at once: nothing was paid.
    Retry,
    /// The same call may be made again after a pause ([`Error::retry_after`], else a minute).
    Wait,
    /// The job goes on: pick it up by its id. A new create would be paid for a second time.
    Resume,
    /// Only a changed request, key or setting can succeed.
    Change,
    /// A person has to look at the account before anything is sent again.
    CheckAccount,
}

impl RetryAdvice {
    /// `retry`, `wait`, `resume`, `change` or `check_account`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Wait => "wait",
            Self::Resume => "resume",
            Self::Change => "change",
            Self::CheckAccount => "check_account",
        }
    }
}

impl fmt::Display for RetryAdvice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Error {
    /// What it means.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// A sentence or two that help to do better, where there are any: what a prompt should describe,
    /// how to get a key.
    pub fn guidance(&self) -> Option<&str> {
        self.0.guidance.as_deref()
    }

    /// The service's id of the job. Present in every error after the submit.
    pub fn job_id(&self) -> Option<&JobId> {
        self.0.job_id.as_ref()
    }

    /// The id of the request's record in the library's journal, where a person can settle it: its submission is
    /// unknown, or what was downloaded of it is in quarantine. See [`Library::settle`](crate::Library::settle).
    pub fn record(&self) -> Option<&RecordId> {
        self.0.record.as_ref()
    }

    /// The HTTP status, where the service answered.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The service's own code (`invalid-argument`, `imagine:content-moderated`, …), as it was sent.
    pub fn service_code(&self) -> Option<&str> {
        self.0.service_code.as_deref()
    }

    /// How long the service asked to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// How many requests were made for the step that failed.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// Whether money may be gone.
    pub fn may_have_been_charged(&self) -> Charge {
        if let Some(charge) = self.0.charge {
            return charge;
        }
        match self.0.kind {
            ErrorKind::SubmissionUnknown | ErrorKind::Internal => Charge::Unknown,
            _ if self.0.job_id.is_some() => Charge::Unknown,
            _ => Charge::No,
        }
    }

    /// What to do next.
    pub fn retry_advice(&self) -> RetryAdvice {
        if let Some(advice) = self.0.advice {
            return advice;
        }
        match self.0.kind {
            ErrorKind::SubmissionUnknown => RetryAdvice::CheckAccount,
            ErrorKind::Moderated | ErrorKind::JobExpired => RetryAdvice::Change,
            ErrorKind::JobFailed => match self.service_code() {
                Some("service_unavailable" | "internal_error") => RetryAdvice::Wait,
                _ => RetryAdvice::Change,
            },
            // The job exists, whatever went wrong after it: another create would be paid again.
            _ if self.0.job_id.is_some() => RetryAdvice::Resume,
            ErrorKind::Internal => RetryAdvice::CheckAccount,
            ErrorKind::RateLimited | ErrorKind::Protocol => RetryAdvice::Wait,
            ErrorKind::Network | ErrorKind::Timeout | ErrorKind::Stopped => RetryAdvice::Retry,
            // Without a status it is no refusal of the service's: there was no token, and nothing was sent.
            ErrorKind::Auth if self.0.status.is_none() => RetryAdvice::Retry,
            _ => RetryAdvice::Change,
        }
    }

    /// Whether the same call may be made again as it is, now or after a pause, without paying twice.
    pub fn is_retryable(&self) -> bool {
        matches!(self.retry_advice(), RetryAdvice::Retry | RetryAdvice::Wait)
    }
}

impl Error {
    /// Whether a job that ended with this error is over for good, without a clip. Every other error leaves it open:
    /// its clip may still be had.
    pub(crate) fn is_final(&self) -> bool {
        matches!(
            self.kind(),
            ErrorKind::Moderated | ErrorKind::JobFailed | ErrorKind::JobExpired
        ) && self.retry_advice() != RetryAdvice::Resume
    }
}

/// A URL as messages and records may show it: scheme, host, port and path. User, password, query and
/// fragment are where signatures and tokens live.
pub(crate) fn redacted_url(url: &str) -> String {
    let Ok(mut parsed) = url::Url::parse(url) else {
        return "a URL that does not parse".to_owned();
    };
    if parsed.cannot_be_a_base() {
        return format!("a {} URL", parsed.scheme());
    }
    // These two fail only for URLs that cannot be a base.
    let _ = parsed.set_username("");
    let _ = parsed.set_password(None);
    parsed.set_query(None);
    parsed.set_fragment(None);
    parsed.into()
}

/// Constructors for the crate: one a kind that is made in more than one place, then what is known.
impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            kind,
            message: message.into(),
            guidance: None,
            job_id: None,
            record: None,
            status: None,
            service_code: None,
            retry_after: None,
            charge: None,
            advice: None,
            attempts: 0,
            source: None,
        }))
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidRequest, message)
    }

    fn set(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    pub(crate) fn with_source(self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.set(|inner| inner.source = Some(Arc::new(source)))
    }

    pub(crate) fn with_guidance(self, guidance: impl Into<Cow<'static, str>>) -> Self {
        self.set(|inner| inner.guidance = Some(guidance.into()))
    }

    pub(crate) fn with_job_id(self, job_id: &JobId) -> Self {
        self.set(|inner| inner.job_id = Some(job_id.clone()))
    }

    /// Adds words at the end of the line, after the source.
    pub(crate) fn with_words(self, words: &str) -> Self {
        let line = format!("{self}; {words}");
        self.set(|inner| (inner.message, inner.source) = (line, None))
    }

    pub(crate) fn with_record(self, record: &RecordId) -> Self {
        self.set(|inner| inner.record = Some(record.clone()))
    }

    pub(crate) fn with_status(self, status: u16) -> Self {
        self.set(|inner| inner.status = Some(status))
    }

    pub(crate) fn with_service_code(self, code: impl Into<String>) -> Self {
        self.set(|inner| inner.service_code = Some(code.into()))
    }

    pub(crate) fn with_retry_after(self, after: Option<Duration>) -> Self {
        self.set(|inner| inner.retry_after = after)
    }

    pub(crate) fn with_charge(self, charge: Charge) -> Self {
        self.set(|inner| inner.charge = Some(charge))
    }

    pub(crate) fn with_advice(self, advice: RetryAdvice) -> Self {
        self.set(|inner| inner.advice = Some(advice))
    }

    pub(crate) fn with_attempts(self, attempts: u32) -> Self {
        self.set(|inner| inner.attempts = attempts)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        // A cause that is itself an `Error` of ours has a message made for reading; others (I/O,
        // libav) are appended too, since the line must say what went wrong on its own.
        if let Some(source) = &self.0.source {
            write!(f, ": {source}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Error");
        out.field("kind", &self.0.kind).field("message", &self.0.message);
        if let Some(id) = &self.0.job_id {
            out.field("job_id", id);
        }
        if let Some(status) = &self.0.status {
            out.field("status", status);
        }
        if let Some(code) = &self.0.service_code {
            out.field("service_code", code);
        }
        if let Some(source) = &self.0.source {
            out.field("source", source);
        }
        out.finish_non_exhaustive()
    }
}

impl From<InvalidId> for Error {
    fn from(error: InvalidId) -> Self {
        Self::invalid(error.to_string())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| &**source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_pointer_wide() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
        assert_eq!(size_of::<Result<(), Error>>(), size_of::<usize>());
    }

    #[test]
    fn an_error_with_a_job_never_advises_a_second_create() {
        for kind in [
            ErrorKind::Network,
            ErrorKind::Timeout,
            ErrorKind::Stopped,
            ErrorKind::RateLimited,
            ErrorKind::Protocol,
            ErrorKind::Media,
            ErrorKind::Library,
            ErrorKind::Auth,
        ] {
            let error = Error::new(kind, "poll job").with_job_id(&JobId::parse("j").unwrap());
            assert_eq!(error.retry_advice(), RetryAdvice::Resume, "{kind}");
            assert!(!error.is_retryable(), "{kind}");
            assert_eq!(error.may_have_been_charged(), Charge::Unknown, "{kind}");
        }
    }

    #[test]
    fn an_unknown_submission_is_for_a_person() {
        let error = Error::new(ErrorKind::SubmissionUnknown, "submit the job");
        assert_eq!(error.retry_advice(), RetryAdvice::CheckAccount);
        assert_eq!(error.may_have_been_charged(), Charge::Unknown);
        assert!(!error.is_retryable());
    }

    #[test]
    fn a_shown_url_has_no_secret() {
        let shown = redacted_url("https://me:pw@cdn.example/a/b.mp4?Signature=S#t");
        assert_eq!(shown, "https://cdn.example/a/b.mp4");
        assert_eq!(redacted_url("data:image/png;base64,AAAA"), "a data URL");
        assert_eq!(redacted_url("::"), "a URL that does not parse");
    }

    #[test]
    fn the_line_ends_with_the_cause() {
        let cause = std::io::Error::other("disk on fire");
        let error = Error::new(ErrorKind::Library, "write clip.mp4").with_source(cause);
        assert_eq!(error.to_string(), "write clip.mp4: disk on fire");
    }
}

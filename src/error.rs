//! The crate's error type.
//!
//! Owns the message of an error and what a caller can ask of it: what it means, whether to retry, whether it may have
//! cost money, and which job it concerns. Does not know HTTP, libav or the service. Each module maps its own failures to
//! an [`ErrorKind`].
//!
//! A message is lower case, has no full stop, and says what was being done to what. It never contains a key, a signed
//! URL or a response body.

mod kind;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::ids::{InvalidId, JobId, RecordId};

pub use kind::{Charge, ErrorKind, RetryAdvice};

/// A [`Result`](std::result::Result) whose error defaults to [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The error of every operation in this crate.
///
/// Match on [`kind`](Self::kind) to see what happened, and use [`retry_advice`](Self::retry_advice) to decide what to do
/// next. `Display` writes one line that says what was being done to what, and why it failed.
///
/// An `Error` is one pointer wide and cheap to clone. All waiters of one job receive the same error.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    guidance: Option<Cow<'static, str>>,
    job_id: Option<JobId>,
    record_id: Option<RecordId>,
    status: Option<u16>,
    service_code: Option<String>,
    retry_after: Option<Duration>,
    charge: Option<Charge>,
    /// The cost of a job that ended without a clip, in ticks, if the service reported it.
    cost_ticks: Option<u64>,
    advice: Option<RetryAdvice>,
    attempts: u32,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// Returns what the error means.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns one or two sentences on how to avoid the error, such as how to get a key or what to change in a
    /// prompt.
    pub fn guidance(&self) -> Option<&str> {
        self.0.guidance.as_deref()
    }

    /// Returns the service's id of the job. Every error that occurs after a job was submitted has one.
    pub fn job_id(&self) -> Option<&str> {
        self.0.job_id.as_deref()
    }

    /// Returns the id of the request's record in the library's journal, if the record has to be settled by a person.
    ///
    /// That is the case for an unknown submission, and for a download that is in quarantine. Pass the id to
    /// [`Library::settle`](crate::Library::settle).
    pub fn record_id(&self) -> Option<&str> {
        self.0.record_id.as_deref()
    }

    /// Returns the HTTP status, if the service replied.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// Returns the service's error code unchanged, such as `invalid-argument` or `imagine:content-moderated`.
    pub fn service_code(&self) -> Option<&str> {
        self.0.service_code.as_deref()
    }

    /// Returns how long the service asked to wait before the next request.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Returns how many times the failed step was attempted, or 0 if the step is not retried.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// Returns whether the operation may have cost money.
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

    /// Returns what to do next.
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
            // The job exists, so another create would be charged a second time.
            _ if self.0.job_id.is_some() => RetryAdvice::Resume,
            ErrorKind::Internal => RetryAdvice::CheckAccount,
            ErrorKind::RateLimited | ErrorKind::Protocol => RetryAdvice::Wait,
            ErrorKind::Network | ErrorKind::Timeout | ErrorKind::Stopped => RetryAdvice::Retry,
            // Without a status the service was never asked: there was no token, so nothing was sent.
            ErrorKind::Auth if self.0.status.is_none() => RetryAdvice::Retry,
            _ => RetryAdvice::Change,
        }
    }

    /// Returns whether the same call can be made again, at once or after a pause, without being charged twice.
    pub fn is_retryable(&self) -> bool {
        matches!(self.retry_advice(), RetryAdvice::Retry | RetryAdvice::Wait)
    }
}

impl Error {
    /// Returns whether this error ends its job for good, without a clip. After any other error the clip may still be
    /// obtained.
    pub(crate) fn is_final(&self) -> bool {
        matches!(
            self.kind(),
            ErrorKind::Moderated | ErrorKind::JobFailed | ErrorKind::JobExpired
        ) && self.retry_advice() != RetryAdvice::Resume
    }
}

/// Reduces a URL to scheme, host, port and path, for messages and records.
///
/// Removes the user name, password, query and fragment, because signatures and tokens are in these.
pub(crate) fn redact_url(url: &str) -> String {
    let Ok(mut parsed) = url::Url::parse(url) else {
        return "a URL that does not parse".to_owned();
    };
    if parsed.cannot_be_a_base() {
        return format!("a {} URL", parsed.scheme());
    }
    // Both fail only for URLs that cannot be a base.
    let _ = parsed.set_username("");
    let _ = parsed.set_password(None);
    parsed.set_query(None);
    parsed.set_fragment(None);
    parsed.into()
}

/// Constructors and setters for the crate's modules.
impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            kind,
            message: message.into(),
            guidance: None,
            job_id: None,
            record_id: None,
            status: None,
            service_code: None,
            retry_after: None,
            charge: None,
            cost_ticks: None,
            advice: None,
            attempts: 0,
            source: None,
        }))
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidRequest, message)
    }

    pub(crate) fn library(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Library, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    pub(crate) fn config(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config, message)
    }

    pub(crate) fn media(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Media, message)
    }

    pub(crate) fn protocol(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Protocol, message)
    }

    pub(crate) fn stopped(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Stopped, message)
    }

    pub(crate) fn network(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Network, message)
    }

    /// Adds a part if there is one.
    pub(crate) fn with<T>(self, part: Option<T>, add: impl FnOnce(Self, T) -> Self) -> Self {
        match part {
            Some(part) => add(self, part),
            None => self,
        }
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

    /// Returns the id of the job, typed.
    pub(crate) fn typed_job_id(&self) -> Option<&JobId> {
        self.0.job_id.as_ref()
    }

    pub(crate) fn with_job_id(self, job_id: &JobId) -> Self {
        self.set(|inner| inner.job_id = Some(job_id.clone()))
    }

    /// Appends text to the message. The source becomes part of the message, so that the text comes after it.
    pub(crate) fn with_suffix(self, suffix: &str) -> Self {
        let message = format!("{self}; {suffix}");
        self.set(|inner| (inner.message, inner.source) = (message, None))
    }

    pub(crate) fn with_record_id(self, record_id: &RecordId) -> Self {
        self.set(|inner| inner.record_id = Some(record_id.clone()))
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

    /// Sets what the service reported as the cost of a job that ended without a clip.
    pub(crate) fn with_cost_ticks(self, ticks: u64) -> Self {
        let charge = if ticks == 0 { Charge::No } else { Charge::Yes };
        self.set(|inner| inner.cost_ticks = Some(ticks))
            .with_charge(charge)
    }

    pub(crate) fn cost_ticks(&self) -> Option<u64> {
        self.0.cost_ticks
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
        // Callers often print only this line, so it includes the cause.
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
    fn an_unknown_submission_advises_to_check_the_account() {
        let error = Error::new(ErrorKind::SubmissionUnknown, "submit the job");
        assert_eq!(error.retry_advice(), RetryAdvice::CheckAccount);
        assert_eq!(error.may_have_been_charged(), Charge::Unknown);
        assert!(!error.is_retryable());
    }

    #[test]
    fn a_redacted_url_has_no_secret() {
        let shown = redact_url("https://me:pw@cdn.example/a/b.mp4?Signature=S#t");
        assert_eq!(shown, "https://cdn.example/a/b.mp4");
        assert_eq!(redact_url("data:image/png;base64,AAAA"), "a data URL");
        assert_eq!(redact_url("::"), "a URL that does not parse");
    }

    #[test]
    fn the_message_ends_with_the_cause() {
        let cause = std::io::Error::other("disk on fire");
        let error = Error::library("write clip.mp4").with_source(cause);
        assert_eq!(error.to_string(), "write clip.mp4: disk on fire");
    }
}

//! Maps [`crate::Error`] to the error type that the other languages see.

use std::fmt;
use std::time::Duration;

use crate::{Charge, Error, ErrorKind, RetryAdvice};

/// The result of every exported function that can fail.
pub(super) type Result<T> = std::result::Result<T, VideoError>;

/// The details of an error.
#[derive(Debug, Clone, uniffi::Record)]
pub struct ErrorDetails {
    /// The kind as a word, the same in every language: `submission_unknown`, `moderated`, ...
    pub code: String,
    /// One line: what was being done to what, and why it failed.
    pub reason: String,
    /// A hint on how to fix the problem, if there is one.
    pub guidance: Option<String>,
    /// The id of the job at the service. Set in every error after the job was submitted.
    pub job_id: Option<String>,
    /// The id of the request's journal record, if the request has to be settled by hand.
    pub record_id: Option<String>,
    /// The HTTP status, if the service answered.
    pub status: Option<u16>,
    /// The service's own error code, unchanged.
    pub service_code: Option<String>,
    /// How long the service asked to wait.
    pub retry_after: Option<Duration>,
    /// Number of attempts made for the step that failed.
    pub attempts: u32,
    /// Whether the request may have been charged.
    pub may_have_been_charged: Charge,
    /// What to do next.
    pub retry_advice: RetryAdvice,
    /// Whether the same call can be repeated unchanged, now or after a pause, without paying twice.
    pub is_retryable: bool,
}

macro_rules! video_error {
    ($($(#[$docs:meta])* $kind:ident,)*) => {
        /// An error of this package. Each variant is one kind of error.
        #[derive(Debug, Clone, uniffi::Error)]
        #[uniffi::export(Display)]
        pub enum VideoError {
            $($(#[$docs])* $kind {
                /// The details of the error.
                details: Box<ErrorDetails>,
            },)*
        }

        impl VideoError {
            fn new(kind: ErrorKind, details: ErrorDetails) -> Self {
                let details = Box::new(details);
                match kind {
                    $(ErrorKind::$kind => Self::$kind { details },)*
                }
            }

            fn details(&self) -> &ErrorDetails {
                match self {
                    $(Self::$kind { details })|* => details,
                }
            }
        }
    };
}

video_error! {
    /// The client is misconfigured or closed: no key, an invalid base URL, a model table that does not parse.
    Config,
    /// The service rejected the key, or the key lacks a permission.
    Auth,
    /// The request is invalid. Nothing was charged.
    InvalidRequest,
    /// The clip, file or job does not exist.
    NotFound,
    /// The service limited the request rate, has no capacity, or the account has no credit left.
    RateLimited,
    /// Moderation blocked the request or the clip. Do not send the request again unchanged.
    Moderated,
    /// The service accepted the job and then reported that it failed.
    JobFailed,
    /// The job, or the link to its clip, expired at the service. A job that the service does not know is `NotFound`.
    JobExpired,
    /// A create request was sent and no usable reply arrived. A job may exist and may be charged.
    SubmissionUnknown,
    /// The deadline passed. If there is a job, it continues and can be resumed by its id.
    Timeout,
    /// The caller stopped waiting. The job continues and is charged.
    Stopped,
    /// The request would exceed a spending limit. Nothing was charged.
    Budget,
    /// The network or the service failed, and retries did not help.
    Network,
    /// The service sent a response that violates its API contract.
    Protocol,
    /// A clip or an image cannot be decoded: it is damaged, unsupported, or above a limit.
    Media,
    /// A frame was requested from a build without media support.
    FramesUnavailable,
    /// The library cannot be read or written.
    Library,
    /// A bug in this package ended the call. A submitted job continues, and a recovery finishes it.
    Internal,
}

impl VideoError {
    /// Creates an error of the binding layer itself, which never involves a job or a charge.
    pub(super) fn local(kind: ErrorKind, reason: &str) -> Self {
        let details = ErrorDetails {
            code: kind.code().to_owned(),
            reason: reason.to_owned(),
            guidance: None,
            job_id: None,
            record_id: None,
            status: None,
            service_code: None,
            retry_after: None,
            attempts: 0,
            may_have_been_charged: Charge::No,
            retry_advice: RetryAdvice::Change,
            is_retryable: false,
        };
        Self::new(kind, details)
    }
}

impl From<Error> for VideoError {
    fn from(error: Error) -> Self {
        let details = ErrorDetails {
            code: error.kind().code().to_owned(),
            reason: error.to_string(),
            guidance: error.guidance().map(str::to_owned),
            job_id: error.job_id().map(ToString::to_string),
            record_id: error.record_id().map(ToString::to_string),
            status: error.status(),
            service_code: error.service_code().map(str::to_owned),
            retry_after: error.retry_after(),
            attempts: error.attempts(),
            may_have_been_charged: error.may_have_been_charged(),
            retry_advice: error.retry_advice(),
            is_retryable: error.is_retryable(),
        };
        Self::new(error.kind(), details)
    }
}

impl fmt::Display for VideoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.details().reason)
    }
}

impl std::error::Error for VideoError {}

//! The one error that crosses.

use std::fmt;
use std::time::Duration;

use crate::{Charge, Error, ErrorKind, RetryAdvice};

/// What every exported function that can fail ends with.
pub(super) type Result<T> = std::result::Result<T, VideoError>;

/// What is known of an error.
#[derive(Debug, Clone, uniffi::Record)]
pub struct ErrorDetails {
    /// The word for its kind, the same in every language: `submission_unknown`, `moderated`, ...
    pub code: String,
    /// One line: what was being done to what, and why it failed.
    pub reason: String,
    /// A sentence or two that help to do better, where there are any.
    pub guidance: Option<String>,
    /// The service's id of the job. Present in every error after the submit.
    pub job_id: Option<String>,
    /// The id of the request's record in the library's journal, where only a person can settle it.
    pub record: Option<String>,
    /// The HTTP status, where the service answered.
    pub status: Option<u16>,
    /// The service's own code, as it was sent.
    pub service_code: Option<String>,
    /// How long the service asked to wait.
    pub retry_after: Option<Duration>,
    /// How many requests were made for the step that failed.
    pub attempts: u32,
    /// Whether money may be gone.
    pub may_have_been_charged: Charge,
    /// What to do next.
    pub retry_advice: RetryAdvice,
    /// Whether the same call may be made again as it is, now or after a pause, without paying twice.
    pub is_retryable: bool,
}

macro_rules! video_error {
    ($($(#[$about:meta])* $kind:ident,)*) => {
        /// Anything that can go wrong. The variants are the kinds of errors.
        #[derive(Debug, Clone, uniffi::Error)]
        #[uniffi::export(Display)]
        pub enum VideoError {
            $($(#[$about])* $kind {
                /// What is known of it.
                details: Box<ErrorDetails>,
            },)*
        }

        impl VideoError {
            fn of(kind: ErrorKind, details: ErrorDetails) -> Self {
                let details = Box::new(details);
                match kind {
                    $(ErrorKind::$kind => Self::$kind { details },)*
                }
            }

            /// What is known of it.
            fn details(&self) -> &ErrorDetails {
                match self {
                    $(Self::$kind { details })|* => details,
                }
            }
        }
    };
}

video_error! {
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
    /// The service no longer knows the job or its result.
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
    /// The crate was built without frames, and a frame was asked for.
    FramesUnavailable,
    /// The library could not be read or written.
    Library,
    /// A defect of this package ended the work. A job that was sent goes on, and a recovery finishes it.
    Internal,
}

impl VideoError {
    /// An error of this side of the boundary: no job and no money has anything to do with it.
    pub(super) fn here(kind: ErrorKind, reason: &str) -> Self {
        let details = ErrorDetails {
            code: kind.code().to_owned(),
            reason: reason.to_owned(),
            guidance: None,
            job_id: None,
            record: None,
            status: None,
            service_code: None,
            retry_after: None,
            attempts: 0,
            may_have_been_charged: Charge::No,
            retry_advice: RetryAdvice::Change,
            is_retryable: false,
        };
        Self::of(kind, details)
    }
}

impl From<Error> for VideoError {
    fn from(error: Error) -> Self {
        let details = ErrorDetails {
            code: error.kind().code().to_owned(),
            reason: error.to_string(),
            guidance: error.guidance().map(str::to_owned),
            job_id: error.job_id().map(ToString::to_string),
            record: error.record().map(ToString::to_string),
            status: error.status(),
            service_code: error.service_code().map(str::to_owned),
            retry_after: error.retry_after(),
            attempts: error.attempts(),
            may_have_been_charged: error.may_have_been_charged(),
            retry_advice: error.retry_advice(),
            is_retryable: error.is_retryable(),
        };
        Self::of(error.kind(), details)
    }
}

impl fmt::Display for VideoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.details().reason)
    }
}

impl std::error::Error for VideoError {}

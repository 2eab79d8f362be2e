//! What an error means, what it may have cost, and what to do about it, each as one enum.

use std::fmt;

/// Defines [`ErrorKind`] from one list, so that a kind and its code cannot come apart.
macro_rules! error_kinds {
    ($($(#[$about:meta])* $kind:ident => $code:literal,)*) => {
        /// The meaning of an [`Error`](crate::Error).
        ///
        /// The kind says what happened. Two questions have answers of their own, because a kind alone does not decide
        /// them: [`Error::retry_advice`](crate::Error::retry_advice) says what to do next, and
        /// [`Error::may_have_been_charged`](crate::Error::may_have_been_charged) says whether it may have cost money.
        /// New kinds can be added in a minor version.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorKind {
            $($(#[$about])* $kind,)*
        }

        impl ErrorKind {
            /// Returns the kind's code, such as `rate_limited`.
            ///
            /// Codes are stable. They are the same in the JSON of the command line and in every language.
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$kind => $code,)*
                }
            }

            /// Returns the kind with a code, the inverse of [`code`](Self::code).
            pub(crate) fn from_code(code: &str) -> Option<Self> {
                match code {
                    $($code => Some(Self::$kind),)*
                    _ => None,
                }
            }
        }
    };
}

error_kinds! {
    /// The client is configured incorrectly: there is no API key, the base URL or a limit is invalid, or the model
    /// table does not parse. Nothing was sent.
    Config => "config",
    /// The service rejected the API key or token, the key lacks a permission, or the
    /// [`TokenSource`](crate::TokenSource) returned no token. In the last case nothing was sent, and
    /// [`Error::status`](crate::Error::status) is `None`.
    Auth => "auth",
    /// The request is invalid and was not accepted. Nothing was paid.
    InvalidRequest => "invalid_request",
    /// The clip, file, chain or job does not exist.
    NotFound => "not_found",
    /// The service is limiting requests, has no capacity, or the account's credit is used up.
    RateLimited => "rate_limited",
    /// Moderation rejected the request or withheld the clip. Do not send the request again unchanged.
    Moderated => "moderated",
    /// The service accepted the job, then reported that it failed.
    JobFailed => "job_failed",
    /// The job, or the link to its clip, expired at the service. A job that the service does not know is
    /// [`NotFound`](Self::NotFound).
    JobExpired => "job_expired",
    /// A create was sent and no usable reply was received, so a job may exist and may have been charged. It is never sent
    /// again automatically.
    ///
    /// Check the account. If the error names a [`record_id`](crate::Error::record_id), close it with
    /// [`Library::settle`](crate::Library::settle).
    SubmissionUnknown => "submission_unknown",
    /// The deadline passed. A job that was submitted continues: resume it by its id.
    Timeout => "timeout",
    /// The caller stopped waiting. A job that was submitted continues, and its charge stands.
    Stopped => "stopped",
    /// The request exceeds a spending limit. Nothing was sent or paid.
    Budget => "budget",
    /// The network or the service failed, and retries did not help.
    Network => "network",
    /// The service's reply violates its API contract.
    Protocol => "protocol",
    /// A clip or an image cannot be read: it is damaged, unsupported, or above a limit.
    Media => "media",
    /// A frame was requested, but the crate was built without the feature `media`.
    FramesUnavailable => "frames_unavailable",
    /// The library could not be read or written.
    Library => "library",
    /// A bug in this crate ended the operation. A job that was submitted continues, and recovery finishes it.
    Internal => "internal",
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Whether an operation that failed cost money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum Charge {
    /// Nothing was charged.
    No,
    /// The service charges for this outcome.
    Yes,
    /// The crate cannot know. Only the account shows whether there was a charge.
    Unknown,
}

impl Charge {
    /// Returns `no`, `yes` or `unknown`.
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

/// What to do after an [`Error`](crate::Error).
///
/// Only [`Retry`](Self::Retry) and [`Wait`](Self::Wait) allow the same call to be made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum RetryAdvice {
    /// Make the same call again, at once if you like. Nothing was paid.
    Retry,
    /// Make the same call again after a pause: [`Error::retry_after`](crate::Error::retry_after) if it is set,
    /// otherwise about a minute.
    Wait,
    /// Resume the job by its id. It still exists, and a new create would be charged a second time.
    Resume,
    /// Change the request, the key or a setting. The same call would fail again.
    Change,
    /// Look at the account before sending anything again: a job may exist that this crate does not know.
    CheckAccount,
}

impl RetryAdvice {
    /// Returns `retry`, `wait`, `resume`, `change` or `check_account`.
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

//! Sorts the result of a paid request by what can be done about it.

use super::JobHandle;
use crate::error::{Charge, Error, ErrorKind, Result, RetryAdvice};
use crate::ids::JobId;
use crate::library::Clip;

/// The result of a paid request, sorted by what can be done about it.
///
/// [`JobHandle::outcome`](crate::WorkHandle::outcome) returns it, and `JobOutcome::from` converts the result of any
/// verb. The JSON of the command line has its [`code`](Self::code),
/// [`may_have_been_charged`](Self::may_have_been_charged) and [`retry_advice`](Self::retry_advice).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum JobOutcome {
    /// The clip is in the library.
    Done(Box<Clip>),
    /// Moderation refused the request, failed the job, or withheld the clip. Do not send it again unchanged.
    Moderated(Error),
    /// The service accepted the job and could not make the clip.
    Failed {
        /// The error code of the service, if it returned one.
        code: Option<String>,
        /// The error.
        error: Error,
    },
    /// The service let the job expire.
    Expired(Error),
    /// The request was sent and its answer is unknown. See [`Error::record_id`] and
    /// [`Library::settle`](crate::Library::settle).
    SubmissionUnknown(Error),
    /// The deadline passed. The job continues, and [`VideoClient::job`](crate::VideoClient::job) picks it up in any
    /// process.
    TimedOut {
        /// The job, if there is one.
        job: Option<JobId>,
        /// The error.
        error: Error,
    },
    /// The caller stopped waiting. The job continues, as after a deadline.
    Stopped {
        /// The job, if there is one.
        job: Option<JobId>,
        /// The error.
        error: Error,
    },
    /// A spending limit forbade the request, and nothing was sent.
    Budget(Error),
    /// The job exists, and this machine, the network or the service prevented its clip from being saved. Pick the job up,
    /// or recover.
    Interrupted {
        /// The job.
        job: JobId,
        /// The error.
        error: Error,
    },
    /// There is no job, because this crate or the service refused the request.
    Refused(Error),
}

impl From<Result<Clip>> for JobOutcome {
    fn from(result: Result<Clip>) -> Self {
        let error = match result {
            Ok(clip) => return Self::Done(Box::new(clip)),
            Err(error) => error,
        };
        let job = error.typed_job_id().cloned();
        match error.kind() {
            ErrorKind::Moderated => Self::Moderated(error),
            // A job that is done and has no link yet may have one later.
            ErrorKind::JobFailed if error.retry_advice() != RetryAdvice::Resume => Self::Failed {
                code: error.service_code().map(str::to_owned),
                error,
            },
            ErrorKind::JobExpired if error.retry_advice() != RetryAdvice::Resume => Self::Expired(error),
            ErrorKind::SubmissionUnknown => Self::SubmissionUnknown(error),
            ErrorKind::Timeout => Self::TimedOut { job, error },
            ErrorKind::Stopped => Self::Stopped { job, error },
            ErrorKind::Budget => Self::Budget(error),
            kind => match job {
                Some(job) => Self::Interrupted { job, error },
                // After a panic only the journal knows whether the request was sent.
                None if kind == ErrorKind::Internal => Self::SubmissionUnknown(error),
                None => Self::Refused(error),
            },
        }
    }
}

impl JobOutcome {
    /// Returns the error, or `None` if there is a clip.
    pub const fn error(&self) -> Option<&Error> {
        match self.as_result() {
            Ok(_) => None,
            Err(error) => Some(error),
        }
    }

    const fn as_result(&self) -> Result<&Clip, &Error> {
        match self {
            Self::Done(clip) => Ok(clip),
            Self::Moderated(error)
            | Self::Failed { error, .. }
            | Self::Expired(error)
            | Self::SubmissionUnknown(error)
            | Self::TimedOut { error, .. }
            | Self::Stopped { error, .. }
            | Self::Budget(error)
            | Self::Interrupted { error, .. }
            | Self::Refused(error) => Err(error),
        }
    }

    /// Returns the code of the variant: `done`, `moderated`, `failed`, `expired`, `submission_unknown`, `timed_out`,
    /// `stopped`, `budget`, `interrupted` or `refused`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Done(_) => "done",
            Self::Moderated(_) => "moderated",
            Self::Failed { .. } => "failed",
            Self::Expired(_) => "expired",
            Self::SubmissionUnknown(_) => "submission_unknown",
            Self::TimedOut { .. } => "timed_out",
            Self::Stopped { .. } => "stopped",
            Self::Budget(_) => "budget",
            Self::Interrupted { .. } => "interrupted",
            Self::Refused(_) => "refused",
        }
    }

    /// Returns whether the request may have been charged.
    pub fn may_have_been_charged(&self) -> Charge {
        self.error().map_or(Charge::Yes, Error::may_have_been_charged)
    }

    /// Returns what to do next, or `None` if nothing remains to be done.
    pub fn retry_advice(&self) -> Option<RetryAdvice> {
        self.error().map(Error::retry_advice)
    }

    /// Converts the outcome into a result.
    ///
    /// # Errors
    /// The reason why there is no clip.
    pub fn into_result(self) -> Result<Clip> {
        self.as_result().cloned().map_err(Clone::clone)
    }
}

impl JobHandle {
    /// Waits until the job is over, like [`wait`](crate::WorkHandle::wait), and returns the result as a
    /// [`JobOutcome`].
    ///
    /// # Cancel safety
    /// As for [`wait`](crate::WorkHandle::wait).
    pub async fn outcome(&self) -> JobOutcome {
        self.wait().await.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_outcome() {
        let outcome = |kind, job: Option<&str>| {
            let error = Error::new(kind, "do it");
            let error = error.with(job, |error, id| error.with_job_id(&JobId::parse(id).unwrap()));
            JobOutcome::from(Err(error))
        };
        for (kind, job, code) in [
            (ErrorKind::Moderated, None, "moderated"),
            (ErrorKind::JobFailed, Some("j"), "failed"),
            (ErrorKind::JobExpired, Some("j"), "expired"),
            (ErrorKind::SubmissionUnknown, None, "submission_unknown"),
            (ErrorKind::Timeout, Some("j"), "timed_out"),
            (ErrorKind::Stopped, Some("j"), "stopped"),
            (ErrorKind::Budget, None, "budget"),
            (ErrorKind::Network, Some("j"), "interrupted"),
            (ErrorKind::Library, Some("j"), "interrupted"),
            (ErrorKind::Network, None, "refused"),
            (ErrorKind::Internal, Some("j"), "interrupted"),
            (ErrorKind::Internal, None, "submission_unknown"),
            (ErrorKind::InvalidRequest, None, "refused"),
        ] {
            let outcome = outcome(kind, job);
            assert_eq!(outcome.code(), code, "{kind}");
            assert_eq!(outcome.into_result().unwrap_err().kind(), kind);
        }
    }
}

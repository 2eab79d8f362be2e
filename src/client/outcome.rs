//! How a job can end, as one value.

use super::JobHandle;
use crate::error::{Charge, Error, ErrorKind, Result, RetryAdvice};
use crate::ids::JobId;
use crate::library::Clip;

/// How a paid request ended: what `Result<Clip>` says, sorted by what can be done about it.
///
/// [`JobHandle::outcome`](crate::Handle::outcome) gives it, or `Outcome::from` of any verb's result. Its
/// [`code`](Self::code) and the answers of the two questions are the words of the command line's JSON.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Outcome {
    /// The clip is in the library.
    Done(Box<Clip>),
    /// Moderation refused the request, failed the job, or withheld the clip. Not to be sent again unchanged.
    Moderated(Error),
    /// The service took the job and could not make the clip.
    Failed {
        /// The service's code, where it gave one.
        code: Option<String>,
        /// All of it.
        error: Error,
    },
    /// The service let the job expire.
    Expired(Error),
    /// The create was sent and no answer is known. See [`Error::record`] and
    /// [`Library::settle`](crate::Library::settle).
    SubmissionUnknown(Error),
    /// The deadline passed. The job goes on, and [`VideoClient::job`](crate::VideoClient::job) picks it up,
    /// in any process.
    TimedOut {
        /// The job, where there is one.
        job: Option<JobId>,
        /// All of it.
        error: Error,
    },
    /// The caller stopped waiting. The job goes on, as after a deadline.
    Stopped {
        /// The job, where there is one.
        job: Option<JobId>,
        /// All of it.
        error: Error,
    },
    /// A spending limit forbade the request, and nothing was sent.
    Budget(Error),
    /// The job exists, and this machine, the network or the service kept its clip from being saved for now:
    /// pick it up, or recover.
    Interrupted {
        /// The job.
        job: JobId,
        /// Why.
        error: Error,
    },
    /// There is no job: the request was refused here or by the service.
    Refused(Error),
}

impl From<Result<Clip>> for Outcome {
    fn from(result: Result<Clip>) -> Self {
        let error = match result {
            Ok(clip) => return Self::Done(Box::new(clip)),
            Err(error) => error,
        };
        let job = error.typed_job_id().cloned();
        match error.kind() {
            ErrorKind::Moderated => Self::Moderated(error),
            // A job that is done and names no clip may do so later.
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
                // It may have been sent: nothing says so any more but the journal.
                None if kind == ErrorKind::Internal => Self::SubmissionUnknown(error),
                None => Self::Refused(error),
            },
        }
    }
}

impl Outcome {
    /// The error, where there is no clip.
    pub const fn error(&self) -> Option<&Error> {
        match self.ended() {
            Ok(_) => None,
            Err(error) => Some(error),
        }
    }

    const fn ended(&self) -> Result<&Clip, &Error> {
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

    /// The word for it: `done`, `moderated`, `failed`, `expired`, `submission_unknown`, `timed_out`,
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

    /// Whether money may be gone.
    pub fn may_have_been_charged(&self) -> Charge {
        self.error().map_or(Charge::Yes, Error::may_have_been_charged)
    }

    /// What to do next; `None` when there is nothing to be done.
    pub fn retry_advice(&self) -> Option<RetryAdvice> {
        self.error().map(Error::retry_advice)
    }

    /// The clip, or the error.
    ///
    /// # Errors
    /// Whatever kept the clip away.
    pub fn into_result(self) -> Result<Clip> {
        self.ended().cloned().map_err(Clone::clone)
    }
}

impl JobHandle {
    /// Waits until the job is over, and says how: [`wait`](crate::Handle::wait), sorted.
    ///
    /// # Cancel safety
    /// As for [`wait`](crate::Handle::wait).
    pub async fn outcome(&self) -> Outcome {
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
            let error = match job {
                Some(id) => error.with_job_id(&JobId::parse(id).unwrap()),
                None => error,
            };
            Outcome::from(Err(error))
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

"""The exceptions: one class for each kind of error, under one root.

Each is also the builtin exception that fits, so that `except TimeoutError` and `except FileNotFoundError` do what they
say. Wrong types and values that never reach the library are plain `TypeError` and `ValueError`.
"""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any, Optional

if TYPE_CHECKING:
    from datetime import timedelta

    from ._native import Charge, ErrorDetails, RetryAdvice

__all__ = [
    "AuthError",
    "BudgetError",
    "ConfigError",
    "Error",
    "FramesUnavailableError",
    "InternalError",
    "InvalidRequestError",
    "JobExpiredError",
    "JobFailedError",
    "LibraryError",
    "MediaError",
    "ModeratedError",
    "NetworkError",
    "NotFoundError",
    "ProtocolError",
    "RateLimitedError",
    "StoppedError",
    "SubmissionUnknownError",
    "TimeoutError",
]


class Error(Exception):
    """Anything that can go wrong on the way to a clip. `str` of it is the reason, and what helps on a second line."""

    code: str
    """The word for its kind, the same in every language: `submission_unknown`, `moderated`, ..."""
    reason: str
    """One line: what was being done to what, and why it failed."""
    guidance: Optional[str]
    """A sentence or two that help to do better."""
    job_id: Optional[str]
    """The service's id of the job. Present in every error after the submit."""
    record: Optional[str]
    """The id of the request's record in the library's journal, where only a person can settle it."""
    status: Optional[int]
    """The HTTP status, where the service answered."""
    service_code: Optional[str]
    """The service's own code, as it was sent."""
    retry_after: Optional[timedelta]
    """How long the service asked to wait."""
    attempts: int
    """How many requests were made for the step that failed."""
    may_have_been_charged: Charge
    """Whether money may be gone."""
    retry_advice: RetryAdvice
    """What to do next."""
    is_retryable: bool
    """Whether the same call may be made again as it is, now or after a pause, without paying twice."""

    def __init__(self, details: ErrorDetails) -> None:
        super().__init__(details.reason)
        self.details = details
        vars(self).update(vars(details))

    def __str__(self) -> str:
        return f"{self.reason}\n{self.guidance}" if self.guidance else self.reason

    def __repr__(self) -> str:
        job = f", job_id={self.job_id!r}" if self.job_id else ""
        return f"{type(self).__name__}({self.reason!r}{job})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.details,)


class ConfigError(Error, ValueError):
    """The client was set up wrongly: no key, a base URL that is none. Also a client that was closed or forked."""


class AuthError(Error, PermissionError):
    """The service refused the key, or the key lacks the right."""


class InvalidRequestError(Error, ValueError):
    """The request cannot be sent as it is. Nothing was paid."""


class NotFoundError(Error, FileNotFoundError):
    """A clip, a file or a job that was named does not exist."""


class RateLimitedError(Error):
    """The service asked for fewer requests, or has no capacity, or the credit is used up."""


class ModeratedError(Error):
    """Moderation withheld the clip or refused the request. Not to be sent again unchanged."""


class JobFailedError(Error):
    """The service took the job and reported its failure."""


class JobExpiredError(Error):
    """The service no longer knows the job or its result."""


class SubmissionUnknownError(Error):
    """A create left this machine and no answer came back: a job may exist and may be charged.

    `record` is what `library.settle` takes, once a person has looked at the account.
    """


class TimeoutError(Error, builtins.TimeoutError):
    """The deadline passed. The job, where there is one, goes on: pick it up by its id."""


class StoppedError(Error):
    """The caller stopped waiting. The job goes on and its charge stands."""


class BudgetError(Error):
    """A spending limit forbids the request. Nothing was paid."""


class NetworkError(Error, ConnectionError):
    """The network or the service failed, and trying again did not help."""


class ProtocolError(Error):
    """The service answered in a way its contract does not allow."""


class MediaError(Error, ValueError):
    """A clip or a picture cannot be read: damaged, unsupported, or above a limit."""


class FramesUnavailableError(Error, NotImplementedError):
    """The native library was built without frames, and a frame was asked for."""


class LibraryError(Error, OSError):
    """The library could not be read or written."""


class InternalError(Error, RuntimeError):
    """A defect of this package ended the work. A job that was sent goes on, and a recovery finishes it."""


class VideoError:
    """The kinds, under the names by which the private module raises them."""

    Config = ConfigError
    Auth = AuthError
    InvalidRequest = InvalidRequestError
    NotFound = NotFoundError
    RateLimited = RateLimitedError
    Moderated = ModeratedError
    JobFailed = JobFailedError
    JobExpired = JobExpiredError
    SubmissionUnknown = SubmissionUnknownError
    Timeout = TimeoutError
    Stopped = StoppedError
    Budget = BudgetError
    Network = NetworkError
    Protocol = ProtocolError
    Media = MediaError
    FramesUnavailable = FramesUnavailableError
    Library = LibraryError
    Internal = InternalError

"""The exceptions, one class per kind of error.

Where a builtin exception matches, the class also inherits from it, so `except TimeoutError` and
`except FileNotFoundError` work as expected. Arguments that are rejected before they reach the native library raise a
plain `TypeError` or `ValueError`.
"""

from __future__ import annotations

import builtins
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Optional, Union

from ._record import Record

if TYPE_CHECKING:
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
    """The base class of all exceptions of this package. `str` gives the reason and, on a second line, the guidance."""

    code: str
    """The kind as a word, the same in every language: `submission_unknown`, `moderated`, ..."""
    reason: str
    """One line: what was being done to what, and why it failed."""
    guidance: Optional[str]
    """A hint on how to fix the problem."""
    job_id: Optional[str]
    """The id of the job at the service. Set in every error after the job was submitted."""
    record_id: Optional[str]
    """The id of the request's journal record, if the request has to be settled by hand."""
    status: Optional[int]
    """The HTTP status, if the service answered."""
    service_code: Optional[str]
    """The service's own error code, unchanged."""
    retry_after: Optional[timedelta]
    """How long the service asked to wait."""
    attempts: int
    """Number of attempts made for the step that failed."""
    may_have_been_charged: Charge
    """Whether the request may have been charged."""
    retry_advice: RetryAdvice
    """What to do next."""
    is_retryable: bool
    """Whether the same call can be repeated unchanged, now or after a pause, without paying twice."""

    def __init__(self, reason: Union[str, Record], **fields: Any) -> None:
        """Creates an error. Programs do this in their tests, with any attributes: `ModeratedError("x", job_id="j")`."""
        if not isinstance(reason, (str, Record)):
            raise TypeError(f"reason must be a str, not {type(reason).__name__}")
        # The native library passes complete details.
        details: Any = _details(type(self), reason, fields) if isinstance(reason, str) else reason
        super().__init__(details.reason)
        self.details = details
        vars(self).update(vars(details))

    def __str__(self) -> str:
        return f"{self.reason}\n{self.guidance}" if self.guidance else self.reason

    def __repr__(self) -> str:
        job = f", job_id={self.job_id!r}" if self.job_id else ""
        return f"{type(self).__name__}({self.reason!r}{job})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.details), dict(vars(self))


def _restore(kind: type[Error], details: Record) -> Error:
    """Copies or unpickles an error. A subclass can have a constructor of its own."""
    error = kind.__new__(kind)
    Error.__init__(error, details)
    return error


def _details(kind: type[Error], reason: str, fields: dict[str, Any]) -> ErrorDetails:
    from . import _values
    from ._native import Charge, ErrorDetails, RetryAdvice

    code = next((_code(name) for name, error in vars(VideoError).items() if error in kind.__mro__), "internal")
    values: dict[str, Any] = {
        "code": code,
        "reason": reason,
        "attempts": 0,
        "may_have_been_charged": Charge.NO if issubclass(kind, FREE) else Charge.UNKNOWN,
        "retry_advice": RetryAdvice.CHANGE,
        "is_retryable": False,
    }
    values.update(fields)
    if values.get("retry_after") is not None:
        values["retry_after"] = _values.duration("retry_after", values["retry_after"])
    return ErrorDetails(**values)


def class_of(code: str) -> type[Error]:
    """Returns the class of the errors with this code."""
    return next((error for name, error in vars(VideoError).items() if _code(name) == code), InternalError)


def _code(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)[1:]


class ConfigError(Error, ValueError):
    """The client is misconfigured, closed, or used in a forked process: no key, an invalid base URL."""


class AuthError(Error, PermissionError):
    """The service rejected the key, or the key lacks a permission."""


class InvalidRequestError(Error, ValueError):
    """The request is invalid. Nothing was charged."""


class NotFoundError(Error, FileNotFoundError):
    """The clip, file or job does not exist."""


class RateLimitedError(Error):
    """The service limited the request rate, has no capacity, or the account has no credit left."""


class ModeratedError(Error):
    """Moderation blocked the request or the clip. Do not send the request again unchanged."""


class JobFailedError(Error):
    """The service accepted the job and then reported that it failed."""


class JobExpiredError(Error):
    """The job, or the link to its clip, expired at the service.

    A job that the service does not know is a `NotFoundError`.
    """


class SubmissionUnknownError(Error):
    """A paid request was sent and no usable reply arrived. A job may exist and may be charged.

    Check the account page, then pass `record_id` to `library.settle`.
    """


class TimeoutError(Error, builtins.TimeoutError):
    """The deadline passed. If there is a job, it continues and can be resumed by its id."""


class StoppedError(Error):
    """The caller stopped waiting. The job continues and is charged."""


class BudgetError(Error):
    """The request would exceed a spending limit. Nothing was charged."""


class NetworkError(Error, ConnectionError):
    """The network or the service failed, and retries did not help."""


class ProtocolError(Error):
    """The service sent a response that violates its API contract."""


class MediaError(Error, ValueError):
    """A clip or an image cannot be decoded: it is damaged, unsupported, or above a limit."""


class FramesUnavailableError(Error, NotImplementedError):
    """A frame was requested from a native library that was built without media support."""


class LibraryError(Error, OSError):
    """The library cannot be read or written."""


class InternalError(Error, RuntimeError):
    """A bug in this package ended the call. A submitted job continues, and a recovery finishes it."""


# The errors of requests that were not sent.
FREE = (ConfigError, InvalidRequestError, BudgetError, FramesUnavailableError)


class VideoError:
    """The exceptions under the names that the generated module uses."""

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

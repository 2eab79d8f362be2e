"""Handles that observe running jobs, chains and recoveries."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Generator
from typing import Any, Generic, Optional, Protocol, TypeVar

from . import _native, _values, _waiting
from ._errors import TimeoutError
from ._process import ProcessBound
from ._values import Seconds, optional

Event = TypeVar("Event")
Outcome = TypeVar("Outcome")
E = TypeVar("E", covariant=True)
O = TypeVar("O", covariant=True)


class _Events(Protocol[E]):
    async def next(self) -> Optional[E]: ...


class _Handle(Protocol[E, O]):
    def events(self) -> _Events[E]: ...
    def wait(self) -> Coroutine[Any, Any, O]: ...
    def is_over(self) -> bool: ...
    def stop_waiting(self) -> None: ...


class Work(ProcessBound, Generic[Event, Outcome]):
    """A handle for a running job, chain or recovery. `await` it for its outcome, or iterate over its events.

    A handle only observes: cancelling a wait or dropping the handle does not affect the job.
    """

    def __init__(self, native: _Handle[Event, Outcome]) -> None:
        self._native = native

    async def wait(self, timeout: Optional[Seconds] = None) -> Outcome:
        """Waits for the outcome. Can be called more than once and from several tasks.

        After `timeout`, raises `TimeoutError` and stops nothing: the outcome can be waited for again.
        """
        length = optional(_values.duration, "timeout", timeout)
        if length is None:
            return await self._native.wait()
        limit = _waiting.Timeout(length)
        ended = await _waiting.wait(self._native, limit)
        if ended is None:
            raise self._timed_out(limit)
        return ended.result()

    def _timed_out(self, timeout: _waiting.Timeout) -> TimeoutError:
        return TimeoutError(
            f"wait for it: not over after {timeout.text}; it continues, and can be waited for again",
            retry_advice=_native.RetryAdvice.RETRY,
            is_retryable=True,
        )

    def __await__(self) -> Generator[Any, None, Outcome]:
        return self.wait().__await__()

    async def events(self) -> AsyncIterator[Event]:
        """Iterates over all events, including those before this call."""
        events = self._native.events()
        while (event := await events.next()) is not None:
            yield event

    def __aiter__(self) -> AsyncIterator[Event]:
        return self.events()

    @property
    def is_over(self) -> bool:
        """Whether it has ended, successfully or not."""
        return self._native.is_over()

    def stop_waiting(self) -> None:
        """Stops polling and downloading. `wait` then raises `StoppedError`.

        The service cannot cancel a job: it continues there and is charged. `VideoClient.recover` saves its clip.
        """
        self._native.stop_waiting()


class Job(Work[_native.JobEvent, _native.Clip]):
    """A handle for one job, which produces a clip."""

    _native: _native.JobHandle

    def _timed_out(self, timeout: _waiting.Timeout) -> TimeoutError:
        return TimeoutError(
            _waiting.not_ready(timeout), job_id=self.id, retry_advice=_native.RetryAdvice.RESUME
        )

    @property
    def id(self) -> str:
        """The id of the job at the service. Pass it to `VideoClient.job` in any process to resume the job."""
        return self._native.id()

    def __repr__(self) -> str:
        return f"<reelkin.Job {self.id}>"


class Chain(Work[_native.ChainEvent, _native.ChainOutcome]):
    """A handle for a chain of clips."""

    _native: _native.ChainHandle

    @property
    def id(self) -> str:
        """The id of the chain. Pass it as `resume` to resume the chain."""
        return self._native.id()

    def __repr__(self) -> str:
        return f"<reelkin.Chain {self.id}>"


class Recovery(Work[_native.RecoveryEvent, _native.Recovered]):
    """A handle for a recovery."""

"""Works that are watched: a job, a chain, a recovery."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator
from typing import Any, Generic, Optional, Protocol, TypeVar

from . import _native
from ._process import ProcessBound

Event = TypeVar("Event")
Outcome = TypeVar("Outcome")
E = TypeVar("E", covariant=True)
O = TypeVar("O", covariant=True)


class _Events(Protocol[E]):
    async def next(self) -> Optional[E]: ...


class _Handle(Protocol[E, O]):
    def events(self) -> _Events[E]: ...
    async def wait(self) -> O: ...
    def is_over(self) -> bool: ...
    def stop_waiting(self) -> None: ...


class Work(ProcessBound, Generic[Event, Outcome]):
    """Something on its way that can be watched. `await work` waits for its outcome, `async for` reads its events.

    It only watches: cancelling a wait, or dropping this object, stops nothing and loses nothing.
    """

    def __init__(self, native: _Handle[Event, Outcome]) -> None:
        self._native = native

    async def wait(self) -> Outcome:
        """Waits until it is over. May be called more than once, and from several tasks."""
        return await self._native.wait()

    def __await__(self) -> Generator[Any, None, Outcome]:
        return self.wait().__await__()

    async def events(self) -> AsyncIterator[Event]:
        """Everything that happens to it, from its beginning, however late it is asked."""
        events = self._native.events()
        while (event := await events.next()) is not None:
            yield event

    def __aiter__(self) -> AsyncIterator[Event]:
        return self.events()

    @property
    def is_over(self) -> bool:
        """Whether it is over, one way or the other."""
        return self._native.is_over()

    def stop_waiting(self) -> None:
        """Stops waiting: `wait` ends with `StoppedError`.

        The service cannot cancel a job: it goes on there, its charge stands, and `VideoClient.recover` saves its clip.
        """
        self._native.stop_waiting()


class Job(Work[_native.JobEvent, _native.Clip]):
    """One job on its way to a clip."""

    _native: _native.JobHandle

    @property
    def id(self) -> str:
        """The service's id of the job: enough to pick it up again in any process."""
        return self._native.id()

    def __repr__(self) -> str:
        return f"<reelkin.Job {self.id}>"


class Chain(Work[_native.ChainEvent, _native.ChainOutcome]):
    """A chain on its way."""

    _native: _native.ChainHandle

    @property
    def id(self) -> str:
        """The id of the chain, by which it is gone on with."""
        return self._native.id()

    def __repr__(self) -> str:
        return f"<reelkin.Chain {self.id}>"


class Recovery(Work[_native.RecoveryEvent, _native.Recovered]):
    """A recovery on its way."""

"""The same package for code without asyncio: the calls block, and other threads go on meanwhile.

    from reelkin.sync import Sandbox, VideoClient

Everything has the arguments and the errors of `reelkin`. Ctrl-C in the main thread ends a call as cancelling does: it
stops waiting, the job goes on, and `recover` saves its clip. The calls run in an event loop of the package's own, in
one thread; any thread may use any object. Inside of a running event loop use `reelkin` itself.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Coroutine, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, Generic, Optional, TypeVar

from . import _client, _frames, _jobs, _library, _loop, _native, _progress, _sandbox
from ._client import Client
from ._jobs import Event, Outcome
from ._process import ProcessBound
from ._sandbox import Server

if TYPE_CHECKING:
    from typing_extensions import Concatenate, ParamSpec, Self

    P = ParamSpec("P")

__all__ = ["Chain", "Job", "Library", "Recovery", "Sandbox", "VideoClient", "frame", "frames", "probe", "progress"]

R = TypeVar("R")
S = TypeVar("S")

# How long an interrupted call waits for its own end. Nothing is lost if that takes longer.
LEAVING = 2.0


def _run(work: Coroutine[Any, Any, R]) -> R:
    """Runs a call in the package's own event loop, and waits for its outcome."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        work.close()
        raise RuntimeError("a blocking call would stop the event loop that runs here: use reelkin, not reelkin.sync")
    left = threading.Event()

    async def carried() -> R:
        try:
            return await work
        finally:
            left.set()

    future = asyncio.run_coroutine_threadsafe(carried(), _loop.running())
    try:
        return future.result()
    except BaseException:
        if future.cancel():
            left.wait(LEAVING)
        raise


def _blocking(call: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, R]:
    """A function that waits for the outcome of another."""

    @functools.wraps(call)
    def waiting(*arguments: P.args, **options: P.kwargs) -> R:
        return _run(call(*arguments, **options))

    return waiting


def _method(
    call: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]], outcome: Callable[[R], S]
) -> Callable[Concatenate[Any, P], S]:
    """A method that waits for the outcome of another class's."""

    @functools.wraps(call)
    def waiting(self: Any, /, *arguments: P.args, **options: P.kwargs) -> S:
        return outcome(_run(call(self, *arguments, **options)))

    return waiting


def _as_it_is(outcome: R) -> R:
    return outcome


class Work(ProcessBound, Generic[Event, Outcome]):
    """Something on its way that can be watched: `wait` for its outcome, or iterate over its events."""

    def __init__(self, work: _jobs.Work[Event, Outcome]) -> None:
        self._work = work

    def __repr__(self) -> str:
        return repr(self._work)

    def wait(self) -> Outcome:
        """Waits until it is over. Ctrl-C stops nothing but the wait."""
        return _run(self._work.wait())

    def events(self) -> Iterator[Event]:
        """Everything that happens to it, from its beginning, however late it is asked."""
        events = self._work._native.events()
        while (event := _run(events.next())) is not None:
            yield event

    def __iter__(self) -> Iterator[Event]:
        return self.events()

    @property
    def is_over(self) -> bool:
        """Whether it is over, one way or the other."""
        return self._work.is_over

    def stop_waiting(self) -> None:
        """Stops waiting: `wait` ends with `StoppedError`. The job goes on at the service, and its charge stands."""
        self._work.stop_waiting()


class Job(Work[_native.JobEvent, _native.Clip]):
    """One job on its way to a clip."""

    _work: _jobs.Job

    @property
    def id(self) -> str:
        """The service's id of the job: enough to pick it up again in any process."""
        return self._work.id


class Chain(Work[_native.ChainEvent, _native.ChainOutcome]):
    """A chain on its way."""

    _work: _jobs.Chain

    @property
    def id(self) -> str:
        """The id of the chain, by which it is gone on with."""
        return self._work.id


class Recovery(Work[_native.RecoveryEvent, _native.Recovered]):
    """A recovery on its way."""


class Library(_library.Folder):
    """A library of clips. A clip is named by a `Clip`, its id, its file name or the path of its file."""

    clip = _method(_library.Library.clip, _as_it_is)
    list = _method(_library.Library.list, _as_it_is)
    family = _method(_library.Library.family, _as_it_is)
    verify = _method(_library.Library.verify, _as_it_is)
    verify_family = _method(_library.Library.verify_family, _as_it_is)
    read = _method(_library.Library.read, _as_it_is)
    jobs = _method(_library.Library.jobs, _as_it_is)
    stuck_jobs = _method(_library.Library.stuck_jobs, _as_it_is)
    quarantined = _method(_library.Library.quarantined, _as_it_is)
    discard_quarantined = _method(_library.Library.discard_quarantined, _as_it_is)
    job_record = _method(_library.Library.job_record, _as_it_is)
    settle = _method(_library.Library.settle, _as_it_is)
    spent = _method(_library.Library.spent, _as_it_is)


class VideoClient(Client):
    """Makes clips and keeps them in a library. The calls block; any thread may use it. `with` closes it at the end."""

    generate = _method(_client.VideoClient.generate, _as_it_is)
    start_generate = _method(_client.VideoClient.start_generate, Job)
    edit = _method(_client.VideoClient.edit, _as_it_is)
    start_edit = _method(_client.VideoClient.start_edit, Job)
    extend = _method(_client.VideoClient.extend, _as_it_is)
    start_extend = _method(_client.VideoClient.start_extend, Job)
    continue_from = _method(_client.VideoClient.continue_from, _as_it_is)
    start_continue_from = _method(_client.VideoClient.start_continue_from, Job)
    chain = _method(_client.VideoClient.chain, _as_it_is)
    start_chain = _method(_client.VideoClient.start_chain, Chain)
    analyze = _method(_client.VideoClient.analyze, _as_it_is)
    frame = _method(_client.VideoClient.frame, _as_it_is)
    job = _method(_client.VideoClient.job, Job)
    recover = _method(_client.VideoClient.recover, _as_it_is)
    start_recover = _method(_client.VideoClient.start_recover, Recovery)
    spent = _method(_client.VideoClient.spent, _as_it_is)
    visible_models = _method(_client.VideoClient.visible_models, _as_it_is)
    close = _method(_client.VideoClient.close, _as_it_is)

    @property
    def library(self) -> Library:
        """The library."""
        return Library(self._native.library())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()


class Sandbox(Server):
    """The service on loopback: `with Sandbox() as box`, then `VideoClient(..., base_url=box.base_url)`."""

    start = _method(_sandbox.Sandbox.start, _as_it_is)
    restart = _method(_sandbox.Sandbox.restart, _as_it_is)
    stop = _method(_sandbox.Sandbox.stop, _as_it_is)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.stop()


frame = _blocking(_frames.frame)
frames = _blocking(_frames.frames)
probe = _blocking(_frames.probe)


def progress(work: Work[Any, Outcome]) -> Outcome:
    """Waits for a work with a bar on standard error, and returns its outcome."""
    return _run(_progress.progress(work._work))

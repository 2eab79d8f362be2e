"""A blocking version of `reelkin`, for code without asyncio.

    from reelkin.sync import Sandbox, VideoClient

The arguments and errors are the same. Objects can be used from any thread, and other threads run while a call blocks.
Ctrl-C in the main thread stops waiting: the job continues, and `recover` saves its clip. Calls work inside a running event
loop as well, such as in a notebook, and block it until they return; code that is async should use `reelkin` itself.
"""

from __future__ import annotations

import asyncio
import functools
import os
import threading
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, Generic, Optional, TypeVar

from . import _client, _jobs, _library, _loop, _media, _native, _progress, _sandbox
from ._base import BaseClient
from ._errors import NotFoundError
from ._frame import Frame
from ._jobs import Event, Outcome
from ._library import BaseLibrary
from ._media import Media
from ._process import ProcessBound
from ._sandbox import BaseSandbox
from ._typing import Self
from ._values import Position, Seconds
from ._verbs import unchanged

if TYPE_CHECKING:
    from typing_extensions import Concatenate, ParamSpec

    P = ParamSpec("P")

__all__ = [
    "Chain",
    "Job",
    "Library",
    "Recovery",
    "Sandbox",
    "VideoClient",
    "frame",
    "frames",
    "iter_frames",
    "probe",
    "progress",
]

R = TypeVar("R")
S = TypeVar("S")

# Maximum seconds that an interrupted call waits for its cancellation. Nothing is lost if that takes longer.
CANCEL_TIMEOUT = 2.0


def _run(call: Coroutine[Any, Any, R]) -> R:
    """Runs a call in the package's own event loop and waits for its outcome."""
    loop = _loop.background_loop()
    if asyncio._get_running_loop() is loop:
        call.close()
        raise RuntimeError(
            "a token source or a log handler cannot make a blocking call here: use reelkin, not reelkin.sync"
        )
    ended = threading.Event()

    async def run() -> R:
        try:
            return await call
        finally:
            ended.set()

    future = asyncio.run_coroutine_threadsafe(run(), loop)
    try:
        return future.result()
    except BaseException:
        if future.cancel():
            ended.wait(CANCEL_TIMEOUT)
        raise


def _blocking(call: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, R]:
    """Wraps an async function as a blocking one."""

    @functools.wraps(call)
    def blocking(*args: P.args, **kwargs: P.kwargs) -> R:
        return _run(call(*args, **kwargs))

    blocking.__module__ = __name__
    return blocking


def _method(
    call: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]], convert: Callable[[R], S]
) -> Callable[Concatenate[Any, P], S]:
    """Wraps an async method as a blocking one and converts its result."""

    @functools.wraps(call)
    def blocking(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> S:
        return convert(_run(call(self, *args, **kwargs)))

    if isinstance(convert, type):
        blocking.__annotations__ = {**call.__annotations__, "return": convert}
    return blocking


def _iterate(items: AsyncIterator[R]) -> Iterator[R]:
    """Iterates over an async iterator."""

    async def following() -> Optional[tuple[R]]:
        try:
            return (await items.__anext__(),)
        except StopAsyncIteration:
            return None

    while (item := _run(following())) is not None:
        yield item[0]


class Work(ProcessBound, Generic[Event, Outcome]):
    """A handle for a running job, chain or recovery: `wait` for its outcome, or iterate over its events."""

    def __init__(self, work: _jobs.Work[Event, Outcome]) -> None:
        self._work = work

    def __repr__(self) -> str:
        return repr(self._work)

    def wait(self, timeout: Optional[Seconds] = None) -> Outcome:
        """Waits for the outcome. Ctrl-C only ends the wait, and so does `timeout`, which raises `TimeoutError`."""
        return _run(self._work.wait(timeout))

    def events(self) -> Iterator[Event]:
        """Iterates over all events, including those before this call."""
        events = self._work._native.events()
        while (event := _run(events.next())) is not None:
            yield event

    def __iter__(self) -> Iterator[Event]:
        return self.events()

    @property
    def is_over(self) -> bool:
        """Whether it has ended, successfully or not."""
        return self._work.is_over

    def stop_waiting(self) -> None:
        """Stops polling and downloading. `wait` then raises `StoppedError`. The job continues and is charged."""
        self._work.stop_waiting()


class Job(Work[_native.JobEvent, _native.Clip]):
    """A handle for one job, which produces a clip."""

    _work: _jobs.Job

    @property
    def id(self) -> str:
        """The id of the job at the service. Pass it to `VideoClient.job` in any process to resume the job."""
        return self._work.id


class Chain(Work[_native.ChainEvent, _native.ChainOutcome]):
    """A handle for a chain of clips."""

    _work: _jobs.Chain

    @property
    def id(self) -> str:
        """The id of the chain. Pass it as `resume` to resume the chain."""
        return self._work.id


class Recovery(Work[_native.RecoveryEvent, _native.Recovered]):
    """A handle for a recovery."""


class Library(BaseLibrary):
    """A library of clips. Methods accept a `Clip`, its id, its file name or its path."""

    def __iter__(self) -> Iterator[_native.Clip]:
        """Iterates over all clips, newest first, a page at a time.

        Warns of a clip whose sidecar cannot be read, and leaves it out; `list` returns it with its error.
        """
        yield from _iterate(_library.Library(self._native).__aiter__())

    def __contains__(self, clip: object) -> bool:
        """Returns whether there is a clip with this id, file name or path."""
        if not isinstance(clip, (str, os.PathLike, _native.Clip)):
            return False
        try:
            self.clip(clip)
        except NotFoundError:
            return False
        return True

    clip = _method(_library.Library.clip, unchanged)
    list = _method(_library.Library.list, unchanged)
    family = _method(_library.Library.family, unchanged)
    verify = _method(_library.Library.verify, unchanged)
    verify_family = _method(_library.Library.verify_family, unchanged)
    read = _method(_library.Library.read, unchanged)
    jobs = _method(_library.Library.jobs, unchanged)
    stuck_jobs = _method(_library.Library.stuck_jobs, unchanged)
    quarantined = _method(_library.Library.quarantined, unchanged)
    discard_quarantined = _method(_library.Library.discard_quarantined, unchanged)
    job_record = _method(_library.Library.job_record, unchanged)
    settle = _method(_library.Library.settle, unchanged)
    spent = _method(_library.Library.spent, unchanged)


class VideoClient(BaseClient):
    """Creates clips and stores them in a library, with blocking calls. Use `with` to close the client at the end."""

    generate = _method(_client.VideoClient.generate, unchanged)
    start_generate = _method(_client.VideoClient.start_generate, Job)
    edit = _method(_client.VideoClient.edit, unchanged)
    start_edit = _method(_client.VideoClient.start_edit, Job)
    extend = _method(_client.VideoClient.extend, unchanged)
    start_extend = _method(_client.VideoClient.start_extend, Job)
    continue_from = _method(_client.VideoClient.continue_from, unchanged)
    start_continue_from = _method(_client.VideoClient.start_continue_from, Job)
    chain = _method(_client.VideoClient.chain, unchanged)
    start_chain = _method(_client.VideoClient.start_chain, Chain)
    estimate = _method(_client.VideoClient.estimate, unchanged)
    estimate_edit = _method(_client.VideoClient.estimate_edit, unchanged)
    estimate_extend = _method(_client.VideoClient.estimate_extend, unchanged)
    estimate_continue_from = _method(_client.VideoClient.estimate_continue_from, unchanged)
    estimate_chain = _method(_client.VideoClient.estimate_chain, unchanged)
    analyze = _method(_client.VideoClient.analyze, unchanged)
    frame = _method(_client.VideoClient.frame, unchanged)
    job = _method(_client.VideoClient.job, Job)
    recover = _method(_client.VideoClient.recover, unchanged)
    start_recover = _method(_client.VideoClient.start_recover, Recovery)
    spent = _method(_client.VideoClient.spent, unchanged)
    visible_models = _method(_client.VideoClient.visible_models, unchanged)
    close = _method(_client.VideoClient.close, unchanged)

    @property
    def library(self) -> Library:
        """The client's library."""
        return Library(self._native.library())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()


class Sandbox(BaseSandbox):
    """A local server that speaks the service's protocol, renders real video and injects faults. It costs nothing.

    Example:
        with Sandbox() as sandbox:
            client = VideoClient("clips", api_key=sandbox.api_key, base_url=sandbox.base_url)
    """

    start = _method(_sandbox.Sandbox.start, unchanged)
    restart = _method(_sandbox.Sandbox.restart, unchanged)
    stop = _method(_sandbox.Sandbox.stop, unchanged)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.stop()


frame = _blocking(_media.frame)
frames = _blocking(_media.frames)
probe = _blocking(_media.probe)


def iter_frames(
    source: Media,
    positions: Optional[Iterable[Position]] = None,
    *,
    deadline: Optional[Seconds] = None,
    max_pixels: Optional[int] = None,
    max_decoded_bytes: Optional[int] = None,
) -> Iterator[Frame]:
    """Decodes the frames of a file or of bytes one after the other, as `reelkin.iter_frames` does."""
    return _iterate(
        _media.iter_frames(
            source, positions, deadline=deadline, max_pixels=max_pixels, max_decoded_bytes=max_decoded_bytes
        )
    )


def progress(work: Work[Any, Outcome]) -> Outcome:
    """Waits for a job with a progress bar on standard error, and returns its outcome."""
    return _run(_progress.progress(work._work))

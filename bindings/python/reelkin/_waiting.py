"""Waits for work with a timeout, and keeps track of work that was abandoned."""

from __future__ import annotations

import asyncio
import datetime
import time
from collections.abc import Coroutine
from typing import Any, Optional, Protocol, TypeVar

from ._calls import running_loop
from ._errors import StoppedError, TimeoutError
from ._native import ChainHandle

T = TypeVar("T")
O = TypeVar("O", covariant=True)

# Maximum seconds that a recovery waits for abandoned work to update the journal.
ABANDON_TIMEOUT = 10.0


class Handle(Protocol[O]):
    """A handle of the native library."""

    def wait(self) -> Coroutine[Any, Any, O]: ...
    def is_over(self) -> bool: ...
    def stop_waiting(self) -> None: ...


class Timeout:
    """A timeout that begins when it is created."""

    def __init__(self, length: datetime.timedelta) -> None:
        seconds = length.total_seconds()
        self._end = time.monotonic() + seconds
        self.text = f"{seconds:.6f}".rstrip("0").rstrip(".") + " s"

    @property
    def remaining(self) -> float:
        return max(0.0, self._end - time.monotonic())


class Abandoned:
    """Work that cancelled calls have stopped, until it has updated the journal."""

    def __init__(self) -> None:
        self._handles: list[Handle[object]] = []

    def add(self, handle: Handle[object]) -> None:
        self._handles = [*(other for other in self._handles if not other.is_over()), handle]

    async def ended(self) -> None:
        """Waits until all of it has ended, so that a recovery sees its final state."""
        loop = running_loop()
        waits = [loop.create_task(handle.wait()) for handle in self._handles if not handle.is_over()]
        if waits:
            await asyncio.wait(waits, timeout=ABANDON_TIMEOUT)
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)


async def wait(handle: Handle[T], timeout: Timeout) -> Optional[asyncio.Task[T]]:
    """Returns a task that has the outcome, or `None` if the timeout passed first. Stops nothing."""
    task = running_loop().create_task(handle.wait())
    # An outcome that is there is returned, even if the timeout is 0.
    longest = None if handle.is_over() else timeout.remaining
    try:
        done, _ = await asyncio.wait({task}, timeout=longest)
    except BaseException:
        task.cancel()
        if task.done() and not task.cancelled():
            # Otherwise asyncio logs that nobody has looked at it.
            task.exception()
        raise
    if done:
        return task
    task.cancel()
    return None


async def finish(start: Coroutine[Any, Any, Handle[T]], length: datetime.timedelta, abandoned: Abandoned) -> T:
    """Starts work and waits for its outcome. After the timeout, stops to wait and raises the package's `TimeoutError`.

    The timeout begins when the request was sent, so the error has the id of the job, and nothing is sent after it.
    """
    handle = await start
    timeout = Timeout(length)
    is_over = False
    try:
        ended = await wait(handle, timeout)
        if ended is not None:
            return ended.result()
        is_over = True
        handle.stop_waiting()
        # It can have ended in another way at the same time.
        return await handle.wait()
    except asyncio.CancelledError:
        handle.stop_waiting()
        abandoned.add(handle)
        raise
    except StoppedError as error:
        # Closing the client stops it too.
        if not is_over:
            raise
        if isinstance(handle, ChainHandle):
            reason = f"continue the chain: not over after {timeout.text}; it can be resumed by its id, {handle.id()}"
        else:
            reason = not_ready(timeout)
        # The error of the stop names the job, and says what may have been charged.
        raise TimeoutError(error.details.replace(code="timeout", reason=reason)) from None


def not_ready(timeout: Timeout) -> str:
    """Returns the reason that the native library gives at the deadline of a `PollPolicy`."""
    after = f"not ready after {timeout.text}"
    return f"wait for the job: {after}; the job continues at the service and can be resumed by its id"

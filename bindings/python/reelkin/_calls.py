"""Support code for the generated module `_native`: function binding, amounts, times, cancellation and callbacks."""

from __future__ import annotations

import asyncio
import ctypes
import datetime
import decimal
from typing import Any, Callable

from reelkin import _logging


EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
MILLISECOND = datetime.timedelta(milliseconds=1)
# The end of the year 9999.
LATEST_MILLIS = 253_402_300_799_999


class Functions:
    """The functions of the native library. Each gets its signature on first use, which keeps the import fast."""

    def __init__(self, load: Callable[[], ctypes.CDLL], signatures: dict[str, Callable[[], tuple[Any, Any]]]) -> None:
        self._library = load()
        self._signatures = signatures

    def __getattr__(self, name: str) -> Any:
        function = getattr(self._library, name)
        function.argtypes, function.restype = self._signatures[name]()
        setattr(self, name, function)
        return function


def dollars(ticks: int) -> decimal.Decimal:
    """Converts ticks of 1e-10 USD to dollars with at least two decimals."""
    # From text, because it is exact in every decimal context.
    digits = f"{ticks:011}"
    return decimal.Decimal(f"{digits[:-10]}.{digits[-10:-8]}{digits[-8:].rstrip('0')}")


def time_of(millis: int) -> datetime.datetime:
    """Converts milliseconds since the Unix epoch. A number that is no date becomes the latest one that Python knows."""
    return EPOCH + min(millis, LATEST_MILLIS) * MILLISECOND


def millis_of(time: datetime.datetime) -> int:
    """Converts a time to milliseconds since the Unix epoch."""
    return (time - EPOCH) // MILLISECOND


def running_loop() -> asyncio.AbstractEventLoop:
    """Returns the running event loop. Raises `RuntimeError` in that of another library."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(
            "reelkin needs a running asyncio event loop: use asyncio.run, or reelkin.sync in a thread of another library"
        ) from None


async def begin_call() -> None:
    """Raises `CancelledError` if the current task is already cancelled, before a call starts that may cost money.

    One iteration of the event loop delivers `task.cancel()`. A deadline that passed while the loop was busy is
    processed in that iteration too, but possibly after this task ran, so it takes a second one.
    """
    running_loop()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    _logging.begin()


def end_call() -> None:
    """Logs what happened in the call."""
    _logging.end()


def wake(loop: asyncio.AbstractEventLoop, callback: Callable[..., object], *arguments: object) -> None:
    """Schedules a callback on an event loop from another thread. Does nothing if the loop is closed."""

    try:
        loop.call_soon_threadsafe(callback, *arguments)
    except RuntimeError:
        if not loop.is_closed():
            raise

"""How calls of the native library are made: what the private module needs beside the generated code."""

from __future__ import annotations

import asyncio
import ctypes
from typing import Any, Callable


class Functions:
    """The functions of the native library, each bound to its signature when it is called first."""

    def __init__(self, load: Callable[[], ctypes.CDLL], signatures: dict[str, Callable[[], tuple[Any, Any]]]) -> None:
        self._library = load()
        self._signatures = signatures

    def __getattr__(self, name: str) -> Any:
        function = getattr(self._library, name)
        function.argtypes, function.restype = self._signatures[name]()
        setattr(self, name, function)
        return function


async def deliver_cancellation() -> None:
    """Ends a call whose task was cancelled already, before anything of it is begun: it may be one that is paid.

    One turn of the loop delivers `task.cancel()`. A deadline that passed while the loop was busy is noticed within
    that turn, after this task has run, and ends it in the next.
    """
    await asyncio.sleep(0)
    await asyncio.sleep(0)


def wake(loop: asyncio.AbstractEventLoop, callback: Callable[..., object], *arguments: object) -> None:
    """Has an event loop go on with a call. One that was closed has nobody left who waits."""
    try:
        loop.call_soon_threadsafe(callback, *arguments)
    except RuntimeError:
        if not loop.is_closed():
            raise

"""The package's own event loop, in a thread of its own: for blocking calls, and for callbacks where no other loop runs."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import Optional


class Background:
    """An event loop that is started when it is used first; in a forked child anew."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: Optional[asyncio.AbstractEventLoop] = None

    def running(self) -> asyncio.AbstractEventLoop:
        """The loop, which runs until the process ends."""
        with self._lock:
            if self._loop is None:
                loop = asyncio.new_event_loop()
                # Refused while the interpreter ends.
                threading.Thread(target=loop.run_forever, name="reelkin-sync", daemon=True).start()
                self._loop = loop
            return self._loop


_background = Background()


def running() -> asyncio.AbstractEventLoop:
    """The package's own event loop of this process."""
    return _background.running()


def _begin_anew() -> None:
    global _background
    _background = Background()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)

"""The package's own event loop, which runs in a background thread, and its threads that encode images.

Blocking calls use the loop, and so do token sources when no other event loop is running.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
from typing import Optional


class BackgroundLoop:
    """An event loop that starts on first use and runs until the process ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: Optional[asyncio.AbstractEventLoop] = None

    def get(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                loop = asyncio.new_event_loop()
                # Raises RuntimeError while the interpreter shuts down.
                threading.Thread(target=loop.run_forever, name="reelkin-sync", daemon=True).start()
                self._loop = loop
            return self._loop


_background = BackgroundLoop()


def background_loop() -> asyncio.AbstractEventLoop:
    """Returns the package's event loop of this process."""
    return _background.get()


_encoders: Optional[concurrent.futures.ThreadPoolExecutor] = None


def encoders() -> concurrent.futures.ThreadPoolExecutor:
    """Returns the threads that encode images. The event loop's own threads can all be waiting for its calls."""
    global _encoders
    with _background._lock:
        if _encoders is None:
            _encoders = concurrent.futures.ThreadPoolExecutor(2, thread_name_prefix="reelkin-encode")
        return _encoders


def _reset() -> None:
    global _background, _encoders
    _background = BackgroundLoop()
    _encoders = None


# A forked child has no copy of the threads.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset)

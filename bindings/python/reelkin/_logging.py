"""Passes the log of the native library to the loggers `reelkin` and `reelkin.http`.

The native library keeps records only while one of the loggers is enabled and a handler hears it, which is looked up at
the beginning of each call. A thread logs the records while calls wait. What happened in a call is logged when it returns,
unless a handler is slow.
"""

from __future__ import annotations

import logging
import os
import threading
import traceback
from datetime import timedelta
from typing import TYPE_CHECKING, Optional

if TYPE_CHECKING:
    from reelkin import _native

# The most detailed one first.
LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
}
LOGGERS = {name: logging.getLogger(name) for name in ("reelkin", "reelkin.http")}
# Without a handler, `logging` would print warnings of a program that did not configure it.
LOGGERS["reelkin"].addHandler(logging.NullHandler())

# The longest wait for another thread that logs, in seconds. It blocks an event loop, and a handler of that thread may wait
# for this one.
LONGEST_WAIT = 0.02


class _Bridge:
    def __init__(self) -> None:
        self.level: Optional[str] = None
        self.thread: Optional[threading.Thread] = None
        # Protects these two. Never held while a handler runs.
        self.lock = threading.Lock()
        # Held while records are taken and logged. Reentrant, because a handler can use the package.
        self.logging = threading.RLock()

    def begin(self) -> None:
        level = _heard_level()
        if level == self.level:
            return
        from reelkin import _native

        with self.lock:
            self.level = level
            _native.set_log_level(None if level is None else _native.LogLevel(level))
            if level is not None and (self.thread is None or not self.thread.is_alive()):
                self.thread = threading.Thread(target=self._run, name="reelkin-log", daemon=True)
                try:
                    self.thread.start()
                except RuntimeError:
                    self.thread = None  # The interpreter is shutting down. Records are logged when calls return.

    def end(self) -> None:
        if self.level is None or not self.logging.acquire(timeout=LONGEST_WAIT):
            return
        try:
            self._log_all(Exception)
        finally:
            self.logging.release()

    def _run(self) -> None:
        from reelkin import _native

        while True:
            if _native.wait_for_log_records(timedelta(seconds=5)):
                with self.logging:
                    # Nothing that a handler raises ends this thread.
                    self._log_all(BaseException)
            with self.lock:
                if self.level is None:
                    self.thread = None
                    return

    def _log_all(self, caught: type[BaseException]) -> None:
        from reelkin import _native

        for record in _native.take_log_records():
            try:
                _log(record)
            except caught:
                # Not an error of the call, which may have paid for its result.
                if logging.raiseExceptions:
                    traceback.print_exc()


def _heard_level() -> Optional[str]:
    """Returns the most detailed level that a logger is enabled for and that a handler hears, or `None`."""
    heard = [logger for logger in LOGGERS.values() if _has_handler(logger)]
    for name, level in LEVELS.items():
        if any(logger.isEnabledFor(level) for logger in heard):
            return name
    return None


def _has_handler(logger: logging.Logger) -> bool:
    current: Optional[logging.Logger] = logger
    while current is not None:
        if any(not isinstance(handler, logging.NullHandler) for handler in current.handlers):
            return True
        current = current.parent if current.propagate else None
    return False


def _log(record: _native.LogRecord) -> None:
    logger, level = LOGGERS[record.logger], LEVELS[record.level.value]
    if logger.isEnabledFor(level):
        entry = logger.makeRecord(logger.name, level, "reelkin", 0, record.message, (), None)
        entry.created = record.time.timestamp()
        entry.msecs = record.time.microsecond // 1000
        logger.handle(entry)


_bridge = _Bridge()


def begin() -> None:
    """Makes the native library keep what the loggers hear from now on."""
    _bridge.begin()


def end() -> None:
    """Logs everything that happened until now."""
    _bridge.end()


def _reset() -> None:
    global _bridge
    _bridge = _Bridge()


# A forked child has no copy of the thread, and another thread may have held the lock.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset)

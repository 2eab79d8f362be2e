"""Progress bars: tqdm's if it is installed, otherwise a plain one."""

from __future__ import annotations

import sys
from typing import Any, Optional, Protocol, TypeVar

from . import _native
from ._jobs import Work

Outcome = TypeVar("Outcome")
WIDTH = 30


class Bar(Protocol):
    def show(self, fraction: Optional[float], status: str) -> None: ...
    def close(self) -> None: ...


class PlainBar:
    """A progress bar on standard error: redrawn in place on a terminal, otherwise one line per change of status."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._status = ""

    def show(self, fraction: Optional[float], status: str) -> None:
        if self._terminal:
            done = round(WIDTH * (fraction or 0))
            sys.stderr.write(f"\r\x1b[K[{'#' * done}{'.' * (WIDTH - done)}] {status}")
        elif status != self._status:
            sys.stderr.write(f"{status}\n")
        self._status = status
        sys.stderr.flush()

    def close(self) -> None:
        if self._terminal:
            sys.stderr.write("\n")


class TqdmBar:
    """A tqdm progress bar, which is a widget in notebooks."""

    def __init__(self, tqdm: Any) -> None:
        self._bar = tqdm(total=100, unit="%", bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}")

    def show(self, fraction: Optional[float], status: str) -> None:
        self._bar.set_description_str(status, refresh=False)
        self._bar.n = round(100 * (fraction or 0))
        self._bar.refresh()

    def close(self) -> None:
        self._bar.close()


def new_bar() -> Bar:
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return PlainBar()
    return TqdmBar(tqdm)


def describe(event: object) -> tuple[Optional[float], str]:
    """Returns the fraction that is done and a status for the bar."""
    if isinstance(event, _native.JobEvent.Planning):
        return 0.0, "planning"
    if isinstance(event, _native.JobEvent.Submitted):
        return 0.0, "submitted"
    if isinstance(event, _native.JobEvent.Progress):
        return event.fraction, "stalled" if event.stalled else "generating"
    if isinstance(event, _native.JobEvent.Downloading):
        return (event.received / event.total if event.total else None), "downloading"
    if isinstance(event, _native.JobEvent.Saved):
        return 1.0, "saved"
    if isinstance(event, _native.ChainEvent.Step):
        fraction, status = describe(event.job)
        return fraction, f"clip {event.clip} {status}"
    if isinstance(event, _native.RecoveryEvent.Job):
        return describe(event.job)
    if isinstance(event, _native.RecoveryEvent.Looked):
        return (event.done / event.of if event.of else 1.0), "scanning"
    return None, "waiting"


async def progress(work: Work[Any, Outcome]) -> Outcome:
    """Waits for a job with a progress bar on standard error, and returns its outcome.

    Errors and cancellation are as for `Work.wait`.
    """
    bar = new_bar()
    try:
        async for event in work:
            bar.show(*describe(event))

        return await work
    finally:
        bar.close()

"""A bar while a work is waited for: tqdm's where it is installed, else one line of our own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Optional, Protocol, TypeVar

from . import _native

if TYPE_CHECKING:
    from ._jobs import Work

Outcome = TypeVar("Outcome")
WIDTH = 30


class Bar(Protocol):
    def show(self, fraction: Optional[float], words: str) -> None: ...
    def close(self) -> None: ...


class PlainBar:
    """One line on standard error, written over itself on a terminal and only when its words change elsewhere."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._words = ""

    def show(self, fraction: Optional[float], words: str) -> None:
        if self._terminal:
            done = round(WIDTH * (fraction or 0))
            sys.stderr.write(f"\r\x1b[K[{'#' * done}{'.' * (WIDTH - done)}] {words}")
        elif words != self._words:
            sys.stderr.write(f"{words}\n")
        self._words = words
        sys.stderr.flush()

    def close(self) -> None:
        if self._terminal:
            sys.stderr.write("\n")


class TqdmBar:
    """The bar of tqdm, which is a widget in a notebook."""

    def __init__(self, tqdm: Any) -> None:
        self._bar = tqdm(total=100, unit="%", bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}")

    def show(self, fraction: Optional[float], words: str) -> None:
        self._bar.set_description(words, refresh=False)
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


def told(event: object) -> tuple[Optional[float], str]:
    """How far a work is, and the words for it."""
    if isinstance(event, _native.JobEvent.Planning):
        return 0.0, "planning"
    if isinstance(event, _native.JobEvent.Submitted):
        return 0.0, "submitted"
    if isinstance(event, _native.JobEvent.Progress):
        return event.fraction, "stalled" if event.stalled else "making"
    if isinstance(event, _native.JobEvent.Downloading):
        return (event.received / event.total if event.total else None), "downloading"
    if isinstance(event, _native.JobEvent.Saved):
        return 1.0, "saved"
    if isinstance(event, _native.ChainEvent.Step):
        fraction, words = told(event.job)
        return fraction, f"clip {event.clip} {words}"
    if isinstance(event, _native.RecoveryEvent.Job):
        return told(event.job)
    if isinstance(event, _native.RecoveryEvent.Looked):
        return (event.done / event.of if event.of else 1.0), "looking"
    return None, "waiting"


async def progress(work: Work[Any, Outcome]) -> Outcome:
    """Waits for a work with a bar on standard error, and returns its outcome. Errors and cancellation as for `wait`."""
    bar = new_bar()
    try:
        async for event in work:
            bar.show(*told(event))
        return await work
    finally:
        bar.close()

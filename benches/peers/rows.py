"""The rows that benchmarks print, each a line of JSON as described in benches/README.md."""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable, Sequence

SHORT = "REELKIN_BENCH_SHORT" in os.environ


def print_row(group: str, case: str, figure: str, unit: str, ours: float, **more: object) -> None:
    """Prints a figure. Its `value` defaults to `ours`."""
    row = {"group": group, "case": case, "figure": figure, "unit": unit, "ours": ours, "value": ours, **more}
    print(json.dumps({name: value for name, value in row.items() if value is not None}), flush=True)


def pair(group: str, case: str, figure: str, unit: str, peer: str, ours: Sequence[float], theirs: Sequence[float], **more: object) -> float:
    """Prints the medians of alternating runs and returns their ratio."""
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    quarters = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    ratio = statistics.median(ours) / statistics.median(theirs)
    print_row(
        group, case, figure, unit, statistics.median(ours),
        peer=peer, theirs=statistics.median(theirs), value=ratio, spread=(quarters[2] - quarters[0]) / 2 / quarters[1], **more,
    )
    return ratio


def turns(sides: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Runs the sides in turns, `rounds` times after a warm-up. Returns the wall time and the CPU time of all threads of
    this process for each run, in milliseconds."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for round_ in range(rounds + 1):
        for name, side in sides.items():
            wall, cpu = time.perf_counter(), time.process_time()
            side()
            if round_:
                found[name].append(((time.perf_counter() - wall) * 1e3, (time.process_time() - cpu) * 1e3))
    return found

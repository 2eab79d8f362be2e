"""Rows of benchmarks, as benches/README.md has them: sides in turns, medians, a line of JSON each."""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable, Sequence

SHORT = "REELKIN_BENCH_SHORT" in os.environ


def say(group: str, case: str, figure: str, unit: str, ours: float, **more: object) -> None:
    """One figure without a peer, or one whose `value` the caller gives."""
    row = {"group": group, "case": case, "figure": figure, "unit": unit, "ours": ours, "value": ours, **more}
    print(json.dumps({name: value for name, value in row.items() if value is not None}), flush=True)


def pair(group: str, case: str, figure: str, unit: str, peer: str, ours: Sequence[float], theirs: Sequence[float], **more: object) -> float:
    """A figure of runs in turns. Returns the ratio of the medians."""
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    quarters = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    ratio = statistics.median(ours) / statistics.median(theirs)
    say(
        group, case, figure, unit, statistics.median(ours),
        peer=peer, theirs=statistics.median(theirs), value=ratio, spread=(quarters[2] - quarters[0]) / 2 / quarters[1], **more,
    )
    return ratio


def turns(sides: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Runs the sides one after the other, `rounds` times, after one round that is not counted: wall and processor
    milliseconds of this process, all threads."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for round_ in range(rounds + 1):
        for name, side in sides.items():
            wall, cpu = time.perf_counter(), time.process_time()
            side()
            if round_:
                found[name].append(((time.perf_counter() - wall) * 1e3, (time.process_time() - cpu) * 1e3))
    return found

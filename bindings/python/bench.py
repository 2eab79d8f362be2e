"""Measures size, import time and memory for docs/src/reference/packages.md, as JSON lines. Run by bench.sh."""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROUNDS = 21

CLIP = """
import sys
from reelkin.sync import Sandbox, VideoClient
with Sandbox(min_job_duration=0) as box, VideoClient(sys.argv[1], api_key=box.api_key, base_url=box.base_url) as client:
    print(client.generate("a lighthouse", duration=6, resolution="720p").path)
"""
# Prints the peak resident memory after decoding a frame.
FRAME = """
import sys
import reelkin.sync
frame = reelkin.sync.frame(sys.argv[1], "last")
assert frame.height == 720 and frame.pixels.nbytes == 1280 * 720 * 3
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")))
"""


def report(name: str, value: float, unit: str) -> None:
    print(json.dumps({"name": name, "value": round(value, 2), "unit": unit}), flush=True)


def python(code: str, *arguments: str) -> str:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=tempfile.gettempdir()).stdout.strip()


def milliseconds(code: str) -> float:
    begun = time.perf_counter()
    python(code)
    return (time.perf_counter() - begun) * 1000


def processor_milliseconds(code: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    python(code)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000


def medians(measure: Callable[[str], float]) -> dict[str, float]:
    """Returns medians over whole processes. The programs alternate, so that other load affects all of them."""
    codes = {"start": "pass", "asyncio": "import asyncio", "reelkin": "import reelkin"}
    samples: dict[str, list[float]] = {name: [] for name in codes}
    for _ in range(ROUNDS):
        for name, code in codes.items():
            samples[name].append(measure(code))
    return {name: statistics.median(values) for name, values in samples.items()}


def main(wheel: Path) -> None:
    report("wheel", wheel.stat().st_size / 1e6, "MB")
    python("import reelkin")
    for kind, measure in (("wall", milliseconds), ("cpu", processor_milliseconds)):
        median = medians(measure)
        asyncio, reelkin = median["asyncio"] - median["start"], median["reelkin"] - median["start"]
        report(f"import asyncio, {kind}", asyncio, "ms")
        report(f"import reelkin, {kind}", reelkin, "ms")
        report(f"import reelkin, {kind}, allowed", 1.2 * asyncio + 30, "ms")
    with tempfile.TemporaryDirectory() as folder:
        clip = python(CLIP, folder)
        peaks = [int(python(FRAME, clip)) for _ in range(5)]
        report("peak memory of a 720p last frame", statistics.median(peaks) / 1024, "MiB")
        report(
            "of that an interpreter with asyncio",
            int(
                python(
                    "import asyncio; print(next(l.split()[1] for l in open('/proc/self/status') if l.startswith('VmHWM:')))"
                )
            )
            / 1024,
            "MiB",
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Ten thousand native calls of each kind do not leak memory."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

import reelkin
from conftest import Studio
from reelkin import _native

CALLS = 10_000
WARM_UP = 1_000
# Fluctuations of the allocator.
ALLOWED_KIB = 4 * 1024

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def resident_kib() -> int:
    gc.collect()
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("no VmRSS")


async def assert_no_leak(call: Callable[[], Awaitable[object]], calls: int = CALLS) -> None:
    for _ in range(WARM_UP):
        await call()
    before = resident_kib()
    for _ in range(calls):
        await call()
    growth = resident_kib() - before
    assert growth < ALLOWED_KIB, f"memory grew by {growth} KiB after {calls} calls"
    assert len(_native._UniffiContinuationHandleMap) == 0  # type: ignore[attr-defined]  # pyright: ignore


def test_values(studio: Studio) -> None:
    async def call() -> None:
        _native.default_poll_policy()
        reelkin.built_in_models()

    asyncio.run(assert_no_leak(call, CALLS // 2))


def test_async_calls_and_records(studio: Studio) -> None:
    async def run() -> None:
        async with studio() as (client, _):
            await client.generate("a bay", duration=1)
            library = client.library

            async def call() -> None:
                await library.list(limit=1)

            await assert_no_leak(call)

    asyncio.run(run())


def test_errors(tmp_path: Path) -> None:
    async def run() -> None:
        client = reelkin.VideoClient(tmp_path / "clips", api_key="k", base_url="http://127.0.0.1:9/v1")

        async def call() -> None:
            try:
                await client.estimate("x", duration=99)
            except reelkin.InvalidRequestError:
                pass
            try:
                await client.job("")
            except reelkin.Error:
                pass

        await assert_no_leak(call, CALLS // 2)
        await client.close()

    asyncio.run(run())


def test_frames_and_their_views() -> None:
    pixels = bytes(64 * 64 * 3)

    async def call() -> None:
        frame = reelkin.Frame.from_rgb(64, 64, pixels)
        view = frame.pixels
        array = frame.to_numpy()
        assert len(view) == array.size

    asyncio.run(assert_no_leak(call))


def test_cancelled_calls(tmp_path: Path) -> None:
    async def run() -> None:
        client = reelkin.VideoClient(tmp_path / "clips", api_key="k", base_url="http://127.0.0.1:9/v1")

        async def call() -> None:
            task = asyncio.ensure_future(client.library.jobs())
            await asyncio.sleep(0)
            task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                pass

        await assert_no_leak(call)
        await client.close()

    asyncio.run(run())

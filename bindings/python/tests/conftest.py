"""Fixtures: a sandbox and a client per test."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import reelkin
import reelkin.sync

Studio = Callable[..., AbstractAsyncContextManager[tuple[reelkin.VideoClient, reelkin.Sandbox]]]
SyncStudio = Callable[..., AbstractContextManager[tuple[reelkin.sync.VideoClient, reelkin.sync.Sandbox]]]

# The developer's settings must not affect the tests.
for name in list(os.environ):
    if name == "XAI_API_KEY" or name.startswith(("REELKIN_LIBRARY", "REELKIN_LOG", "REELKIN_BUDGET")):
        del os.environ[name]

# Jobs in tests take 0.2 s, but the first poll is after 5 s by default.
QUICK = reelkin.default_poll_policy().replace(
    first=timedelta(milliseconds=50), shortest=timedelta(milliseconds=50), longest=timedelta(milliseconds=200)
)


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    """Opens a sandbox and a client: `async with studio(faults=[...], budget=...) as (client, box)`."""

    @asynccontextmanager
    async def open_studio(
        faults: tuple[str, ...] = (), min_job_duration: float = 0.2, **options: Any
    ) -> AsyncIterator[tuple[reelkin.VideoClient, reelkin.Sandbox]]:
        async with reelkin.Sandbox(min_job_duration=min_job_duration, faults=faults) as box:
            settings = {"api_key": box.api_key, "base_url": box.base_url, "poll": QUICK, **options}
            async with reelkin.VideoClient(tmp_path / "clips", **settings) as client:
                yield client, box

    return open_studio


@pytest.fixture
def sync_studio(tmp_path: Path) -> SyncStudio:
    """Opens a sandbox and a blocking client."""

    @contextmanager
    def open_studio(
        faults: tuple[str, ...] = (), min_job_duration: float = 0.2, **options: Any
    ) -> Iterator[tuple[reelkin.sync.VideoClient, reelkin.sync.Sandbox]]:
        with reelkin.sync.Sandbox(min_job_duration=min_job_duration, faults=faults) as box:
            settings = {"api_key": box.api_key, "base_url": box.base_url, "poll": QUICK, **options}
            with reelkin.sync.VideoClient(tmp_path / "clips", **settings) as client:
                yield client, box

    return open_studio

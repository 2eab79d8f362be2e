"""Fixtures of pytest for the tests of programs that use this package, and a builder of clips for their fakes.

    pytest_plugins = ["reelkin.testing"]  # in conftest.py, or import the fixtures that are used


    def test_intro(reelkin_sync_client, reelkin_sandbox):
        clip = reelkin_sync_client.generate("a lighthouse at dusk", duration=1)
        assert clip.cost and reelkin_sandbox.state.creates == 1

Nothing needs a key or costs anything. Each test has its own sandbox and its own library. Async tests use `reelkin_client`
with any plugin for them, or with `asyncio.run`. To change settings, override a fixture in `conftest.py`: `reelkin_options`
returns the arguments of the clients.

Fakes need no sandbox: errors are created with any attributes, as in `reelkin.ModeratedError("blocked", job_id="job-1")`,
clips with `make_clip`, and frames with `reelkin.Frame.from_rgb`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional, Union

try:
    import pytest
except ImportError:
    raise ImportError("reelkin.testing needs pytest: install it with pip install pytest") from None

from . import _client, _values, sync
from ._native import Clip, ClipRecord, PollPolicy, ReelkinRecord
from ._values import Usd, optional

__all__ = [
    "make_clip",
    "reelkin_client",
    "reelkin_library",
    "reelkin_options",
    "reelkin_sandbox",
    "reelkin_sync_client",
]


@pytest.fixture
def reelkin_sandbox() -> Iterator[sync.Sandbox]:
    """A sandbox whose jobs take 0.1 s. Its methods block, also in async tests; most tests only need its properties."""
    with sync.Sandbox(min_job_duration=0.1) as sandbox:
        yield sandbox


@pytest.fixture
def reelkin_library(tmp_path: Path) -> Path:
    """The folder of the test's library."""
    return tmp_path / "reelkin"


@pytest.fixture
def reelkin_options() -> dict[str, Any]:
    """The arguments of the clients besides the library, the server and the key. Override it to change them."""
    # The first poll is after 5 s by default.
    return {"poll": PollPolicy(first=0.05, shortest=0.05, longest=0.2, deadline=60)}


@pytest.fixture
def reelkin_client(
    reelkin_sandbox: sync.Sandbox, reelkin_library: Path, reelkin_options: dict[str, Any]
) -> Iterator[_client.VideoClient]:
    """A `reelkin.VideoClient` on the sandbox. It belongs to no event loop, so the fixture is not async."""
    options = {"api_key": reelkin_sandbox.api_key, "base_url": reelkin_sandbox.base_url, **reelkin_options}
    client = _client.VideoClient(reelkin_library, **options)
    try:
        yield client
    finally:
        sync._run(client.close())


@pytest.fixture
def reelkin_sync_client(
    reelkin_sandbox: sync.Sandbox, reelkin_library: Path, reelkin_options: dict[str, Any]
) -> Iterator[sync.VideoClient]:
    """A `reelkin.sync.VideoClient` on the sandbox. It has the same library as `reelkin_client`."""
    options = {"api_key": reelkin_sandbox.api_key, "base_url": reelkin_sandbox.base_url, **reelkin_options}
    with sync.VideoClient(reelkin_library, **options) as client:
        yield client


def make_clip(
    id: str = "clip-1",
    *,
    path: Union[str, os.PathLike[str], None] = None,
    prompt: Optional[str] = None,
    cost: Optional[Usd] = None,
    job_id: Optional[str] = None,
) -> Clip:
    """Creates a clip that exists nowhere, for a fake of a client. Change its other fields with `replace`.

    Args:
        id: The id of the clip.
        path: The file of the clip, which is not read. Without it, the clip looks like one in a bucket.
        prompt: The prompt in the record of the clip.
        cost: What the clip cost, in dollars.
        job_id: The id of the job that made the clip.
    """
    reelkin = ReelkinRecord(
        cost=optional(_values.usd, "cost", cost), job_id=optional(_values.text, "job_id", job_id), extra={}
    )
    file = None if path is None else Path(_values.path("path", path))
    return Clip(
        id=_values.text("id", id),
        file_name=file.name if file is not None else f"{id}.mp4",
        path=file,
        record=ClipRecord(
            prompt=optional(_values.text, "prompt", prompt),
            user_prompt=prompt,
            reelkin=reelkin,
            extra={},
        ),
    )

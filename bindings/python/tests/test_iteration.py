"""`iter_frames`: frames one after the other, in a bounded memory."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

import reelkin
import reelkin.sync
from conftest import SyncStudio
from reelkin import _media, _native


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of frames in each call of the decoder."""
    sizes: list[int] = []
    decode = _native.frames

    async def watch(source: Any, positions: Any, options: Any) -> Any:
        sizes.append(len(positions))
        return await decode(source, positions, options)

    monkeypatch.setattr(_native, "frames", watch)
    return sizes


def test_frames_are_decoded_in_parts(
    sync_studio: SyncStudio, parts: list[int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with sync_studio() as (client, _):
        clip = client.generate("a clock", duration=1)
    assert clip.path is not None
    path = clip.path
    expected = reelkin.sync.frames(path, [reelkin.FramePosition.Number(number) for number in range(24)])
    parts.clear()
    # Everything fits into one part.
    assert [frame.number for frame in reelkin.sync.iter_frames(path)] == list(range(24)) and parts == [24]
    parts.clear()
    monkeypatch.setattr(_media, "MAX_PART_BYTES", 5 * len(expected[0].pixels) + 1)

    async def run() -> None:
        numbers: list[int | None] = []
        async for frame in reelkin.iter_frames(path):
            number = frame.number
            assert number is not None and bytes(frame) == bytes(expected[number])
            numbers.append(number)
        assert numbers == list(range(24)) and parts == [5, 5, 5, 5, 4]

    asyncio.run(run())
    parts.clear()
    # What is not asked for is not decoded.
    assert [frame.number for frame in itertools.islice(reelkin.sync.iter_frames(path.read_bytes()), 6)] == [*range(6)]
    assert parts == [5, 5]
    parts.clear()
    times: list[reelkin.Position] = ["last", 0, 0.5, "first", reelkin.FramePosition.Number(3), 0.5]
    assert [frame.number for frame in reelkin.sync.iter_frames(path, iter(times))] == [23, 0, 12, 0, 3, 12]
    assert parts == [5, 1]
    # A frame that is larger than a part is a part of its own.
    monkeypatch.setattr(_media, "MAX_PART_BYTES", 1)
    parts.clear()
    assert len(list(reelkin.sync.iter_frames(path, ["first", "last"]))) == 2 and parts == [1, 1]


def test_a_clip_that_does_not_say_how_many_frames_it_has(
    sync_studio: SyncStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sync_studio() as (client, _):
        clip = client.generate("a clock", duration=1)
    probe = _native.probe

    async def unknown(source: Any, options: Any) -> Any:
        found = await probe(source, options)
        return found.replace(video=found.video.replace(frames=None))

    monkeypatch.setattr(_native, "probe", unknown)
    assert clip.path is not None
    assert [frame.number for frame in reelkin.sync.iter_frames(clip.path)] == list(range(24))


def test_invalid_iterations(tmp_path: Path) -> None:
    for positions in ("last", 3):
        with pytest.raises(TypeError, match="positions must be a list of positions"):
            next(reelkin.sync.iter_frames(b"", positions))  # type: ignore[arg-type]  # pyright: ignore
    with pytest.raises(reelkin.NotFoundError):
        next(reelkin.sync.iter_frames(tmp_path / "nobody.mp4"))
    with pytest.raises(reelkin.MediaError):
        next(reelkin.sync.iter_frames(b"junk"))
    assert list(reelkin.sync.iter_frames(PIL.Image.new("RGB", (4, 4)), [])) == []
    [picture] = reelkin.sync.iter_frames(PIL.Image.new("RGB", (4, 4)))
    assert picture.width == 4

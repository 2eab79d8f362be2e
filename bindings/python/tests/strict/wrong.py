"""Mistakes that type checkers find. Each is marked, and a mark without a mistake is an error too."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Dict, List

import reelkin
import reelkin.sync


async def positions(client: reelkin.VideoClient, clip: reelkin.Clip) -> None:
    right: List[reelkin.Position] = ["first", "last", 0, 0.5, timedelta(seconds=1), reelkin.FramePosition.Number(3)]
    await reelkin.frames(clip.file_name, right)
    await client.frame(clip, "first")
    await client.frame(clip, "middle")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await reelkin.frame(Path("a.mp4"), "end")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    reelkin.sync.frame(Path("a.mp4"), "end")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def names(client: reelkin.VideoClient, clip: reelkin.Clip) -> None:
    await client.generate("x", model="grok-imagine-video-1.5", resolution="720p", aspect_ratio="16:9")
    # The service may accept names that this version does not know.
    await client.generate("x", model="grok-imagine-video-9", resolution="2160p", aspect_ratio="21:9")
    await client.generate("x", resolution=720)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await client.estimate("x", aspect_ratio=16 / 9)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await client.continue_from(clip, model=9)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await client.continue_from(clip, strategy="cut")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def timeouts(client: reelkin.VideoClient, blocking: reelkin.sync.VideoClient, clip: reelkin.Clip) -> None:
    new: reelkin.Clip = await client.generate("x", timeout=60)
    new = await client.edit(new, "night", timeout=timedelta(minutes=1))
    new = blocking.extend(new, "on", timeout=0.5)
    outcome: reelkin.ChainOutcome = await client.chain(new, ["on"], timeout=60)
    print(outcome.cost, await (await client.start_edit(clip, "night")).wait(timeout=3))
    await client.generate("x", timeout="60")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await client.start_generate("x", timeout=60)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await client.estimate("x", timeout=60)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def options(client: reelkin.VideoClient, blocking: reelkin.sync.VideoClient) -> None:
    same: reelkin.VideoClient = client.with_options(timeout=60, resolution="720p", plan=False)
    other: reelkin.sync.VideoClient = blocking.with_options(model="grok-imagine-video-9")
    print(same, other)
    client.with_options(base_url="http://127.0.0.1/v1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.with_options(timeout="60")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def other_values(client: reelkin.VideoClient, clip: reelkin.Clip) -> None:
    size: int = clip.file.stat().st_size
    clip.path.stat()  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]
    await client.estimate("x", keyframes={0.5: clip.file})
    await client.estimate("x", keyframes={timedelta(seconds=1): b"x", timedelta(seconds=2): clip.file})
    await client.estimate("x", keyframes={"1": b"x"})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]
    async for frame in reelkin.iter_frames(clip.file, ["first", 0.5]):
        print(frame.number, size)
    for frame in reelkin.sync.iter_frames(clip.file):
        print(frame.number)


async def dictionaries(client: reelkin.VideoClient, by_float: Dict[float, Path], by_time: Dict[timedelta, bytes]) -> None:
    by_int: Dict[int, reelkin.Frame] = {}
    for keyframes in (by_float, by_time, by_int):
        await client.estimate("x", keyframes=keyframes)

"""Values can be copied and pickled. Native objects cannot, and the error says what to do instead."""

from __future__ import annotations

import asyncio
import copy
import inspect
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

import reelkin
import reelkin.sync
from conftest import Studio, SyncStudio
from reelkin import _native

PROTOCOLS = range(2, pickle.HIGHEST_PROTOCOL + 1)
# All classes with a native handle, and the alternative to copying. New classes must be added.
NATIVE = {
    "ChainEvents": "create it in the process that uses it",
    "ChainHandle": "the same request continues the same chain",
    "Family": r"pass its members\(\)",
    "Frame": "use a reelkin.Frame",
    "JobEvents": "create it in the process that uses it",
    "JobHandle": r"client.job\(id\)",
    "Library": "open the library in the worker",
    "RecoveryEvents": "create it in the process that uses it",
    "RecoveryHandle": "start a recovery in the worker",
    "Sandbox": "pass its base_url and its api_key",
    "TokenAnswer": "create it in the process that uses it",
    "VideoClient": "create a client in the worker",
}


def assert_not_copyable(thing: object, alternative: str) -> None:
    words = f"cannot be pickled or copied.*: .*{alternative}"
    with pytest.raises(TypeError, match=words):
        copy.copy(thing)
    with pytest.raises(TypeError, match=words):
        copy.deepcopy(thing)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match=words):
            pickle.dumps(thing, protocol)
    # Also inside a list or a dict.
    with pytest.raises(TypeError, match=words):
        copy.deepcopy({"one": [thing]})
    with pytest.raises(TypeError, match=words):
        pickle.dumps([thing])


def copies(thing: Any) -> list[Any]:
    pickled = [pickle.loads(pickle.dumps(thing, protocol)) for protocol in PROTOCOLS]
    return [copy.copy(thing), copy.deepcopy(thing), copy.deepcopy([thing])[0], *pickled]


def test_every_native_class_is_listed() -> None:
    classes = {
        name: kind
        for name, kind in vars(_native).items()
        if inspect.isclass(kind) and any("handle" in part for part in vars(kind)) and not name.startswith("_")
    }
    assert set(classes) == set(NATIVE)
    for name, kind in classes.items():
        assert hasattr(kind, "__del__"), name
        # Without a handle, so only the class matters.
        assert_not_copyable(object.__new__(kind), NATIVE[name])


def test_live_objects(studio: Studio) -> None:
    async def run() -> None:
        async with studio() as (client, box):
            job = await client.start_generate("a bay", duration=1)
            clip = await job
            chain = await client.start_chain(clip, ["a storm"])
            await chain
            recovery = await client.start_recover()
            await recovery
            family = await client.library.family(clip)
            for thing, alternative in (
                (client, "create a client in the worker"),
                (client.library, "open the library in the worker"),
                (box, "pass its base_url"),
                (job, "client.job"),
                (chain, "the same request"),
                (recovery, "start a recovery"),
                (family, "members"),
                ((await client.frame(clip))._native, "use a reelkin.Frame"),
            ):
                assert_not_copyable(thing, alternative)
            # The objects still work.
            assert (await client.library.family(clip)).focus().id == family.focus().id == clip.id

    asyncio.run(run())


def test_live_objects_of_the_blocking_package(sync_studio: SyncStudio) -> None:
    with sync_studio() as (client, box):
        job = client.start_generate("a bay", duration=1)
        job.wait()
        assert_not_copyable(client, "create a client in the worker")
        assert_not_copyable(client.library, "open the library in the worker")
        assert_not_copyable(box, "pass its base_url")
        assert_not_copyable(job, "client.job")
        assert job.wait().path is not None


def content(frame: reelkin.Frame) -> list[object]:
    return [
        *(frame.width, frame.height, bytes(frame), frame.pts, frame.time_base, frame.time, frame.number),
        *(frame.color, frame.rotation, frame.to_png()),
    ]


def test_frames(studio: Studio) -> None:
    async def run() -> None:
        async with studio() as (client, _):
            clip = await client.generate("a bay", duration=1)
            frame = await client.frame(clip, 0.5)
            assert frame.pts > 0 and frame.number == 12
            before = content(frame)
            copied = copies(frame)
            assert [content(again) for again in copied] == [before] * len(copied)
            # The copies have their own pixels.
            del frame
            assert [content(again) for again in copied] == [before] * len(copied)

    asyncio.run(run())


def test_values(studio: Studio) -> None:
    async def run() -> None:
        async with studio(faults=["create:lost-reply,times=1"]) as (client, box):
            with pytest.raises(reelkin.SubmissionUnknownError) as caught:
                await client.generate("a cat", duration=1)
            for error in copies(caught.value):
                assert type(error) is reelkin.SubmissionUnknownError
                assert (str(error), error.details, error.record_id) == (
                    *(str(caught.value), caught.value.details, caught.value.record_id),
                )
            clip = await client.generate("a bay", duration=1)
            events = [event async for event in await client.start_generate("a bay", duration=1)]
            values = [
                *(clip, clip.record, await client.library.jobs(), await client.library.list(), events, box.state),
                *(await client.recover(), await client.spent(), await client.library.verify(), client.models),
                *((await client.library.family(clip)).members(), await client.estimate("x", duration=1)),
                *(
                    reelkin.Budget(per_day="5.00"),
                    reelkin.generate_request("x", image=b"GIF89a"),
                    await client.analyze(clip),
                ),
                *(reelkin.default_poll_policy(), reelkin.AccessToken("secret", 60), reelkin.Charge.NO),
            ]
            for value in values:
                for again in copies(value):
                    assert again == value and type(again) is type(value)

    asyncio.run(run())


WORKER = """
    import concurrent.futures, multiprocessing, pathlib, sys
    import reelkin, reelkin.sync

    def last(path):
        return reelkin.sync.frame(path, "last")

    def size(frame):
        return len(bytes(frame)), frame.number

    def fail(path):
        reelkin.sync.probe(path)

    def use(client):
        return client.service

    if __name__ == "__main__":
        folder, key, url, method = sys.argv[1:]
        client = reelkin.sync.VideoClient(folder, api_key=key, base_url=url)
        clip = client.library.clip(client.library.list().clips[0].id).path
        local = client.frame(clip)
        with concurrent.futures.ProcessPoolExecutor(2, multiprocessing.get_context(method)) as pool:
            remote = pool.submit(last, clip).result(60)
            assert bytes(remote) == bytes(local) and remote.pts == local.pts and remote.to_png() == local.to_png()
            assert pool.submit(size, local).result(60) == (len(bytes(local)), local.number)
            assert [len(bytes(frame)) for frame in pool.map(last, [clip] * 4)] == [len(bytes(local))] * 4
            error = pool.submit(fail, pathlib.Path(folder) / "nobody.mp4").exception(60)
            assert isinstance(error, reelkin.NotFoundError), error
            error = pool.submit(use, client).exception(60)
            assert isinstance(error, TypeError) and "create a client in the worker" in str(error), error
        client.close()
        print("whole")
    """


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_process_pools(method: str, sync_studio: SyncStudio, tmp_path: Path) -> None:
    script = tmp_path / "worker.py"
    script.write_text(textwrap.dedent(WORKER))
    with sync_studio() as (client, box):
        client.generate("a bay", duration=1)
        arguments = [str(tmp_path / "clips"), box.api_key, box.base_url, method]
        command = [sys.executable, "-W", "ignore", str(script), *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=180)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "whole\n", "")

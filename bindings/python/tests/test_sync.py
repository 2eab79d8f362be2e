"""The blocking package."""

from __future__ import annotations

import asyncio
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import reelkin
import reelkin.sync
from conftest import SyncStudio


def test_every_operation(sync_studio: SyncStudio) -> None:
    with sync_studio() as (client, box):
        clip = client.generate("a bay", duration=2)
        job = client.start_edit(clip, "make it night")
        assert [type(event).__name__ for event in job][-1] == "Saved" and job.is_over
        night = job.wait()
        long = client.extend(clip, "on", duration=2)
        storm = client.continue_from(clip, "storm", duration=1, plan=False)
        assert {member.id for member in client.library.family(storm).members()} == {
            clip.id,
            night.id,
            long.id,
            storm.id,
        }
        assert client.analyze(clip).prompt
        assert client.frame(clip).number == 47
        assert clip.path is not None and reelkin.sync.probe(clip.path).video.frames == 48
        assert reelkin.sync.frame(clip.path).to_png() == client.frame(clip).to_png()
        assert [frame.number for frame in reelkin.sync.frames(clip.path, ["first", "last"])] == [0, 47]
        assert reelkin.sync.progress(client.start_generate("a hill", duration=1)).path is not None
        assert client.recover().saved == [] and client.start_recover().wait().saved == []
        assert client.spent().requests == box.state.creates + 1
        assert client.job(job.id).wait().id == night.id
        assert all(isinstance(verdict.condition, reelkin.Condition.Intact) for verdict in client.library.verify())
        assert len(client.library.read(clip)) == clip.path.stat().st_size
        assert client.estimate("x", duration=1).cost
        assert client.visible_models() and client.models.models
    with pytest.raises(reelkin.ConfigError):
        client.recover()


def test_blocking_calls_work_inside_an_event_loop(sync_studio: SyncStudio) -> None:
    """As in a notebook, whose cells run inside of one."""
    with sync_studio() as (client, _):

        async def run() -> None:
            clip = client.generate("a bay", duration=1)
            assert client.frame(clip).number == 23
            assert client.library.clip(clip.id) == clip

        asyncio.run(run())


def test_functions_can_be_passed_to_processes() -> None:
    for name in ("frame", "frames", "probe"):
        function = getattr(reelkin.sync, name)
        assert pickle.loads(pickle.dumps(function)) is function


def test_a_token_source_cannot_make_a_blocking_call(tmp_path: Path) -> None:
    errors: list[BaseException] = []

    async def token() -> str:
        try:
            client.recover()
        except RuntimeError as error:
            errors.append(error)
        return "xai-0123456789"

    client = reelkin.sync.VideoClient(tmp_path / "clips", base_url="http://127.0.0.1:9/v1", token=token)
    with pytest.raises(reelkin.NetworkError):
        client.visible_models()
    assert errors and all("use reelkin, not reelkin.sync" in str(error) for error in errors)


def test_other_threads_keep_running(sync_studio: SyncStudio) -> None:
    with sync_studio(min_job_duration=1) as (client, box):
        clips: list[reelkin.Clip] = []
        threads = [
            threading.Thread(target=lambda: clips.append(client.generate("a bay", duration=1))) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        turns = 0
        while any(thread.is_alive() for thread in threads):
            time.sleep(0.001)
            turns += 1
        assert len({clip.id for clip in clips}) == 8 == box.state.creates
        # It would be a handful if a blocking call held the interpreter lock.
        assert turns > 100


INTERRUPTED = """
import sys
from reelkin.sync import VideoClient

library, key, url = sys.argv[1:]
client = VideoClient(library, api_key=key, base_url=url)
print("ready", flush=True)
try:
    client.generate("a comet", duration=1)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    print(len(client.recover().saved), flush=True)
"""


def test_ctrl_c_stops_waiting_and_recover_saves_the_clip(sync_studio: SyncStudio, tmp_path: Path) -> None:
    with sync_studio(min_job_duration=3) as (client, box):
        command = [sys.executable, "-c", INTERRUPTED, str(tmp_path / "clips"), box.api_key, box.base_url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None and child.stdout.readline() == "ready\n"
            while box.state.creates == 0:
                time.sleep(0.01)
            time.sleep(0.2)
            interrupted = time.monotonic()
            child.send_signal(signal.SIGINT)
            assert child.stdout.readline() == "interrupted\n"
            assert time.monotonic() - interrupted < 2.5
            assert child.stdout.readline() == "1\n"
            assert child.wait(30) == 0
        assert box.state.creates == 1
        assert len(client.library.list().clips) == 1

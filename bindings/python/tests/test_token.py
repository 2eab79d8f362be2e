"""A function of the caller's that gives tokens, in place of a key. The sandbox's key is the token that is right."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import reelkin
import reelkin.sync
from conftest import QUICK, Studio, SyncStudio

SOON = reelkin.default_timeouts().replace(token=timedelta(seconds=0.3))


def client_of(box: Any, folder: Path, token: Any, **options: Any) -> reelkin.VideoClient:
    return reelkin.VideoClient(folder / "clips", base_url=box.base_url, token=token, **{"poll": QUICK, **options})


def test_an_async_function_serves_a_whole_job(studio: Studio, tmp_path: Path) -> None:
    async def run() -> None:
        async with reelkin.Sandbox(seconds_per_job=0.2) as box:
            loops = []

            async def token() -> reelkin.AccessToken:
                await asyncio.sleep(0.01)
                loops.append(asyncio.get_running_loop())
                return reelkin.AccessToken(box.api_key, expires_in=3600)

            async with client_of(box, tmp_path, token) as client:
                clip = await client.generate("a bay", duration=1)
                assert clip.path is not None and (await client.visible_models())
                # Kept until it expires, and asked for where the calls run.
                assert loops == [asyncio.get_running_loop()]
                assert box.api_key not in repr(reelkin.AccessToken(box.api_key)) + repr(client) + repr(vars(client))

    asyncio.run(run())


def test_without_an_expiry_it_is_asked_for_each_request(tmp_path: Path) -> None:
    async def run() -> None:
        async with reelkin.Sandbox() as box:
            asked = []

            def token() -> str:
                asked.append(threading.current_thread())
                return box.api_key

            async with client_of(box, tmp_path, token) as client:
                await client.visible_models()
                await client.visible_models()
                # A function that is not async may block: it has a thread of its own.
                assert len(asked) == 2 and threading.main_thread() not in asked

    asyncio.run(run())


@pytest.mark.parametrize("is_async", [True, False])
def test_what_it_raises_is_the_error_and_nothing_is_sent(is_async: bool, tmp_path: Path) -> None:
    async def run() -> None:
        async with reelkin.Sandbox() as box:

            async def refused() -> str:
                raise LookupError("no token\nfor you")

            def refused_at_once() -> str:
                raise LookupError("no token\nfor you")

            async with client_of(box, tmp_path, refused if is_async else refused_at_once) as client:
                with pytest.raises(reelkin.AuthError, match="get a token: LookupError: no token for you") as caught:
                    await client.generate("a bay", duration=1)
                assert caught.value.code == "auth" and isinstance(caught.value, PermissionError)
                assert caught.value.may_have_been_charged == reelkin.Charge.NO and caught.value.is_retryable
                assert box.state.create_requests == 0 and await client.library.jobs() == []

    asyncio.run(run())


def test_one_that_hangs_ends_at_the_deadline_and_is_cancelled(tmp_path: Path) -> None:
    async def run() -> None:
        async with reelkin.Sandbox() as box:
            ended = asyncio.Event()

            async def hangs() -> str:
                try:
                    await asyncio.sleep(3600)
                finally:
                    ended.set()
                return "never"

            async with client_of(box, tmp_path, hangs, timeouts=SOON) as client:
                with pytest.raises(reelkin.AuthError, match="within 0.3 s"):
                    await client.generate("a bay", duration=1)
                await asyncio.wait_for(ended.wait(), 30)
                assert box.state.create_requests == 0

    asyncio.run(run())


def test_one_that_blocks_ends_at_the_deadline(tmp_path: Path) -> None:
    script = """
        import sys, threading, datetime, reelkin, reelkin.sync
        soon = reelkin.default_timeouts().replace(token=datetime.timedelta(seconds=0.3))
        blocks = threading.Event()
        client = reelkin.sync.VideoClient(sys.argv[1], base_url="http://127.0.0.1:9", token=blocks.wait, timeouts=soon)
        try:
            client.visible_models()
        except reelkin.AuthError as error:
            print(error)
        """
    command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)]
    # The thread that still waits does not keep the process.
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "get a token: the token source gave none within 0.3 s\n"


def test_what_is_no_token(tmp_path: Path) -> None:
    async def run() -> None:
        async with reelkin.Sandbox() as box:
            async with client_of(box, tmp_path, lambda: 5) as client:
                with pytest.raises(reelkin.AuthError, match="TypeError: the result of the token source must be a str or a reelkin"):
                    await client.visible_models()
            async with client_of(box, tmp_path, lambda: "two\nlines") as client:
                with pytest.raises(reelkin.AuthError, match="line break"):
                    await client.visible_models()
            with pytest.raises(TypeError, match="token must be a function"):
                client_of(box, tmp_path, box.api_key)
            with pytest.raises(reelkin.ConfigError, match="give one of them"):
                client_of(box, tmp_path, lambda: "x", api_key="y")

    asyncio.run(run())


def test_another_event_loop_later(tmp_path: Path) -> None:
    """A client outlives the loop in which it was used first; what is asked then is asked in the next one."""
    loops = []
    with reelkin.sync.Sandbox(seconds_per_job=0.1) as box:
        key = box.api_key

        async def token() -> str:
            loops.append(asyncio.get_running_loop())
            return key

        client = client_of(box, tmp_path, token)
        asyncio.run(client.visible_models())
        first = set(loops)

        async def again() -> None:
            await client.visible_models()
            await client.close()

        asyncio.run(again())
        assert len(first) == 1 and len(set(loops)) == 2


def test_a_job_goes_on_when_its_loop_has_ended(tmp_path: Path) -> None:
    """Polls need tokens where no loop of the caller's runs any more: they come in the package's own."""
    with reelkin.sync.Sandbox(seconds_per_job=1) as box:
        key = box.api_key

        async def token() -> str:
            return key

        client = client_of(box, tmp_path, token)
        asyncio.run(client.start_generate("a bay", duration=1))
        deadline = time.monotonic() + 60
        while not list((tmp_path / "clips").glob("*.mp4")):
            assert time.monotonic() < deadline, box.state
            time.sleep(0.05)
        asyncio.run(client.close())
        assert box.state.creates == 1


@pytest.mark.parametrize("is_async", [True, False])
def test_the_blocking_package(is_async: bool, tmp_path: Path) -> None:
    with reelkin.sync.Sandbox(seconds_per_job=0.1) as box:
        keys = reelkin.sync.Library.open(tmp_path / "keys")
        key = box.api_key

        async def token() -> str:
            return key

        def token_by_a_blocking_call() -> str:
            # Blocking calls of the package are free to be made here.
            assert keys.list().clips == []
            return key

        source = token if is_async else token_by_a_blocking_call
        with reelkin.sync.VideoClient(tmp_path / "clips", base_url=box.base_url, token=source, poll=QUICK) as client:
            assert client.generate("a bay", duration=1).path is not None
            assert box.state.creates == 1


def test_an_interpreter_that_ends_while_tokens_are_needed(sync_studio: SyncStudio, tmp_path: Path) -> None:
    script = """
        import sys, reelkin, reelkin.sync
        library, key, url = sys.argv[1:]
        async def token():
            return key
        client = reelkin.sync.VideoClient(library, base_url=url, token=token)
        jobs = [client.start_generate(f"comet {n}", duration=1) for n in range(3)]
        kept = [client.library, *jobs]
        """
    with sync_studio(seconds_per_job=5) as (client, box):
        command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path / "clips"), box.api_key, box.base_url]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
        assert len(client.recover().saved) == 3 == box.state.creates

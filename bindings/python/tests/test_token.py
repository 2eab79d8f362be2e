"""Tokens from a function instead of a key. The sandbox accepts its key as a token."""

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

SHORT_TIMEOUT = reelkin.default_timeouts().replace(token=timedelta(seconds=0.3))


def token_client(box: Any, folder: Path, token: Any, **options: Any) -> reelkin.VideoClient:
    return reelkin.VideoClient(folder / "clips", base_url=box.base_url, token=token, **{"poll": QUICK, **options})


def test_one_token_is_enough_for_a_job(studio: Studio, tmp_path: Path) -> None:
    async def run() -> None:
        async with reelkin.Sandbox(min_job_duration=0.2) as box:
            loops = []

            async def token() -> reelkin.AccessToken:
                await asyncio.sleep(0.01)
                loops.append(asyncio.get_running_loop())
                return reelkin.AccessToken(box.api_key, expires_in=3600)

            async with token_client(box, tmp_path, token) as client:
                clip = await client.generate("a bay", duration=1)
                assert clip.path is not None and (await client.visible_models())
                # The token is cached, and the function runs in the loop of the calls.
                assert loops == [asyncio.get_running_loop()]
                assert box.api_key not in repr(reelkin.AccessToken(box.api_key)) + repr(client) + repr(vars(client))

    asyncio.run(run())


def test_a_token_without_a_lifetime_is_used_for_one_request(tmp_path: Path) -> None:
    async def run() -> None:
        async with reelkin.Sandbox() as box:
            threads = []

            def token() -> str:
                threads.append(threading.current_thread())
                return box.api_key

            async with token_client(box, tmp_path, token) as client:
                await client.visible_models()
                await client.visible_models()
                # A function that is not async may block, so it runs in another thread.
                assert len(threads) == 2 and threading.main_thread() not in threads

    asyncio.run(run())


@pytest.mark.parametrize("is_async", [True, False])
def test_an_exception_becomes_an_auth_error_and_nothing_is_sent(is_async: bool, tmp_path: Path) -> None:
    async def run() -> None:
        async with reelkin.Sandbox() as box:

            async def raises() -> str:
                raise LookupError("no token\nfor you")

            def raises_blocking() -> str:
                raise LookupError("no token\nfor you")

            async with token_client(box, tmp_path, raises if is_async else raises_blocking) as client:
                with pytest.raises(reelkin.AuthError, match="get a token: LookupError: no token for you") as caught:
                    await client.generate("a bay", duration=1)
                assert caught.value.code == "auth" and isinstance(caught.value, PermissionError)
                assert caught.value.may_have_been_charged == reelkin.Charge.NO and caught.value.is_retryable
                assert box.state.create_requests == 0 and await client.library.jobs() == []

    asyncio.run(run())


def test_a_function_that_hangs_is_cancelled_at_the_deadline(tmp_path: Path) -> None:
    async def run() -> None:
        async with reelkin.Sandbox() as box:
            ended = asyncio.Event()

            async def hangs() -> str:
                try:
                    await asyncio.sleep(3600)
                finally:
                    ended.set()
                return "never"

            async with token_client(box, tmp_path, hangs, timeouts=SHORT_TIMEOUT) as client:
                with pytest.raises(reelkin.AuthError, match="within 0.3 s"):
                    await client.generate("a bay", duration=1)
                await asyncio.wait_for(ended.wait(), 30)
                assert box.state.create_requests == 0

    asyncio.run(run())


def test_a_function_that_blocks_does_not_delay_the_deadline_or_the_exit(tmp_path: Path) -> None:
    script = """
        import sys, threading, datetime, reelkin, reelkin.sync
        timeouts = reelkin.default_timeouts().replace(token=datetime.timedelta(seconds=0.3))
        blocks = threading.Event()
        client = reelkin.sync.VideoClient(sys.argv[1], base_url="http://127.0.0.1:9", token=blocks.wait, timeouts=timeouts)
        try:
            client.visible_models()
        except reelkin.AuthError as error:
            print(error)
        """
    command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "get a token: the token source returned none within 0.3 s\n"


def test_invalid_tokens(tmp_path: Path) -> None:
    async def run() -> None:
        async with reelkin.Sandbox() as box:
            async with token_client(box, tmp_path, lambda: 5) as client:
                with pytest.raises(
                    reelkin.AuthError, match="TypeError: the result of the token source must be a str or a reelkin"
                ):
                    await client.visible_models()
            async with token_client(box, tmp_path, lambda: "two\nlines") as client:
                with pytest.raises(reelkin.AuthError, match="line break"):
                    await client.visible_models()
            with pytest.raises(TypeError, match="token must be a function"):
                token_client(box, tmp_path, box.api_key)
            with pytest.raises(reelkin.ConfigError, match="give one of them"):
                token_client(box, tmp_path, lambda: "x", api_key="y")

    asyncio.run(run())


def test_a_client_is_used_in_a_second_event_loop(tmp_path: Path) -> None:
    loops = []
    with reelkin.sync.Sandbox(min_job_duration=0.1) as box:
        key = box.api_key

        async def token() -> str:
            loops.append(asyncio.get_running_loop())
            return key

        client = token_client(box, tmp_path, token)
        asyncio.run(client.visible_models())
        first = set(loops)

        async def again() -> None:
            await client.visible_models()
            await client.close()

        asyncio.run(again())
        assert len(first) == 1 and len(set(loops)) == 2


def test_a_job_continues_after_its_event_loop_has_ended(tmp_path: Path) -> None:
    """The token function then runs in the package's own loop."""
    with reelkin.sync.Sandbox(min_job_duration=1) as box:
        key = box.api_key

        async def token() -> str:
            return key

        client = token_client(box, tmp_path, token)
        asyncio.run(client.start_generate("a bay", duration=1))
        deadline = time.monotonic() + 60
        while not list((tmp_path / "clips").glob("*.mp4")):
            assert time.monotonic() < deadline, box.state
            time.sleep(0.05)
        asyncio.run(client.close())
        assert box.state.creates == 1


@pytest.mark.parametrize("is_async", [True, False])
def test_the_blocking_package(is_async: bool, tmp_path: Path) -> None:
    with reelkin.sync.Sandbox(min_job_duration=0.1) as box:
        keys = reelkin.sync.Library.open(tmp_path / "keys")
        key = box.api_key

        async def token() -> str:
            return key

        def token_with_a_blocking_call() -> str:
            # Blocking calls of the package are allowed here.
            assert keys.list().clips == []
            return key

        source = token if is_async else token_with_a_blocking_call
        with reelkin.sync.VideoClient(tmp_path / "clips", base_url=box.base_url, token=source, poll=QUICK) as client:
            assert client.generate("a bay", duration=1).path is not None
            assert box.state.creates == 1


def test_exit_while_tokens_are_needed(sync_studio: SyncStudio, tmp_path: Path) -> None:
    script = """
        import sys, reelkin, reelkin.sync
        library, key, url = sys.argv[1:]
        async def token():
            return key
        client = reelkin.sync.VideoClient(library, base_url=url, token=token)
        jobs = [client.start_generate(f"comet {n}", duration=1) for n in range(3)]
        kept = [client.library, *jobs]
        """
    with sync_studio(min_job_duration=5) as (client, box):
        command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path / "clips"), box.api_key, box.base_url]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
        assert len(client.recover().saved) == 3 == box.state.creates

"""The log of the native library, as programs see it."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from contextlib import contextmanager
from pathlib import Path

import pytest

from conftest import Studio, SyncStudio

# Runs a program that makes a clip, after what configures logging.
PROGRAM = """
import asyncio, logging, sys
{configure}
import reelkin

async def main():
    async with reelkin.Sandbox(min_job_duration=0.2) as box:
        options = dict(api_key=box.api_key, base_url=box.base_url)
        async with reelkin.VideoClient(sys.argv[1], **options) as client:
            await client.generate("a secret lighthouse", duration=1)

asyncio.run(main())
"""


def run(folder: Path, configure: str) -> str:
    command = [sys.executable, "-c", PROGRAM.format(configure=configure), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == ""
    return done.stderr


def test_nothing_is_printed_unless_logging_is_configured(tmp_path: Path) -> None:
    assert run(tmp_path, "") == ""


def test_a_configured_program_sees_jobs_and_replies(tmp_path: Path) -> None:
    printed = run(tmp_path, "logging.basicConfig(level=logging.DEBUG)")
    assert "INFO:reelkin:submitted" in printed
    assert "INFO:reelkin:saved" in printed
    assert "DEBUG:reelkin.http:reply" in printed


def test_a_forked_child_logs_as_well(tmp_path: Path) -> None:
    program = PROGRAM.format(configure="logging.basicConfig(level=logging.INFO)")
    program += """
import os
child = os.fork()
if child == 0:
    asyncio.run(main())
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""
    command = [sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert done.stderr.count("INFO:reelkin:saved") == 2


def test_loggers_have_their_own_levels(tmp_path: Path) -> None:
    configure = 'logging.basicConfig(); logging.getLogger("reelkin.http").setLevel(logging.DEBUG)'
    printed = run(tmp_path, configure)
    assert "DEBUG:reelkin.http:" in printed
    assert ":reelkin:" not in printed


@contextmanager
def handling(handler: logging.Handler) -> Iterator[None]:
    """Adds a handler for INFO to the package's logger."""
    logger = logging.getLogger("reelkin")
    previous = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(previous)
        logger.removeHandler(handler)


def test_a_call_has_logged_when_it_returns(studio: Studio, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with studio() as (client, _):
            before = datetime.now(timezone.utc).timestamp()
            with caplog.at_level(logging.INFO, "reelkin"):
                clip = await client.generate("a boat", duration=1)
                (saved,) = [entry for entry in caplog.records if entry.getMessage().startswith("saved")]
            assert clip.id in saved.getMessage()
            assert (saved.name, saved.levelname) == ("reelkin", "INFO")
            assert before - 1 < saved.created < datetime.now(timezone.utc).timestamp() + 1

    asyncio.run(main())


def test_records_are_logged_while_a_call_waits(studio: Studio) -> None:
    async def main() -> None:
        submitted = asyncio.Event()
        loop = asyncio.get_running_loop()

        class Handler(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                if record.getMessage().startswith("submitted"):
                    loop.call_soon_threadsafe(submitted.set)

        # The job ends only when the test lets it, so the record is not one that was logged at the end of the call.
        async with studio(min_job_duration=3600) as (client, _):
            with handling(Handler()):
                call = asyncio.ensure_future(client.generate("a boat", duration=1))
                await asyncio.wait_for(submitted.wait(), 60)
                assert not call.done()
                call.cancel()

    asyncio.run(main())


def test_the_log_has_no_key_and_no_prompt(studio: Studio, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> str:
        async with studio() as (client, box):
            with caplog.at_level(1):
                clip = await client.generate("a secret lighthouse", duration=1)
                await client.analyze(clip)
            return box.api_key

    key = asyncio.run(main())
    printed = "\n".join(entry.getMessage() for entry in caplog.records if entry.name.startswith("reelkin"))
    assert "submitted" in printed and "reply" in printed
    for secret in ("secret lighthouse", key, "Bearer", "?"):
        assert secret not in printed


def test_a_failing_handler_costs_no_clip(studio: Studio, capsys: pytest.CaptureFixture[str]) -> None:
    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise RuntimeError("the disk of the log is full")

    async def main() -> None:
        async with studio() as (client, _):
            with handling(Broken()):
                clip = await client.generate("a boat", duration=1)
            assert clip.path is not None and clip.path.exists()

    asyncio.run(main())
    assert "the disk of the log is full" in capsys.readouterr().err


def test_blocking_calls_log_as_well(sync_studio: SyncStudio, caplog: pytest.LogCaptureFixture) -> None:
    with sync_studio() as (client, _), caplog.at_level(logging.INFO, "reelkin"):
        client.generate("a boat", duration=1)
        assert any(entry.getMessage().startswith("saved") for entry in caplog.records)

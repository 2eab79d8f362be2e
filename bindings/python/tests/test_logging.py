"""The log of the native library, as programs see it."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from contextlib import contextmanager
from pathlib import Path

import pytest

import reelkin
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


def test_a_call_is_logged(studio: Studio, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with studio() as (client, _):
            before = datetime.now(timezone.utc).timestamp()
            with caplog.at_level(logging.INFO, "reelkin"):
                clip = await client.generate("a boat", duration=1)
                # The thread that logs may have it at this moment.
                for _ in range(1000):
                    if any(entry.getMessage().startswith("saved") for entry in caplog.records):
                        break
                    await asyncio.sleep(0.01)
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


class Echo(BaseHTTPRequestHandler):
    """A service that refuses every request and quotes it."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        answer = json.dumps({"code": "rate_limited", "error": f"not now: {body}"}).encode()
        self.send_response(429)
        self.send_header("Retry-After", "0")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_the_log_does_not_quote_the_service(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}/v1"

    async def main() -> None:
        async with reelkin.VideoClient(tmp_path, api_key="k" * 20, base_url=address) as client:
            with caplog.at_level(1), pytest.raises(reelkin.RateLimitedError, match="secret lighthouse"):
                await client.generate("a secret lighthouse", duration=1)

    try:
        asyncio.run(main())
    finally:
        server.shutdown()
    printed = "\n".join(entry.getMessage() for entry in caplog.records if entry.name.startswith("reelkin"))
    assert "the request was not accepted, retrying" in printed and "status=429" in printed
    assert "secret lighthouse" not in printed


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
        assert any(entry.getMessage().startswith("submitted") for entry in caplog.records)


def test_a_handler_can_use_the_package_and_change_the_loggers(sync_studio: SyncStudio) -> None:
    with sync_studio() as (client, _):
        listed = threading.Event()

        class Once(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                logging.getLogger("reelkin").removeHandler(self)
                if threading.current_thread().name == "reelkin-log":
                    client.library.list()
                listed.set()

        with handling(Once()):
            client.generate("a boat", duration=1)
            assert listed.wait(60)


def test_nothing_that_a_handler_raises_ends_the_log(studio: Studio) -> None:
    heard: list[str] = []

    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record.getMessage())
            if threading.current_thread().name == "reelkin-log":
                raise SystemExit(1)

    async def main() -> None:
        async with studio() as (client, _):
            with handling(Broken()):
                await client.generate("a boat", duration=1)
                await client.generate("a boat", duration=1)

    asyncio.run(main())
    assert sum(text.startswith("saved") for text in heard) == 2

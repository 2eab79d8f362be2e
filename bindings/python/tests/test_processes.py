"""Exits, forks, worker processes, and loaded libraries."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

import reelkin
import reelkin.sync
from conftest import SyncStudio


def run(script: str, *arguments: str, deadline: float = 60) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=deadline)


EXITING = {
    "async": """
        import asyncio, sys, reelkin
        async def main():
            client = reelkin.VideoClient(sys.argv[1], api_key=sys.argv[2], base_url=sys.argv[3])
            jobs = [await client.start_generate(f"comet {n}", duration=1) for n in range(3)]
            waits = [asyncio.ensure_future(job.wait()) for job in jobs]
            await asyncio.sleep(0.1)
        asyncio.run(main())
        """,
    "sync": """
        import sys, threading, time, reelkin, reelkin.sync
        client = reelkin.sync.VideoClient(sys.argv[1], api_key=sys.argv[2], base_url=sys.argv[3])
        jobs = [client.start_generate(f"comet {n}", duration=1) for n in range(3)]
        def wait(job):
            try:
                job.wait()
            except reelkin.StoppedError:
                pass
        for job in jobs:
            threading.Thread(target=wait, args=[job], daemon=True).start()
        time.sleep(0.1)
        """,
    "exception": """
        import sys, reelkin.sync
        client = reelkin.sync.VideoClient(sys.argv[1], api_key=sys.argv[2], base_url=sys.argv[3])
        jobs = [client.start_generate(f"comet {n}", duration=1) for n in range(3)]
        sys.exit(0)
        """,
}


@pytest.mark.parametrize("script", EXITING)
def test_exit_with_jobs_in_flight(script: str, sync_studio: SyncStudio, tmp_path: Path) -> None:
    with sync_studio(min_job_duration=5) as (client, box):
        started = time.monotonic()
        ended = run(EXITING[script], str(tmp_path / "clips"), box.api_key, box.base_url)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
        assert time.monotonic() - started < 30
        assert box.state.creates == 3
        assert len(client.recover().saved) == 3
        assert box.state.creates == 3


FORKED = """
    import os, sys, threading, time, reelkin, reelkin.sync
    library, key, url = sys.argv[1:]
    client = reelkin.sync.VideoClient(library, api_key=key, base_url=url)
    job = client.start_generate("comet", duration=1)
    waiting = threading.Thread(target=job.wait)
    waiting.start()
    frame = reelkin.Frame.from_rgb(1, 1, b"abc")
    child = os.fork()
    if child == 0:
        for use in (client.recover, job.wait, lambda: job.id, lambda: client.library, client.close):
            try:
                use()
            except reelkin.ConfigError as error:
                assert "forked" in str(error), error
            else:
                raise SystemExit(f"{use} did not fail")
        assert bytes(frame) == b"abc"
        with reelkin.sync.VideoClient(library + "-child", api_key=key, base_url=url) as own:
            assert own.generate("tail", duration=1).path
        del client, job
        sys.exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, status
    waiting.join()
    print(job.wait().id)
    """


def test_fork_while_a_job_runs(sync_studio: SyncStudio, tmp_path: Path) -> None:
    with sync_studio(min_job_duration=2) as (client, box):
        ended = run(FORKED, str(tmp_path / "clips"), box.api_key, box.base_url)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert [entry.id for entry in client.library.list().clips] == [ended.stdout.strip()]
        assert box.state.creates == 2


def test_a_forked_child_exits_without_waiting_for_the_parents_jobs(sync_studio: SyncStudio, tmp_path: Path) -> None:
    with sync_studio(min_job_duration=20) as (_, box):
        script = """
            import os, sys, time, reelkin.sync
            client = reelkin.sync.VideoClient(sys.argv[1], api_key=sys.argv[2], base_url=sys.argv[3])
            job = client.start_generate("comet", duration=1)
            started = time.monotonic()
            child = os.fork()
            if child == 0:
                sys.exit(7)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
            print(time.monotonic() - started < 5)
            """
        ended = run(script, str(tmp_path / "clips"), box.api_key, box.base_url)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "True\n", "")


WORKER = """
    import multiprocessing, sys, reelkin.sync

    def work(arguments):
        library, key, url, prompt = arguments
        with reelkin.sync.VideoClient(library, api_key=key, base_url=url) as client:
            return client.generate(prompt, duration=1).id

    if __name__ == "__main__":
        library, key, url, method = sys.argv[1:]
        client = reelkin.sync.VideoClient(library, api_key=key, base_url=url)
        client.spent()
        with multiprocessing.get_context(method).Pool(2) as pool:
            print(len(set(pool.map(work, [(library, key, url, f"comet {n}") for n in range(4)]))))
    """


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing(method: str, sync_studio: SyncStudio, tmp_path: Path) -> None:
    script = tmp_path / "worker.py"
    script.write_text(textwrap.dedent(WORKER))
    with sync_studio() as (client, box):
        arguments = [str(tmp_path / "clips"), box.api_key, box.base_url, method]
        command = [sys.executable, "-W", "ignore", str(script), *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "4\n", "")
        assert len(client.library.list().clips) == 4


def test_calls_fail_after_the_shutdown() -> None:
    ended = run(
        """
        import reelkin, reelkin._native
        reelkin._native.shut_down()
        try:
            reelkin.Library.open("/tmp")
        except reelkin.StoppedError as error:
            print(error.code)
        """
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "stopped\n", "")


def test_only_the_bundled_ffmpeg_is_loaded(tmp_path: Path) -> None:
    wheel = importlib.metadata.distribution("reelkin").read_text("WHEEL") or ""
    if "manylinux" not in wheel:
        pytest.skip("the wheel uses the system's FFmpeg, or is not for Linux")
    frame = reelkin.Frame.from_rgb(2, 2, bytes(12))
    (tmp_path / "a.png").write_bytes(frame.to_png())
    reelkin.sync.probe(tmp_path / "a.png")
    loaded = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "/" in line}
    assert [path for path in loaded if path.endswith("libreelkin.so")]
    native = run(
        "import ctypes, sys; ctypes.CDLL(sys.argv[1]); print(open('/proc/self/maps').read())",
        next(path for path in loaded if path.endswith("libreelkin.so")),
    ).stdout
    for library in ("libav", "libsw", "libdav1d", "libopenh264", "libx264"):
        assert f"/{library}" not in native, library

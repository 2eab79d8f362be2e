"""`reelkin.testing`, in the test suites of users."""

from __future__ import annotations

import decimal
import subprocess
import sys
from pathlib import Path

import pytest

import reelkin
from reelkin.testing import make_clip

TESTS = """
import asyncio
import reelkin, reelkin.sync


def test_blocking(reelkin_sync_client, reelkin_sandbox, reelkin_library):
    assert type(reelkin_sync_client) is reelkin.sync.VideoClient
    clip = reelkin_sync_client.generate("a bay", duration=1)
    assert clip.path.parent == reelkin_library and reelkin_sandbox.state.creates == 1


def test_async(reelkin_client, reelkin_sandbox):
    assert type(reelkin_client) is reelkin.VideoClient
    reelkin_sandbox.add_faults(["moderated,times=1"])

    async def run():
        try:
            await reelkin_client.generate("a bay", duration=1)
        except reelkin.ModeratedError as error:
            assert error.job_id
        # The library of another test is not this one.
        clip = await reelkin_client.generate("a bay", duration=1)
        assert [found.id async for found in reelkin_client.library] == [clip.id]
        return await reelkin_client.start_generate("left running", duration=1)

    job = asyncio.run(run())
    assert job.id
"""
PLUGIN = 'pytest_plugins = ["reelkin.testing"]\n'
IMPORTED = "from reelkin.testing import reelkin_client, reelkin_library, reelkin_options, reelkin_sandbox, reelkin_sync_client\n"


@pytest.mark.parametrize("conftest", [PLUGIN, IMPORTED])
def test_the_fixtures_work_in_a_test_suite_of_a_user(conftest: str, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(conftest)
    (tmp_path / "test_film.py").write_text(TESTS)
    command = [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "."]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert ran.returncode == 0 and "2 passed" in ran.stdout, ran.stdout + ran.stderr


OVERRIDE = """
import pytest, reelkin
pytest_plugins = ["reelkin.testing"]


@pytest.fixture
def reelkin_options(reelkin_options):
    return {**reelkin_options, "budget": reelkin.Budget(per_request="0.01")}
"""
OVERRIDDEN = """
import pytest, reelkin


def test_budget(reelkin_sync_client, reelkin_sandbox):
    with pytest.raises(reelkin.BudgetError):
        reelkin_sync_client.generate("a bay", duration=1)
    assert reelkin_sandbox.state.creates == 0
"""


def test_the_options_of_the_clients_can_be_overridden(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(OVERRIDE)
    (tmp_path / "test_film.py").write_text(OVERRIDDEN)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "."]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert ran.returncode == 0 and "1 passed" in ran.stdout, ran.stdout + ran.stderr


def test_without_pytest() -> None:
    code = "import sys; sys.modules['pytest'] = None; import reelkin, reelkin.sync; import reelkin.testing"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 1
    lines = ran.stderr.splitlines()
    assert lines[-1] == "ImportError: reelkin.testing needs pytest: install it with pip install pytest"
    assert ran.stderr.count("Traceback") == 1


def test_clips_and_errors_for_fakes(tmp_path: Path) -> None:
    clip = make_clip("intro", path=tmp_path / "intro.mp4", prompt="a bay", cost="0.42", job_id="job-1")
    assert (clip.id, clip.file_name, clip.path) == ("intro", "intro.mp4", tmp_path / "intro.mp4")
    assert clip.cost == decimal.Decimal("0.42")
    assert clip.record and clip.record.prompt == "a bay" and clip.record.reelkin
    assert clip.record.reelkin.job_id == "job-1"
    assert reelkin.Clip.from_dict(clip.to_dict()) == clip
    assert make_clip().path is None and make_clip().cost is None
    with pytest.raises(TypeError, match="cost must be exact"):
        make_clip(cost=0.42)  # type: ignore[arg-type]  # pyright: ignore

    class Fake:
        async def generate(self, prompt: str) -> reelkin.Clip:
            raise reelkin.ModeratedError("blocked", job_id="job-1", may_have_been_charged=reelkin.Charge.YES)

    with pytest.raises(reelkin.ModeratedError) as caught:
        Fake().generate("x").send(None)
    assert caught.value.job_id == "job-1" and not caught.value.is_retryable

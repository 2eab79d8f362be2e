"""Job handles: events, waiting, stopping, cancellation, progress bars."""

from __future__ import annotations

import asyncio
import builtins
import datetime
import sys

import pytest

import reelkin
from conftest import Studio
from reelkin import _progress


def test_every_iteration_sees_all_events(studio: Studio) -> None:
    async def run() -> None:
        async with studio() as (client, _):
            job = await client.start_generate("a bay", duration=1)

            async def kinds() -> list[str]:
                return [type(event).__name__ async for event in job if not isinstance(event, reelkin.JobEvent.Progress)]

            first, second = await asyncio.gather(kinds(), kinds())
            clip = await job
            assert job.is_over and (await job.wait()).id == clip.id
            assert first == second == await kinds()
            assert first[0] == "Planning" and first[1] == "Submitted" and first[-1] == "Saved"

    asyncio.run(run())


def test_cancelling_a_wait_does_not_stop_the_job(studio: Studio) -> None:
    async def run() -> None:
        async with studio(min_job_duration=1) as (client, box):
            job = await client.start_generate("a bay", duration=1)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(job.wait(), 0.05)
            assert not job.is_over
            clip = await job
            assert clip.path is not None and box.state.creates == 1

    asyncio.run(run())


def test_stop_waiting(studio: Studio) -> None:
    async def run() -> None:
        async with studio(min_job_duration=2) as (client, box):
            job = await client.start_generate("a bay", duration=1)
            job.stop_waiting()
            with pytest.raises(reelkin.StoppedError) as caught:
                await job
            assert caught.value.job_id == job.id and caught.value.code == "stopped"
            recovered = await (await client.start_recover())
            assert len(recovered.saved) == 1 and box.state.creates == 1

    asyncio.run(run())


def test_a_deadline_raises_the_builtin_timeout_error(studio: Studio) -> None:
    async def run() -> None:
        poll = reelkin.default_poll_policy().replace(deadline=datetime.timedelta(seconds=1))
        async with studio(min_job_duration=60, poll=poll) as (client, _):
            with pytest.raises(builtins.TimeoutError) as caught:
                await client.generate("a bay", duration=1)
            assert isinstance(caught.value, reelkin.TimeoutError) and caught.value.job_id

    asyncio.run(run())


def test_a_chain(studio: Studio) -> None:
    async def run() -> None:
        async with studio() as (client, box):
            start = reelkin.generate_request("dawn over a bay", duration=1)
            steps: list[str | reelkin.ContinueRequest] = [
                "boats leave",
                reelkin.continue_request("noon", duration=1, resolution="480p"),
            ]
            chain = await client.start_chain(start, steps, budget="9.00", name="day")
            assert chain.id == "day"
            kinds = {type(event).__name__ async for event in chain}
            outcome = await chain
            assert kinds == {"StepStarted", "Step", "StepFinished"}
            assert len(outcome.clips) == 3 == box.state.creates
            with pytest.raises(reelkin.BudgetError):
                await client.chain(outcome.clips[-1], ["on"], budget="0.01")

    asyncio.run(run())


def test_progress(studio: Studio, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)

    async def run() -> None:
        async with studio() as (client, _):
            clip = await reelkin.progress(await client.start_generate("a bay", duration=1))
            assert clip.path is not None
            await reelkin.progress(await client.start_recover())

    asyncio.run(run())
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "planning" and "saved" in lines


def test_tqdm_bar() -> None:
    shown: list[tuple[int, str]] = []

    class Tqdm:
        n = 0

        def __init__(self, total: int, unit: str, bar_format: str) -> None:
            assert total == 100
            # tqdm's `set_description` would add another colon.
            assert bar_format.startswith("{desc}: ")

        def set_description_str(self, description: str, refresh: bool) -> None:
            self.description = description

        def refresh(self) -> None:
            shown.append((self.n, self.description))

        def close(self) -> None:
            shown.append((-1, ""))

    bar = _progress.TqdmBar(Tqdm)
    bar.show(0.25, "generating")
    bar.close()
    assert shown == [(25, "generating"), (-1, "")]

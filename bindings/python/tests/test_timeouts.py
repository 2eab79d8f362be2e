"""`timeout=` of calls and of waits: a job is never lost, and a request that is being sent is not interrupted."""

from __future__ import annotations

import asyncio
import builtins
import datetime
import inspect
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import reelkin
from conftest import QUICK, Studio, SyncStudio
from reelkin import _requests, _waiting

Call = Callable[[reelkin.VideoClient, reelkin.Clip, float], Coroutine[Any, Any, Any]]
WAITING: dict[str, Call] = {
    "generate": lambda client, clip, timeout: client.generate("a bay", duration=1, timeout=timeout),
    "edit": lambda client, clip, timeout: client.edit(clip, "night", timeout=timeout),
    "extend": lambda client, clip, timeout: client.extend(clip, "on", duration=2, timeout=timeout),
    "continue_from": lambda client, clip, timeout: client.continue_from(
        clip, "storm", duration=1, plan=False, timeout=timeout
    ),
}


@pytest.mark.parametrize("name", WAITING)
def test_the_error_names_the_job_which_can_be_resumed(name: str, studio: Studio) -> None:
    async def run() -> None:
        async with studio(min_job_duration=0.1) as (client, box):
            clip = await client.generate("a bay", duration=2)
            assert (await WAITING[name](client, clip, 60)).path is not None
            before = box.state.creates
            box.add_faults(["poll:delay=2,times=1"])
            started = time.monotonic()
            with pytest.raises(reelkin.TimeoutError) as caught:
                await WAITING[name](client, clip, 0.5)
            assert time.monotonic() - started >= 0.5
            error = caught.value
            assert isinstance(error, builtins.TimeoutError) and box.state.creates == before + 1
            assert error.job_id and "not ready after 0.5 s" in error.reason
            saved = await (await client.job(error.job_id)).wait()
            assert saved.record and saved.record.reelkin and saved.record.reelkin.job_id == error.job_id
            assert box.state.creates == before + 1 and await client.library.jobs() == []

    asyncio.run(run())


def test_the_error_is_that_of_the_deadline(studio: Studio) -> None:
    async def run() -> None:
        async with studio(min_job_duration=60, poll=QUICK.replace(deadline=1)) as (client, _):
            errors: list[reelkin.TimeoutError] = []
            job = await client.start_generate("a bay", duration=1)
            calls: list[Callable[[], Coroutine[Any, Any, Any]]] = [
                lambda: job.wait(),
                lambda: client.generate("a bay", duration=1),
                lambda: client.generate("a bay", duration=1, timeout=9),
            ]
            for call in calls:
                with pytest.raises(reelkin.TimeoutError) as caught:
                    await call()
                errors.append(caught.value)
        async with studio(min_job_duration=60) as (client, _):
            job = await client.start_generate("a bay", duration=1)
            for call in (
                lambda: job.wait(1),
                lambda: job.wait(datetime.timedelta(seconds=1)),
                lambda: client.generate("a bay", duration=1, timeout=datetime.timedelta(seconds=1)),
            ):
                with pytest.raises(reelkin.TimeoutError) as caught:
                    await call()
                errors.append(caught.value)
            assert not job.is_over
        assert all(error.job_id for error in errors)
        assert all(error.details == errors[0].details.replace(job_id=error.job_id) for error in errors), errors

    asyncio.run(run())


def test_a_request_that_is_being_sent_is_not_interrupted(studio: Studio) -> None:
    async def run() -> None:
        async with studio(min_job_duration=60, faults=("create:delay=1.5,times=1",)) as (client, box):
            started = time.monotonic()
            with pytest.raises(reelkin.TimeoutError) as caught:
                await client.generate("a bay", duration=1, timeout=0.2)
            assert time.monotonic() - started > 1.4
            assert caught.value.job_id and box.state.creates == 1
            [record] = await client.library.jobs()
            assert record.job_id == caught.value.job_id

    asyncio.run(run())


def test_an_error_of_the_request_is_raised_after_the_timeout(studio: Studio) -> None:
    async def run() -> None:
        faults = ("create:delay=0.5,times=1", "create:lost-reply,times=1")
        async with studio(min_job_duration=60, faults=faults) as (client, box):
            with pytest.raises(reelkin.SubmissionUnknownError) as caught:
                await client.generate("a bay", duration=1, timeout=0.1)
            assert caught.value.record_id and box.state.creates == 1

    asyncio.run(run())


def test_preparing_a_request_does_not_count(studio: Studio) -> None:
    async def run() -> None:
        async with studio(min_job_duration=60, faults=("answer:delay=1,times=1",)) as (client, box):
            for timeout in (0.1, 0):
                with pytest.raises(reelkin.TimeoutError) as caught:
                    await client.generate("a bay", duration=1, plan=timeout > 0, timeout=timeout)
                # The request was sent, and the timeout began then.
                assert caught.value.job_id and f"not ready after {timeout} s" in caught.value.reason
            assert box.state.creates == 2
            for wrong in (-1, "9", True, float("nan"), 10**400):
                with pytest.raises((TypeError, ValueError), match="timeout must be"):
                    await client.generate("a bay", duration=1, timeout=wrong)  # type: ignore[arg-type]  # pyright: ignore

    asyncio.run(run())


def test_a_complete_request_can_have_a_timeout(studio: Studio) -> None:
    async def run() -> None:
        async with studio() as (client, _):
            request = reelkin.generate_request("a bay", duration=1)
            assert (await client.generate(request, timeout=60)).path is not None

    asyncio.run(run())


def test_cancelling_a_call_with_a_timeout(studio: Studio) -> None:
    """It stops waiting, and a recovery right after it finds the job."""

    async def run() -> None:
        async with studio(min_job_duration=1) as (client, box):
            call = asyncio.ensure_future(client.generate("a bay", duration=1, timeout=60))
            while box.state.creates == 0:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.3)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            recovered = await client.recover()
            assert len(recovered.saved) == 1 and recovered.held_by_others == []
            assert box.state.creates == 1

    asyncio.run(run())


def test_cancelling_before_the_job_has_an_id(studio: Studio) -> None:
    async def run() -> None:
        async with studio(faults=("create:delay=0.5,times=1",)) as (client, box):
            call = asyncio.ensure_future(client.generate("a bay", duration=1, timeout=60))
            while box.state.create_requests == 0:
                await asyncio.sleep(0.01)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert len((await client.recover()).saved) == 1 == box.state.creates

    asyncio.run(run())


def test_closing_the_client_is_not_a_timeout(studio: Studio) -> None:
    async def run() -> None:
        async with studio(min_job_duration=60) as (client, box):
            call = asyncio.ensure_future(client.generate("a bay", duration=1, timeout=60))
            while box.state.creates == 0:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.3)
            await client.close()
            with pytest.raises(reelkin.StoppedError) as caught:
                await asyncio.wait_for(call, 20)
            assert caught.value.job_id

    asyncio.run(run())


def test_a_chain_is_resumed_after_a_timeout(studio: Studio) -> None:
    async def run() -> None:
        async with studio(min_job_duration=0.1) as (client, box):
            start = reelkin.generate_request("dawn", duration=1)
            box.add_faults(["poll:delay=2,times=1"])
            with pytest.raises(reelkin.TimeoutError, match="not over after 0.5 s; it can be resumed by its id, day") as caught:
                await client.chain(start, ["noon"], name="day", timeout=0.5)
            assert caught.value.job_id and caught.value.code == "timeout"
            outcome = await client.chain(resume="day")
            assert len(outcome.clips) == 2 == box.state.creates

    asyncio.run(run())


def test_waits_with_a_timeout(studio: Studio, sync_studio: SyncStudio) -> None:
    async def run() -> None:
        async with studio(min_job_duration=1) as (client, _):
            job = await client.start_generate("a bay", duration=1)
            recovery = await client.start_recover()
            with pytest.raises(reelkin.TimeoutError, match="not ready after 0.1 s"):
                await job.wait(timeout=0.1)
            assert (await job.wait(timeout=60)).path is not None
            assert (await recovery.wait(timeout=60)).failed == []
            chain = await client.start_chain(reelkin.generate_request("dawn", duration=1), ["noon"])
            with pytest.raises(reelkin.TimeoutError, match="not over after 0.1 s") as caught:
                await chain.wait(timeout=0.1)
            assert caught.value.is_retryable
            assert len((await chain.wait(60)).clips) == 2

    asyncio.run(run())
    with sync_studio(min_job_duration=1) as (client, box):
        with pytest.raises(reelkin.TimeoutError) as caught:
            client.generate("a bay", duration=1, timeout=0.1)
        assert caught.value.job_id
        job = client.job(caught.value.job_id)
        with pytest.raises(reelkin.TimeoutError):
            job.wait(timeout=0.1)
        assert job.wait(timeout=60).path is not None and box.state.creates == 1


def test_a_timer_that_is_early_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """The timers of an event loop have a coarser clock."""
    monkeypatch.setattr(_waiting.Timeout, "remaining", 0.01)

    class Handle:
        def __init__(self) -> None:
            self.stopped = asyncio.Event()

        async def wait(self) -> str:
            await self.stopped.wait()
            raise reelkin.StoppedError("stopped", job_id="job-1")

        def is_over(self) -> bool:
            return False

        def stop_waiting(self) -> None:
            self.stopped.set()

    async def start() -> Handle:
        return Handle()

    async def run() -> None:
        with pytest.raises(reelkin.TimeoutError) as caught:
            await _waiting.finish(start(), datetime.timedelta(seconds=0.01), _waiting.Abandoned())
        assert caught.value.job_id == "job-1" and caught.value.code == "timeout"

    asyncio.run(run())


def test_calls_have_the_arguments_of_the_builders_and_a_timeout() -> None:
    builders: dict[str, Callable[..., Any]] = {
        "generate": _requests.generate_request,
        "edit": _requests.edit_request,
        "extend": _requests.extend_request,
        "continue_from": _requests.with_clip(_requests.continue_request),
        "chain": _requests.chain_request,
    }
    for name, build in builders.items():
        method = getattr(reelkin.VideoClient, name)
        parameters = list(inspect.signature(method).parameters.values())
        assert parameters[1:-1] == list(inspect.signature(build).parameters.values())
        assert parameters[-1].name == "timeout" and "timeout: Maximum time" in (method.__doc__ or "")
        # Type checkers read these.
        declared = list(inspect.signature(method.declared).parameters.values())[1:]
        expected = [(parameter.name, parameter.kind, parameter.default) for parameter in parameters[1:]]
        assert [(parameter.name, parameter.kind, parameter.default) for parameter in declared] == expected
        named = {parameter.name: parameter.annotation for parameter in declared}
        for parameter in parameters[1:]:
            if parameter.name != "clip":
                assert named[parameter.name] == parameter.annotation, (name, parameter)

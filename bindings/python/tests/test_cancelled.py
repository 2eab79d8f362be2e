"""A call that is cancelled before it starts sends no paid request."""

from __future__ import annotations

import asyncio
import inspect
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

import reelkin
from conftest import QUICK, Studio

Call = Callable[[reelkin.VideoClient, reelkin.Clip], Coroutine[Any, Any, Any]]
# All paid operations, also with planning of the prompt, which is a paid call that comes first.
PAID: dict[str, Call] = {
    "generate": lambda client, clip: client.generate("a bay", duration=1),
    "generate with a timeout": lambda client, clip: client.generate("a bay", duration=1, timeout=60),
    "generate planned": lambda client, clip: client.generate("a bay", duration=1, plan=True),
    "start_generate": lambda client, clip: client.start_generate("a bay", duration=1),
    "edit": lambda client, clip: client.edit(clip, "night"),
    "start_edit": lambda client, clip: client.start_edit(clip, "night"),
    "extend": lambda client, clip: client.extend(clip, "on", duration=2),
    "start_extend": lambda client, clip: client.start_extend(clip, "on", duration=2),
    "continue_from": lambda client, clip: client.continue_from(clip, "storm", duration=1, plan=False),
    "continue_from planned": lambda client, clip: client.continue_from(clip, "storm", duration=1),
    "start_continue_from": lambda client, clip: client.start_continue_from(clip, "storm", duration=1, plan=False),
    "chain": lambda client, clip: client.chain(clip, ["storm", "calm"]),
    "chain with a timeout": lambda client, clip: client.chain(clip, ["storm", "calm"], timeout=60),
    "start_chain": lambda client, clip: client.start_chain(clip, ["storm", "calm"]),
    "analyze": lambda client, clip: client.analyze(clip),
}
ESTIMATES = {"estimate", "estimate_edit", "estimate_extend", "estimate_continue_from", "estimate_chain"}
FREE = ESTIMATES | {"frame", "job", "recover", "start_recover", "spent", "visible_models", "close"}


def test_every_operation_is_listed() -> None:
    operations = {name for name, _ in inspect.getmembers(reelkin.VideoClient, inspect.iscoroutinefunction)}
    assert {name for name in operations if not name.startswith("_")} == FREE | {name.split()[0] for name in PAID}


def this_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task


async def cancelled_task(call: Coroutine[Any, Any, Any]) -> None:
    this_task().cancel()
    await call


async def deadline_passed_while_loop_was_busy(call: Coroutine[Any, Any, Any]) -> None:
    asyncio.get_running_loop().call_later(0.001, this_task().cancel)
    time.sleep(0.005)
    await call


async def wait_for_zero(call: Coroutine[Any, Any, Any]) -> None:
    await asyncio.wait_for(call, 0)


async def timeout_of_zero(call: Coroutine[Any, Any, Any]) -> None:
    async with asyncio.timeout(0):
        await call


CANCELLATIONS: list[Callable[[Coroutine[Any, Any, Any]], Awaitable[None]]] = [
    cancelled_task,
    deadline_passed_while_loop_was_busy,
    wait_for_zero,
]
if sys.version_info >= (3, 11):
    CANCELLATIONS.append(timeout_of_zero)


@pytest.mark.parametrize("cancel", CANCELLATIONS)
def test_nothing_is_sent(cancel: Callable[[Coroutine[Any, Any, Any]], Awaitable[None]], tmp_path: Path) -> None:
    async def run() -> None:
        async with reelkin.Sandbox(min_job_duration=0.1) as box:
            async with reelkin.VideoClient(tmp_path, api_key=box.api_key, base_url=box.base_url, poll=QUICK) as client:
                clip = await client.generate("a bay", duration=2)
                before = box.state
                for name, call in PAID.items():
                    outcome = await asyncio.gather(
                        asyncio.ensure_future(cancel(call(client, clip))), return_exceptions=True
                    )
                    assert isinstance(outcome[0], (asyncio.CancelledError, asyncio.TimeoutError)), (name, outcome)
            # Closing the client has waited for requests that were being sent.
            after = box.state
            sent = ("creates", "create_requests", "answers", "uploads")
            assert [getattr(after, what) for what in sent] == [getattr(before, what) for what in sent]
            assert await reelkin.Library.open_to_read(tmp_path).jobs() == []

    asyncio.run(run())


def test_a_caught_cancellation_does_not_affect_the_next_call(studio: Studio) -> None:
    async def run() -> None:
        async with studio() as (client, box):
            this_task().cancel()
            with pytest.raises(asyncio.CancelledError):
                await client.generate("a bay", duration=1)
            assert (await client.generate("a bay", duration=1)).path is not None
            assert box.state.creates == 1

    asyncio.run(run())

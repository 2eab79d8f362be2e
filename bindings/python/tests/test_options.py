"""`with_options`: other values for arguments that are left out, on the same native client."""

from __future__ import annotations

import asyncio
import datetime
import typing
from pathlib import Path
from typing import Any

import pytest

import reelkin
import reelkin.sync
from conftest import Studio, SyncStudio


@pytest.fixture
def client(tmp_path: Path) -> reelkin.VideoClient:
    """A client without a server."""
    return reelkin.VideoClient(tmp_path / "clips", api_key="k", base_url="http://127.0.0.1:9/v1")


def test_options_are_those_of_arguments_that_are_left_out(client: reelkin.VideoClient) -> None:
    async def run() -> None:
        wide = client.with_options(duration=3, resolution="720p", aspect_ratio="9:16", audio=False)
        estimate = await wide.estimate("x")
        assert estimate.duration == datetime.timedelta(seconds=3) and estimate.resolution == "720p"
        assert estimate.aspect_ratio == "9:16" and estimate.audio is False
        assert (await wide.estimate("x", resolution="480p", audio=True)).resolution == "480p"
        # A request without these fields is the same.
        assert await wide.estimate(reelkin.generate_request("x")) == estimate
        # The client itself has not changed, and options add up.
        assert (await client.estimate("x")).resolution == "480p"
        lite = wide.with_options(model="grok-imagine-video-1.5", resolution="1080p")
        assert (await lite.estimate("x")).model == "grok-imagine-video-1.5"
        assert (await lite.estimate("x")).resolution == "1080p" and (await lite.estimate("x")).aspect_ratio == "9:16"
        chain = await wide.estimate_chain(reelkin.generate_request("x"), ["y", reelkin.continue_request("z", duration=1)])
        assert chain.clips == 3 and chain.resolution == "720p"

    asyncio.run(run())


def test_options_do_not_make_a_request_invalid(studio: Studio) -> None:
    """An image determines the aspect ratio, and the length of an extension has limits of its own."""

    async def run() -> None:
        async with studio() as (client, _):
            clip = await client.generate("a bay", duration=2)
            tall = client.with_options(aspect_ratio="9:16", duration=15, user="u-1")
            assert (await tall.estimate("x", image=await client.frame(clip))).aspect_ratio is None
            assert (await tall.estimate_extend(clip, "on")).cost is not None
            assert (await tall.estimate_continue_from(clip, "on", strategy="extend", plan=False)).cost is not None
            assert (await tall.estimate_edit(clip, "night")).cost is not None
            assert (await tall.analyze(clip)).prompt
            planned = await client.with_options(plan=True).generate("a hill", duration=1)
            assert planned.record and planned.record.reelkin and planned.record.reelkin.planner
            unplanned = await client.with_options(plan=True).generate("a hill", duration=1, plan=False)
            assert unplanned.record and unplanned.record.reelkin and not unplanned.record.reelkin.planner

    asyncio.run(run())


def test_the_native_client_is_shared(studio: Studio) -> None:
    async def run() -> None:
        async with studio(min_job_duration=1) as (client, box):
            quick = client.with_options(timeout=0.1)
            assert type(quick) is reelkin.VideoClient and quick._native is client._native
            with pytest.raises(reelkin.TimeoutError, match="0.1 s") as caught:
                await quick.generate("a bay", duration=1)
            assert caught.value.job_id
            assert (await quick.generate("a bay", duration=1, timeout=60)).path is not None
            # The recovery of one client waits for what a cancelled call of another one has left.
            call = asyncio.ensure_future(quick.generate("a hill", duration=1, timeout=60))
            while box.state.creates < 3:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.3)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert len((await client.recover()).saved) == 2 and box.state.creates == 3

    asyncio.run(run())


def test_only_the_original_closes(studio: Studio) -> None:
    async def run() -> None:
        async with studio() as (client, _):
            async with client.with_options(timeout=60) as derived:
                pass
            await derived.close()
            assert (await derived.generate("a bay", duration=1)).path is not None
            await client.close()
            with pytest.raises(reelkin.ConfigError, match="closed"):
                await derived.generate("a bay", duration=1)
            with pytest.raises(reelkin.ConfigError, match="closed"):
                await derived.generate("a bay", duration=1, timeout=None)

    asyncio.run(run())


def test_the_blocking_client(sync_studio: SyncStudio) -> None:
    with sync_studio(min_job_duration=1) as (client, _):
        with client.with_options(timeout=0.1, duration=1) as quick:
            assert type(quick) is reelkin.sync.VideoClient
            with pytest.raises(reelkin.TimeoutError):
                quick.generate("a bay")
        assert client.generate("a bay", duration=1).path is not None


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"base_url": "http://127.0.0.1:1/v1"}, TypeError, "with_options cannot change base_url, which all calls share"),
        ({"api_key": "k"}, TypeError, "with_options cannot change api_key"),
        ({"library": "clips"}, TypeError, "with_options cannot change library"),
        ({"budget": reelkin.Budget(per_day="1")}, TypeError, "with_options cannot change budget"),
        ({"poll": reelkin.PollPolicy()}, TypeError, "with_options cannot change poll"),
        ({"tiemout": 3}, TypeError, "unexpected keyword argument 'tiemout'"),
        ({"timeout": "3"}, TypeError, "timeout must be seconds or a timedelta, not str"),
        ({"resolution": 720}, TypeError, "resolution must be a str, not int"),
        ({"audio": 1}, TypeError, "audio must be True or False"),
    ],
)
def test_invalid_options(client: reelkin.VideoClient, options: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        client.with_options(**options)
    assert "\n" not in str(caught.value)


def test_the_names_that_editors_offer_are_those_of_the_table() -> None:
    def offered(alias: Any) -> set[str]:
        return set(typing.get_args(next(part for part in typing.get_args(alias) if part is not str)))

    models = reelkin.built_in_models().models
    limits = [mode for model in models for mode in model.modes]
    assert offered(reelkin.VideoModel) == {model.id for model in models}
    assert offered(reelkin.Resolution) == {name for mode in limits for name in mode.resolutions or ()}
    assert offered(reelkin.AspectRatio) == {name for mode in limits for name in mode.aspect_ratios or ()}

"""Invalid input raises a clear error: a builtin one for values that never leave Python, else one of the package."""

from __future__ import annotations

import asyncio
import copy
import datetime
import decimal
import inspect
import pickle
import re
import threading
from pathlib import Path
from typing import Any

import numpy
import pytest

import reelkin
from conftest import Studio


@pytest.fixture
def client(tmp_path: Path) -> reelkin.VideoClient:
    """A client without a server."""
    return reelkin.VideoClient(tmp_path / "clips", api_key="k", base_url="http://127.0.0.1:9/v1")


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"prompt": 7}, TypeError, "prompt must be a str, not int"),
        ({"prompt": b"x"}, TypeError, "prompt must be a str, not bytes"),
        ({"prompt": "\ud800"}, ValueError, "prompt must be valid Unicode"),
        ({"prompt": None}, reelkin.InvalidRequestError, "prompt"),
        ({"prompt": "x", "duration": "6"}, TypeError, "duration must be seconds or a timedelta, not str"),
        ({"prompt": "x", "duration": True}, TypeError, "duration must be seconds or a timedelta, not bool"),
        ({"prompt": "x", "duration": -1}, ValueError, "duration must be 0 or more"),
        ({"prompt": "x", "duration": float("nan")}, ValueError, "duration must be a finite number of seconds"),
        ({"prompt": "x", "duration": float("inf")}, ValueError, "duration must be a finite number of seconds"),
        ({"prompt": "x", "duration": 99}, reelkin.InvalidRequestError, "99"),
        ({"prompt": "x", "duration": 1.5}, reelkin.InvalidRequestError, "1.5"),
        ({"prompt": "x", "resolution": 720}, TypeError, "resolution must be a str, not int"),
        ({"prompt": "x", "resolution": "9999p"}, reelkin.InvalidRequestError, "9999p"),
        ({"prompt": "x", "audio": 1}, TypeError, "audio must be True or False, not int"),
        ({"prompt": "x", "image": 7}, TypeError, "image must be a path, a URL, bytes"),
        ({"prompt": "x", "image": "gopher://host/a.png"}, reelkin.InvalidRequestError, "gopher"),
        ({"prompt": "x", "image": ""}, reelkin.InvalidRequestError, "empty"),
        ({"prompt": "x", "image": Path("/nowhere/a.png")}, FileNotFoundError, "/nowhere/a.png"),
        ({"prompt": "x", "image": b"not a picture"}, reelkin.Error, "image"),
        ({"prompt": "x", "references": "a.png"}, TypeError, "references must be a list of images, not str"),
        ({"prompt": "x", "references": [b"a"], "last_frame": b"b"}, ValueError, "cannot be combined"),
        ({"prompt": "x", "keyframes": [1]}, TypeError, "keyframes must be a dict"),
        ({"prompt": "x", "voices": "eve"}, TypeError, "voices must be a list of str, not str"),
        ({"prompt": "x", "plan": "yes"}, TypeError, "plan must be a reelkin.PlannerSettings, not str"),
        ({"prompt": "x", "storage": "f.mp4"}, TypeError, "expected a reelkin.StorageOptions, not str"),
        ({"prompt": "x", "seconds": 6}, TypeError, "unexpected keyword argument 'seconds'"),
    ],
)
def test_invalid_arguments_of_generate(
    client: reelkin.VideoClient, arguments: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=re.escape(words)):
        asyncio.run(client.generate(**arguments))


@pytest.mark.parametrize(
    ("amount", "error", "words"),
    [
        (0.1, TypeError, "use Decimal('0.1') or '0.1' instead of a float"),
        (None, None, ""),
        ("5 dollars", ValueError, "at most ten decimals"),
        ("NaN", ValueError, "dollars"),
        ("-1", ValueError, "0 or more"),
        ("0.00000000001", ValueError, "at most ten decimals"),
        (True, TypeError, "a Decimal or its text, not bool"),
        ([], TypeError, "a Decimal or its text, not list"),
        ("1e30", ValueError, "value <"),
    ],
)
def test_money(amount: Any, error: type[Exception] | None, words: str, tmp_path: Path) -> None:
    def use() -> None:
        budget = reelkin.Budget(per_day=amount)
        reelkin.VideoClient(tmp_path / "clips", api_key="k", budget=budget)

    if error is None:
        use()
    else:
        with pytest.raises(error, match=re.escape(words)):
            use()


def test_money_is_exact_in_any_context(client: reelkin.VideoClient, tmp_path: Path) -> None:
    with decimal.localcontext(decimal.Context(prec=3)):
        budget = reelkin.Budget(per_day="123.4567890123")
        assert str(budget.per_day) == "123.4567890123"
        reelkin.VideoClient(tmp_path / "clips", api_key="k", budget=budget)
        price = client.models.models[0].prices[0].amount
    assert price == client.models.models[0].prices[0].amount


def test_settings_are_checked_and_have_defaults() -> None:
    default = reelkin.default_poll_policy()
    quick = reelkin.PollPolicy(deadline=300, first=0.5)
    assert quick == default.replace(
        deadline=datetime.timedelta(minutes=5), first=datetime.timedelta(milliseconds=500)
    )
    assert default.replace(deadline=300).deadline == datetime.timedelta(minutes=5)
    assert reelkin.Timeouts(create=90).read == reelkin.default_timeouts().read
    assert reelkin.RateLimit(creates_per_second=2).creates_per_second == 2.0
    assert reelkin.Defaults(duration=4).duration == datetime.timedelta(seconds=4)
    assert reelkin.PlannerSettings(deadline=9).model == reelkin.default_planner_settings().model
    assert reelkin.AnalyzeOptions(frames=4).frames == 4
    assert reelkin.PlannerSettings(when="always").when is reelkin.PlanWhen.ALWAYS
    assert reelkin.continue_request("x", strategy="extend").strategy is reelkin.ContinueStrategy.EXTEND
    assert reelkin.StorageOptions(filename="a.mp4", expires_after=3600).expires_after == datetime.timedelta(hours=1)
    assert reelkin.Budget(per_day="1").replace(per_day="0.5").per_day == decimal.Decimal("0.5")


def test_settings_behave_like_values() -> None:
    class Quick(reelkin.PollPolicy):
        pass

    quick = Quick(deadline=3)
    assert quick.deadline == datetime.timedelta(seconds=3) and quick.longest == reelkin.PollPolicy().longest
    policy = reelkin.PollPolicy()
    policy.deadline = 300  # type: ignore[assignment]  # pyright: ignore
    assert policy == reelkin.PollPolicy(deadline=300) == pickle.loads(pickle.dumps(policy)) == copy.deepcopy(policy)
    with pytest.raises(TypeError, match="deadline must be seconds or a timedelta, not str"):
        policy.deadline = "300"  # type: ignore[assignment]  # pyright: ignore
    with pytest.raises(TypeError, match="PollPolicy has no field timeout"):
        policy.timeout = 3  # type: ignore[attr-defined]  # pyright: ignore
    token = reelkin.AccessToken("s", expires_in=60).replace(expires_in=3600)
    assert token.expires_in == datetime.timedelta(hours=1) and "'s'" not in repr(token)
    assert list(inspect.signature(reelkin.Timeouts).parameters) == ["connect", "create", "read", "token"]


def test_numbers_of_numpy_are_numbers(client: reelkin.VideoClient) -> None:
    numbers: list[Any] = [numpy.int64(2), numpy.float32(2)]
    for duration in numbers:
        assert asyncio.run(client.estimate("x", duration=duration)).duration == datetime.timedelta(seconds=2)
    assert reelkin.AnalyzeOptions(frames=numbers[0]).frames == 2


@pytest.mark.parametrize(
    ("build", "arguments", "error", "words"),
    [
        (reelkin.PollPolicy, {"deadline": "300"}, TypeError, "deadline must be seconds or a timedelta, not str"),
        (reelkin.PollPolicy, {"deadline": float("nan")}, ValueError, "deadline must be a finite number"),
        (reelkin.PollPolicy, {"deadlin": 3}, TypeError, "PollPolicy has no field deadlin: its fields are first"),
        (reelkin.PollPolicy().replace, {"longest": -1}, ValueError, "longest must be 0 or more"),
        (reelkin.Budget().replace, {"per_day": 0.1}, TypeError, "use Decimal('0.1') or '0.1' instead of a float"),
        (reelkin.Budget, {"unknown_prices": 1}, TypeError, "unknown_prices must be True or False"),
        (reelkin.DownloadPolicy, {"attempts": True}, TypeError, "attempts must be an int, not bool"),
        (reelkin.DownloadPolicy, {"max_bytes": -1}, ValueError, "max_bytes must be 0 or more"),
        (reelkin.RateLimit, {"creates_per_second": "2"}, TypeError, "creates_per_second must be a number"),
        (reelkin.PlannerSettings, {"when": "often"}, ValueError, "when must be one of 'continuing', 'always', 'never'"),
        (reelkin.PlannerSettings, {"when": 1}, TypeError, "when must be a reelkin.PlanWhen or its value, not int"),
        (reelkin.continue_request, {"strategy": "cut"}, ValueError, "strategy must be one of 'last_frame', 'extend'"),
        (reelkin.PlannerSettings, {"model": 7}, TypeError, "model must be a str, not int"),
        (reelkin.StorageOptions, {}, TypeError, "StorageOptions needs filename"),
        (reelkin.Keyframe, {"at": "1"}, TypeError, "at must be seconds or a timedelta, not str"),
        (reelkin.Sandbox, {"min_job_duration": float("nan")}, ValueError, "min_job_duration must be a finite number"),
        (reelkin.Frame.from_rgb, {"width": 1, "height": 1, "rgb": "abc"}, TypeError, "rgb must be bytes, not str"),
        (reelkin.Frame.from_rgb, {"width": 1.0, "height": 1, "rgb": b""}, TypeError, "width must be an int, not float"),
    ],
)
def test_invalid_settings(build: Any, arguments: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=re.escape(words)):
        build(**arguments)


def test_bytes_of_any_kind_are_pixels() -> None:
    for rgb in (b"abc", bytearray(b"abc"), memoryview(b"abc")):
        assert bytes(reelkin.Frame.from_rgb(1, 1, rgb)) == b"abc"


def test_a_clip_can_be_named(client: reelkin.VideoClient) -> None:
    calls: list[Any] = [client.continue_from, client.analyze, client.estimate_continue_from, client.start_continue_from]
    for call in calls:
        with pytest.raises(reelkin.NotFoundError, match="nobody"):
            asyncio.run(call(clip="nobody"))


def test_another_event_loop_is_named(client: reelkin.VideoClient) -> None:
    """Libraries such as trio have an event loop of their own."""
    array = numpy.zeros((4, 4, 3), numpy.uint8)
    calls: list[Any] = [client.recover(), client.generate("x", image=array), reelkin.probe(array)]
    for call in calls:
        with pytest.raises(RuntimeError, match="reelkin needs a running asyncio event loop"):
            call.send(None)


@pytest.mark.parametrize("name", [None, 7, b"clips", ["clips"]])
def test_a_library_that_is_not_a_path(name: Any) -> None:
    with pytest.raises(TypeError, match="library"):
        reelkin.VideoClient(name, api_key="k")


def test_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XAI_API_KEY", raising=False)
    with pytest.raises(reelkin.ConfigError, match="XAI_API_KEY") as caught:
        reelkin.VideoClient(tmp_path / "clips")
    assert isinstance(caught.value, ValueError) and caught.value.code == "config"
    with pytest.raises(reelkin.ConfigError):
        reelkin.VideoClient(tmp_path / "clips", api_key="k", base_url="http://example.com/v1")
    with pytest.raises(TypeError, match="expected a reelkin.Budget, not str"):
        reelkin.VideoClient(tmp_path / "clips", api_key="k", budget="5.00")  # type: ignore[arg-type]  # pyright: ignore
    with pytest.raises(TypeError, match="expected a reelkin.PollPolicy, not dict"):
        reelkin.VideoClient(tmp_path / "clips", api_key="k", poll={})  # type: ignore[arg-type]  # pyright: ignore
    with pytest.raises(reelkin.ConfigError, match="SOCKS"):
        reelkin.VideoClient(tmp_path / "clips", api_key="k", proxy="socks5://a")
    with pytest.raises(reelkin.ConfigError, match="proxy exceptions"):
        reelkin.VideoClient(tmp_path / "clips", api_key="k", no_proxy="10.0.0.0/99")
    with pytest.raises(reelkin.ConfigError, match="root certificates"):
        reelkin.VideoClient(tmp_path / "clips", api_key="k", root_certificates="none")
    reelkin.VideoClient(tmp_path / "clips", api_key="k", proxy="http://10.0.0.5:3128", no_proxy="example.com,10.0.0.0/8")
    with pytest.raises(reelkin.ConfigError, match="this build cannot open buckets, because it lacks the feature s3"):
        reelkin.VideoClient("s3://films/team", api_key="k")
    (tmp_path / "file").write_text("")
    with pytest.raises(reelkin.LibraryError) as broken:
        reelkin.VideoClient(tmp_path / "file", api_key="k")
    assert isinstance(broken.value, OSError)


def test_missing_clips_and_records(client: reelkin.VideoClient) -> None:
    async def run() -> None:
        for call in (client.library.clip("nobody"), client.frame("nobody"), client.library.family("nobody")):
            with pytest.raises(FileNotFoundError) as caught:
                await call
            assert isinstance(caught.value, reelkin.NotFoundError) and caught.value.code == "not_found"
        with pytest.raises(reelkin.Error):
            await client.library.job_record("nobody")
        with pytest.raises(TypeError, match="settlement must be a reelkin.Settlement"):
            await client.library.settle("nobody", "lost")  # type: ignore[arg-type]  # pyright: ignore
        with pytest.raises(TypeError, match="id must be a str, not NoneType"):
            await client.job(None)  # type: ignore[arg-type]  # pyright: ignore
        with pytest.raises(reelkin.Error):
            await client.job("")
        with pytest.raises(ValueError, match="time zone"):
            await client.spent(datetime.datetime(2026, 1, 1))
        with pytest.raises(ValueError, match="limit must be 0 or more"):
            await client.library.list(limit=-1)
        with pytest.raises(ValueError):
            await client.library.list(limit=1 << 40)

    asyncio.run(run())


def test_invalid_chains(client: reelkin.VideoClient) -> None:
    for arguments in (
        {},
        {"start": "a", "resume": "b"},
        {"start": "a", "steps": "dawn"},
        {"start": "a", "budget": 1.0},
    ):
        with pytest.raises((TypeError, ValueError)):
            asyncio.run(client.chain(**arguments))  # pyright: ignore


def test_a_closed_client(client: reelkin.VideoClient) -> None:
    async def run() -> None:
        library = client.library
        await client.close()
        await client.close()
        for call in (client.generate("x"), client.recover(), client.job("id"), client.spent(), client.estimate("x")):
            with pytest.raises(reelkin.ConfigError, match="closed"):
                await call
        assert (await library.list()).clips == []

    asyncio.run(run())


def test_closing_ends_waits(studio: Studio) -> None:
    async def run() -> None:
        async with studio(min_job_duration=60) as (client, _):
            job = await client.start_generate("x", duration=1)
            waiting = asyncio.ensure_future(job.wait())
            await client.close()
            with pytest.raises(reelkin.StoppedError) as caught:
                await asyncio.wait_for(waiting, 20)
            assert caught.value.job_id == job.id

    asyncio.run(run())


def test_closing_prevents_a_request_that_waits(studio: Studio) -> None:
    """The service asks to wait for two seconds, and the client is closed during that wait."""

    async def run() -> None:
        async with studio(faults=("create:429=2,times=1",)) as (client, box):
            call = asyncio.ensure_future(client.generate("x", duration=1))
            while box.state.create_requests == 0:
                await asyncio.sleep(0.05)
            await client.close()
            with pytest.raises(reelkin.StoppedError) as caught:
                await asyncio.wait_for(call, 20)
            assert caught.value.may_have_been_charged == reelkin.Charge.NO
            await asyncio.sleep(3)
            assert box.state.create_requests == 1

    asyncio.run(run())


def test_two_event_loops_use_one_client(studio: Studio) -> None:
    """Uses them at the same time and one after the other."""

    async def run() -> None:
        async with studio() as (client, box):
            job = await client.start_generate("shared", duration=1)
            clips: list[str] = []

            def other_loop() -> None:
                async def wait() -> None:
                    clips.append((await job).id)
                    clips.append((await client.generate("another", duration=1)).id)

                asyncio.run(wait())

            thread = threading.Thread(target=other_loop)
            thread.start()
            clips.append((await job).id)
            await asyncio.to_thread(thread.join)
            assert len(clips) == 3 and len(set(clips)) == 2
            assert box.state.creates == 2

    asyncio.run(run())


def test_closing_the_loop_during_a_call(studio: Studio, capfd: pytest.CaptureFixture[str]) -> None:
    loop = asyncio.new_event_loop()

    async def begin(client: reelkin.VideoClient) -> None:
        asyncio.ensure_future(client.generate("left behind", duration=1))
        await asyncio.sleep(0.1)

    async def run() -> None:
        async with studio() as (client, box):
            await asyncio.to_thread(loop.run_until_complete, begin(client))
            await asyncio.to_thread(loop.close)
            while box.state.creates == 0:
                await asyncio.sleep(0.05)
            await asyncio.sleep(1)
            assert (await client.generate("here", duration=1)).path is not None

    asyncio.run(run())
    assert "Exception ignored on calling ctypes" not in capfd.readouterr().err


def test_the_sandbox() -> None:
    box = reelkin.Sandbox()
    with pytest.raises(RuntimeError, match="not started"):
        _ = box.base_url

    async def run() -> None:
        with pytest.raises(reelkin.InvalidRequestError, match="nonsense"):
            await reelkin.Sandbox(faults=["nonsense"]).start()
        with pytest.raises(reelkin.ConfigError, match="listen"):
            await reelkin.Sandbox(listen="nowhere").start()
        with pytest.raises(TypeError):
            await reelkin.Sandbox(min_job_duration="1").start()  # type: ignore[arg-type]  # pyright: ignore
        async with box:
            with pytest.raises(RuntimeError, match="before"):
                await box.start()
        await box.stop()
        with pytest.raises(reelkin.ConfigError, match="stopped"):
            _ = box.state

    asyncio.run(run())

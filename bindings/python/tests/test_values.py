"""Values that can be given in more than one form, and what every verb has."""

from __future__ import annotations

import asyncio
import datetime
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import reelkin
import reelkin.sync
from conftest import SyncStudio
from reelkin import _native, _values
from reelkin._record import DURATIONS, Record, Settings
from reelkin.testing import make_clip

TWO = datetime.timedelta(seconds=2)


def test_every_setting_that_is_a_duration_takes_seconds() -> None:
    checked = 0
    for kind in vars(_native).values():
        if not (inspect.isclass(kind) and issubclass(kind, Settings)):
            continue
        for name in (name for name, field in kind._fields.items() if field in DURATIONS):
            for value in (2, 2.0, TWO):
                assert kind._convert({name: value}) == {name: TWO}
            checked += 1
    assert checked >= 17


def test_fields_of_requests_that_are_durations_take_seconds() -> None:
    requests: list[Record] = [
        reelkin.generate_request("x"),
        reelkin.extend_request("a.mp4", "x"),
        reelkin.continue_request("x"),
    ]
    for request in requests:
        changed: Any = request
        for value in (2, 2.0, TWO):
            assert changed.replace(duration=value).duration == TWO
        assert changed.replace(duration=TWO).replace(duration=None).duration is None
        with pytest.raises(TypeError, match="duration must be seconds or a timedelta, not str"):
            changed.replace(duration="2")
    error: Any = reelkin.RateLimitedError("x", retry_after=2)
    assert error.retry_after == TWO and error.details.replace(retry_after=3).retry_after.total_seconds() == 3


def test_times_are_seconds_or_a_timedelta() -> None:
    at: Any = reelkin.FramePosition.At
    assert _values.position(at(2)) == _values.position(at(TWO)) == _values.position(2.0) == at(TWO)
    with pytest.raises(TypeError, match="position must be seconds or a timedelta, not str"):
        _values.position(at("2"))
    images: list[Any] = [{2: b"x"}, {2.0: b"x"}, {TWO: b"x"}]
    modes = [reelkin.generate_request("x", keyframes=image).mode for image in images]
    assert modes[0] == modes[1] == modes[2]


def test_every_verb_that_makes_clips_has_an_estimate() -> None:
    for client in (reelkin.VideoClient, reelkin.sync.VideoClient):
        verbs = {name[len("start_") :] for name in dir(client) if name.startswith("start_")} - {"recover"}
        assert verbs == {"generate", "edit", "extend", "continue_from", "chain"}
        for verb in verbs:
            estimate = getattr(client, "estimate" if verb == "generate" else f"estimate_{verb}")
            arguments = inspect.signature(getattr(client, f"start_{verb}")).parameters
            assert str(inspect.signature(estimate).parameters) == str(arguments), verb


def test_the_file_of_a_clip(sync_studio: SyncStudio) -> None:
    with sync_studio() as (client, _):
        clip = client.generate("a bay", duration=1)
        assert clip.file == clip.path and clip.file.stat().st_size > 1000
        assert client.library.clip(clip.id).file == clip.file
    with pytest.raises(reelkin.NotFoundError, match="the clip clip-1: its library is not stored in a folder") as caught:
        make_clip("clip-1").file
    assert isinstance(caught.value, FileNotFoundError) and "\n" not in str(caught.value)
    assert make_clip(path="a.mp4").file == Path("a.mp4")
    assert "file" not in make_clip(path="a.mp4").to_dict()


def test_positions_of_frames_in_seconds(sync_studio: SyncStudio) -> None:
    half: Any = reelkin.FramePosition.At(0.5)  # type: ignore[arg-type]  # pyright: ignore
    with sync_studio() as (client, _):
        clip = client.generate("a clock", duration=1)
        calls: list[Callable[[], reelkin.Frame]] = [
            lambda: client.frame(clip, half),
            lambda: reelkin.sync.frame(clip.file, half),
            lambda: asyncio.run(reelkin.frame(clip.file, datetime.timedelta(seconds=0.5))),
        ]
        assert [call().number for call in calls] == [12, 12, 12]

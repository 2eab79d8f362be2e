"""Records, errors, documentation, and that the rewritten native module matches its stub."""

from __future__ import annotations

import ast
import asyncio
import copy
import inspect
import json
import pickle
import re
import subprocess
import sys
import typing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

import reelkin
import reelkin.sync
from conftest import Studio
from reelkin import _errors, _native
from reelkin._record import Record

STUB = ast.parse(Path(_native.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))


def test_the_stub_matches_the_module() -> None:
    classes = [node for node in STUB.body if isinstance(node, ast.ClassDef)]
    assert len(classes) > 100
    for node in classes:
        _compare(node, getattr(_native, node.name))
    for function in STUB.body:
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            real = getattr(_native, function.name)
            assert inspect.iscoroutinefunction(real) == isinstance(function, ast.AsyncFunctionDef)
            assert list(inspect.signature(real).parameters) == [argument.arg for argument in function.args.args]


def _compare(node: ast.ClassDef, real: type) -> None:
    for part in node.body:
        if isinstance(part, ast.ClassDef):
            variant = getattr(real, part.name)
            assert issubclass(variant, real) and variant.__qualname__ == f"{node.name}.{part.name}"
            _compare(part, variant)
        elif isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef)) and part.name != "replace":
            method = inspect.signature(getattr(real, part.name))
            if "values" not in method.parameters:
                named = [argument.arg for argument in [*part.args.args, *part.args.kwonlyargs]]
                assert [name for name in method.parameters] == [name for name in named if name != "cls"], node.name


def test_every_kind_of_error_has_a_class() -> None:
    kinds = [name for name, kind in vars(_errors.VideoError).items() if isinstance(kind, type)]
    assert len(kinds) == 18
    source = inspect.getsource(_native._UniffiFfiConverterTypeVideoError)  # type: ignore[attr-defined]  # pyright: ignore
    for kind in kinds:
        assert f"VideoError.{kind}(" in source
        assert issubclass(getattr(_errors.VideoError, kind), reelkin.Error)
    assert f"variant == {len(kinds)}" in source and f"variant == {len(kinds) + 1}" not in source


def test_programs_can_create_errors() -> None:
    error = reelkin.ModeratedError("the service refused the clip", job_id="j1", guidance="change the prompt")
    assert error.code == "moderated" and error.job_id == "j1" and error.status is None and not error.is_retryable
    assert str(error) == "the service refused the clip\nchange the prompt"
    assert reelkin.SubmissionUnknownError("x").code == "submission_unknown"
    for kind in vars(_errors.VideoError).values():
        if isinstance(kind, type):
            assert pickle.loads(pickle.dumps(kind("x"))).reason == "x"
    assert reelkin.Error("x").code == "internal"
    assert reelkin.BudgetError("x").may_have_been_charged is reelkin.Charge.NO
    assert reelkin.ModeratedError("x").may_have_been_charged is reelkin.Charge.UNKNOWN
    assert reelkin.RateLimitedError("x", retry_after=3).retry_after == timedelta(seconds=3)
    with pytest.raises(TypeError, match="reason must be a str, not int"):
        reelkin.ModeratedError(3)  # type: ignore[arg-type]  # pyright: ignore
    with pytest.raises(TypeError, match="no_such_field"):
        reelkin.ModeratedError("x", no_such_field=1)


class Refused(reelkin.ModeratedError):
    """An error of a program, whose constructor has other arguments."""

    def __init__(self, number: int) -> None:
        super().__init__(f"clip {number} was refused")


def test_copies_of_errors_are_complete() -> None:
    error = Refused(7)
    error.attempt = 2  # type: ignore[attr-defined]  # pyright: ignore
    if sys.version_info >= (3, 11):
        error.add_note("in the second batch")
    for copied in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(copied) is Refused and str(copied) == "clip 7 was refused"
        assert vars(copied) == vars(error)


def test_a_bug_in_the_library_is_an_error_of_the_package() -> None:
    # The generated module raises this class after a panic.
    assert vars(_native)["InternalError"] is reelkin.InternalError
    assert str(_native.InternalError("panicked")) == "panicked"  # type: ignore[attr-defined]  # pyright: ignore


def test_a_clip_has_its_cost_and_time(studio: Studio) -> None:
    async def run() -> None:
        async with studio() as (client, _):
            before = datetime.now(timezone.utc)
            clip = await client.generate("a bay", duration=1)
            assert clip.cost == (await client.spent()).paid > 0
            assert clip.created_at is not None
            assert before - timedelta(seconds=1) < clip.created_at < datetime.now(timezone.utc) + timedelta(seconds=1)
            bare = clip.replace(record=None)
            assert bare.cost is None and bare.created_at is None

    asyncio.run(run())


def test_records_become_json_and_back(studio: Studio) -> None:
    async def run() -> None:
        async with studio(budget=reelkin.Budget(per_day="5.00")) as (client, _):
            clip = await client.generate("a bay", duration=1)
            storm = await client.continue_from(clip, "a storm", duration=1)
            records: list[Record] = [
                storm,
                await client.library.list(),
                await client.estimate("x", duration=2),
                await client.spent(),
                await client.analyze(storm),
                client.models,
                reelkin.PollPolicy(deadline=300),
                reelkin.Budget(per_request="0.10"),
                reelkin.generate_request("x", image=b"\x89PNG", duration=2),
                reelkin.generate_request("x", keyframes={0.5: "https://host/a.png"}, plan=True),
                reelkin.chain_request(clip, ["on", reelkin.continue_request("and on", sharpest_of_last=4)], budget="1"),
                reelkin.Settlement.Job("j1"),
                reelkin.Settlement.NeverMade(),
                *await client.library.verify(),
            ]
            assert storm.path is not None
            records.append(await reelkin.probe(storm.path))
            for record in records:
                text = record.to_json()
                assert type(record).from_dict(json.loads(text)) == record, text
            plain = storm.to_dict()
            assert plain["path"] == str(storm.path)
            assert plain["record"]["reelkin"]["cost"] == str(storm.cost)
            # JSON of a sidecar is parsed, in records too.
            assert storm.record is not None and storm.record.reelkin is not None
            assert (storm.record.reelkin.request or {})["model"] == storm.record.model
            assert storm.record.extra["clientNodeId"] is None
            assert plain["record"]["reelkin"]["request"]["prompt"] and "clientNodeId" in plain["record"]["extra"]

    asyncio.run(run())


REQUEST: dict[Any, Any] = reelkin.generate_request("x", duration=1).to_dict()


@pytest.mark.parametrize(
    ("kind", "data", "words"),
    [
        (reelkin.Settlement, {"type": "Lots"}, "the type of Settlement must be one of NeverMade, Lost, Job, Accept"),
        (reelkin.Settlement, {"type": "Lost", "value": "much"}, "Settlement.value must be an amount in dollars"),
        (reelkin.PollPolicy, {"first": 1}, "PollPolicy needs expected"),
        (reelkin.Clip, {"id": "a", "file_name": "a.mp4", "size": 3}, "Clip has no field size"),
        (reelkin.Clip, [], "Clip must be a dict, not list"),
        (reelkin.Page, {"clips": [{"clip": None}]}, "Page.clips[0] needs id"),
        (reelkin.PollPolicy, {**reelkin.PollPolicy().to_dict(), "first": -5}, "PollPolicy.first must be 0 or more"),
        (reelkin.Budget, {"per_day": 0.1, "unknown_prices": False}, "Budget.per_day must be exact"),
        (reelkin.Budget, {"per_day": "NaN", "unknown_prices": False}, "Budget.per_day must be an amount in dollars"),
        (reelkin.Budget, {"unknown_prices": "yes"}, "Budget.unknown_prices must be True or False"),
        (reelkin.PlannerSettings, {"when": "often"}, "PlannerSettings.when must be one of"),
        (reelkin.GenerateRequest, {**REQUEST, "voices": "abc"}, "GenerateRequest.voices must be a list, not str"),
        (reelkin.GenerateRequest, {**REQUEST, "voices": None}, "GenerateRequest.voices must be a list, not NoneType"),
        (reelkin.GenerateRequest, {**REQUEST, "prompt": 5}, "GenerateRequest.prompt must be a str, not int"),
        (reelkin.GenerateRequest, {**REQUEST, "audio": "no"}, "GenerateRequest.audio must be True or False"),
        (reelkin.GenerateRequest, {**REQUEST, 5: 1, "x": 2}, "GenerateRequest has no field 5, x"),
    ],
)
def test_data_that_is_no_record(kind: type[Record], data: Any, words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=re.escape(words)):
        kind.from_dict(data)


def test_a_library_is_iterable(studio: Studio, tmp_path: Path) -> None:
    async def run() -> None:
        async with studio() as (client, _):
            clips = [await client.generate(word, duration=1) for word in "ab"]
            assert [clip.id async for clip in client.library] == [clips[1].id, clips[0].id]
            Path(f"{clips[0].path}.json").write_text("{", encoding="utf-8")
            with pytest.warns(RuntimeWarning, match=f"clip {clips[0].id} is left out"):
                assert [clip.id async for clip in client.library] == [clips[1].id]

    asyncio.run(run())
    library = reelkin.sync.Library.open(tmp_path / "clips")
    with pytest.warns(RuntimeWarning, match="is left out"):
        kept = list(library)
    assert len(kept) == 1 and kept[0] in library and kept[0].id in library and "nobody" not in library
    with pytest.raises(ValueError, match="JSON"):
        reelkin.RateLimit(creates_per_second=float("inf")).to_json()


def test_requests_are_arguments(studio: Studio) -> None:
    async def run() -> None:
        async with studio() as (client, _):
            request = reelkin.generate_request("a bay", duration=1)
            assert await client.estimate(request) == await client.estimate("a bay", duration=1)
            clip = await client.generate(request)
            assert clip.record and clip.record.prompt == "a bay"
            edited = await client.edit(reelkin.edit_request(clip, "make it night"))
            storm = await client.continue_from(edited, reelkin.continue_request("on", plan=False, duration=1))
            chain = await client.chain(reelkin.chain_request(storm, ["and on"]))
            assert len(chain.clips) == 1
            assert (await client.analyze(clip, reelkin.AnalyzeOptions(frames=2))).prompt
            assert await client.estimate(prompt=request) == await client.estimate(request)
            assert await client.estimate_edit(clip=reelkin.edit_request(clip, "night"))
            for call in (client.generate(request, duration=2), client.generate(prompt=request, duration=2)):
                with pytest.raises(TypeError, match="a GenerateRequest takes no other arguments"):
                    await call
            with pytest.raises(TypeError, match="prompt must be a str, not NoneType"):
                await client.edit(clip)

    asyncio.run(run())


def test_members_of_enums_are_text() -> None:
    assert {"unknown": 1}[reelkin.Charge.UNKNOWN] == 1 and reelkin.Charge("no") is reelkin.Charge.NO
    assert json.dumps({"charged": reelkin.Charge.YES}) == '{"charged": "yes"}'
    # Numbers would change when a member is added.
    assert b"unknown" in pickle.dumps(reelkin.Charge.UNKNOWN)
    assert pickle.loads(pickle.dumps(reelkin.Charge.UNKNOWN)) is reelkin.Charge.UNKNOWN


def test_variants_match_by_position() -> None:
    assert reelkin.Settlement.Job.__match_args__ == ("value",)
    assert reelkin.JobEvent.Downloading.__match_args__ == ("received", "total")
    if sys.version_info >= (3, 10):
        matched: dict[str, Any] = {"event": reelkin.Settlement.Job("j1")}
        exec("match event:\n    case Settlement.Job(id):\n        found = id", {"Settlement": reelkin.Settlement}, matched)
        assert matched["found"] == "j1"


def test_annotations_can_be_read_at_run_time() -> None:
    """As frameworks for commands and services do."""
    public = [getattr(module, name) for module in (reelkin, reelkin.sync) for name in module.__all__]
    functions = [value for value in public if inspect.isfunction(value)]
    for kind in filter(inspect.isclass, public):
        functions += [value for _, value in inspect.getmembers(kind, inspect.isfunction)]
    assert len(functions) > 100
    for function in [*functions, *vars(_errors.VideoError).values()]:
        if inspect.isfunction(function) or inspect.isclass(function):
            typing.get_type_hints(function)
    assert inspect.signature(reelkin.VideoClient.generate).return_annotation is reelkin.Clip
    hints = typing.get_type_hints(reelkin.VideoClient.generate)
    assert hints["return"] is reelkin.Clip and hints["image"] == typing.Optional[reelkin.Media]
    assert typing.get_type_hints(reelkin.VideoClient.start_edit)["return"] is reelkin.Job
    assert typing.get_type_hints(reelkin.sync.VideoClient.start_edit)["return"] is reelkin.sync.Job


def test_the_blocking_package_is_an_attribute() -> None:
    code = "import reelkin; print(reelkin.sync.VideoClient.__name__, 'sync' in dir(reelkin))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "VideoClient True\n"


def test_errors_can_be_pickled_and_printed(tmp_path: Path) -> None:
    with pytest.raises(reelkin.NotFoundError) as caught:
        asyncio.run(reelkin.probe(tmp_path / "nobody.mp4"))
    error = caught.value
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error) and str(copy) == str(error) and copy.details == error.details
    assert str(error).splitlines()[0] == error.reason and (error.guidance or "") in str(error)
    assert error.attempts == error.details.attempts and error.retry_after is None
    assert error.may_have_been_charged == reelkin.Charge.NO


def test_records(studio: Studio) -> None:
    async def run() -> None:
        async with studio() as (client, _):
            clip = await client.generate("a bay", duration=1)
            assert pickle.loads(pickle.dumps(clip)) == clip
            changed = clip.replace(file_name="other.mp4")
            assert changed != clip and changed.id == clip.id and clip.file_name != "other.mp4"
            assert clip != "clip" and repr(clip).startswith(f"Clip(id='{clip.id}'")
            with pytest.raises(TypeError, match="Clip has no field nobody"):
                clip.replace(nobody=1)  # type: ignore[call-arg]  # pyright: ignore
            with pytest.raises(TypeError, match="unhashable"):
                hash(clip)

    asyncio.run(run())
    policy = reelkin.default_poll_policy().replace(deadline=timedelta(minutes=5))
    assert policy.deadline == timedelta(minutes=5) and policy != reelkin.default_poll_policy()


def test_variants() -> None:
    event = reelkin.JobEvent.Progress(0.5, timedelta(seconds=1), False)
    assert isinstance(event, reelkin.JobEvent) and event.fraction == 0.5
    assert not isinstance(event, reelkin.JobEvent.Saved)
    assert pickle.loads(pickle.dumps(event)) == event
    assert reelkin.Settlement.Job("id").value == "id"
    assert reelkin.MediaInput.Url("https://host/a.png?sig=SECRET").value.endswith("SECRET")
    assert "SECRET" not in repr(reelkin.MediaInput.Url("https://host/a.png?sig=SECRET"))
    assert "SECRET" not in repr(reelkin.UploadTarget(upload_url="https://host/SECRET"))
    assert repr(reelkin.MediaInput.Bytes(b"SECRET", "a.png")) == "MediaInput.Bytes(bytes=<6 bytes>, name='a.png')"
    url = "data:image/png;base64,SECRET"
    assert repr(reelkin.MediaInput.DataUrl(url)) == f"MediaInput.DataUrl(<data URL of {len(url)} characters>)"
    with pytest.raises(TypeError, match="JobEvent.Planning"):
        reelkin.JobEvent()
    with pytest.raises(AttributeError):
        _ = event.value  # type: ignore[attr-defined]  # pyright: ignore


def test_the_repr_of_containers_has_no_secrets() -> None:
    value = Record.__new__(Record)
    link = "https://host/a.png?sig=SECRET&x='SECRET"
    picture = "data:image/png;base64,SECRET"
    vars(value).update(
        links=[link, picture, [f"see {link} and {picture} there"]],
        reply={"url": link, "api_key": "SECRET", "nested": [{"picture": picture, "bytes": b"SECRET"}], "n": 1},
        text=f'{{"url":"{link}","picture":"{picture}","n":1}}',
    )
    text = repr(value)
    assert "SECRET" not in text, text
    assert text.startswith("Record(links=['https://host/a.png?...', <data URL of 28 characters>, ['see ")
    assert '"n":1' in text and "'n': 1" in text


def test_everything_public_is_documented() -> None:
    undocumented = []
    for module in (reelkin, reelkin.sync):
        for name in module.__all__:
            thing: Any = getattr(module, name)
            if typing.get_origin(thing) is typing.Union:
                # An alias. Its documentation is in the source, where editors read it.
                continue
            if not inspect.getdoc(thing):
                undocumented.append(name)
            if inspect.isclass(thing) and thing.__module__ in (
                "reelkin._base",
                "reelkin._client",
                "reelkin._library",
                "reelkin.sync",
            ):
                for part in dir(thing):
                    if not part.startswith("_") and not inspect.getdoc(inspect.getattr_static(thing, part)):
                        undocumented.append(f"{name}.{part}")
    assert undocumented == []


def test_the_blocking_package_has_the_same_calls() -> None:
    for name in ("VideoClient", "Library", "Job", "Chain", "Recovery", "Sandbox"):
        asynchronous, blocking = getattr(reelkin, name), getattr(reelkin.sync, name)
        blocking_parts = {part for part in dir(blocking) if not part.startswith("_")}
        asynchronous_parts = {part for part in dir(asynchronous) if not part.startswith("_")}
        assert blocking_parts == asynchronous_parts, name
        for part in blocking_parts:
            if inspect.isfunction(getattr(asynchronous, part)):
                parameters = [inspect.signature(getattr(kind, part)).parameters for kind in (blocking, asynchronous)]
                assert str(parameters[0]) == str(parameters[1]), part

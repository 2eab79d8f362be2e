"""The scenarios of bindings/SCENARIOS.md. Each is a test of the same name."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import reelkin
from conftest import Studio

# A clip, and its last frame as decoded by the Rust program.
EXPECTED = Path(os.environ.get("REELKIN_EXPECTED", ""))


def record(clip: reelkin.Clip) -> reelkin.ReelkinRecord:
    assert clip.record is not None and clip.record.reelkin is not None
    return clip.record.reelkin


def delivery(clip: reelkin.Clip) -> reelkin.DeliveryReport:
    report = record(clip).delivery
    assert report is not None
    return report


def test_generate_from_text(studio: Studio) -> None:
    async def run() -> None:
        async with studio() as (client, box):
            clip = await client.generate("a lighthouse at dusk", duration=1)
            assert clip.path is not None and clip.path.is_file()
            assert clip.record is not None and clip.record.prompt == "a lighthouse at dusk"
            assert record(clip).job_id == box.state.jobs[0].id
            assert delivery(clip).findings == []
            assert box.state.creates == 1
            price = record(clip).cost
            assert price is not None and price > 0
            assert (await client.spent()).paid == price

    asyncio.run(run())


def test_the_estimate_of_each_verb_is_its_cost(studio: Studio) -> None:
    async def run() -> None:
        async with studio() as (client, box):
            clip = await client.generate("a bay", duration=2)
            step = reelkin.continue_request("a storm", duration=1, plan=False)
            calls = [
                await client.estimate("a bay", duration=2),
                await client.estimate_edit(clip, "at night"),
                await client.estimate_extend(clip, "on", duration=2),
                await client.estimate_continue_from(clip, "a storm", duration=1, plan=False),
                await client.estimate_chain(clip, [step]),
            ]
            assert box.state.creates == 1 and [call.clips for call in calls] == [1] * 5
            made = [
                await client.edit(clip, "at night"),
                await client.extend(clip, "on", duration=2),
                await client.continue_from(clip, "a storm", duration=1, plan=False),
            ]
            costs = [record(made_clip).cost for made_clip in (clip, *made)]
            assert [call.cost for call in calls] == [*costs, costs[-1]]
            assert calls[2].duration is not None and 3.9 < calls[2].duration.total_seconds() < 4.1
            remote = await client.estimate_edit("https://example.com/a.mp4", "at night")
            assert remote.cost is None
            with pytest.raises(reelkin.NotFoundError):
                await client.estimate_chain(resume="nothing")

    asyncio.run(run())


def test_generate_from_an_image(studio: Studio) -> None:
    async def run() -> None:
        async with studio() as (client, _):
            png = (await client.frame(await client.generate("a bay", duration=1))).to_png()
            clip = await client.generate("it begins to move", image=png, duration=1)
            start = delivery(clip).start
            assert start is not None and start.luma_db >= 35
            inputs = record(clip).inputs
            assert inputs is not None and [entry.sha256 for entry in inputs] == [hashlib.sha256(png).hexdigest()]

    asyncio.run(run())


def test_continue_twice_and_read_the_family(studio: Studio) -> None:
    async def run() -> None:
        async with studio() as (client, _):
            first = await client.generate("a harbour", duration=1)
            second = await client.continue_from(first, "boats leave", duration=1)
            third = await client.continue_from(second, "a storm comes in", duration=1)
            family = await client.library.family(third)
            row = [first.id, second.id, third.id]
            assert [member.id for member in family.members()] == row
            assert family.focus().id == third.id
            assert family.root().id == first.id
            assert [member.id for member in family.parents(third.id)] == [second.id]
            assert [member.id for member in family.parents(second.id)] == [first.id]
            assert [member.id for member in family.path_to(third.id)] == row

    asyncio.run(run())


def test_edit(studio: Studio) -> None:
    async def run() -> None:
        async with studio() as (client, _):
            clip = await client.generate("a garden", duration=1)
            night = await client.edit(clip, "make it night")
            assert record(night).operation == "edit"
            parents = record(night).parents
            assert parents is not None and [parent.id for parent in parents] == [clip.id]

    asyncio.run(run())


def test_extend(studio: Studio) -> None:
    async def run() -> None:
        async with studio() as (client, _):
            clip = await client.generate("a road", duration=2)
            long = await client.extend(clip, "the camera pulls back", duration=2)
            assert clip.path is not None and long.path is not None
            before, after = await reelkin.probe(clip.path), await reelkin.probe(long.path)
            assert (after.duration - before.duration).total_seconds() == pytest.approx(2, abs=0.1)
            seam = delivery(long).seam
            assert seam is not None and seam.seconds == pytest.approx(2, abs=0.05)

    asyncio.run(run())


def test_analyze(studio: Studio) -> None:
    async def run() -> None:
        async with studio() as (client, box):
            clip = await client.generate("a market", duration=1)
            notes = await client.analyze(clip)
            assert notes.prompt and notes.shot
            assert len(notes.frames) == 2
            assert notes.cost is not None and notes.cost > 0
            assert box.state.creates == 1
            assert len((await client.library.list()).clips) == 1

    asyncio.run(run())


def test_frame_equals_rusts(studio: Studio) -> None:
    async def run() -> None:
        async with studio() as (client, _):
            clip = await client.generate("a frozen lake", duration=1)
            frame = await client.frame(clip, "last")
            assert clip.path is not None and bytes(await reelkin.frame(clip.path, "last")) == bytes(frame)
            rusts = await reelkin.frame(EXPECTED / "clip.mp4", "last")
            assert rusts.to_png() == (EXPECTED / "last.png").read_bytes()
            assert len(frame.pixels) == frame.width * frame.height * 3 == len(bytes(frame))

    asyncio.run(run())


def test_moderation(studio: Studio) -> None:
    async def run() -> None:
        async with studio(faults=["moderated"]) as (client, box):
            with pytest.raises(reelkin.ModeratedError) as caught:
                await client.generate("a cat", duration=1)
            assert caught.value.code == "moderated"
            assert caught.value.job_id == box.state.jobs[0].id
            assert not caught.value.is_retryable
            assert (await client.library.list()).clips == []

    asyncio.run(run())


def test_submission_unknown(studio: Studio) -> None:
    async def run() -> None:
        async with studio(faults=["create:lost-reply"]) as (client, box):
            with pytest.raises(reelkin.SubmissionUnknownError) as caught:
                await client.generate("a cat", duration=1)
            assert caught.value.code == "submission_unknown"
            unknown = caught.value.record_id
            assert unknown is not None
            assert box.state.creates == 1
            recovered = await client.recover()
            assert [entry.id for entry in recovered.unsettled] == [unknown]
            await client.library.settle(unknown, reelkin.Settlement.NeverMade())
            assert (await client.recover()).unsettled == []
            assert await client.library.jobs() == []
            assert box.state.creates == 1

    asyncio.run(run())


def test_budget(studio: Studio) -> None:
    async def run() -> None:
        async with studio(budget=reelkin.Budget(per_request="0.01")) as (client, box):
            with pytest.raises(reelkin.BudgetError) as caught:
                await client.generate("a palace", duration=1)
            assert caught.value.code == "budget"
            assert box.state.creates == 0

    asyncio.run(run())


CHILD = """
import asyncio, sys, reelkin

async def main():
    library, key, url = sys.argv[1:]
    client = reelkin.VideoClient(library, api_key=key, base_url=url)
    job = await client.start_generate("a comet", duration=1)
    print(job.id, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


def test_pick_up_in_another_process(studio: Studio, tmp_path: Path) -> None:
    async def run() -> None:
        async with studio(min_job_duration=3) as (client, box):
            command = [sys.executable, "-c", CHILD, str(tmp_path / "clips"), box.api_key, box.base_url]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
                assert child.stdout is not None
                id = (await asyncio.to_thread(child.stdout.readline)).strip()
                child.send_signal(signal.SIGKILL)
            saved = (await client.recover()).saved
            assert [record(clip).job_id for clip in saved] == [id]
            assert box.state.creates == 1
            assert (await (await client.job(id))).id == saved[0].id

    asyncio.run(run())


def test_cancel_then_recover(studio: Studio) -> None:
    async def run() -> None:
        async with studio(min_job_duration=2) as (client, box):
            task = asyncio.create_task(client.generate("a waterfall", duration=1))
            while box.state.creates == 0:
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert len((await client.recover()).saved) == 1
            assert box.state.creates == 1

    asyncio.run(run())


def test_twenty_at_once(studio: Studio) -> None:
    async def run() -> None:
        async with studio() as (client, box):
            clips = await asyncio.gather(*(client.generate(f"cloud {number}", duration=1) for number in range(20)))
            assert len({clip.id for clip in clips}) == 20
            assert box.state.creates == 20

    asyncio.run(run())


def test_key_never_shown(studio: Studio, tmp_path: Path) -> None:
    key = "xai-wrong-key-0123456789abcdef"

    async def run() -> None:
        async with studio() as (client, box):
            clip = await client.generate("a secret garden", duration=1)
            wrong = reelkin.VideoClient(tmp_path / "clips", api_key=key, base_url=box.base_url)
            with pytest.raises(reelkin.AuthError) as caught:
                await wrong.generate("a door", duration=1)
            error = caught.value
            job = await client.start_generate("a window", duration=1)
            await job
            shown = [
                *(repr(thing) + str(thing) for thing in (error, error.details, error.args, vars(error))),
                *(repr(thing) for thing in (wrong, wrong.library, wrong.models, client, clip, job, box, box.state)),
                *(repr(thing) for thing in (await client.frame(clip), await wrong.recover(), await wrong.spent())),
                repr(vars(wrong)),
            ]
            files = [path for path in (tmp_path / "clips").rglob("*") if path.is_file()]
            assert len(files) > 3
            for hidden in (key, box.api_key):
                assert not [text for text in shown if hidden in text]
                assert not [path for path in files if hidden.encode() in path.read_bytes()]
            await wrong.close()

    asyncio.run(run())

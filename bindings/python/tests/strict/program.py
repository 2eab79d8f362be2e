"""A program as users write it. Strict type checkers read it without numpy, Pillow and tqdm installed."""

from __future__ import annotations

import asyncio
import sys
from decimal import Decimal
from pathlib import Path

import reelkin


async def film(client: reelkin.VideoClient, start: reelkin.Media, folder: Path) -> Decimal:
    estimate = await client.estimate("a lighthouse at dusk", image=start, duration=2)
    print(f"at most ${estimate.cost}")

    job = await client.start_generate("a lighthouse at dusk", image=start, duration=2, resolution="480p")
    async for event in job:
        if isinstance(event, reelkin.JobEvent.Progress) and event.fraction is not None:
            print(f"{job.id}: {event.fraction:.0%}")
    clip = await job

    last = await client.frame(clip)
    (folder / "last.png").write_bytes(last.to_png())
    print(last.width, last.height, last.time.total_seconds(), len(last.pixels))
    for frame in await reelkin.frames(folder / clip.file_name, ["first", 0.5, "last"]):
        print(frame.number, frame.psnr(last))

    storm = await client.continue_from(clip, "a storm comes in", duration=2, plan=False)
    family = await client.library.family(storm)
    print(" > ".join(member.id for member in family.path_to(storm.id)))
    return (await client.spent()).paid


def explain(error: reelkin.Error) -> str:
    if isinstance(error, reelkin.ModeratedError):
        return "change the prompt"
    if isinstance(error, reelkin.SubmissionUnknownError):
        return f"look at the account, then settle {error.record_id}"
    if error.is_retryable:
        return f"try again in {error.retry_after}"
    return f"{error.code}: charged: {error.may_have_been_charged.name}"


async def main(folder: Path) -> int:
    poll = reelkin.PollPolicy(first=0.05, shortest=0.05, longest=0.2, deadline=300)
    async with reelkin.Sandbox(min_job_duration=0.2) as sandbox:
        budget = reelkin.Budget(per_request="1.00", per_day=Decimal(5))
        async with reelkin.VideoClient(
            folder, api_key=sandbox.api_key, base_url=sandbox.base_url, budget=budget, poll=poll
        ) as client:
            try:
                start = reelkin.Frame.from_rgb(16, 16, bytes(16 * 16 * 3))
                print(f"paid ${await film(client, start, folder)}")
            except reelkin.Error as error:
                print(error, explain(error), file=sys.stderr)
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(Path(sys.argv[1]))))

"""The poll loop of typical Python clients, with httpx: GET, parse JSON, sleep.

    polls.py BASE_URL KEY IDS SECONDS

Polls all jobs of the file IDS, one task each, and prints the CPU time in milliseconds and the polls in SECONDS.
"""

from __future__ import annotations

import asyncio
import json
import random
import resource
import sys
import time

import httpx

PAUSE = 10.0
# With more connections, httpx spends most of its time in the queue of its pool.
MAX_CONNECTIONS = 100


def processor_ms() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return (used.ru_utime + used.ru_stime) * 1000.0


async def main() -> None:
    base, key, ids, seconds = sys.argv[1:]
    with open(ids, encoding="utf-8") as file:
        jobs = file.read().split()
    polls = 0
    permits = asyncio.Semaphore(MAX_CONNECTIONS)
    limits = httpx.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_CONNECTIONS)
    headers = {"Authorization": f"Bearer {key}", "Accept": "application/json"}
    async with httpx.AsyncClient(base_url=base, headers=headers, limits=limits, trust_env=False, timeout=30.0) as client:

        async def watch(job: str) -> None:
            nonlocal polls
            await asyncio.sleep(random.uniform(0.0, PAUSE))
            while True:
                async with permits:
                    response = await client.get(f"/videos/{job}")
                if response.json()["status"] != "pending":
                    return
                polls += 1
                await asyncio.sleep(PAUSE)

        tasks = [asyncio.create_task(watch(job)) for job in jobs]
        await asyncio.sleep(2.0)
        before, start, cpu = polls, time.monotonic(), processor_ms()
        await asyncio.sleep(float(seconds))
        figures = {"polls": polls - before, "cpu_ms": processor_ms() - cpu, "seconds": time.monotonic() - start}
        print(json.dumps(figures))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


asyncio.run(main())

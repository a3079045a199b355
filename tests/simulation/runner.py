"""Running schedules, in this process or in several."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.simulation.coverage import Coverage
from tests.simulation.world import Violation, World


@dataclass
class Outcome:
    """What a run of schedules came to."""

    schedules: int = 0
    failures: list[str] = field(default_factory=list)
    coverage: Coverage = field(default_factory=Counter)
    seconds: float = 0.0


def run_one(seed: int, steps: int = 100) -> tuple[str, Coverage]:
    """Run one schedule; returns its failure, empty if there is none, and what it met."""
    coverage: Coverage = Counter()

    async def schedule() -> None:
        world = World(seed, steps)
        world.coverage = coverage
        await world.run()

    try:
        asyncio.run(schedule())
    except Violation as violation:
        return str(violation), coverage
    return "", coverage


def _job(asked: tuple[int, int]) -> tuple[str, Coverage]:
    return run_one(*asked)


def run_many(seeds: Sequence[int], steps: int = 100, processes: int = 2) -> Outcome:
    """Run a schedule for each seed."""
    outcome, begun = Outcome(), time.monotonic()
    jobs = [(seed, steps) for seed in seeds]
    if processes > 1 and len(jobs) > 1:
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            results = list(pool.imap(_job, jobs, chunksize=4))
    else:
        results = [_job(job) for job in jobs]
    for failure, coverage in results:
        outcome.schedules += 1
        outcome.coverage.update(coverage)
        outcome.failures += [failure] if failure else []
    outcome.seconds = time.monotonic() - begun
    return outcome

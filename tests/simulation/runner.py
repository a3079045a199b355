"""Running schedules, in this process or in several."""

from __future__ import annotations

import gc
import multiprocessing
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from app.sync.transport import MODELS
from tests.simulation.coverage import Coverage
from tests.simulation.loop import SimLoop
from tests.simulation.plan import Plan
from tests.simulation.world import World

PLAN = Plan()
CHUNK = 16
"""Schedules that a process is handed at a time."""

for _model in MODELS:
    _model.model_rebuild()  # at its first use it would give the first schedule turns of its own

_BROKEN = re.compile(r"invariant \d+")


@dataclass(frozen=True)
class Ran:
    """One schedule: its failure, empty if there is none, what it met, seconds of CPU, its steps."""

    seed: int
    failure: str
    coverage: Coverage
    cpu: float
    trace: tuple[str, ...]

    @property
    def broken(self) -> str:
        """Which invariant is broken, empty if none is."""
        found = _BROKEN.search(self.failure)
        return found[0] if found else self.failure and "an error"


@dataclass
class Outcome:
    """What a run of schedules came to; times are in seconds, `cpu` is that of all processes."""

    schedules: int = 0
    failures: list[str] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)
    coverage: Coverage = field(default_factory=Counter)
    seconds: float = 0.0
    cpu: float = 0.0

    def add(self, ran: Ran) -> None:
        """Take in one schedule."""
        self.schedules += 1
        self.coverage.update(ran.coverage)
        if ran.failure:
            self.failures.append(ran.failure)
            self.failed.append(ran.seed)
        self.cpu += ran.cpu

    @property
    def speed(self) -> str:
        """How fast it went, in words."""
        rate = self.schedules / self.seconds
        return f"{rate:.1f} a second, {self.cpu / self.schedules * 1000:.0f} ms of CPU each"


def run_one(seed: int, plan: Plan = PLAN) -> Ran:
    """Run one schedule."""
    begun = time.process_time()
    with SimLoop() as loop:  # type: ignore[abstract]  # nobody calls what it lacks
        world = World(loop, seed, plan)
        try:
            world.run()
            failure = ""
        except Exception as error:
            failure = world.report(error)
    return Ran(seed, failure, world.coverage, time.process_time() - begun, tuple(world.trace))


def run_many(
    seeds: Sequence[int],
    plan: Plan = PLAN,
    processes: int = 2,
    told: Callable[[Outcome], None] = lambda _: None,
) -> Outcome:
    """Run a schedule for each seed; `told` hears how far it is."""
    outcome, begun = Outcome(), time.monotonic()
    with _running(seeds, plan, processes) as results:
        for ran in results:
            outcome.add(ran)
            outcome.seconds = time.monotonic() - begun
            told(outcome)
    return outcome


@contextmanager
def _running(seeds: Sequence[int], plan: Plan, processes: int) -> Iterator[Iterator[Ran]]:
    job = partial(run_one, plan=plan)
    if processes < 2 or len(seeds) < 2:
        yield map(job, seeds)
        return
    # What is imported is never garbage: looking through it again and again costs a few per cent.
    with multiprocessing.get_context("spawn").Pool(processes, gc.freeze) as pool:
        yield pool.imap_unordered(job, seeds, CHUNK)

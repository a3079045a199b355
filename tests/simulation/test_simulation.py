"""Schedules of 100 steps: the same seeds each time, and fresh ones.

400 take about 40 seconds on two cores; `make soak` runs 3,000 and more.
"""

from __future__ import annotations

import random

import pytest

from tests.simulation.coverage import EXPECTED, Coverage, missing, table
from tests.simulation.runner import run_many, run_one

FIXED = range(300)
FRESH = 100

REGRESSIONS = (20, 1006, 1020, 1085, 50571)
"""Seeds that found a defect once; what they do changes with the simulation."""


def test_every_invariant_holds_and_every_fault_meets_every_phase() -> None:
    first = random.SystemRandom().randrange(1_000, 10**9)
    seeds = [*FIXED, *REGRESSIONS, *range(first, first + FRESH)]
    outcome = run_many(seeds, steps=100, processes=2)
    assert not outcome.failures, "\n".join(outcome.failures[:10])
    assert not missing(outcome.coverage), table(outcome.coverage)


@pytest.mark.parametrize("seed", [3, 4])
def test_a_seed_is_the_same_schedule_each_time(seed: int) -> None:
    assert run_one(seed) == run_one(seed)


def test_what_never_happened_is_reported() -> None:
    assert len(missing(Coverage())) == len(EXPECTED)

"""Schedules of 100 steps: the same seeds each time, and fresh ones; `make soak` runs any number."""

from __future__ import annotations

import random

from tests.simulation.coverage import EXPECTED, Coverage, missing, table
from tests.simulation.runner import run_many, run_one

FIXED = range(2_000)
FRESH = 1_000

REGRESSIONS = (20, 1006, 1020, 1085, 50571)
"""Seeds that found a defect once; what they do changes with the simulation."""


def test_every_invariant_holds_and_every_fault_meets_every_phase() -> None:
    first = random.SystemRandom().randrange(100_000, 10**9)
    outcome = run_many([*FIXED, *REGRESSIONS, *range(first, first + FRESH)])
    assert not outcome.failures, "\n".join([f"fresh from {first}", *outcome.failures[:10]])
    assert not missing(outcome.coverage), table(outcome.coverage)


def test_a_seed_is_the_same_schedule_in_every_process() -> None:
    """Strings hash differently in each process: no choice may hang on the order of a set."""
    seeds = range(40)
    here = run_many(seeds, processes=1)
    assert run_many(seeds, processes=2).coverage == here.coverage
    assert run_one(seeds[-1]).coverage == run_one(seeds[-1]).coverage


def test_what_never_happened_is_reported() -> None:
    assert len(missing(Coverage())) == len(EXPECTED)

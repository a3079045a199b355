"""Schedules of 100 steps: the same seeds each time, and fresh ones; `make soak` runs any number."""

from __future__ import annotations

import random

from tests.simulation.coverage import EXPECTED, Coverage, missing, table
from tests.simulation.mutants import view_without_pending
from tests.simulation.patching import mutated
from tests.simulation.plan import Mode, Plan
from tests.simulation.runner import run_many, run_one
from tests.simulation.shrinking import report, shrink
from tests.simulation.storage_mutants import damaged_entries_are_dropped, pokes_are_ignored
from tests.simulation.test_mutants import is_caught

FIXED = range(2_000)
FRESH = 1_000

REGRESSIONS = [43, 67, 1006, 1020, 1085, 50571, 472116150, 488060801, 2236546, 266729378, 456711007]
REGRESSIONS += [520267485, 520269206, 620293754, 720329018, 720339974, 720352338, 720355102]
REGRESSIONS += [720407328, 720413126, 731020630, 844060686]
"""Seeds that found a defect once; what they do changes with the simulation."""


def test_every_invariant_holds_and_every_fault_meets_every_phase() -> None:
    first = random.SystemRandom().randrange(100_000, 10**9)
    outcome = run_many([*FIXED, *REGRESSIONS, *range(first, first + FRESH)])
    shrunk = [report(seed, Plan()) for seed in outcome.failed[:1]]
    told = [f"fresh from {first}", *outcome.failures[:10], *shrunk]
    assert not outcome.failures, "\n".join(told)
    assert not missing(outcome.coverage), table(outcome.coverage)


def test_a_seed_is_the_same_schedule_in_every_process() -> None:
    """Strings hash differently in each process: no choice may hang on the order of a set."""
    seeds = range(40)
    here = run_many(seeds, processes=1)
    assert run_many(seeds, processes=2).coverage == here.coverage
    assert run_one(seeds[-1]).coverage == run_one(seeds[-1]).coverage


def test_failure_is_shrunk_to_the_few_steps_that_make_it_and_they_replay_it() -> None:
    with mutated(damaged_entries_are_dropped):
        seed = next(seed for seed in range(100) if is_caught(run_one(seed).failure))
        whole, shrunk = run_one(seed), shrink(seed, Plan())
        assert shrunk.broken == whole.broken
        assert len(shrunk.trace) <= 5
        assert any("damage" in step for step in shrunk.trace)
        steps = tuple(int(step.partition(":")[0]) for step in shrunk.trace)
        assert run_one(seed, Plan(only=steps)).failure == shrunk.failure
        assert f"--only {','.join(map(str, steps))}" in shrunk.failure
    assert not run_one(seed, Plan(only=steps)).failure


def test_shrinking_ends_when_its_time_is_over() -> None:
    with mutated(pokes_are_ignored):
        assert len(shrink(0, Plan(), seconds=0.0).trace) == len(run_one(0).trace)


def test_modes_look_at_what_they_say() -> None:
    """A broken view shows at once, a poke that nobody hears only when all is quiet."""
    found: dict[tuple[str, Mode], bool] = {}
    modes: tuple[Mode, ...] = ("safety", "liveness", "both")
    for mutant in (view_without_pending, pokes_are_ignored):
        with mutated(mutant):
            for mode in modes:
                runs = (run_one(seed, Plan(mode=mode)) for seed in range(20))
                found[mutant.__name__, mode] = any(is_caught(ran.failure) for ran in runs)
    assert [found["pokes_are_ignored", mode] for mode in modes] == [False, True, True]
    assert found["view_without_pending", "safety"]
    assert found["view_without_pending", "both"]


def test_what_never_happened_is_reported() -> None:
    assert len(missing(Coverage())) == len(EXPECTED)

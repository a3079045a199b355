"""Run schedules: `python -m tests.simulation --schedules N [--seed S] [--steps 100]`.

With `--seed` alone, that one schedule is replayed, with `--only 3,17` those of its steps. `--mode`
says what is looked at: `safety` after each step, `liveness` once the faults have stopped, or both.
The first failure is shrunk to few steps before it is reported.
"""

from __future__ import annotations

import argparse
import random
import sys
from typing import get_args

from tests.simulation.coverage import missing, table
from tests.simulation.plan import Mode, Plan
from tests.simulation.runner import Outcome, run_many
from tests.simulation.shrinking import report

ENOUGH = 1_000
"""Schedules from which on every fault must have met every phase."""


TOLD_EVERY = 5_000
"""Schedules after which a long run says how far it is."""


def _tell(outcome: Outcome) -> None:
    if outcome.schedules % TOLD_EVERY == 0:
        failed = f"{len(outcome.failures)} failed" + "".join(f"\n{f}" for f in outcome.failures[:1])
        sys.stderr.write(f"{outcome.schedules} schedules: {outcome.speed}, {failed}\n")


def main() -> int:
    """Run what the command line asks for; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seed", type=int, help="the (first) seed; fresh ones without it")
    parser.add_argument("--schedules", type=int, default=1)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--mode", choices=get_args(Mode), default="both")
    parser.add_argument("--only", type=lambda text: tuple(map(int, filter(None, text.split(",")))))
    asked = parser.parse_args()
    first = random.SystemRandom().randrange(10**9) if asked.seed is None else asked.seed
    seeds = range(first, first + asked.schedules)
    plan = Plan(asked.steps, asked.only, asked.mode)
    outcome = run_many(seeds, plan, asked.processes, _tell)
    write = sys.stdout.write
    write(f"{outcome.schedules} schedules of {asked.steps} steps from seed {first}: ")
    write(f"{outcome.speed}, {len(outcome.failures)} failed\n")
    for failure in outcome.failures[:10]:
        write(f"{failure}\n")
    if outcome.failed:
        write(f"{report(outcome.failed[0], plan)}\n")
    if asked.schedules > 1:
        write(f"{table(outcome.coverage)}\n")
    never = missing(outcome.coverage) if asked.schedules >= ENOUGH else []
    for line in never:
        write(f"never met: {line}\n")
    return 1 if outcome.failures or never else 0


if __name__ == "__main__":
    sys.exit(main())

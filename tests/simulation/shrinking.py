"""Shrinking: a schedule that fails is run again without most of its steps, while it still does.

Each step has its own random numbers, so those that are left do what they did.
"""

from __future__ import annotations

import time
from dataclasses import replace

from tests.simulation.plan import Plan
from tests.simulation.runner import Ran, run_one

SECONDS = 60.0
"""How long a failure is shrunk at most; what it has come to by then is reported."""


def shrink(seed: int, plan: Plan, seconds: float = SECONDS) -> Ran:
    """Return the run of a failing schedule with as few steps as were found within `seconds`.

    It breaks the same invariant. Leaves out halves, then ever smaller parts (delta debugging).
    """
    until = time.monotonic() + seconds
    best = run_one(seed, plan)
    kept, size = list(plan.taken), max(1, len(plan.taken) // 2)
    while best.failure and time.monotonic() < until:
        for start in range(0, len(kept), size):
            fewer = [*kept[:start], *kept[start + size :]]
            ran = run_one(seed, replace(plan, only=tuple(fewer)))
            if ran.broken == best.broken:
                best, kept = ran, fewer
                break
            if time.monotonic() >= until:
                break
        else:
            if size == 1:
                break
            size = max(1, size // 2)
    return best


def report(seed: int, plan: Plan, seconds: float = SECONDS) -> str:
    """Return a failure in as few steps as possible, each in words."""
    ran = shrink(seed, plan, seconds)
    lines = "\n    ".join(ran.trace)
    return f"shrunk to {len(ran.trace)} steps: {ran.failure}\n    {lines}"

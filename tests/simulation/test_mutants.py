"""Each seeded defect of the product is caught within a bounded number of schedules."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.simulation.mutants import MUTANTS, mutated
from tests.simulation.runner import run_one

SEEDS = range(150)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_the_defect_is_caught(mutant: Callable[[pytest.MonkeyPatch], None]) -> None:
    with mutated(mutant):
        assert any(run_one(seed)[0] for seed in SEEDS)

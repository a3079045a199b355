"""Each seeded defect of the product is caught within a bounded number of schedules."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.simulation.mutants import MUTANTS
from tests.simulation.patching import mutated
from tests.simulation.runner import run_one
from tests.simulation.witnesses import WITNESSES

SEEDS = range(400)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_the_defect_is_caught(mutant: Callable[[pytest.MonkeyPatch], None]) -> None:
    first = WITNESSES.get(mutant.__name__, SEEDS[0])
    with mutated(mutant):
        assert any(is_caught(run_one(seed).failure) for seed in (first, *SEEDS))


def test_witnesses_are_of_defects_that_are_there() -> None:
    assert WITNESSES.keys() <= {mutant.__name__ for mutant in MUTANTS}


def is_caught(failure: str) -> bool:
    """Tell whether an invariant is broken, and not only the defect itself, by what it patches."""
    return "invariant" in failure and "invariant 0" not in failure

"""Putting defects into the running product, and taking them out again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from app.core.decision import Decision
from app.ports import Batch, Put

Patch = pytest.MonkeyPatch
Change = Callable[[Batch], Batch]


def puts(batch: Batch, store: str) -> list[Put]:
    """Return what a batch puts into a store."""
    return [write for write in batch.writes if isinstance(write, Put) and write.store == store]


def changed(make: Callable[..., Decision], change: Change) -> Callable[..., Decision]:
    """Return what makes the same decisions, but for `change` made to what they write."""

    def remade(*asked: Any) -> Decision:
        decision = make(*asked)

        def decide(*found: Any) -> Batch:
            return change(decision.decide(*found))

        decide.__qualname__ = decision.decide.__qualname__
        return Decision(decision.queries, decide)

    return remade


@contextmanager
def mutated(mutant: Callable[[Patch], None]) -> Iterator[None]:
    """Run what is inside with one defect in the product."""
    with pytest.MonkeyPatch.context() as patch:
        mutant(patch)
        yield

"""A decision: what to read, and the pure function from what was read to what is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.ports import Decide, Query


@dataclass(frozen=True)
class Decision:
    """Both halves of one `Store.transact`; `decide` gets the queries' results in their order."""

    queries: Sequence[Query]
    decide: Decide

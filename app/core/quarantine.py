"""Damaged entries of the outbox: taken out of the line and kept as they are, with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.core.decision import Decision
from app.core.entry import DAMAGED, Entry, by_item, counts, read_entries, read_entry
from app.core.order import replaced, rewrites
from app.core.schema import OUTBOX
from app.ports import Batch, Count, Get, Query


def quarantine(entry: Entry) -> Decision:
    """Make a damaged entry `failed` and hold those behind it; returns whether that was needed."""

    def decide(found: dict[str, Any] | None, of_item: list[dict[str, Any]]) -> Batch:
        if found is None or _is_noted(found):
            return Batch(result=False)
        changes = {"state": "failed", "next_attempt_at": 0, "error": DAMAGED}
        failed = read_entry(found).model_copy(update=changes)
        entries = read_entries(of_item)
        held = [other for other in replaced(entries, failed) if other.seq != failed.seq]
        return Batch([failed.put(), *rewrites(entries, held)], True)

    return Decision([Get(OUTBOX, entry.seq), by_item(entry.collection, entry.item_id)], decide)


def _is_noted(found: dict[str, Any]) -> bool:
    """Tell whether it was made failed already, and is found by the queries that find those."""
    return found.get("state") == "failed" and read_entry(found).damaged == found.get("damaged")


def find_lost() -> list[Query]:
    """Return the queries for how many entries there are, and how many of each known state.

    They differ where an entry's state is damaged: no other query would ever find that one.
    """
    return [Count(OUTBOX), *counts()]


def damaged_of(found: Sequence[dict[str, Any]]) -> list[Entry]:
    """Return what of the stored entries cannot be read."""
    return [entry for entry in read_entries(found) if entry.damaged is not None]

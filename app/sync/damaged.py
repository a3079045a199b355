"""Damaged entries of the outbox, looked for where nothing else would ever meet them."""

from __future__ import annotations

from app.core.entry import behind
from app.core.quarantine import damaged_of, find_lost, quarantine
from app.ports import Store

PAGE = 500


async def quarantine_lost(store: Store) -> None:
    """Make failed the entries that no query by state finds, if there are any."""
    total, *known = await store.read(*find_lost())
    after: int | None = 0 if total != sum(known) else None
    while after is not None:
        (found,) = await store.read(behind(after, PAGE))
        after = found[-1]["seq"] if len(found) == PAGE else None
        for decision in map(quarantine, damaged_of(found)):
            await store.transact(decision.queries, decision.decide)

"""Settling an answer: verdicts, pulled rows and the cursor are written in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from app.core.decision import Decision
from app.core.entry import Entry, Outcome, by_item, read_entries
from app.core.outbox import CURSOR, hold, value_of
from app.core.schema import METADATA, OUTBOX, ROWS
from app.ports import Batch, Delete, Get, Put, Query
from app.protocol import Problem, Result, Row, SyncResponse

APPLIED = ("applied", "duplicate")
RETRY_AFTER = 1.0
"""Seconds until the next attempt where the verdict `retry` names no time."""


@dataclass
class Settled:
    """What one answer changed: counts of verdicts, items to show anew, and how actions ended."""

    synced: int = 0
    failed: int = 0
    conflicts: int = 0
    changed: set[tuple[str, str]] = field(default_factory=set)
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    @property
    def progressed(self) -> bool:
        """Whether any action got a verdict."""
        return bool(self.synced or self.failed or self.conflicts)


def settle(
    entries: Sequence[Entry], response: SyncResponse, asked_cursor: str | None, now: int
) -> Decision:
    """Carry an answer into the store; returns a `Settled`.

    A verdict for an entry that is gone, or was changed since, is ignored. A row is written only if
    it is newer than the one that is there. Rows of the pull, and its cursor, count only if the
    cursor is still the one that was asked from. `now` is in milliseconds.
    """
    items = list(dict.fromkeys((entry.collection, entry.item_id) for entry in entries))
    rows = _newest([result.row for result in response.results if result.row], response.rows)
    queries: list[Query] = [CURSOR]
    queries += [by_item(collection, item_id) for collection, item_id in items]
    queries += [Get(ROWS, [row.collection, row.id]) for row in rows]

    def decide(cursor: dict[str, Any] | None, *found: Any) -> Batch:
        settled = Settled()
        results = {result.id: result for result in response.results}
        writes: list[Put | Delete] = []
        for item, values in zip(items, found[: len(items)], strict=True):
            writes += _settle_item(read_entries(values), results, now, settled)
            settled.changed.add(item)
        current = value_of(cursor) == asked_cursor
        pushed = {
            (result.row.collection, result.row.id) for result in results.values() if result.row
        }
        for row, stored in zip(rows, found[len(items) :], strict=True):
            key = (row.collection, row.id)
            newer = stored is None or row.version > stored["version"]
            if newer and (current or key in pushed):
                writes.append(Put(ROWS, row.model_dump(mode="json")))
                settled.changed.add(key)
        if current:
            writes.append(Put(METADATA, {"key": "cursor", "value": response.cursor}))
        return Batch(writes, settled)

    return Decision(queries, decide)


def forget_cursor() -> Decision:
    """Forget where the last pull ended, so that the next one starts from the beginning."""
    return Decision([], lambda: Batch([Delete(METADATA, "cursor")]))


def _newest(*groups: Sequence[Row]) -> list[Row]:
    newest: dict[tuple[str, str], Row] = {}
    for rows in groups:
        for row in rows:
            known = newest.get((row.collection, row.id))
            if known is None or row.version > known.version:
                newest[row.collection, row.id] = row
    return list(newest.values())


def _settle_item(
    entries: Sequence[Entry], results: dict[str, Result], now: int, settled: Settled
) -> list[Put | Delete]:
    """Return the writes for one item's entries; the first that did not succeed holds the rest."""
    writes: list[Put | Delete] = []
    for position, entry in enumerate(entries):
        result = results.get(entry.id)
        if entry.state != "in_flight":
            continue
        if result is None:
            writes.append(entry.put(state="pending", next_attempt_at=0))
            continue
        if result.verdict in APPLIED:
            writes.append(Delete(OUTBOX, entry.seq))
            settled.synced += 1
            settled.outcomes[entry.id] = "applied"
            continue
        head = _judged(entry, result, now)
        settled.conflicts += head.state == "conflict"
        settled.failed += head.state == "failed"
        if head.outcome is not None:
            settled.outcomes[head.id] = head.outcome
        return [*writes, head.put(), *hold(entries[position + 1 :], head)]
    return writes


def _judged(entry: Entry, result: Result, now: int) -> Entry:
    """Return the entry after a verdict that was not `applied`."""
    changes: dict[str, Any] = {"error": result.error, "next_attempt_at": 0}
    if result.verdict == "conflict":
        theirs = result.row.data if result.row else None
        changes |= {"state": "conflict", "verdict": "conflict", "theirs": theirs}
    elif result.verdict == "rejected":
        problem = result.error or Problem(code="rejected", message="The server refused this.")
        changes |= {"state": "failed", "verdict": "rejected", "error": problem}
    else:
        wait = result.retry_after or RETRY_AFTER
        changes |= {"state": "pending", "next_attempt_at": now + round(wait * 1000)}
    return entry.model_copy(update=changes)

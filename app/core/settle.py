"""Settling an answer: verdicts, pulled rows and the cursor are written in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from app.core.decision import Decision
from app.core.entry import Entry, Outcome, by_item, read_entries
from app.core.outbox import CURSOR, hold, value_of
from app.core.reset import EPOCH, RESET, Reset, read_reset
from app.core.schema import METADATA, OUTBOX, ROWS
from app.ports import Batch, Delete, Get, Put, Query
from app.protocol import Problem, Result, Row, SyncResponse

Stored = dict[str, Any] | None
APPLIED = ("applied", "duplicate")
RETRY_AFTER = 1.0
"""Seconds until the next attempt where the verdict `retry` names no time."""


@dataclass
class Settled:
    """What one answer changed: counts of verdicts, items to show anew, and how actions ended.

    `sweeps` says that rows are to be swept out after a pull that started over; `restored`, that the
    server's database is not the one that this device knew.
    """

    synced: int = 0
    failed: int = 0
    conflicts: int = 0
    changed: set[tuple[str, str]] = field(default_factory=set)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    sweeps: bool = False
    restored: bool = False

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
    own = [result.row for result in response.results if result.row]
    rows, pushed = _newest(own, response.rows), set(map(_key, own))
    queries: list[Query] = [CURSOR, RESET, EPOCH]
    queries += [by_item(collection, item_id) for collection, item_id in items]
    queries += [Get(ROWS, [row.collection, row.id]) for row in rows]

    def decide(cursor: Stored, started: Stored, epoch: Stored, *found: Any) -> Batch:
        known = value_of(epoch)
        settled = Settled(restored=known is not None and known != response.epoch)
        results = {result.id: result for result in response.results}
        writes: list[Put | Delete] = []
        for item, values in zip(items, found[: len(items)], strict=True):
            writes += _settle_item(read_entries(values), results, now, settled)
            settled.changed.add(item)
        current = value_of(cursor) == asked_cursor
        reset = read_reset(started).after(response) if current else read_reset(started)
        stored = dict(zip(map(_key, rows), found[len(items) :], strict=True))
        for row in rows:
            wanted = current or _key(row) in pushed
            if wanted and reset.accepts(row, stored[_key(row)]):
                writes.append(reset.put_row(row))
                settled.changed.add(_key(row))
        if current:
            writes += _moved_on(response, reset)
            settled.sweeps = reset.phase == "sweeping"
        return Batch(writes, settled)

    return Decision(queries, decide)


def forget_cursor() -> Decision:
    """Forget where the last pull ended, so that the next one starts from the beginning."""
    return Decision([], lambda: Batch([Delete(METADATA, "cursor")]))


def _moved_on(response: SyncResponse, reset: Reset) -> list[Put]:
    """Return the writes that say how far the pull is, and in which history."""
    cursor = Put(METADATA, {"key": "cursor", "value": response.cursor})
    epoch = Put(METADATA, {"key": "epoch", "value": response.epoch})
    return [cursor, epoch, reset.put()]


def _key(row: Row) -> tuple[str, str]:
    return row.collection, row.id


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

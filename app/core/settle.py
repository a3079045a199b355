"""Settling an answer: verdicts, pulled rows and the cursor are written in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from app.core.decision import Decision
from app.core.entry import Entry, Outcome, by_item, read_entries
from app.core.invalid import NOTED, Check, fits_always, note
from app.core.order import freed, restated, rewrites, waiting_for
from app.core.outbox import CURSOR, value_of
from app.core.policy import Resolve, leave
from app.core.rebase import rebased
from app.core.reset import EPOCH, RESET, Reset, read_reset
from app.core.schema import METADATA, OUTBOX, ROWS
from app.ports import Batch, Delete, Get, Put, Query, Value
from app.protocol import Problem, Result, Row, SyncResponse

Stored = Value | None
APPLIED = ("applied", "duplicate")
RETRY_AFTER = 1.0
"""Seconds until the next attempt where the verdict `retry` names no time."""


@dataclass
class Settled:
    """What one answer changed: counts of verdicts, items to show anew, and how actions ended.

    `freed` counts the actions whose turn came because what they depend on was applied, or a policy
    resolved their conflict.
    `sweeps` says that rows are to be swept out after a pull that started over; `restored`, that the
    server's database is not the one that this device knew.
    """

    synced: int = 0
    failed: int = 0
    conflicts: int = 0
    freed: int = 0
    changed: set[tuple[str, str]] = field(default_factory=set)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    sweeps: bool = False
    restored: bool = False

    def add(self, other: Settled) -> Settled:
        """Count what another settled besides; returns this one."""
        self.synced += other.synced
        self.failed += other.failed
        self.freed += other.freed
        return self

    @property
    def progressed(self) -> bool:
        """Whether any action got a verdict."""
        return bool(self.synced or self.failed or self.conflicts)


def settle(
    entries: Sequence[Entry],
    response: SyncResponse,
    asked_cursor: str | None,
    now: int,
    on_base: frozenset[str] = frozenset(),
    check: Check = fits_always,
    untouched: frozenset[str] = frozenset(),
    resolve: Resolve = leave,
) -> Decision:
    """Carry an answer into the store; returns a `Settled`.

    A verdict for an entry that is gone, or was changed since, is ignored. A row is written only if
    it is newer than the one that is there. Rows of the pull, and its cursor, count only if the
    cursor is the one asked from. `now` is in ms; `on_base`: `rebase.py`, `check`: `invalid.py`,
    `resolve`: `policy.py`; `untouched`: ids that were not run for certain.
    """
    items = list(dict.fromkeys(entry.item for entry in entries))
    own = [result.row for result in response.results if result.row]
    rows, pushed, made = _newest(own, response.rows), set(map(_key, own)), _made(response)
    queries: list[Query] = [CURSOR, RESET, EPOCH, NOTED, waiting_for(entries)]
    queries += [by_item(*item) for item in items]
    queries += [Get(ROWS, [row.collection, row.id]) for row in rows]

    def decide(cursor: Stored, started: Stored, epoch: Stored, noted: int, *found: Any) -> Batch:
        settled = Settled(changed=set(items), restored=_another(value_of(epoch), response.epoch))
        judge = _Judge(response, on_base, untouched, now, settled, resolve)
        writes = judge.settle(*map(read_entries, found[: len(items) + 1]))
        current = value_of(cursor) == asked_cursor
        reset = read_reset(started).after(response) if current else read_reset(started)
        there = made.union(map(_key, response.rows)) if current else made
        for row, stored in zip(rows, found[len(items) + 1 :], strict=True):
            is_there = _key(row) in there
            if (current or _key(row) in pushed) and reset.accepts(row, stored, is_there):
                writes += [reset.put_row(row, stored, is_there), *note(row, check, noted)]
                settled.changed.add(_key(row))
        writes += _moved_on(response, reset) if current else []
        settled.sweeps = current and reset.phase == "sweeping"
        return Batch(writes, settled)

    return Decision(queries, decide)


def forget_cursor() -> Decision:
    """Forget where the last pull ended, so that the next one starts from the beginning."""
    return Decision([], lambda: Batch([Delete(METADATA, "cursor")]))


def _another(known: str | None, epoch: str) -> bool:
    """Tell whether these are two histories; not every server names its own."""
    return bool(known and epoch) and known != epoch


def _moved_on(response: SyncResponse, reset: Reset) -> list[Put]:
    """Return the writes that say how far the pull is, and in which history."""
    cursor = Put(METADATA, {"key": "cursor", "value": response.cursor})
    epoch = Put(METADATA, {"key": "epoch", "value": response.epoch})
    return [cursor, *([epoch] if response.epoch else []), reset.put()]


def _made(response: SyncResponse) -> set[tuple[str, str]]:
    """Return the keys of the items that the pushed actions changed just now."""
    return {_key(r.row) for r in response.results if r.row and r.verdict == "applied"}


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


@dataclass(frozen=True)
class _Judge:
    """The verdicts of one answer, as they bear on the outbox."""

    response: SyncResponse
    on_base: frozenset[str]
    untouched: frozenset[str]
    now: int
    settled: Settled
    resolve: Resolve

    def settle(self, waiting: list[Entry], *lines: list[Entry]) -> list[Put | Delete]:
        """Return the writes for all entries of the items in the answer, and for who waited."""
        before = {entry.seq: entry for line in [waiting, *lines] for entry in line}
        results = {result.id: result for result in self.response.results}
        left = [self._line(rebased(line, results, self.on_base), results) for line in lines]
        kept = {entry.seq for line in left for entry in line}
        applied = {entry.seq for line in lines for entry in line} - kept
        after = {entry.seq: freed(entry, applied) for entry in waiting}
        for line in left:
            whole = restated([freed(entry, applied) for entry in line] if waiting else line)
            after |= {entry.seq: entry for entry in whole}
        for seq, entry in after.items():
            self.settled.freed += entry.state == "pending" and before[seq].state == "blocked"
        writes: list[Put | Delete] = [Delete(OUTBOX, seq) for seq in sorted(applied)]
        return writes + rewrites(before.values(), after.values())

    def _line(self, entries: Sequence[Entry], results: dict[str, Result]) -> list[Entry]:
        """Return an item's entries that are left; the first that did not succeed holds the rest."""
        left: list[Entry] = []
        for position, entry in enumerate(entries):
            result = results.get(entry.id)
            if entry.state != "in_flight":
                left.append(entry)
            elif result is None:
                left.append(self._released(entry, None))
            elif result.verdict in APPLIED:
                self._end(entry, "applied")
            else:
                later = [self._released(e, results.get(e.id)) for e in entries[position + 1 :]]
                line = [_judged(entry, result, self.now), *later]
                handled = self.resolve(line, result.row)
                self.settled.freed += line[0].state == "conflict" and handled.outcome is None
                self._end(entry, handled.outcome)
                return [*left, *handled.line]
        return left

    def _end(self, entry: Entry, outcome: Outcome | None) -> None:
        """Count how an action ended, if it has, for all the ids under which it went."""
        self.settled.synced += outcome == "applied"
        self.settled.conflicts += outcome == "conflict"
        self.settled.failed += outcome == "failed"
        if outcome is not None:
            ids = (entry.id, *entry.earlier_ids)
            self.settled.outcomes |= dict.fromkeys(ids, outcome)

    def _released(self, entry: Entry, result: Result | None) -> Entry:
        """Return an entry that is still to be carried out, pending if it was in flight."""
        if entry.state != "in_flight":
            return entry
        certain = entry.id in self.untouched if result is None else result.verdict == "retry"
        return entry.released(in_doubt=not certain)


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

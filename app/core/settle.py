"""Settling an answer: verdicts, pulled rows and the cursor are written in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.core.decision import Decision
from app.core.entry import Entry, Outcome, by_item, read_entries
from app.core.identity import NOBODY, PERHAPS_DONE, Identity, is_settled, was_put_back
from app.core.invalid import NOTED, Check, fits_always, note, rows_only
from app.core.metadata import CLIENT_ID, CURSOR, EPOCH, RESET, RESTORED, Stored, put, text_of
from app.core.order import freed, freed_in_order, restated, rewrites, waiting_for
from app.core.policy import Resolve, leave
from app.core.rebase import rebased
from app.core.reset import Reset, place_of, read_reset
from app.core.schema import METADATA, OUTBOX, ROWS
from app.ports import Batch, Delete, Get, Put, Query, Scan
from app.protocol import Problem, Result, Row, SyncResponse

APPLIED = ("applied", "duplicate")
RETRY_AFTER = 1.0
"""Seconds until the next attempt where the verdict `retry` names no time."""


@dataclass
class Settled:
    """What one answer changed: counts of verdicts, items to show anew, and how actions ended.

    `freed` counts the actions whose turn came because what they depend on was applied, or a policy
    resolved their conflict. `sweeps` says that rows are to be swept out after a pull that started
    over, `rows_only` that nothing which is counted changed: neither the outbox nor a note.
    """

    synced: int = 0
    failed: int = 0
    conflicts: int = 0
    freed: int = 0
    changed: set[tuple[str, str]] = field(default_factory=set)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    sweeps: bool = False
    rows_only: bool = False

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
    identity: Identity = NOBODY,
    resolve: Resolve = leave,
) -> Decision:
    """Carry an answer into the store; returns a `Settled`. `now` is in ms.

    A verdict for an entry that is gone, or was changed since, is ignored. A row is written only if
    it is newer. Rows of the pull, and its cursor, count only if the cursor is the one asked from.
    Ids `untouched` were not run. `on_base`: rebase.py, `check`: invalid.py, `resolve`: policy.py.
    """
    items = list(dict.fromkeys(entry.item for entry in entries))
    rows = _newest(*[result.row for result in response.results if result.row], *response.rows)
    queries: list[Query] = [CURSOR, RESET, EPOCH, CLIENT_ID, NOTED, waiting_for(entries)]
    queries += [*(by_item(*it) for it in items), *(Get(ROWS, [*_key(row)]) for row in rows)]
    queries += [Scan(ROWS, limit=1)] if asked_cursor is None else []

    def decide(cursor: Stored, started: Stored, epoch: Stored, *found: Any) -> Batch:
        client, noted, found = found[0], found[1], found[2:]
        settled = Settled(changed=set(items))
        judge = _Judge(response, on_base, untouched, now, settled, identity, client, resolve)
        writes = judge.settle(*map(read_entries, found[: len(items) + 1]))
        pull = _Pull(response, asked_cursor, place_of(cursor, started) == asked_cursor)
        reset = pull.reset(read_reset(started, now), is_empty=not found[-1])
        for row, stored, there in pull.counting(zip(rows, found[len(items) + 1 :], strict=False)):
            if reset.accepts(row, stored, there):
                writes += [reset.put_row(row, stored, there), *note(row, check, noted)]
                settled.changed.add(_key(row))
        settled.sweeps = pull.is_current and reset.phase == "sweeping"
        writes += pull.moved_on(reset, text_of(epoch), now)
        settled.rows_only = rows_only(writes)
        return Batch(writes, settled)

    return Decision(queries, decide)


@dataclass(frozen=True)
class _Pull:
    """The rows of an answer; they count, beside those of verdicts, while its cursor is current."""

    response: SyncResponse
    asked_cursor: str | None
    is_current: bool

    def reset(self, known: Reset, *, is_empty: bool) -> Reset:
        """Return where starting over stands; the first pull of all has nothing to sweep out.

        A pull from the beginning is complete, also where it was this device that asked for it.
        """
        if not self.is_current:
            return known
        begins = self.asked_cursor is None
        reset = known.after(self.response, begins=begins)
        return Reset(reset.round) if begins and is_empty else reset

    def counting(self, rows: Iterable[tuple[Row, Stored]]) -> Iterator[tuple[Row, Stored, bool]]:
        """Return the rows that count, what is stored of them, and whether they are there now.

        A verdict that is given again has the item as it was then.
        """
        own = [(_key(r.row), r.verdict) for r in self.response.results if r.row]
        pushed = {key for key, _ in own}
        there = {key for key, verdict in own if verdict == "applied"}
        if self.is_current:
            there.update(map(_key, self.response.rows))
        for row, stored in rows:
            if self.is_current or _key(row) in pushed:
                yield row, stored, _key(row) in there

    def moved_on(self, reset: Reset, epoch: str | None, now: int) -> Iterator[Put | Delete]:
        """Return the writes that say how far the pull is, since when, and in which history.

        Not every server names its history. That it is another one than before is kept to be told.
        """
        named = self.response.epoch
        if self.response.restored or (epoch and named and epoch != named):
            yield put(RESTORED, True)
        if self.is_current:
            yield put(CURSOR, self.response.cursor, whole=not self.response.has_more, at=now)
            yield reset.put()
            if named:
                yield put(EPOCH, named)
        if was_put_back(self.response.results):  # the cursor was put back as well
            yield Delete(METADATA, "cursor")


def forget_cursor() -> Decision:
    """Forget where the last pull ended, so that the next one starts from the beginning."""
    return Decision([], lambda: Batch([Delete(METADATA, "cursor")]))


def _key(row: Row) -> tuple[str, str]:
    return row.collection, row.id


def _newest(*rows: Row) -> list[Row]:
    newest: dict[tuple[str, str], Row] = {}
    for row in rows:
        known = newest.get(_key(row))
        if known is None or row.version > known.version:
            newest[_key(row)] = row
    return list(newest.values())


@dataclass(frozen=True)
class _Judge:
    """The verdicts of one answer, as they bear on the outbox."""

    response: SyncResponse
    on_base: frozenset[str]
    untouched: frozenset[str]
    now: int
    settled: Settled
    identity: Identity
    client: Stored
    resolve: Resolve

    def settle(self, waiting: list[Entry], *asked: list[Entry]) -> list[Put | Delete]:
        """Return the writes for all entries of the items in the answer, and for who waited."""
        before = {entry.seq: entry for line in [waiting, *asked] for entry in line}
        results = {result.id: result for result in self.response.results}
        renewal = self.identity.renew(asked, results, self.client)
        lines = renewal.lines
        left = [self._line(rebased(line, results, self.on_base), results) for line in lines]
        kept = {entry.seq for line in left for entry in line}
        applied = {entry.seq for line in lines for entry in line} - kept
        after = {entry.seq: entry for entry in freed_in_order(waiting, applied)}
        for line in left:
            whole = restated([freed(entry, applied) for entry in line] if waiting else line)
            after |= {entry.seq: entry for entry in whole}
        for seq, entry in after.items():
            self.settled.freed += entry.state == "pending" and before[seq].state == "blocked"
        gone = [Delete(OUTBOX, seq) for seq in sorted(applied)]
        return [*renewal.writes, *gone, *rewrites(before.values(), after.values())]

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
        known = PERHAPS_DONE if is_settled(result) else result.error
        problem = known or Problem(code="rejected", message="The server refused this.")
        changes |= {"state": "failed", "verdict": "rejected", "error": problem}
    else:
        wait = result.retry_after or RETRY_AFTER
        changes |= {"state": "pending", "next_attempt_at": now + round(wait * 1000)}
    return entry.model_copy(update=changes)

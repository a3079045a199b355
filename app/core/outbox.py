"""The outbox's decisions: each is a pure function that runs inside one transaction.

States of an entry:

    enqueue ──► pending ──claim──► in_flight ──settle: applied, duplicate──► (gone)
       │         ▲  ▲ ▲               │  └────settle: conflict──► conflict ─┐
       │         │  │ └─requeue, defer┘  └────settle: rejected──► failed ───┤
       │         │  └──────────────────── retry, edit ──────────────────────┘
       └──► blocked: behind a failed or conflicted entry of its item, or behind one that it depends
            on; freed ──► pending once it waits for none; a dependency is discarded ──► failed

Entries of one item are sent in the order of `seq`: a later one never becomes due before an
earlier one, because it takes over whom that waits for and its `next_attempt_at`. A dependent is not
sent before all that it depends on was applied, nor is anything behind it (app/core/order.py).
An edit of what was never sent changes no state. Discarding is possible in every state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from app.core.attempt import UNSETTLED, perhaps_sent
from app.core.decision import Decision
from app.core.entry import Entry, Outcome, by_item, read_entries
from app.core.metadata import Stored, ids_of, put
from app.core.order import freed_in_order, orphaned, replaced, restated, rewrites, waiting_for
from app.core.resolutions import records
from app.core.schema import METADATA, OUTBOX
from app.errors import InvalidInput, NotFound
from app.ports import Batch, Delete, Get, Put, Scan
from app.protocol import Problem

DISCARDED_IDS = Get(METADATA, "discarded")
REMEMBERED = 1_000
"""How many ids of discarded actions a device remembers."""
GONE = "This change is not waiting any more: it was sent or discarded elsewhere."


@dataclass(frozen=True)
class TakenOut:
    """An entry that left the outbox, and the others that this changed, as they are now."""

    entry: Entry
    others: tuple[Entry, ...]


@dataclass(frozen=True)
class Altered:
    """What a decision did: the entry it is about, the items to show anew, how actions ended."""

    entry: Entry
    items: frozenset[tuple[str, str]]
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)


def remove(entry: Entry) -> Decision:
    """Discard an entry for good; returns a `TakenOut`.

    Those behind it in its item are freed. Those that depend on it become `failed`, and are kept;
    but the record of a resolution goes with it.
    """

    def decide(
        found: list[dict[str, Any]],
        waiting: list[dict[str, Any]],
        known: Stored,
        inbox: list[dict[str, Any]],
    ) -> Batch:
        current, entries = among(entry.id, found)
        waiters = read_entries(waiting)
        told = records(waiters, current.seq)
        others = [other for other in waiters if other not in told]
        taken = _taken_out(current, entries, others, orphaned(others, current.seq))
        more: list[Put | Delete] = [
            *(Delete(OUTBOX, other.seq) for other in told),
            *_noted([current], known, inbox),
        ]
        return replace(taken, writes=[*taken.writes, *more])

    return Decision([by_item(*entry.item), waiting_for([entry]), DISCARDED_IDS, UNSETTLED], decide)


def complete(entry: Entry) -> Decision:
    """Take out an entry that a handler has carried out, as remove does, but free its dependents."""

    def decide(found: list[dict[str, Any]], waiting: list[dict[str, Any]]) -> Batch:
        current, entries = among(entry.id, found)
        waiters = read_entries(waiting)
        left = freed_in_order(waiters, (current.seq,))
        return _taken_out(current, entries, waiters, left)

    return Decision([by_item(*entry.item), waiting_for([entry])], decide)


def _taken_out(
    current: Entry, entries: list[Entry], waiters: list[Entry], left: list[Entry]
) -> Batch:
    """Return the writes that take `current` out and make `left` of those who waited for it."""
    after = {other.seq: other for other in left}
    line = [after.pop(other.seq, other) for other in entries if other.seq != current.seq]
    writes = rewrites([*entries, *waiters], [*restated(line), *after.values()])
    others = tuple(Entry.model_validate(write.value) for write in writes)
    return Batch([Delete(OUTBOX, current.seq), *writes], TakenOut(current, others))


def defer(entry: Entry, next_attempt_at: int, problem: Problem | None = None) -> Decision:
    """Put an entry off at which the server failed, and those behind it with it.

    It costs no attempt; `problem` says why it waits.
    """

    def decide(found: list[dict[str, Any]]) -> Batch:
        current, entries = among(entry.id, found)
        waiting = current.released(in_doubt=True).model_copy(
            update={"next_attempt_at": next_attempt_at, "error": problem or current.error}
        )
        return Batch(rewrites(entries, replaced(entries, waiting)), waiting)

    return Decision([by_item(*entry.item)], decide)


def fail_attempt(
    entry: Entry,
    problem: Problem,
    next_attempt_at: int,
    max_attempts: int,
    in_doubt: bool = False,
) -> Decision:
    """Count a failed attempt: try again at `next_attempt_at`, or `failed` past `max_attempts`.

    `in_doubt` says that it may have taken effect all the same. Raises `InvalidInput` for an entry
    whose turn it is not.
    """

    def decide(found: list[dict[str, Any]]) -> Batch:
        current, entries = among(entry.id, found)
        _check_turn(current)
        attempts = current.attempts + 1
        state = "failed" if attempts >= max_attempts else "pending"
        counted = current.model_copy(
            update={
                "state": state,
                "attempts": attempts,
                "error": problem,
                "next_attempt_at": 0 if state == "failed" else next_attempt_at,
                "in_doubt": current.in_doubt or in_doubt,
            }
        )
        return Batch(rewrites(entries, replaced(entries, counted)), counted)

    return Decision([by_item(*entry.item)], decide)


def conflict_attempt(entry: Entry, problem: Problem) -> Decision:
    """Take an answer that says conflict, without the server's row, as the verdict on an entry.

    Raises `InvalidInput` for an entry whose turn it is not.
    """

    def decide(found: list[dict[str, Any]]) -> Batch:
        current, entries = among(entry.id, found)
        _check_turn(current)
        verdict = {"state": "conflict", "verdict": "conflict", "error": problem}
        held = current.model_copy(update={**verdict, "next_attempt_at": 0})
        return Batch(rewrites(entries, replaced(entries, held)), held)

    return Decision([by_item(*entry.item)], decide)


def _check_turn(entry: Entry) -> None:
    if entry.state not in ("pending", "in_flight"):
        raise InvalidInput("This change is not being tried now.")


def clear_page(limit: int = 500) -> Decision:
    """Remove up to `limit` entries, newest first, so that none waits for one that is gone."""

    def decide(found: list[dict[str, Any]], known: Stored, inbox: list[dict[str, Any]]) -> Batch:
        entries = read_entries(found)
        gone = [Delete(OUTBOX, entry.seq) for entry in entries]
        return Batch([*gone, *_noted(entries, known, inbox)], entries)

    newest = Scan(OUTBOX, limit=limit, reverse=True)
    return Decision([newest, DISCARDED_IDS, UNSETTLED], decide)


def _noted(entries: list[Entry], known: Stored, inbox: list[dict[str, Any]]) -> list[Put]:
    """Return the write that remembers which of these were discarded without any effect for sure.

    Those may come back from a file (app/core/importing.py).
    """
    sent = perhaps_sent(inbox)
    certain = [it for it in entries if not it.sent or it.verdict in ("conflict", "rejected")]
    ids = [it.id for it in certain if it.id not in sent]
    kept = [*ids_of(known), *ids][-REMEMBERED:]
    return [put(DISCARDED_IDS, kept)] if ids else []


def among(
    action_id: str, found: list[dict[str, Any]], gone: str = GONE
) -> tuple[Entry, list[Entry]]:
    """Return an action's entry and all of its item's; raises `NotFound` once it is `gone`."""
    entries = read_entries(found)
    for entry in entries:
        if entry.id == action_id:
            return entry, entries
    raise NotFound(gone)

"""The outbox's decisions: each is a pure function that runs inside one transaction.

States of an entry:

    enqueue ──► pending ──claim──► in_flight ──settle: applied, duplicate──► (gone)
                 ▲  ▲                 │  └────settle: conflict──► conflict ─┐
                 │  └──requeue, retry─┘  └────settle: rejected──► failed ───┤
                 └──────────────────────── retry ───────────────────────────┘
    blocked: behind a failed or conflicted entry of the same item; freed with it

Entries of one item are sent in the order of `seq`: a later one never becomes due before an
earlier one, because it takes over its state and its `next_attempt_at`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from app.core.decision import Decision
from app.core.entry import HOLDING, UNSENT, Entry, by_item, count_of, due, read_entries
from app.core.schema import METADATA, OUTBOX
from app.errors import NotFound
from app.ports import Batch, Delete, Get, Put, Query, Scan
from app.protocol import Problem

SEQ = Get(METADATA, "seq")
CURSOR = Get(METADATA, "cursor")


@dataclass(frozen=True)
class Claim:
    """What one push sends: entries in order, and what the request says besides."""

    entries: tuple[Entry, ...]
    cursor: str | None
    settled_through: int


def value_of(metadata: dict[str, Any] | None, default: Any = None) -> Any:
    """Return the value of a `metadata` record."""
    return default if metadata is None else metadata["value"]


def claim(now: int, limit: int) -> Decision:
    """Mark up to `limit` due entries as in flight; returns a `Claim`."""

    def decide(
        found: list[dict[str, Any]],
        oldest: list[dict[str, Any]],
        cursor: dict[str, Any] | None,
        seq: dict[str, Any] | None,
    ) -> Batch:
        entries = read_entries(found)
        settled = oldest[0]["seq"] - 1 if oldest else value_of(seq, 0)
        result = Claim(tuple(entries), value_of(cursor), settled)
        return Batch([entry.put(state="in_flight") for entry in entries], result)

    return Decision([due("pending", now, limit), Scan(OUTBOX, limit=1), CURSOR, SEQ], decide)


def requeue() -> Decision:
    """Make entries in flight pending again: their answer never came, and costs no attempt."""

    def decide(found: list[dict[str, Any]]) -> Batch:
        entries = read_entries(found)
        return Batch([entry.put(state="pending") for entry in entries], entries)

    return Decision([due("in_flight")], decide)


def retry(entry: Entry, new_id: str) -> Decision:
    """Make a failed entry pending again; returns it as it is now.

    Where the server gave a verdict, a resend under the same id would only get it again, so the
    action goes under `new_id`; where the outcome is unknown, it must keep its id.
    """

    def decide(found: list[dict[str, Any]]) -> Batch:
        current, entries = _among(entry.id, found)
        action = current.parsed()
        if current.verdict is not None:
            action = action.model_copy(update={"id": new_id})
        fresh = current.model_copy(
            update={
                "id": action.id,
                "state": "pending",
                "attempts": 0,
                "next_attempt_at": 0,
                "error": None,
                "verdict": None,
                "action": action.model_dump_json(),
            }
        )
        rest = [fresh if other.seq == fresh.seq else other for other in entries]
        return Batch([fresh.put(), *_restated(rest)], fresh)

    return Decision([by_item(entry.collection, entry.item_id)], decide)


def remove(entry: Entry) -> Decision:
    """Take an entry out of the outbox for good, and free those behind it; returns it."""

    def decide(found: list[dict[str, Any]]) -> Batch:
        current, entries = _among(entry.id, found)
        rest = [other for other in entries if other.seq != current.seq]
        return Batch([Delete(OUTBOX, current.seq), *_restated(rest)], current)

    return Decision([by_item(entry.collection, entry.item_id)], decide)


def fail_attempt(
    entry: Entry, problem: Problem, next_attempt_at: int, max_attempts: int
) -> Decision:
    """Count a failed attempt: try again at `next_attempt_at`, or `failed` past `max_attempts`."""

    def decide(found: list[dict[str, Any]]) -> Batch:
        current, entries = _among(entry.id, found)
        attempts = current.attempts + 1
        state = "failed" if attempts >= max_attempts else "pending"
        counted = current.model_copy(
            update={
                "state": state,
                "attempts": attempts,
                "error": problem,
                "next_attempt_at": 0 if state == "failed" else next_attempt_at,
            }
        )
        later = [other for other in entries if other.seq > counted.seq]
        return Batch([counted.put(), *hold(later, counted)], counted)

    return Decision([by_item(entry.collection, entry.item_id)], decide)


def hold(later: Iterable[Entry], head: Entry) -> list[Put]:
    """Return the writes that keep an item's `later` entries behind `head`."""
    if head.state in HOLDING:
        return [entry.put(state="blocked") for entry in later if entry.state in UNSENT]
    return [
        entry.put(state="pending", next_attempt_at=max(head.next_attempt_at, entry.next_attempt_at))
        for entry in later
        if entry.state in UNSENT
    ]


def clear_page(limit: int = 500) -> Decision:
    """Remove up to `limit` entries; returns them."""

    def decide(found: list[dict[str, Any]]) -> Batch:
        entries = read_entries(found)
        return Batch([Delete(OUTBOX, entry.seq) for entry in entries], entries)

    return Decision([Scan(OUTBOX, limit=limit)], decide)


def counts() -> list[Query]:
    """Return the queries for the numbers of unsent (three of them), conflict, failed entries."""
    return [count_of(state) for state in (*UNSENT, *HOLDING)]


def _among(action_id: str, found: list[dict[str, Any]]) -> tuple[Entry, list[Entry]]:
    entries = read_entries(found)
    for entry in entries:
        if entry.id == action_id:
            return entry, entries
    raise NotFound("This change is not waiting any more: it was sent or discarded elsewhere.")


def _restated(entries: Sequence[Entry]) -> list[Put]:
    """Return the writes that free blocked entries which nothing holds any more."""
    writes: list[Put] = []
    for entry in entries:
        if entry.state in HOLDING:
            break
        if entry.state == "blocked":
            writes.append(entry.put(state="pending", next_attempt_at=0))
    return writes

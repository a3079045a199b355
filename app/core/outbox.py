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

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from app.core.decision import Decision
from app.core.entry import (
    HOLDING,
    LONGEST_WAIT,
    UNSENT,
    Entry,
    by_item,
    count_of,
    due,
    parted,
    put_off_beyond,
    read_entries,
)
from app.core.schema import METADATA, OUTBOX, ROWS
from app.errors import InvalidInput, NotFound
from app.ports import Batch, Delete, Get, Put, Query, Scan
from app.protocol import MAX_SAFE_INTEGER, Problem

LEASE = 60_000
"""Milliseconds after which a claim that nobody settled belongs to a context that died."""
SEQ = Get(METADATA, "seq")
CURSOR = Get(METADATA, "cursor")


@dataclass(frozen=True)
class Claim:
    """What is due: `entries` to push, in order, and `local` ones that handlers carry out.

    `cursor` and `settled_through` are what the request says besides.
    """

    entries: tuple[Entry, ...]
    local: tuple[Entry, ...]
    cursor: str | None
    settled_through: int


def value_of(metadata: dict[str, Any] | None, default: Any = None) -> Any:
    """Return the value of a `metadata` record."""
    return default if metadata is None else metadata["value"]


def claim(now: int, limit: int, is_local: Callable[[Entry], bool] = lambda _: False) -> Decision:
    """Mark up to `limit` due entries as in flight, but for local ones; returns a `Claim`.

    An entry behind a local one of its item waits until that has been carried out.
    """
    latest = now + LONGEST_WAIT

    def decide(
        found: list[dict[str, Any]],
        put_off: list[dict[str, Any]],
        oldest: list[dict[str, Any]],
        cursor: dict[str, Any] | None,
        seq: dict[str, Any] | None,
    ) -> Batch:
        entries, local = parted(read_entries(found), is_local)
        settled = oldest[0]["seq"] - 1 if oldest else value_of(seq, 0)
        result = Claim(tuple(entries), tuple(local), value_of(cursor), settled)
        leased = now + LEASE
        sent = [e.put(state="in_flight", next_attempt_at=leased, sent=True) for e in entries]
        sooner = [entry.put(next_attempt_at=latest) for entry in read_entries(put_off)]
        return Batch([*sent, *sooner], result)

    waiting = due("pending", now, limit), put_off_beyond(latest, limit)
    return Decision([*waiting, Scan(OUTBOX, limit=1), CURSOR, SEQ], decide)


def claim_local(entry: Entry, now: int) -> Decision:
    """Mark one entry as in flight if it is its item's turn; returns whether it is."""

    def decide(found: list[dict[str, Any]]) -> Batch:
        first = next(iter(read_entries(found)), None)
        if first is None or first.id != entry.id or first.state != "pending":
            return Batch(result=False)
        claimed = first.put(state="in_flight", next_attempt_at=now + LEASE, sent=True)
        return Batch([claimed], True)

    return Decision([by_item(entry.collection, entry.item_id)], decide)


def requeue(now: int = MAX_SAFE_INTEGER) -> Decision:
    """Make entries in flight pending again: their answer never came, and costs no attempt.

    With `now`, only those whose claim is so old that whoever made it must have died.
    """

    def decide(found: list[dict[str, Any]]) -> Batch:
        entries = read_entries(found)
        return Batch([entry.put(state="pending", next_attempt_at=0) for entry in entries], entries)

    return Decision([due("in_flight", now)], decide)


def retry(entry: Entry, new_id: str) -> Decision:
    """Make a failed or conflicting entry pending again; returns it as it is now.

    Where the server gave a verdict, a resend under the same id would only get it again, so the
    action goes under `new_id`; where the outcome is unknown, it must keep its id. After a conflict
    the item's actions are based on the server's version as it is now. Raises `InvalidInput` for an
    entry that did not fail.
    """

    def decide(row: dict[str, Any] | None, found: list[dict[str, Any]]) -> Batch:
        current, entries = _among(entry.id, found)
        if current.state not in HOLDING:
            raise InvalidInput("This change has not failed; it is sent when its turn comes.")
        fresh = current.model_copy(
            update={"state": "pending", "attempts": 0, "next_attempt_at": 0, "error": None}
        )
        if current.verdict is not None:
            fresh = fresh.rewritten(id=new_id).model_copy(update={"id": new_id, "verdict": None})
        rest = [fresh if other.seq == fresh.seq else other for other in entries]
        if current.state == "conflict" and row is not None:
            rest = [other.rewritten(base_version=row["version"]) for other in rest]
        fresh = next(other for other in rest if other.seq == current.seq)
        writes = {other.seq: other.put() for other in rest}
        writes |= {put.value["seq"]: put for put in _restated(rest)}
        return Batch(list(writes.values()), fresh)

    return Decision(
        [Get(ROWS, [entry.collection, entry.item_id]), by_item(entry.collection, entry.item_id)],
        decide,
    )


def remove(entry: Entry) -> Decision:
    """Take an entry out of the outbox for good, and free those behind it; returns it."""

    def decide(found: list[dict[str, Any]]) -> Batch:
        current, entries = _among(entry.id, found)
        rest = [other for other in entries if other.seq != current.seq]
        return Batch([Delete(OUTBOX, current.seq), *_restated(rest)], current)

    return Decision([by_item(entry.collection, entry.item_id)], decide)


def defer(entry: Entry, next_attempt_at: int) -> Decision:
    """Put an entry in flight off until `next_attempt_at`, and those behind it with it."""

    def decide(found: list[dict[str, Any]]) -> Batch:
        current, entries = _among(entry.id, found)
        later = [other for other in entries if other.seq > current.seq]
        waiting = current.model_copy(
            update={"state": "pending", "next_attempt_at": next_attempt_at}
        )
        return Batch([waiting.put(), *hold(later, waiting)], waiting)

    return Decision([by_item(entry.collection, entry.item_id)], decide)


def fail_attempt(
    entry: Entry, problem: Problem, next_attempt_at: int, max_attempts: int
) -> Decision:
    """Count a failed attempt: try again at `next_attempt_at`, or `failed` past `max_attempts`.

    Raises `InvalidInput` for an entry whose turn it is not.
    """

    def decide(found: list[dict[str, Any]]) -> Batch:
        current, entries = _among(entry.id, found)
        if current.state not in ("pending", "in_flight"):
            raise InvalidInput("This change is not being tried now.")
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
        entry.put(state="pending", next_attempt_at=max(head.next_attempt_at, entry.waits_until))
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

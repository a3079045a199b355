"""Claiming: which actions go along with a request, and those whose claim came to nothing."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Any

from app.core.decision import Decision
from app.core.entry import LONGEST_WAIT, Entry, beyond, by_item, due, parted, read_entries
from app.core.outbox import CURSOR, SEQ, value_of
from app.core.schema import OUTBOX
from app.ports import Batch, Scan
from app.protocol import MAX_SAFE_INTEGER

LEASE = 60_000
"""Milliseconds after which a claim that nobody settled belongs to a context that died."""


@dataclass(frozen=True)
class Claim:
    """What is due: `entries` to push, in order, and `local` ones that handlers carry out.

    `cursor` and `settled_through` are what the request says besides.
    """

    entries: tuple[Entry, ...]
    local: tuple[Entry, ...]
    cursor: str | None
    settled_through: int


def claim(now: int, limit: int, is_local: Callable[[Entry], bool] = lambda _: False) -> Decision:
    """Mark up to `limit` due entries as in flight, but for local ones; returns a `Claim`.

    An entry behind a local one of its item waits until that has been carried out. A damaged entry
    counts as local: it cannot be sent. What is put off for longer than anything ever is waits for a
    clock that was set back since, and is brought nearer; also what is blocked, or the wait would
    begin anew for each of a line.
    """
    latest = now + LONGEST_WAIT

    def stays_here(entry: Entry) -> bool:
        return is_local(entry) or entry.readable() is None

    def decide(
        found: list[dict[str, Any]],
        put_off: list[dict[str, Any]],
        blocked: list[dict[str, Any]],
        oldest: list[dict[str, Any]],
        cursor: dict[str, Any] | None,
        seq: dict[str, Any] | None,
    ) -> Batch:
        entries, local = parted(read_entries(found), stays_here)
        settled = oldest[0]["seq"] - 1 if oldest else value_of(seq, 0)
        result = Claim(tuple(entries), tuple(local), value_of(cursor), settled)
        leased = now + LEASE
        sent = [e.claimed_until(leased).put() for e in entries]
        sooner = [entry.put(next_attempt_at=latest) for entry in read_entries([*put_off, *blocked])]
        return Batch([*sent, *sooner], result)

    late = beyond("pending", latest, limit), beyond("blocked", latest, limit)
    return Decision([due("pending", now, limit), *late, Scan(OUTBOX, limit=1), CURSOR, SEQ], decide)


def claim_local(entry: Entry, now: int) -> Decision:
    """Mark one entry as in flight if it is its item's turn; returns whether it is."""

    def decide(found: list[dict[str, Any]]) -> Batch:
        first = next(iter(read_entries(found)), None)
        if first is None or first.id != entry.id or first.state != "pending":
            return Batch(result=False)
        return Batch([first.claimed_until(now + LEASE).put()], True)

    return Decision([by_item(entry.collection, entry.item_id)], decide)


def requeue(now: int = MAX_SAFE_INTEGER, refused: Container[str] = ()) -> Decision:
    """Make entries in flight pending again: their answer never came, and costs no attempt.

    With `now`, only those whose claim is so old that whoever made it must have died, or that cannot
    have been made by a clock that says `now`: it was set back. Those that go by an id among
    `refused` were answered: it is certain that this attempt had no effect.
    """

    def decide(found: list[dict[str, Any]], impossible: list[dict[str, Any]]) -> Batch:
        entries = read_entries([*found, *impossible])
        writes = [entry.released(in_doubt=entry.id not in refused).put() for entry in entries]
        return Batch(writes, entries)

    return Decision([due("in_flight", now), beyond("in_flight", now + LEASE)], decide)

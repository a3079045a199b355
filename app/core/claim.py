"""Claiming: which actions go along with a request, and those whose claim came to nothing."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
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
LOCAL_LEASE = 90_000
"""The same for a handler's claim: longer than any handler may take, so that none runs twice."""
MAX_BYTES = 512 * 1024
"""Size of what is pushed at once: half of what our server takes, and many a proxy before it."""


@dataclass(frozen=True)
class Claim:
    """What is due: `entries` to push, in order, and `local` ones that handlers carry out.

    `cursor` and `settled_through` are what the request says besides. `full` says that no more were
    claimed because it would have been too many, or too much.
    """

    entries: tuple[Entry, ...]
    local: tuple[Entry, ...]
    cursor: str | None
    settled_through: int
    full: bool = False


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
        due_now, local = parted(read_entries(found), stays_here)
        entries = _within(due_now)
        full = len(found) >= limit or len(entries) < len(due_now)
        settled = _settled_through(oldest, seq)
        result = Claim(tuple(entries), tuple(local), value_of(cursor), settled, full)
        leased = {"state": "in_flight", "local": False, "next_attempt_at": now + LEASE}
        sent = [entry.put(**leased, sent=True) for entry in entries]
        sooner = [entry.put(next_attempt_at=latest) for entry in read_entries([*put_off, *blocked])]
        return Batch([*sent, *sooner], result)

    late = beyond("pending", latest, limit), beyond("blocked", latest, limit)
    return Decision([due("pending", now, limit), *late, Scan(OUTBOX, limit=1), CURSOR, SEQ], decide)


def _within(entries: Sequence[Entry]) -> list[Entry]:
    """Return the first entries that together are not too much for a request; at least one."""
    taken: list[Entry] = []
    size = 0
    for entry in entries:
        size += len(entry.action.encode())
        if taken and size > MAX_BYTES:
            break
        taken.append(entry)
    return taken


def claim_none() -> Decision:
    """Read what a request says that only pulls; returns a `Claim` of nothing."""

    def decide(
        oldest: list[dict[str, Any]], cursor: dict[str, Any] | None, seq: dict[str, Any] | None
    ) -> Batch:
        return Batch(result=Claim((), (), value_of(cursor), _settled_through(oldest, seq)))

    return Decision([Scan(OUTBOX, limit=1), CURSOR, SEQ], decide)


def _settled_through(oldest: Sequence[dict[str, Any]], seq: dict[str, Any] | None) -> int:
    settled: int = oldest[0]["seq"] - 1 if oldest else value_of(seq, 0)
    return settled


def claim_local(entry: Entry, now: int) -> Decision:
    """Mark one entry as in flight if it is its item's turn; returns whether it is."""

    def decide(found: list[dict[str, Any]]) -> Batch:
        first = next(iter(read_entries(found)), None)
        if first is None or first.id != entry.id or first.state != "pending":
            return Batch(result=False)
        leased = {"state": "in_flight", "local": True, "next_attempt_at": now + LOCAL_LEASE}
        return Batch([first.put(**leased, sent=True)], True)

    return Decision([by_item(entry.collection, entry.item_id)], decide)


def requeue(
    now: int = MAX_SAFE_INTEGER,
    own: Container[str] | None = (),
    refused: Container[str] = (),
) -> Decision:
    """Make entries in flight pending again: their answer never came, and costs no attempt.

    Those are the ones with an id among `own`: what whoever asks claimed itself, and gave up. Of
    others, those whose claim is so old by `now` that whoever made it must have died, or that cannot
    have been made by a clock that says `now`: it was set back. `own` is `None` for all that was
    claimed to be pushed: whoever begins to lead is the only one who pushes. Those that go by an id
    among `refused` were answered: it is certain that this attempt had no effect.
    """

    def is_free(entry: Entry) -> bool:
        lease = LOCAL_LEASE if entry.local else LEASE
        is_own = not entry.local if own is None else entry.id in own
        return is_own or not now < entry.next_attempt_at <= now + lease

    def decide(found: list[dict[str, Any]]) -> Batch:
        entries = [entry for entry in read_entries(found) if is_free(entry)]
        writes = [entry.released(in_doubt=entry.id not in refused).put() for entry in entries]
        return Batch(writes, entries)

    return Decision([due("in_flight")], decide)

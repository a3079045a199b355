"""Claiming: which actions go along with a request, and those whose claim came to nothing."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Any

from app.core.attempt import UNSETTLED, perhaps_sent
from app.core.decision import Decision
from app.core.entry import LONGEST_WAIT, Entry, beyond, by_item, due, parted, read_entries
from app.core.metadata import CLIENT_ID, CURSOR, RESET, SEQ, Stored, id_of, number_of
from app.core.reset import place_of
from app.core.schema import OUTBOX
from app.ports import Batch, Scan
from app.protocol import MAX_SAFE_INTEGER

LEASE = 60_000
"""Milliseconds after which a claim that nobody settled belongs to a context that died."""
LOCAL_LEASE = 90_000
"""The same for a handler's claim: longer than any handler may take, so that none runs twice."""
MAX_BYTES = 512 * 1024
"""Size of what is pushed at once: half of what our server takes, and many a proxy before it."""
KNOWN = CURSOR, RESET, SEQ, CLIENT_ID


@dataclass(frozen=True)
class Claim:
    """What is due: `entries` to push, in order, and `local` ones that handlers carry out.

    `cursor`, `settled_through` and `client_id` are what the request says besides. `full` says that
    more may be due than was claimed: it was too many, too much, or another client's. `nothing` says
    that the outbox was empty.
    """

    entries: tuple[Entry, ...]
    local: tuple[Entry, ...]
    cursor: str | None
    settled_through: int
    client_id: str = ""
    full: bool = False
    nothing: bool = False


def claim(
    now: int,
    limit: int,
    is_local: Callable[[Entry], bool] = lambda _: False,
    client_id: str = "",
) -> Decision:
    """Mark up to `limit` due entries as in flight, but for local ones; returns a `Claim`.

    An entry behind a local one of its item waits until that has been carried out, and one behind
    another client's until the next request; `client_id` is ours where its record cannot be read. A
    damaged entry counts as local: it cannot be sent. What is put off for longer than anything ever
    is waits for a clock that was set back since, and is brought nearer; also what is blocked, or
    the wait would begin anew for each of a line.
    """
    latest = now + LONGEST_WAIT

    def stays_here(entry: Entry) -> bool:
        return is_local(entry) or entry.readable() is None

    def decide(
        found: list[dict[str, Any]],
        put_off: list[dict[str, Any]],
        blocked: list[dict[str, Any]],
        oldest: list[dict[str, Any]],
        *known: Stored,
    ) -> Batch:
        cursor, reset, seq, record = known
        late = read_entries([*put_off, *blocked])
        due_now, local = parted(_with_damaged(read_entries(found), late), stays_here)
        client, ours = _of_one_client(due_now, id_of(record) or client_id)
        entries = _within(ours)
        full = len(found) >= limit or len(entries) < len(due_now)
        settled, place = _settled_through(oldest, seq), place_of(cursor, reset)
        result = Claim(tuple(entries), tuple(local), place, settled, client, full, not oldest)
        sent = [entry.claimed_until(now + LEASE, client_id=client).put() for entry in entries]
        nearer = [it.put(next_attempt_at=latest) for it in late if it.damaged is None]
        return Batch([*sent, *nearer], result)

    far = beyond("pending", latest, limit), beyond("blocked", latest, limit)
    return Decision([due("pending", now, limit), *far, Scan(OUTBOX, limit=1), *KNOWN], decide)


def _with_damaged(due_now: list[Entry], late: list[Entry]) -> list[Entry]:
    """Return what is due and what is damaged of what is put off, in order."""
    damaged = [entry for entry in late if entry.damaged is not None]
    return sorted([*due_now, *damaged], key=lambda entry: entry.seq)


def _of_one_client(entries: list[Entry], now: str) -> tuple[str, list[Entry]]:
    """Return the client of the first entry, `now` where it names none, and what goes under it."""
    client = (entries[0].client_id if entries else "") or now
    if all((entry.client_id or now) == client for entry in entries):
        return client, entries
    ours, _ = parted(entries, lambda entry: (entry.client_id or now) != client)
    return client, ours


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


def claim_none(client_id: str = "") -> Decision:
    """Read what a request says that only pulls; returns a `Claim` of nothing."""

    def decide(
        oldest: list[dict[str, Any]], cursor: Stored, reset: Stored, seq: Stored, record: Stored
    ) -> Batch:
        settled, client = _settled_through(oldest, seq), id_of(record) or client_id
        return Batch(result=Claim((), (), place_of(cursor, reset), settled, client))

    return Decision([Scan(OUTBOX, limit=1), *KNOWN], decide)


def _settled_through(oldest: Sequence[dict[str, Any]], seq: Stored) -> int:
    settled: int = oldest[0]["seq"] - 1 if oldest else number_of(seq) or 0
    return settled


def claim_local(entry: Entry, now: int) -> Decision:
    """Mark one entry as in flight if it is its item's turn; returns whether it is."""

    def decide(inbox: list[dict[str, Any]], found: list[dict[str, Any]]) -> Batch:
        first = next(iter(read_entries(found)), None)
        if first is None or first.id != entry.id or first.state != "pending":
            return Batch(result=False)
        if first.id in perhaps_sent(inbox):
            return Batch(result=False)
        return Batch([first.claimed_until(now + LOCAL_LEASE, local=True).put()], True)

    return Decision([UNSETTLED, by_item(entry.collection, entry.item_id)], decide)


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

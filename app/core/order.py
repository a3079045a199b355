"""Who waits for whom: an item's entries for each other, and dependents for what they depend on.

`waits_for` of an entry names the entries that must have left the outbox, or be sent again, before
it may be due: what it depends on, what the earlier entries of its item depend on, and those of them
that failed or are in conflict. It is `blocked` exactly while it waits for any. So one index finds
all that is freed when an entry leaves, and nobody walks the graph inside a transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from app.core.entry import HOLDING, Entry
from app.core.schema import BY_WAITS, OUTBOX
from app.ports import Put, Scan
from app.protocol import Problem

DISCARDED = Problem(
    code="dependency_discarded",
    message="A change that this one depends on was discarded. Retry to send this one without it.",
)


def waiting_for(entries: Sequence[Entry]) -> Scan:
    """Return the query for what waits for any of `entries`, or for one in between.

    It finds an entry once for each that it waits for.
    """
    seqs = [entry.seq for entry in entries]
    return Scan(OUTBOX, BY_WAITS, lower=min(seqs, default=0), upper=max(seqs, default=0))


class Place:
    """A place in the line of one item: what an entry there waits for, and until when."""

    def __init__(self, before: Iterable[Entry] = ()) -> None:
        self._waits: set[int] = set()
        self._not_before = 0
        for entry in before:
            self.go_behind(entry)

    def go_behind(self, entry: Entry) -> None:
        """Move on to the place behind `entry`."""
        if entry.state == "in_flight":
            return
        self._waits.update(entry.depends_on)
        if entry.state in HOLDING:
            self._waits.add(entry.seq)
        self._not_before = max(self._not_before, entry.waits_until)

    def take(self, entry: Entry) -> Entry:
        """Return `entry`, if it waits for its turn, with the state and time of this place."""
        if entry.state not in ("pending", "blocked"):
            return entry
        waits = tuple(sorted(self._waits.union(entry.depends_on)))
        state = "blocked" if waits else "pending"
        not_before = max(self._not_before, entry.waits_until)
        return entry.model_copy(
            update={"state": state, "waits_for": waits, "next_attempt_at": not_before}
        )


def restated(entries: Iterable[Entry]) -> list[Entry]:
    """Return an item's entries, all of them in order, each as its place asks for."""
    place, result = Place(), list[Entry]()
    for entry in entries:
        taken = place.take(entry)
        place.go_behind(taken)
        result.append(taken)
    return result


def replaced(entries: Sequence[Entry], changed: Entry) -> list[Entry]:
    """Return an item's entries with `changed` in its place, and the later ones held behind it."""
    result = []
    for entry in entries:
        later = entry.seq > changed.seq and entry.state == "in_flight"
        known = changed if entry.seq == changed.seq else entry
        result.append(entry.released(in_doubt=True) if later else known)
    return restated(result)


def freed(entry: Entry, applied: Collection[int]) -> Entry:
    """Return what waited for `applied` entries: pending if it waits for nothing else."""
    waits = tuple(seq for seq in entry.waits_for if seq not in applied)
    return entry.model_copy(
        update={
            "depends_on": tuple(seq for seq in entry.depends_on if seq not in applied),
            "waits_for": waits,
            "state": "pending" if entry.state == "blocked" and not waits else entry.state,
        }
    )


def freed_in_order(entries: Iterable[Entry], applied: Collection[int]) -> list[Entry]:
    """Return all that waited for `applied` entries, given ordered by `seq`.

    One that turns out to be damaged is not freed, and holds those behind it in its item.
    """
    damaged: dict[tuple[str, str], set[int]] = {}
    result = []
    for entry in entries:
        ahead = damaged.setdefault(entry.item, set())
        left = freed(entry, applied)
        if entry.damaged is not None:
            ahead.add(entry.seq)
        elif ahead:
            waits = tuple(sorted(ahead.union(left.waits_for)))
            state = "blocked" if left.state == "pending" else left.state
            left = left.model_copy(update={"waits_for": waits, "state": state})
        result.append(left)
    return result


def orphaned(entries: Iterable[Entry], discarded: int) -> list[Entry]:
    """Return what waited for an entry that a person discarded, ordered by `seq`.

    Its dependents failed: they are neither sent nor dropped unseen. What stands behind them in the
    line of their items waits for them instead.
    """
    failed: dict[tuple[str, str], set[int]] = {}
    result = []
    for entry in entries:
        ahead = failed.setdefault(entry.item, set())
        left = freed(entry, (discarded,))
        waits = tuple(sorted(ahead.union(left.waits_for)))
        if entry.damaged is not None:
            ahead.add(entry.seq)
        elif discarded in entry.depends_on:
            ahead.add(entry.seq)
            left = left.rewritten(depends_on=left.depends_on)
            if entry.state not in HOLDING:
                state = {"state": "failed", "error": DISCARDED, "next_attempt_at": 0}
                left = left.model_copy(update=state)
        elif waits and left.state == "pending":
            left = left.model_copy(update={"state": "blocked"})
        result.append(left.model_copy(update={"waits_for": waits}))
    return result


def rewrites(before: Iterable[Entry], after: Iterable[Entry]) -> list[Put]:
    """Return the writes for the entries that are not `after` as they were `before`.

    What is damaged is not stored as it was read, and found by no query before it is.
    """
    known = {entry.seq: entry for entry in before if entry.damaged is None}
    return [entry.put() for entry in after if entry != known.get(entry.seq)]

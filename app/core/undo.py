"""Taking back what was not sent: a resolution, or a deletion.

Its entry keeps what it replaced, and that comes back to its place. Once it was sent it is for good.
"""

from __future__ import annotations

from typing import Any

from app.core.attempt import UNSETTLED, perhaps_sent
from app.core.decision import Decision
from app.core.entry import Entry, Outcome, by_id, by_item, read_entries, read_entry
from app.core.order import DISCARDED, orphaned, restated, rewrites, waiting_for
from app.core.outbox import Altered
from app.core.resolutions import COLLECTION, belongs_to, records, waiting_of
from app.core.schema import OUTBOX
from app.errors import NotFound
from app.ports import Batch, Delete, Get, Query

NOTHING = "There is nothing to take back: it was sent already, or taken back before."


def undoable(collection: str, item_id: str) -> list[Query]:
    """Return the queries for the entries among which `latest` finds what can be taken back."""
    return [by_item(collection, item_id), waiting_of(item_id)]


def latest(collection: str, item_id: str, found: list[dict[str, Any]]) -> Entry:
    """Return the entry of an item that was made last and can be taken back; raises `NotFound`."""
    known = [
        (action.created_at, entry.seq, entry)
        for entry in read_entries(found)
        if entry.replaced is not None
        and (action := entry.readable()) is not None
        and (entry.collection != COLLECTION or belongs_to(action.data or {}, collection, item_id))
    ]
    if not known:
        raise NotFound(NOTHING)
    return max(known, key=lambda one: one[:2])[2]


def take_back(entry: Entry, item: tuple[str, str]) -> Decision:
    """Take back an entry about `item`, and put what it replaced in its place.

    Returns an `Altered` about what was taken back; raises `NotFound` once it was sent.
    """
    kept = [read_entry(value) for value in entry.replaced or ()]

    def decide(
        inbox: list[dict[str, Any]],
        itself: list[dict[str, Any]],
        found: list[dict[str, Any]],
        waiting: list[dict[str, Any]],
        *there: dict[str, Any] | None,
    ) -> Batch:
        (current,) = read_entries(itself) or [entry]
        if not itself or current.replaced is None or current.id in perhaps_sent(inbox):
            raise NotFound(NOTHING)
        waiters = read_entries(waiting)
        back = {
            old.seq: old
            for old, now in zip(kept, there, strict=True)
            if now is None or old.seq == current.seq or _was_orphaned(now)
        }
        told = records(waiters, current.seq)
        others = [other for other in waiters if other not in told]
        if current.seq not in back:
            others = orphaned(others, current.seq)
        return _restored(current, item, back, read_entries(found), waiters, others)

    seqs: list[Query] = [Get(OUTBOX, old.seq) for old in kept]
    line = [by_id(entry.id), by_item(*item), waiting_for([entry])]
    return Decision([UNSETTLED, *line, *seqs], decide)


def _restored(
    current: Entry,
    item: tuple[str, str],
    back: dict[int, Entry],
    found: list[Entry],
    waiters: list[Entry],
    others: list[Entry],
) -> Batch:
    before = {entry.seq: entry for entry in [*found, *waiters, current]}
    after = {entry.seq: entry for entry in found if entry.seq != current.seq}
    after |= {entry.seq: entry for entry in others} | back
    line = restated(after[seq] for seq in sorted(after) if after[seq].item == item)
    after |= {entry.seq: entry for entry in line}
    gone = [entry for seq, entry in before.items() if seq not in after]
    ended: dict[str, Outcome] = {e.id: "failed" for e in others if e.state == "failed"}
    writes = [Delete(OUTBOX, entry.seq) for entry in gone]
    items = frozenset(entry.item for entry in [*before.values(), *after.values()])
    return Batch(
        [*writes, *rewrites(before.values(), after.values())],
        Altered(current, items, {**ended, current.id: "discarded"}),
    )


def _was_orphaned(value: dict[str, Any]) -> bool:
    now = read_entry(value)
    return now.state == "failed" and now.error is not None and now.error.code == DISCARDED.code

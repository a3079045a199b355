"""Bringing the outbox of a file into this one: all of it in one transaction, and nothing twice."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from app.core.decision import Decision
from app.core.entry import Entry, by_earlier_id, by_id, by_item, read_entries
from app.core.metadata import CLIENT_ID, NEWEST, SEQ, Stored, counter, id_of, ids_of, put
from app.core.order import Place
from app.core.outbox import DISCARDED_IDS
from app.core.schema import METADATA
from app.core.transfer import HELD, Carried, Imported, Outbox
from app.ports import Batch, Get, Query

IMPORTED_IDS = Get(METADATA, "imported")
REMEMBERED = 20_000
"""How many ids of imported actions a device remembers."""


def import_entries(file: Outbox) -> Decision:
    """Add the entries of a file at the end of the outbox; returns an `Imported`.

    Left out is what is in the outbox, under whatever id, what was imported before, and, where this
    client made the file, what left the outbox since: all but what was discarded without effect.
    """
    items = list(dict.fromkeys(carried.item for carried in file.entries))
    names = list(dict.fromkeys(name for carried in file.entries for name in carried.names))
    queries: list[Query] = [SEQ, NEWEST, CLIENT_ID, IMPORTED_IDS, DISCARDED_IDS]
    queries += [by_item(*item) for item in items]
    queries += [query for name in names for query in (by_id(name), by_earlier_id(name))]

    def decide(seq: Stored, newest: Any, client_id: Stored, *found: Any) -> Batch:
        imported, discarded, *rest = found
        lines, there = rest[: len(items)], rest[len(items) :]
        tail = _Tail(
            seq=counter(seq, newest),
            ours=bool(file.client_id) and id_of(client_id) == file.client_id,
            imported=ids_of(imported),
            discarded=ids_of(discarded),
        )
        for item, line in zip(items, lines, strict=True):
            tail.places[item] = Place(read_entries(line))
        for name, now, earlier in zip(names, there[::2], there[1::2], strict=True):
            for entry in read_entries([*now, *earlier]):
                tail.waiting[name] = entry
        for carried in sorted(file.entries, key=lambda it: it.action.seq):
            tail.take(carried)
        return tail.batch()

    return Decision(queries, decide)


@dataclass
class _Tail:
    """The end of the outbox while a file's entries are added; `waiting` by the ids they go by.

    `ours` says that this client made the file; `seqs` maps a `seq` of the file to one of here.
    """

    seq: int
    ours: bool
    imported: list[str]
    discarded: list[str]
    places: dict[tuple[str, str], Place] = field(default_factory=dict)
    waiting: dict[str, Entry] = field(default_factory=dict)
    seqs: dict[int, int] = field(default_factory=dict)
    added: dict[int, Entry] = field(default_factory=dict)
    known: int = 0

    def take(self, carried: Carried) -> None:
        """Add one entry, unless it must not come twice."""
        here = next((self.waiting[n] for n in carried.names if n in self.waiting), None)
        again = carried.action.id not in self.discarded and (
            self.ours or not set(carried.names).isdisjoint(self.imported)
        )
        if here is not None:
            self.seqs[carried.action.seq] = here.seq
        if here is not None or again:
            self.known += 1
            return
        self.seq += 1
        self.seqs[carried.action.seq] = self.seq
        needs = [self.seqs[seq] for seq in carried.action.depends_on if seq in self.seqs]
        place = self.places[carried.item]
        entry = place.take(carried.entry(self.seq, tuple(sorted(needs))))
        place.go_behind(entry)
        self.added[entry.seq] = entry
        self.waiting |= dict.fromkeys(carried.names, entry)

    def batch(self) -> Batch:
        """Return the writes, and what came of the file."""
        depended_on = {seq for entry in self.added.values() for seq in entry.depends_on}
        intact = [entry for entry in self.waiting.values() if entry.damaged is None]
        older = {entry.seq: entry for entry in intact if entry.seq not in self.added}
        writes = [it.put(depended_on=it.seq in depended_on) for it in self.added.values()]
        writes += [e.put(depended_on=True) for seq, e in older.items() if seq in depended_on]
        ids = [entry.id for entry in self.added.values()]
        notes = [
            put(SEQ, self.seq),
            put(IMPORTED_IDS, [*self.imported, *ids][-REMEMBERED:]),
            put(DISCARDED_IDS, [name for name in self.discarded if name not in ids]),
        ]
        held = sum(entry.error == HELD for entry in self.added.values())
        result = Imported(tuple(self.added.values()), held, self.known)
        return Batch([*writes, *notes] if ids else [], result)

"""The devices' side of the invariants: observers of every commit of their storage.

A broken one is noted, not raised: the product's own error handling must not hide it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from app.core.enqueue import Enqueued
from app.core.entry import HOLDING, Entry
from app.core.schema import METADATA, OUTBOX, ROWS
from app.ports import Batch, Delete, Get, Put, Scan
from app.protocol import Row
from server.cursors import Cursor, decode_cursor
from tests.simulation.server import ItemKey

if TYPE_CHECKING:
    from tests.simulation.device import Device
    from tests.simulation.world import World

BUG_CODES = ("key_reuse", "already_settled", "invalid")
"""Refusals that a sound client never gets."""


NO_VERDICTS = ("sign_in", "update", "too_many", "busy", "too_many_requests")
"""Answers that say nothing of an action."""


parsed_entry = lru_cache(4096)(Entry.model_validate_json)
parsed_row = lru_cache(4096)(Row.model_validate_json)
"""What is stored is read after each step; both are immutable, and the same text is the same."""


def entries_of(device: Device, key: ItemKey | None = None) -> list[Entry]:
    """Return the entries of a device's outbox, of one item or of all, ordered by `seq`."""
    entries = [parsed_entry(text) for text in device.store.texts(OUTBOX)]
    chosen = [e for e in entries if key is None or (e.collection, e.item_id) == key]
    return sorted(chosen, key=lambda entry: entry.seq)


def answer(device: Device, query: Get | Scan) -> Any:
    """Return what a device's storage holds, without any time passing."""
    return device.store._answer(query)


def check_held(world: World, device: Device) -> None:
    """Blocked is what depends on an entry, and what is behind that or behind a failed one."""
    held: set[ItemKey] = set()
    seqs: set[int] = set()
    for entry in entries_of(device):
        if not seqs.issuperset(entry.depends_on):
            world.fail(3, f"{entry.id} depends on {entry.depends_on}, and not all are there")
        seqs.add(entry.seq)
        if entry.depends_on:
            held.add(entry.item)
        if entry.state in HOLDING:
            held.add(entry.item)
        elif (entry.state == "blocked") != (entry.item in held):
            world.fail(3, f"{entry.id} is {entry.state}, held: {entry.item in held}")


def cursor_of(text: str) -> Cursor:
    """Return the place that a cursor stands for."""
    cursor = decode_cursor(text)
    assert cursor is not None
    return cursor


class Watch:
    """Looks at each commit of one device's storage before it happens."""

    def __init__(self, world: World, device: Device) -> None:
        self._world = world
        self._device = device
        self.saved: set[str] = set()
        self.discarded: set[str] = set()
        self.renamed: dict[str, str] = {}
        self.wiped: set[str] = set()
        self._entries: dict[int, Entry] = {}

    def wiped_out(self) -> None:
        """The storage is gone, and all that waited there with it."""
        self.wiped |= {entry.id for entry in entries_of(self._device)}
        self._entries.clear()

    def __call__(self, batch: Batch) -> None:
        if isinstance(batch.result, Enqueued):
            self._enqueued(batch.result)
        rows: dict[ItemKey, int] = {}
        for write in batch.writes:
            if write.store == OUTBOX:
                self._outbox(write, batch)
            elif write.store == ROWS and isinstance(write, Put):
                self._row(write.value, rows)
        for write in batch.writes:
            is_cursor = write.store == METADATA and isinstance(write, Put)
            if is_cursor and write.value["key"] == "cursor":
                self._cursor(write.value, rows, self._starts_over(batch))

    def _enqueued(self, added: Enqueued) -> None:
        coverage = self._world.coverage
        coverage["coalesced", "joined"] += sum(new in self.saved for new in added.ids)
        coverage["coalesced", "cancelled"] += len(added.cancelled)
        self.saved.update(added.ids)
        self.discarded |= added.cancelled

    def _outbox(self, write: Put | Delete, batch: Batch) -> None:
        if isinstance(write, Put):
            entry = Entry.model_validate(write.value)
            known = self._entries.get(entry.seq)
            if known is not None and known.id != entry.id:
                self.renamed[known.id] = entry.id
                self.saved.add(entry.id)
                if known.verdict is None and (known.in_doubt or known.state == "in_flight"):
                    self._world.fail(1, f"{known.id} goes under a new id without a verdict")
            self._count(known, entry)
            if entry.error is not None and entry.error.code in (*BUG_CODES, *NO_VERDICTS):
                self._world.fail(2, f"{entry.type} {entry.id} got {entry.error.code}")
            if entry.state in HOLDING and entry.error is None and entry.verdict is None:
                self._world.fail(2, f"{entry.id} is {entry.state} and does not say why")
            self._entries[entry.seq] = entry
            return
        gone = self._entries.pop(write.key, None)
        if gone is not None and self._device.deciding == "remove":
            self.discarded.add(gone.id)
        if gone is None or gone.id in self.discarded:
            if gone is not None:
                sent = "sent" if gone.sent else "unsent"
                self._world.coverage["discarded", sent] += 1
        elif not self._world.ledger.has_done(gone.id):
            self._world.fail(2, f"{gone.type} {gone.id} left the outbox without an effect")

    def _count(self, known: Entry | None, entry: Entry) -> None:
        coverage = self._world.coverage
        if known is None:
            coverage["dependent", "made"] += bool(entry.depends_on)
            return
        coverage["dependent", "freed"] += bool(known.depends_on) and entry.state == "pending"
        if known.error != entry.error and entry.error is not None:
            coverage["dependent", "orphaned"] += entry.error.code == "dependency_discarded"
        if self._device.deciding == "edit":
            coverage["edited", "sent" if known.id != entry.id else "unsent"] += 1

    def _row(self, value: dict[str, Any], rows: dict[ItemKey, int]) -> None:
        key = (value["collection"], value["id"])
        stored = answer(self._device, Get(ROWS, list(key)))
        if stored is not None and stored["version"] > value["version"]:
            is_new_round = value.get("round", 0) > stored.get("round", 0)
            if not (is_new_round and self._world.server.restored):
                self._world.fail(6, f"row {key} went back to version {value['version']}")
        rows[key] = value["version"]

    def _cursor(self, value: dict[str, Any], rows: dict[ItemKey, int], starts_over: bool) -> None:
        after = cursor_of(value["value"])
        stored = answer(self._device, Get(METADATA, "cursor"))
        known = cursor_of(stored["value"]) if stored else None
        went_back = known and known.epoch == after.epoch and known.version > after.version
        if went_back and not starts_over:
            self._world.fail(6, f"the cursor of device {self._device.number} went back")
        if after.epoch != self._world.server.epoch:
            return
        for key, row in self._world.ledger.mirror.items():
            if row.version > after.version or rows.get(key, -1) >= row.version:
                continue
            found = answer(self._device, Get(ROWS, list(key)))
            if found is None or found["version"] < row.version:
                self._world.fail(4, f"the cursor passed {key} version {row.version}, the row not")

    def _starts_over(self, batch: Batch) -> bool:
        """Tell whether a batch begins a new round of pulling everything."""
        stored = answer(self._device, Get(METADATA, "reset"))
        known = stored["value"]["round"] if stored else 0
        return any(
            write.value["value"]["round"] > known
            for write in batch.writes
            if write.store == METADATA and isinstance(write, Put) and write.value["key"] == "reset"
        )

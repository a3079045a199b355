"""The invariants of a schedule, as observers of every commit on both sides.

A broken one is noted, not raised: the product's own error handling must not hide it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.core.enqueue import Enqueued
from app.core.entry import HOLDING, Entry
from app.core.schema import METADATA, OUTBOX, ROWS
from app.ports import Batch, Delete, Get, Put, Scan
from app.protocol import Row
from server.cursors import decode_cursor
from tests.simulation.server import Effect, ItemKey

if TYPE_CHECKING:
    from tests.simulation.device import Device
    from tests.simulation.world import World

BUG_CODES = ("key_reuse", "already_settled", "invalid")
"""Refusals that a sound client never gets."""


class Ledger:
    """What the server has done, and whether it was allowed to."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.effects: dict[str, Effect] = {}
        self.mirror: dict[ItemKey, Row] = {}
        self.writes: dict[ItemKey, list[tuple[int, str]]] = {}
        self.last: dict[tuple[str, ItemKey], int] = {}
        self.newest = 0

    def commit(self, effects: list[Effect]) -> None:
        """Take in the effects of one transaction."""
        for effect in effects:
            action, fail = effect.action, self._world.fail
            if action.id in self.effects:
                fail(1, f"{action.type} {action.id} took effect twice")
            place = (effect.client_id, effect.key)
            late = self.last.get(place, 0) >= action.seq
            if late and not self._world.is_discarded(action.id):
                fail(3, f"{action.id} (seq {action.seq}) took effect after a later one")
            self.last[place] = max(action.seq, self.last.get(place, 0))
            self._check_base(effect)
            self.effects[action.id] = effect
            if effect.row is not None and effect.row != self.mirror.get(effect.key):
                self._wrote(effect, effect.row)
        for effect in effects:
            self._check_overtaking(effect)

    def _wrote(self, effect: Effect, row: Row) -> None:
        if row.version <= self.newest:
            self._world.fail(6, f"the server gave version {row.version} after {self.newest}")
        self.newest = max(self.newest, row.version)
        self.mirror[effect.key] = row
        self.writes.setdefault(effect.key, []).append((row.version, effect.client_id))

    def _check_base(self, effect: Effect) -> None:
        action = effect.action
        if action.type not in ("update", "delete") or effect.before is None:
            return
        if effect.before.data is None and action.type == "delete":
            return
        since = self.writes.get(effect.key, [])
        base = action.base_version or 0
        if any(version > base and client != effect.client_id for version, client in since):
            self._world.fail(7, f"{action.type} {action.id} overwrote what its maker never saw")

    def _check_overtaking(self, effect: Effect) -> None:
        for device in self._world.devices:
            if device.client_id() != effect.client_id:
                continue
            for entry in entries_of(device, effect.key):
                if entry.seq < effect.action.seq and entry.id not in self.effects:
                    self._world.fail(3, f"{effect.action.id} overtook {entry.id} ({entry.state})")


def entries_of(device: Device, key: ItemKey | None = None) -> list[Entry]:
    """Return the entries of a device's outbox, of one item or of all, ordered by `seq`."""
    values = device.store._values[OUTBOX].values()
    entries = [Entry.model_validate_json(text) for text in values]
    chosen = [e for e in entries if key is None or (e.collection, e.item_id) == key]
    return sorted(chosen, key=lambda entry: entry.seq)


def answer(device: Device, query: Get | Scan) -> Any:
    """Return what a device's storage holds, without any time passing."""
    return device.store._answer(query)


def check_held(world: World, device: Device) -> None:
    """Behind what failed or is in conflict, everything of the item is blocked."""
    held: set[ItemKey] = set()
    for entry in entries_of(device):
        key = (entry.collection, entry.item_id)
        if entry.state in HOLDING:
            held.add(key)
        elif (entry.state == "blocked") != (key in held):
            world.fail(3, f"{entry.id} is {entry.state}, held: {key in held}")


def version_of(cursor: str) -> int:
    """Return the version that a cursor stands behind."""
    place = decode_cursor(cursor)
    assert place is not None
    return place.version


class Watch:
    """Looks at each commit of one device's storage before it happens."""

    def __init__(self, world: World, device: Device) -> None:
        self._world = world
        self._device = device
        self.saved: set[str] = set()
        self.discarded: set[str] = set()
        self.renamed: dict[str, str] = {}
        self._entries: dict[int, Entry] = {}

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
            if write.store == METADATA and isinstance(write, Put):
                self._cursor(write.value, rows)

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
                if known.verdict is None:
                    self._world.fail(1, f"{known.id} goes under a new id without a verdict")
            if entry.error is not None and entry.error.code in BUG_CODES:
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
        elif gone.id not in self._world.ledger.effects:
            self._world.fail(2, f"{gone.type} {gone.id} left the outbox without an effect")

    def _row(self, value: dict[str, Any], rows: dict[ItemKey, int]) -> None:
        key = (value["collection"], value["id"])
        stored = answer(self._device, Get(ROWS, list(key)))
        if stored is not None and stored["version"] > value["version"]:
            self._world.fail(6, f"row {key} went back to version {value['version']}")
        rows[key] = value["version"]

    def _cursor(self, value: dict[str, Any], rows: dict[ItemKey, int]) -> None:
        if value["key"] != "cursor":
            return
        after = version_of(value["value"])
        known = answer(self._device, Get(METADATA, "cursor"))
        if known is not None and version_of(known["value"]) > after:
            self._world.fail(6, f"the cursor of device {self._device.number} went back")
        texts = self._device.store._values[ROWS]
        for key, row in self._world.ledger.mirror.items():
            if row.version > after or rows.get(key, -1) >= row.version:
                continue
            stored = answer(self._device, Get(ROWS, list(key))) if texts else None
            if stored is None or stored["version"] < row.version:
                self._world.fail(4, f"the cursor passed {key} version {row.version}, the row not")

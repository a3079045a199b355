"""The devices' side of the invariants: observers of every commit of their storage.

A broken one is noted, not raised: the product's own error handling must not hide it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.core.enqueue import Enqueued
from app.core.entry import HOLDING, Entry
from app.core.identity import SETTLED
from app.core.metadata import CURSOR, RESET
from app.core.reset import place_of, read_reset
from app.core.schema import METADATA, OUTBOX, ROWS
from app.ports import Batch, Delete, Get, Put
from server.cursors import Cursor
from tests.simulation.server import ItemKey
from tests.simulation.stored import answer, cursor_of, entries_of, version_of

if TYPE_CHECKING:
    from tests.simulation.device import Device
    from tests.simulation.world import World

BUG_CODES = ("key_reuse", "already_settled", "invalid")
"""Refusals that a sound client never gets."""

OLD_CODES = ("key_reuse", "already_settled")
"""Refusals that a client may get whose storage is older than what it has told the server."""

CHOOSING = ("resolve", "take_back")
"""Decisions by which a person puts entries in the place of others."""

NO_VERDICTS = ("sign_in", "update", "too_many", "busy", "too_many_requests", "html")
"""Answers that say nothing of an action."""


def check_held(world: World, device: Device) -> None:
    """Blocked is what depends on an entry, and what is behind that or behind a failed one."""
    held: set[ItemKey] = set()
    seqs: set[int] = set()
    entries = entries_of(device)
    if any(entry.damaged for entry in entries):
        return  # until it is found, what stands behind it may be pending
    for entry in entries:
        if not seqs.issuperset(entry.depends_on):
            world.fail(3, f"{entry.id} depends on {entry.depends_on}, and not all are there")
        seqs.add(entry.seq)
        if entry.depends_on:
            held.add(entry.item)
        if entry.state in HOLDING:
            held.add(entry.item)
        elif (entry.state == "blocked") != (entry.item in held):
            world.fail(3, f"{entry.id} is {entry.state}, held: {entry.item in held}")


@dataclass(frozen=True)
class Seen:
    """What was seen of a storage, to go with a copy of it."""

    entries: dict[int, Entry]


class Watch:
    """Looks at each commit of one device's storage before it happens."""

    def __init__(self, world: World, device: Device) -> None:
        self._world = world
        self._device = device
        self.saved: set[str] = set()
        self.discarded: set[str] = set()
        self.renamed: dict[str, str] = {}
        self._carried: dict[str, set[str]] = {}
        self.wiped: set[str] = set()
        self._entries: dict[int, Entry] = {}

    def snapshot(self) -> Seen:
        """Return what a copy of the storage made now holds."""
        return Seen(dict(self._entries))

    def put_back(self, seen: Seen) -> None:
        """The storage is a copy: what came to it later is gone, what left it is there again."""
        again = {entry.id for entry in seen.entries.values()}
        self.wiped |= {entry.id for entry in self._entries.values()} - again
        self.discarded -= again
        self._entries = dict(seen.entries)

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
        records = _records(batch)
        if "client_id" in records:
            self._world.owners[records["client_id"]["value"]] = self._device
            renewed = self._device.deciding == "settle"
            self._world.coverage["rolled_back", "renewed"] += renewed
        if "cursor" in records:
            self._cursor(records, rows)

    def names_of(self, action_id: str) -> set[str]:
        """Return the ids under which an action went: its own, those of its retries and edits, and
        of the choices that took it in.
        """
        is_other = action_id in self.renamed or action_id in self.discarded
        return {action_id, *(self._carried.get(action_id, ()) if is_other else ())}

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
            self._chosen(known, entry)
            for earlier in entry.earlier_ids:
                self._carried.setdefault(earlier, set()).add(entry.id)
            if known is not None and known.id != entry.id:
                self.renamed[known.id] = entry.id
                self.saved.add(entry.id)
                if known.verdict is None and (known.in_doubt or known.state == "in_flight"):
                    self._world.fail(1, f"{known.id} goes under a new id without a verdict")
            self._count(known, entry)
            if self._is_wrongly_refused(entry):
                assert entry.error is not None
                self._world.fail(2, f"{entry.type} {entry.id} got {entry.error.code}")
            if entry.state in HOLDING and entry.error is None and entry.verdict is None:
                self._world.fail(2, f"{entry.id} is {entry.state} and does not say why")
            self._entries[entry.seq] = entry
            return
        assert isinstance(write.key, int)
        gone = self._entries.pop(write.key, None)
        if gone is not None and self._device.deciding in ("remove", *CHOOSING):
            self.discarded.add(gone.id)
        if gone is None or gone.id in self.discarded:
            if gone is not None:
                sent = "sent" if gone.sent else "unsent"
                self._world.coverage["discarded", sent] += 1
        elif not self._world.ledger.has_done(gone.id):
            self._world.fail(2, f"{gone.type} {gone.id} left the outbox without an effect")

    def _chosen(self, known: Entry | None, entry: Entry) -> None:
        """A person chose between two versions, or took that back: one entry is in another's place,
        or comes back.
        """
        if self._device.deciding not in CHOOSING:
            return
        self.saved.add(entry.id)
        self.discarded.discard(entry.id)
        if known is not None and known.id != entry.id:
            self.discarded.add(known.id)

    def _is_wrongly_refused(self, entry: Entry) -> bool:
        code = entry.error.code if entry.error is not None else ""
        if self._device.is_older and code in OLD_CODES:
            return False
        return code in (*BUG_CODES, *NO_VERDICTS)

    def _count(self, known: Entry | None, entry: Entry) -> None:
        coverage = self._world.coverage
        if known is None:
            coverage["dependent", "made"] += bool(entry.depends_on)
            return
        was, now = (it.error is not None and it.error.code == SETTLED for it in (known, entry))
        coverage["rolled_back", "perhaps_done"] += now and not was
        coverage["rolled_back", "retried"] += was and self._device.deciding == "retry"
        coverage["dependent", "freed"] += bool(known.depends_on) and entry.state == "pending"
        if known.error != entry.error and entry.error is not None:
            coverage["dependent", "orphaned"] += entry.error.code == "dependency_discarded"
        if self._device.deciding == "edit":
            coverage["edited", "sent" if known.id != entry.id else "unsent"] += 1

    def _row(self, value: dict[str, Any], rows: dict[ItemKey, int]) -> None:
        key = (value["collection"], value["id"])
        stored = answer(self._device, Get(ROWS, list(key)))
        if version_of(stored) > value["version"]:
            is_new_round = value.get("round", 0) != stored.get("round", 0)
            if not (is_new_round and self._world.server.restored):
                self._world.fail(6, f"row {key} went back to version {value['version']}")
        rows[key] = value["version"]

    def _cursor(self, records: dict[str, Any], rows: dict[ItemKey, int]) -> None:
        world, number = self._world, self._device.number
        after, known = cursor_of(records["cursor"]), self._asked_from()
        assert after is not None
        went_back = known and known.epoch == after.epoch and known.version > after.version
        if went_back and not self._starts_over(records):
            world.fail(6, f"the cursor of device {number} went back")
        elif went_back and after.since is None and "restored" not in records:
            world.fail(2, f"device {number} does not say that the server went back to a backup")
        if after.epoch != world.server.epoch or world.server.unannounced:
            return
        for key, row in world.ledger.mirror.items():
            if row.version > after.version or rows.get(key, -1) >= row.version:
                continue
            found = answer(self._device, Get(ROWS, list(key)))
            is_torn = found is not None and version_of(found) < 0
            if not is_torn and version_of(found) < row.version:
                world.fail(4, f"the cursor passed {key} version {row.version}, the row not")

    def _asked_from(self) -> Cursor | None:
        """Return the place that the device names to the server, if it can read all of it.

        Who names none cannot be told that the server knows less than before.
        """
        stored, reset = answer(self._device, CURSOR), answer(self._device, RESET)
        return None if place_of(stored, reset) is None else cursor_of(stored)

    def _starts_over(self, records: dict[str, Any]) -> bool:
        """Tell whether what is written begins a new round of pulling everything."""
        known = read_reset(answer(self._device, RESET), -1).round
        return "reset" in records and records["reset"]["value"]["round"] != known


def _records(batch: Batch) -> dict[str, Any]:
    """Return what a batch writes into the metadata, by key."""
    writes = [it.value for it in batch.writes if isinstance(it, Put) and it.store == METADATA]
    return {value["key"]: value for value in writes}

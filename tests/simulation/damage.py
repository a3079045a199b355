"""Damage to what a device has stored, found at its next start."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from app.core.metadata import CLIENT_ID, CURSOR, EPOCH, RESET, SEQ
from app.core.schema import METADATA, OUTBOX, ROWS
from app.ports import Batch, Delete, Put, Scan

if TYPE_CHECKING:
    from tests.simulation.device import Device

RECORDS = tuple(str(query.key) for query in (CLIENT_ID, CURSOR, EPOCH, RESET, SEQ))
GARBAGE: tuple[Any, ...] = (None, 7, "?!", {"round": "x"}, [])


def damage(device: Device, rng: random.Random) -> str:
    """Kill a device and damage something in its storage; returns what, empty if there is nothing.

    A row becomes one that cannot be read, an entry, too; a record is gone, or holds garbage.
    """
    kind = rng.choice(("record", "record", "row", "entry"))
    if kind == "record":
        key = rng.choice(RECORDS)
        garbage = Put(METADATA, {"key": key, "value": rng.choice(GARBAGE)})
        return _write(device, rng.choice((garbage, Delete(METADATA, key))), key)
    store, torn = (ROWS, {"version": "torn"}) if kind == "row" else (OUTBOX, {"attempts": "torn"})
    found = device.store._answer(Scan(store))
    if not found:
        return ""
    return _write(device, Put(store, {**rng.choice(found), **torn}), kind)


def _write(device: Device, write: Put | Delete, what: str) -> str:
    device.crash()
    device.is_older |= what == "seq"  # until its next start has found that
    device.store.damage(Batch([write]))
    return what

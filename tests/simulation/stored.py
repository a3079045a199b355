"""What a device holds, read without any time passing, and without anybody noticing."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from app.core.entry import Entry, read_entry
from app.core.invalid import read_row
from app.core.metadata import text_of
from app.core.schema import OUTBOX
from app.errors import InvalidInput
from app.ports import Get, Scan
from app.protocol import Row
from server.cursors import Cursor, decode_cursor
from tests.simulation.server import ItemKey

if TYPE_CHECKING:
    from tests.simulation.device import Device


@lru_cache(4096)
def parsed_entry(text: str) -> Entry:
    """Return a stored entry; each is read after each step, and the same text is the same."""
    return read_entry(json.loads(text))


@lru_cache(4096)
def parsed_row(text: str) -> Row | None:
    """Return a stored row, or `None` for one that was damaged."""
    return read_row(json.loads(text))


def version_of(stored: dict[str, Any] | None) -> int:
    """Return the version of a stored row, -1 where there is none that can be read."""
    version = -1 if stored is None else stored["version"]
    return version if isinstance(version, int) else -1


def entries_of(device: Device, key: ItemKey | None = None) -> list[Entry]:
    """Return the entries of a device's outbox, of one item or of all, ordered by `seq`."""
    entries = [parsed_entry(text) for text in device.store.texts(OUTBOX)]
    chosen = [e for e in entries if key is None or (e.collection, e.item_id) == key]
    return sorted(chosen, key=lambda entry: entry.seq)


def answer(device: Device, query: Get | Scan) -> Any:
    """Return what a device's storage holds, without any time passing."""
    return device.store._answer(query)


def cursor_of(record: dict[str, Any] | None) -> Cursor | None:
    """Return the place that a stored cursor stands for, `None` for one that was damaged."""
    try:
        return decode_cursor(text_of(record))
    except InvalidInput:
        return None

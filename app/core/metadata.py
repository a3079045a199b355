"""The records of the `metadata` store, read so that one that was lost or damaged stops nothing.

A record that cannot be read counts as not there, and what is not there is always made up for: a
cursor by a pull from the beginning, the counter by the newest entry, the client's id by a new one.
"""

from __future__ import annotations

import re
from typing import Any

from app.core.schema import METADATA, OUTBOX
from app.ports import Get, Put, Scan
from app.protocol import MAX_SAFE_INTEGER

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")

Stored = dict[str, Any] | None

CLIENT_ID = Get(METADATA, "client_id")
COURIER = Get(METADATA, "courier")
CURSOR = Get(METADATA, "cursor")
EPOCH = Get(METADATA, "epoch")
LEASE = Get(METADATA, "lease")
RESET = Get(METADATA, "reset")
RESTORED = Get(METADATA, "restored")
SEQ = Get(METADATA, "seq")

NEWEST = Scan(OUTBOX, limit=1, reverse=True)
"""The newest entry: the counter is never below it, whatever its record says."""


def put(query: Get, value: Any, **beside: Any) -> Put:
    """Return the write of the record that `query` reads; `beside` are further parts of it."""
    return Put(METADATA, {"key": query.key, "value": value, **beside})


def text_of(record: Stored) -> str | None:
    """Return the text in a record, or `None` where there is none that can be read."""
    value = None if record is None else record.get("value")
    return value if isinstance(value, str) and value else None


def id_of(record: Stored) -> str | None:
    """Return the id in a record, or `None` where there is none that a server would take."""
    text = text_of(record)
    return text if text is not None and _ID.fullmatch(text) else None


def number_of(record: Stored) -> int | None:
    """Return the whole number in a record, or `None` where there is none that can be read."""
    value = None if record is None else record.get("value")
    if type(value) is int and 0 <= value <= MAX_SAFE_INTEGER:
        return value
    return None


def ids_of(record: Stored) -> list[str]:
    """Return the list of ids in a record; what is none is left out."""
    value = None if record is None else record.get("value")
    return [it for it in value if isinstance(it, str)] if isinstance(value, list) else []


def counter(seq: Stored, newest: list[dict[str, Any]]) -> int:
    """Return the `seq` that was given last: no entry that waits may ever be written over."""
    waiting: int = newest[0]["seq"] if newest else 0
    return max(number_of(seq) or 0, waiting)

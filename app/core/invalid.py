"""Invalid rows: pulled rows that do not fit their collection's model, or that cannot be read.

They are kept as they came, for a version of the app that knows them, and noted in a store of their
own, in the transaction that moves the cursor past them: so nobody passes them over in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from app.core.actions import Data
from app.core.decision import Decision
from app.core.metadata import CURSOR, RESTORED, Stored, put, text_of
from app.core.schema import INVALID_ROWS, METADATA, OUTBOX, ROWS
from app.ports import Batch, Count, Delete, Get, Put, Scan
from app.protocol import Row

ItemKey = tuple[str, str]
Check = Callable[[str, Data | None], Mapping[str, str]]
"""Returns what keeps data from fitting its collection's model, by field path; empty if it fits."""

NOTED = Count(INVALID_ROWS)
PAGE = 500
UNREADABLE = {"row": "was damaged on this device; the server is asked for it again"}


def fits_always(_collection: str, _data: Data | None) -> Mapping[str, str]:
    """Check nothing."""
    return {}


def note(row: Row, check: Check, noted: int) -> list[Put | Delete]:
    """Return the writes that keep the note on a row true; `noted` is how many notes there are."""
    problems = check(row.collection, row.data)
    if problems:
        return [_put((row.collection, row.id), row.version, problems)]
    return [Delete(INVALID_ROWS, [row.collection, row.id])] if noted else []


def rows_only(writes: Iterable[Put | Delete]) -> bool:
    """Tell whether nothing that is counted is written: no entry, no note, no word of a backup."""
    told = put(RESTORED, True)
    return not any(it.store in (OUTBOX, INVALID_ROWS) or it == told for it in writes)


def noted_in(collection: str) -> Scan:
    """Return the query for a page of the notes on a collection's rows."""
    return Scan(INVALID_ROWS, lower=[collection], upper=[collection, []], limit=PAGE)


def check_again(keys: Iterable[ItemKey], check: Check) -> Decision:
    """Check stored rows again, since the app or its models have changed.

    A row that cannot even be read goes, and the next pull starts from the beginning to bring it
    back; the note on it stays until then. Returns whether there is such a row.
    """
    items = list(keys)

    def decide(cursor: Stored, *found: dict[str, Any] | None) -> Batch:
        writes: list[Put | Delete] = []
        asks_again = False
        for key, value in zip(items, found, strict=True):
            row = read_row(value)
            problems = check(key[0], row.data) if row else {}
            if row is not None and problems:
                writes.append(_put(key, row.version, problems))
            elif row is not None or (value is None and text_of(cursor) is not None):
                writes.append(Delete(INVALID_ROWS, list(key)))
            elif value is not None:
                asks_again = True
                starts_over = [Delete(ROWS, list(key)), Delete(METADATA, "cursor")]
                writes += [_put(key, 0, UNREADABLE), *starts_over]
        return Batch(writes, asks_again)

    return Decision([CURSOR, *[Get(ROWS, list(key)) for key in items]], decide)


def read_row(value: dict[str, Any] | None) -> Row | None:
    """Return a stored value as a row, or `None` where there is none that can be read."""
    try:
        return None if value is None else Row.model_validate(value)
    except ValidationError:
        return None


def _put(key: ItemKey, version: int, problems: Mapping[str, str]) -> Put:
    collection, item_id = key
    note = {"collection": collection, "id": item_id, "version": version, "fields": dict(problems)}
    return Put(INVALID_ROWS, note)

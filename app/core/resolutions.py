"""The history of resolutions: a collection that syncs, with a record of each choice of a person."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.core.actions import registry
from app.core.entry import Entry
from app.core.schema import BY_ITEM, OUTBOX, ROWS
from app.ports import Scan
from app.protocol import Count, Id, Name, check_json

COLLECTION = "resolutions"
MAX_NAME = 80
_IN_KEY = 36
_LAST = "~"
"""Comes behind every character that an id may have."""

Choice = Literal["mine", "theirs", "merge"]


class Resolution(BaseModel):
    """How a person resolved a conflict of an item.

    `name` is how they signed, `client_id` the device, `resolved_at` its clock in milliseconds.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    collection: Name
    item_id: Id
    choice: Choice
    name: Annotated[str, Field(max_length=MAX_NAME), AfterValidator(check_json)] = ""
    client_id: Annotated[str, Field(max_length=64)] = ""
    resolved_at: Count


registry.declare(COLLECTION, Resolution)


def record_id(item_id: str, unique: str) -> str:
    """Return the id of a record: its item's first, then the time, so that a range finds an item's.

    `unique` is a version 7 UUID.
    """
    return f"{item_id[:_IN_KEY]}_{unique.replace('-', '')[:27]}"


def rows_of(item_id: str, limit: int) -> Scan:
    """Return the query for the records of an item that the server has, newest first.

    It may find some of other items too: of other collections, or with an id that begins alike.
    """
    lower, upper = _bounds(item_id)
    return Scan(ROWS, lower=lower, upper=upper, limit=limit, reverse=True)


def waiting_of(item_id: str) -> Scan:
    """Return the query for the entries of an item's records; it may find others as well."""
    lower, upper = _bounds(item_id)
    return Scan(OUTBOX, BY_ITEM, lower=lower, upper=upper)


def records(entries: list[Entry], seq: int) -> list[Entry]:
    """Return those entries that record a resolution that entry `seq` carries out."""
    return [e for e in entries if e.collection == COLLECTION and e.depends_on == (seq,)]


def carried_out_by(entry: Entry) -> int:
    """Return the `seq` of the entry that carries out what this one records, or else its own.

    What depends on a record depends on that: the record goes where the choice is made anew or taken
    back, and what waited for it would wait for ever.
    """
    is_record = entry.collection == COLLECTION and entry.depends_on
    return entry.depends_on[0] if is_record else entry.seq


def belongs_to(record: dict[str, Any], collection: str, item_id: str) -> bool:
    """Tell whether a record is of this item."""
    return bool(record.get("collection") == collection and record.get("item_id") == item_id)


def _bounds(item_id: str) -> tuple[list[str], list[str]]:
    prefix = f"{item_id[:_IN_KEY]}_"
    return [COLLECTION, prefix], [COLLECTION, prefix + _LAST]

"""Enqueueing: an action gets its place in the outbox in one transaction, or leaves no trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from app.core.actions import Data, Registry, fields_of
from app.core.decision import Decision
from app.core.entry import HOLDING, Entry, by_item, read_entries
from app.core.outbox import SEQ, value_of
from app.core.schema import METADATA, ROWS
from app.core.view import Item, project, row_of
from app.errors import InvalidInput
from app.ports import Batch, Get, Put, Query
from app.protocol import MAX_ACTION_BYTES, Action, Row


@dataclass(frozen=True)
class Draft:
    """An action before it has its place in the outbox; `created_at` in milliseconds."""

    id: str
    type: str
    collection: str
    item_id: str
    data: Data | None
    created_at: int


@dataclass(frozen=True)
class Enqueued:
    """The new entries, and the items that they are about as they are shown from now on."""

    entries: tuple[Entry, ...]
    items: tuple[Item, ...]


def enqueue(drafts: Sequence[Draft], registry: Registry) -> Decision:
    """Add actions at the end of the outbox, all or none; returns an `Enqueued`.

    Raises `InvalidInput` or `Rejected` for an action that the server would be sure to refuse.
    """
    items = list(dict.fromkeys((draft.collection, draft.item_id) for draft in drafts))
    queries: list[Query] = [SEQ]
    for collection, item_id in items:
        queries += [Get(ROWS, [collection, item_id]), by_item(collection, item_id)]

    def decide(seq: dict[str, Any] | None, *found: Any) -> Batch:
        last = value_of(seq, 0)
        rows = dict(zip(items, map(row_of, found[::2]), strict=True))
        waiting = dict(zip(items, map(read_entries, found[1::2]), strict=True))
        added: list[Entry] = []
        for draft in drafts:
            item = (draft.collection, draft.item_id)
            last += 1
            entry = _entry(draft, last, rows[item], waiting[item], registry)
            waiting[item].append(entry)
            added.append(entry)
        writes = [entry.put() for entry in added]
        shown = [project(*item, rows[item], waiting[item], registry) for item in items]
        result = Enqueued(tuple(added), tuple(shown))
        return Batch([*writes, Put(METADATA, {"key": "seq", "value": last})], result)

    return Decision(queries, decide)


def _entry(
    draft: Draft, seq: int, row: Row | None, waiting: Sequence[Entry], registry: Registry
) -> Entry:
    try:
        action = Action(
            id=draft.id,
            seq=seq,
            type=draft.type,
            collection=draft.collection,
            item_id=draft.item_id,
            data=draft.data,
            base_version=row.version if row else None,
            created_at=draft.created_at,
        )
    except ValidationError as error:
        raise InvalidInput("This change cannot be saved as it is.", fields_of(error)) from None
    text = action.model_dump_json()
    if len(text.encode()) > MAX_ACTION_BYTES:
        raise InvalidInput(f"This change is larger than {MAX_ACTION_BYTES // 1024} KiB.")
    if registry.knows(draft.type):
        shown = project(draft.collection, draft.item_id, row, waiting, registry)
        registry.apply(shown.data, action)
    held = any(entry.state in (*HOLDING, "blocked") for entry in waiting)
    return Entry(
        seq=seq,
        id=draft.id,
        type=draft.type,
        collection=draft.collection,
        item_id=draft.item_id,
        state="blocked" if held else "pending",
        next_attempt_at=max((entry.waits_until for entry in waiting), default=0),
        base=row.data if row else None,
        action=text,
    )

"""Reading a collection's items from the device: rows, with what waits in the outbox on top."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from app.core.actions import Registry
from app.core.entry import Entry, by_item, read_entries
from app.core.invalid import ItemKey, noted_in, read_row
from app.core.schema import BY_ITEM, BY_UPDATED_AT, OUTBOX, ROWS
from app.core.view import Item, ItemStatus, project
from app.ports import Get, Query, Scan, Store
from app.protocol import MAX_SAFE_INTEGER, Problem
from app.sync.invalid_rows import InvalidRows

M = TypeVar("M", bound=BaseModel)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Shown(Generic[M]):
    """One item as an application shows it.

    `error` says what keeps it from the server, and `action_id` names the action to retry or
    discard, where its status is `failed` or `conflict`. `server_version` is the row's, 0 where the
    server does not have it yet; `local_version` adds the device's own changes that wait.
    `updated_at` is the server's time of the last change in microseconds, 0 where there is none.
    """

    id: str
    value: M
    status: ItemStatus
    order: tuple[int, int]
    error: Problem | None = None
    action_id: str | None = None
    server_version: int = 0
    local_version: int = 0
    updated_at: int = 0


@dataclass(frozen=True)
class Page:
    """Items, and the time (`updated_at`) behind which there are older ones; 0 if there are none."""

    items: list[Item]
    oldest: int

    @property
    def has_more(self) -> bool:
        """Whether older rows are on the device."""
        return self.oldest > 0


class Reader(Generic[M]):
    """Reads items of a collection by id and by page, never the whole store.

    Ids of items that do not fit the model gather in `unfit`. The server is asked again for a row
    that was damaged, whoever meets it.
    """

    def __init__(
        self, name: str, model: type[M], store: Store, registry: Registry, invalid: InvalidRows
    ) -> None:
        self._name = name
        self._model = model
        self._store = store
        self._registry = registry
        self._invalid = invalid
        self._damaged: set[ItemKey] = set()
        self._noted: set[str] = set()
        self.unfit: set[str] = set()

    async def newest(self, limit: int) -> Page:
        """Return the newest `limit` rows, and all that waits in the outbox besides."""
        waiting = Scan(OUTBOX, BY_ITEM, lower=[self._name], upper=[self._name, []])
        newest = self._rows(limit + 1, MAX_SAFE_INTEGER)
        found, entries_found, notes = await self._store.read(newest, waiting, noted_in(self._name))
        self._noted = {note["id"] for note in notes}
        rows, oldest = _cut(found, limit)
        stored = {row["id"]: row for row in rows}
        entries: dict[str, list[Entry]] = {item_id: [] for item_id in stored}
        for entry in read_entries(entries_found):
            entries.setdefault(entry.item_id, []).append(entry)
        missing = [item_id for item_id in entries if item_id not in stored]
        others = await self._store.read(*[Get(ROWS, [self._name, item_id]) for item_id in missing])
        stored |= zip(missing, others, strict=True)
        items = [self._project(item_id, stored[item_id], entries[item_id]) for item_id in entries]
        await self._check_damaged()
        return Page(items, oldest)

    async def older(self, count: int, oldest: int, since: int = 0) -> Page:
        """Return up to `count` rows from before the time `oldest` back to `since`, newest first."""
        (found,) = await self._store.read(self._rows(count + 1, oldest - 1, since))
        rows, oldest = _cut(found, count)
        waiting = await self._store.read(*[by_item(self._name, row["id"]) for row in rows])
        items = [
            self._project(row["id"], row, read_entries(entries))
            for row, entries in zip(rows, waiting, strict=True)
        ]
        await self._check_damaged()
        return Page(items, oldest)

    async def some(self, ids: Sequence[str]) -> list[Item]:
        """Return the items of these ids as they stand, whether they are there or not."""
        queries = [query for item_id in ids for query in self._of(item_id)]
        found = await self._store.read(*queries)
        items = [
            self._project(item_id, row, read_entries(waiting))
            for item_id, row, waiting in zip(ids, found[::2], found[1::2], strict=True)
        ]
        await self._check_damaged()
        return items

    async def item(self, item_id: str) -> Item:
        """Return one item as it stands."""
        (item,) = await self.some([item_id])
        return item

    def present(self, item: Item) -> Shown[M] | None:
        """Return the item as shown, or `None` where it is deleted or does not fit the model."""
        if item.data is None:
            return None
        try:
            value = self._model.model_validate(item.data)
        except Exception as error:  # a validator of the model may have a defect of any kind
            _log.warning("%s/%s does not fit its model: %s", self._name, item.id, type(error))
            self.unfit.add(item.id)
            return None
        return Shown(
            id=item.id,
            value=value,
            status=item.status,
            order=item.order,
            error=item.error,
            action_id=item.action_id,
            server_version=item.version,
            local_version=item.version + item.waiting,
            updated_at=item.updated_at,
        )

    def outdated(self) -> list[ItemKey]:
        """Return the rows whose notes must be looked at: the app or its models have changed."""
        if self.unfit == self._noted:
            return []
        return [(self._name, item_id) for item_id in self.unfit | self._noted]

    async def _check_damaged(self) -> None:
        damaged, self._damaged = self._damaged, set()
        await self._invalid.check(damaged)

    def _project(self, item_id: str, value: Any, entries: list[Entry]) -> Item:
        row = read_row(value)
        if value is not None and row is None:
            self._damaged.add((self._name, item_id))
        return project(self._name, item_id, row, entries, self._registry)

    def _of(self, item_id: str) -> tuple[Query, Query]:
        return Get(ROWS, [self._name, item_id]), by_item(self._name, item_id)

    def _rows(self, limit: int, newest: int, since: int = 0) -> Scan:
        lower, upper = [self._name, since], [self._name, newest]
        return Scan(ROWS, BY_UPDATED_AT, lower, upper, limit, reverse=True)


def _cut(found: list[dict[str, Any]], count: int) -> tuple[list[dict[str, Any]], int]:
    """Return the first `count` rows found, and the time of the last if there are more behind."""
    rows = found[:count]
    return rows, rows[-1]["updated_at"] if rows and len(found) > count else 0

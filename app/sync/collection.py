"""A collection of a pydantic model: stored on the device, shown at once, synchronised."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from app.core.actions import Registry
from app.core.entry import Entry, by_item, read_entries
from app.core.invalid import check_again, noted_in, read_row
from app.core.schema import BY_ITEM, BY_UPDATED_AT, OUTBOX, ROWS
from app.core.view import Item, ItemStatus, project
from app.ports import Get, Query, Scan, Store
from app.protocol import MAX_SAFE_INTEGER, Problem
from app.sync.changes import Change, Changes
from app.sync.queue import Queue
from app.sync.stores import Unsubscribe, Writable

M = TypeVar("M", bound=BaseModel)
BY_ORDER = attrgetter("order")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Shown(Generic[M]):
    """One item as an application shows it.

    `error` says what keeps it from the server, and `action_id` names the action to retry or
    discard, where its status is `failed` or `conflict`.
    """

    id: str
    value: M
    status: ItemStatus
    order: tuple[int, int]
    error: Problem | None = None
    action_id: str | None = None


@dataclass(frozen=True)
class View(Generic[M]):
    """The newest part of a collection, oldest first; `has_more` if older rows are on the device."""

    items: tuple[Shown[M], ...] = ()
    has_more: bool = False
    loaded: bool = False


class Collection(Generic[M]):
    """Items of `model` under `name`. Reads go by range and page, never through the whole store."""

    def __init__(
        self,
        name: str,
        model: type[M],
        store: Store,
        queue: Queue,
        changes: Changes,
        registry: Registry,
    ) -> None:
        self.name = name
        self._model = model
        self._store = store
        self._queue = queue
        self._changes = changes
        self._registry = registry
        self._shown: dict[str, Shown[M]] = {}
        self._active = False
        self._loaded = False
        self._oldest = 0
        self._has_more = False
        self._view: Writable[View[M]] = Writable(View())
        self._stale: set[str] = set()
        self._overtaken: set[str] = set()
        self._reading = asyncio.Lock()
        self._refreshing: asyncio.Task[None] | None = None
        self._limit = 0
        self._loading: asyncio.Task[None] | None = None
        self._noted: set[str] = set()
        self._unfit: set[str] = set()
        registry.declare(name, model)
        changes.subscribe(self._changed)

    def get_view(self) -> View[M]:
        """Return what `subscribe` last told."""
        return self._view.get()

    def subscribe(self, fn: Callable[[View[M]], Any]) -> Unsubscribe:
        """Call `fn` with the view now and at each change; returns what ends it."""
        return self._view.subscribe(fn)

    async def load(self, limit: int = 100) -> None:
        """Show the newest `limit` rows of the device and everything that waits in the outbox."""
        self._active = True
        self._limit = limit
        async with self._reading:
            self._overtaken.clear()
            self._unfit.clear()
            items = await self._read_newest(limit)
            shown, self._shown = self._shown, {}
            for item in items:
                self._place(item)
            for item_id in self._overtaken & shown.keys():
                self._shown[item_id] = shown[item_id]
            self._stale |= self._overtaken
            self._loaded = True
            self._publish()
        self._refresh_stale()
        if self._unfit != self._noted:
            await self._check_again()

    async def _check_again(self) -> None:
        """Bring the notes on invalid rows up to date: the app, or its models, have changed."""
        keys = [(self.name, item_id) for item_id in sorted(self._unfit | self._noted)]
        decision = check_again(keys, self._registry.problems)
        await self._store.transact(decision.queries, decision.decide)
        self._changes.announce(keys)

    async def _read_newest(self, limit: int) -> list[Item]:
        queries = self._newest(limit + 1), self._waiting(), noted_in(self.name)
        rows, waiting, notes = await self._store.read(*queries)
        self._noted = {note["id"] for note in notes}
        self._has_more = len(rows) > limit
        rows = rows[:limit]
        self._oldest = rows[-1]["updated_at"] if self._has_more else 0
        entries: dict[str, list[Entry]] = {row["id"]: [] for row in rows}
        for entry in read_entries(waiting):
            entries.setdefault(entry.item_id, []).append(entry)
        stored = {row["id"]: row for row in rows}
        missing = [item_id for item_id in entries if item_id not in stored]
        found = await self._store.read(*[Get(ROWS, [self.name, item_id]) for item_id in missing])
        stored |= zip(missing, found, strict=True)
        return [self._project(item_id, stored[item_id], entries[item_id]) for item_id in entries]

    async def get(self, item_id: str) -> M | None:
        """Return the item as it is shown, or `None` where there is none."""
        shown = self._present(await self._item(item_id))
        return shown.value if shown else None

    async def all(self, limit: int = 100) -> list[M]:
        """Return the newest `limit` items and all that wait in the outbox, oldest first."""
        await self.load(limit)
        return [shown.value for shown in self._view.get().items]

    async def save(self, value: M, item_id: str | None = None) -> str:
        """Create an item, or change the one called `item_id`; returns its id.

        It is shown and durable when this returns. Raises `InvalidInput`, `Rejected` or
        `StorageError`; then nothing was written.
        """
        exists = item_id is not None and (await self._item(item_id)).data is not None
        item_id = item_id or self._queue.new_id()
        data = value.model_dump(mode="json")
        kind = "update" if exists else "create"
        await self._queue.add(kind, data, collection=self.name, item_id=item_id)
        return item_id

    async def delete(self, item_id: str) -> None:
        """Delete an item; it goes from the view at once and from the server when it hears of it."""
        await self._queue.add("delete", collection=self.name, item_id=item_id)

    async def _item(self, item_id: str) -> Item:
        row, waiting = await self._store.read(*self._of(item_id))
        return self._project(item_id, row, read_entries(waiting))

    def _changed(self, change: Change) -> None:
        """Show what is known at once, and read the rest."""
        ids = {item_id for collection, item_id in change.keys if collection == self.name}
        if change.everything and self._active:
            self._loading = asyncio.ensure_future(self.load(self._limit))
        if not ids or not self._active:
            return
        known = [item for item in change.items if item.collection == self.name]
        for item in known:
            self._place(item)
            self._overtaken.add(item.id)
        if known and self._loaded:
            self._publish()
        self._stale |= ids - {item.id for item in known}
        self._refresh_stale()

    def _refresh_stale(self) -> None:
        if self._stale and self._refreshing is None:
            self._refreshing = asyncio.ensure_future(self._refresh())

    async def _refresh(self) -> None:
        """Read again what changed, until nothing did meanwhile.

        What became known while it was being read is newer than what was read: it is read again.
        """
        try:
            while self._stale:
                async with self._reading:
                    ids, self._stale = sorted(self._stale), set()
                    self._overtaken.clear()
                    queries = [query for item_id in ids for query in self._of(item_id)]
                    found = await self._store.read(*queries)
                    for item_id, row, waiting in zip(ids, found[::2], found[1::2], strict=True):
                        if item_id not in self._overtaken:
                            self._place(self._project(item_id, row, read_entries(waiting)))
                    self._stale |= self._overtaken & set(ids)
                    self._publish()
        finally:
            self._refreshing = None

    def _place(self, item: Item) -> None:
        shown = self._present(item)
        if shown is None or (item.version and item.updated_at < self._oldest and not item.seq):
            self._shown.pop(item.id, None)
        elif self._shown.get(item.id) != shown:
            self._shown[item.id] = shown

    def _present(self, item: Item) -> Shown[M] | None:
        """Return the item as shown; one that does not fit the model is left out of the view."""
        if item.data is None:
            return None
        try:
            value = self._model.model_validate(item.data)
        except ValidationError as error:
            _log.warning("%s/%s does not fit its model: %s", self.name, item.id, error)
            self._unfit.add(item.id)
            return None
        return Shown(item.id, value, item.status, item.order, item.error, item.action_id)

    def _publish(self) -> None:
        items = tuple(sorted(self._shown.values(), key=BY_ORDER))
        self._view.set(View(items, self._has_more, loaded=True))

    def _project(self, item_id: str, value: Any, entries: list[Entry]) -> Item:
        row = read_row(value)
        if value is not None and row is None:
            self._unfit.add(item_id)
        return project(self.name, item_id, row, entries, self._registry)

    def _of(self, item_id: str) -> tuple[Query, Query]:
        return Get(ROWS, [self.name, item_id]), by_item(self.name, item_id)

    def _newest(self, limit: int) -> Scan:
        upper = [self.name, MAX_SAFE_INTEGER]
        return Scan(ROWS, BY_UPDATED_AT, [self.name, 0], upper, limit, reverse=True)

    def _waiting(self) -> Scan:
        return Scan(OUTBOX, BY_ITEM, lower=[self.name], upper=[self.name, []])

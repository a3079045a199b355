"""The newest part of a collection as it is shown: kept in order, and true to the store.

It grows towards older rows by pages. What changed is read by itself, never the whole again.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, insort
from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Generic, TypeVar

from pydantic import BaseModel

from app.core.view import Item
from app.sync.changes import Change, Changes
from app.sync.invalid_rows import InvalidRows
from app.sync.reader import Reader, Shown
from app.sync.stores import Readable, Writable

M = TypeVar("M", bound=BaseModel)
BY_ORDER = attrgetter("order")
MANY = 50
"""Changes at once from which on reading the newest rows anew may cost less than reading them."""


@dataclass(frozen=True)
class View(Generic[M]):
    """The newest part of a collection, oldest first; `has_more` if older rows are on the device."""

    items: tuple[Shown[M], ...] = ()
    has_more: bool = False
    loaded: bool = False


class Window(Generic[M]):
    """Shows the newest rows of the collection `name`, and everything of it in the outbox."""

    def __init__(
        self,
        name: str,
        reader: Reader[M],
        changes: Changes,
        invalid: InvalidRows,
    ) -> None:
        self._name = name
        self._reader = reader
        self._invalid = invalid
        self._shown: dict[str, Shown[M]] = {}
        self._order: list[Shown[M]] = []
        self._limit = 0
        self._held = False
        self._loaded = False
        self._oldest = 0
        self._view: Writable[View[M]] = Writable(View())
        self._stale: set[str] = set()
        self._all_stale = False
        self._overtaken: set[str] = set()
        self._reading = asyncio.Lock()
        self._refreshing: asyncio.Task[None] | None = None
        changes.subscribe(self._changed)

    @property
    def view(self) -> Readable[View[M]]:
        """What is shown, observable."""
        return self._view

    async def load(self, limit: int) -> None:
        """Show the newest `limit` rows of the device and everything that waits in the outbox."""
        self._limit, self._held = limit, False
        await self._load()

    async def _load(self) -> None:
        limit = self._limit
        async with self._reading:
            self._overtaken.clear()
            self._reader.unfit.clear()
            page = await self._reader.newest(limit)
            await asyncio.sleep(0)  # reading and drawing take a turn of the browser's each
            self._oldest = page.oldest
            shown, self._shown, self._order = self._shown, {}, []
            self._place_all(page.items)
            for item_id in self._overtaken & shown.keys():
                self._put(shown[item_id])
            self._stale |= self._overtaken
            self._loaded = True
            self._publish()
        self._refresh_stale()
        await self._invalid.check(self._reader.outdated())

    async def load_older(self, count: int) -> None:
        """Show up to `count` rows more, those that come before the oldest one shown."""
        async with self._reading:
            if not self._loaded or not self._oldest:
                return
            self._overtaken.clear()
            page = await self._reader.older(count, self._oldest)
            self._oldest = page.oldest
            self._limit += count
            self._held = True
            self._place_all(item for item in page.items if item.id not in self._overtaken)
            self._publish()
        self._refresh_stale()

    def _changed(self, change: Change) -> None:
        """Show what is known at once, and read the rest."""
        ids = {item_id for collection, item_id in change.keys if collection == self._name}
        if not self._limit:
            return
        if change.everything:
            self._all_stale = True
            self._refresh_stale()
        if not ids:
            return
        known = [item for item in change.items if item.collection == self._name]
        self._place_all(known)
        self._overtaken.update(item.id for item in known)
        if known and self._loaded:
            self._publish()
        self._stale |= ids - {item.id for item in known}
        self._refresh_stale()

    def _refresh_stale(self) -> None:
        if (self._stale or self._all_stale) and self._refreshing is None:
            self._refreshing = asyncio.ensure_future(self._refresh())

    async def _refresh(self) -> None:
        """Read again what changed, until nothing did meanwhile.

        Where that is most of what is shown, all of it is read, and what is older goes, unless it
        was asked for: a first pull brings thousands of rows past a window that shows a hundred.
        What became known while it was being read is newer than what was read: it is read again.
        """
        try:
            while self._stale or self._all_stale:
                many = len(self._stale) >= max(MANY, self._limit // 2)
                if many or self._all_stale:
                    self._limit += len(self._stale) if many and self._held else 0
                    self._stale, self._all_stale = set(), False
                    await self._load()
                    continue
                async with self._reading:
                    ids, self._stale = sorted(self._stale), set()
                    self._overtaken.clear()
                    items = await self._reader.some(ids)
                    self._place_all(item for item in items if item.id not in self._overtaken)
                    self._stale |= self._overtaken & set(ids)
                    self._publish()
        finally:
            self._refreshing = None

    def _place_all(self, items: Iterable[Item]) -> None:
        for item in sorted(items, key=BY_ORDER):
            shown = self._reader.present(item)
            hidden = item.version and item.updated_at < self._oldest and not item.seq
            if shown is None or hidden:
                self._take_out(item.id)
            elif self._shown.get(item.id) != shown:
                self._put(shown)

    def _put(self, shown: Shown[M]) -> None:
        self._take_out(shown.id)
        self._shown[shown.id] = shown
        if not self._order or self._order[-1].order <= shown.order:
            self._order.append(shown)
        else:
            insort(self._order, shown, key=BY_ORDER)

    def _take_out(self, item_id: str) -> None:
        known = self._shown.pop(item_id, None)
        if known is None:
            return
        place = bisect_left(self._order, known.order, key=BY_ORDER)
        while self._order[place] is not known:
            place += 1
        del self._order[place]

    def _publish(self) -> None:
        self._view.set(View(tuple(self._order), self._oldest > 0, loaded=True))

"""The first pages of the outbox as an observable value: read by page, true to the store.

What changed is read by itself; only where that is much of what is shown, the pages are read anew.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from app.core.entry import Entry, by_item, read_entries
from app.core.metadata import CLIENT_ID, id_of
from app.core.schema import OUTBOX
from app.errors import StorageError
from app.ports import Scan, Store
from app.sync.changes import Change, Changes, ItemKey
from app.sync.report import Status, StatusStore
from app.sync.stores import Unsubscribe, Writable

PAGE = 100
"""Entries that are read at first, and each time more are asked for."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OutboxPages:
    """The oldest entries of the outbox, by `seq`; `has_more` if there are others behind them."""

    entries: tuple[Entry, ...] = ()
    has_more: bool = False
    loaded: bool = False


class OutboxView:
    """Shows the outbox from its oldest entry on, in any number of pages.

    It follows what changes between `open` and `close`; closed, it costs nothing. An entry that did
    not change is the same object in each value.
    """

    def __init__(self, store: Store, changes: Changes, status: StatusStore) -> None:
        self._store = store
        self._changes = changes
        self._status = status
        self._pages: Writable[OutboxPages] = Writable(OutboxPages())
        self._shown: dict[int, Entry] = {}
        self._limit = PAGE
        self._has_more = False
        self._stale: set[ItemKey] = set()
        self._all_stale = False
        self._syncing = False
        self._reading = asyncio.Lock()
        self._refreshing: asyncio.Task[None] | None = None
        self._following: list[Unsubscribe] = []

    def get(self) -> OutboxPages:
        """Return what `subscribe` last told."""
        return self._pages.get()

    def subscribe(self, fn: Callable[[OutboxPages], Any]) -> Unsubscribe:
        """Call `fn` with the pages now and at each change; returns what ends it."""
        return self._pages.subscribe(fn)

    async def open(self) -> None:
        """Read the first page, and follow what changes from now on; raises `StorageError`."""
        self.close()
        self._limit = PAGE
        self._following = [
            self._changes.subscribe(self._changed),
            self._changes.subscribe_claims(self._claimed),
            self._status.subscribe(self._synced),
        ]
        async with self._reading:
            await self._read_pages()

    def close(self) -> None:
        """Follow no longer; what was shown last stays."""
        for end in self._following:
            end()
        self._following = []

    async def load_more(self) -> None:
        """Show another page, if there is one; raises `StorageError`."""
        async with self._reading:
            if self._has_more and len(self._shown) >= self._limit:
                self._limit += PAGE
                await self._fill_up(self._shown.values(), max(self._shown))

    async def export(self, entry: Entry) -> str:
        """Return one entry as JSON text, which `queue.import_entries` takes, as all of them do."""
        from app.core.transfer import export_entries  # rarely needed

        (client_id,) = await self._store.read(CLIENT_ID)
        return export_entries([entry], id_of(client_id) or "")

    def _changed(self, change: Change) -> None:
        self._all_stale |= change.everything
        self._refresh_soon(change.keys)

    def _claimed(self, keys: frozenset[ItemKey]) -> None:
        self._refresh_soon(keys)

    def _synced(self, status: Status) -> None:
        """Where an attempt ended without an answer, what was in flight waits again."""
        ended, self._syncing = self._syncing and not status.syncing, status.syncing
        if ended:
            entries = self._shown.values()
            self._refresh_soon(entry.item for entry in entries if entry.state == "in_flight")

    def _refresh_soon(self, keys: Iterable[ItemKey]) -> None:
        self._stale.update(keys)
        if (self._stale or self._all_stale) and self._refreshing is None:
            self._refreshing = asyncio.ensure_future(self._refresh())

    async def _refresh(self) -> None:
        """Read what changed, until nothing did meanwhile."""
        try:
            while self._stale or self._all_stale:
                async with self._reading:
                    stale, self._stale = self._stale, set()
                    much = self._all_stale or len(stale) * 4 > self._limit
                    self._all_stale = False
                    await (self._read_pages() if much else self._read_items(stale))
        except StorageError as error:
            self._all_stale = True  # nobody knows what was missed: the next change reads all
            _log.warning("The outbox could not be read: %s", error)
        finally:
            self._refreshing = None

    async def _read_pages(self) -> None:
        (found,) = await self._store.read(Scan(OUTBOX, limit=self._limit + 1))
        self._show(read_entries(found))

    async def _read_items(self, keys: set[ItemKey]) -> None:
        """Read the entries of some items, and after them those who waited for one that left."""
        found = await self._store.read(*[by_item(*key) for key in sorted(keys)])
        read = [entry for values in found for entry in read_entries(values)]
        before = {seq for seq, entry in self._shown.items() if entry.item in keys}
        left = before - {entry.seq for entry in read}
        kept = [entry for seq, entry in self._shown.items() if seq not in before]
        last = max(self._shown, default=0)
        near = [entry for entry in read if entry.seq <= last or not self._has_more]
        self._stale.update(entry.item for entry in kept if not left.isdisjoint(entry.waits_for))
        if self._has_more:
            await self._fill_up([*kept, *near], last)
        else:
            self._show([*kept, *near])

    async def _fill_up(self, entries: Collection[Entry], last: int) -> None:
        """Show `entries`, all there are up to `last`, and those behind that there is room for."""
        room = max(0, self._limit - len(entries))
        (found,) = await self._store.read(Scan(OUTBOX, lower=last + 1, limit=room + 1))
        self._show([*entries, *read_entries(found)])

    def _show(self, entries: Iterable[Entry]) -> None:
        """Show the oldest of `entries`, as many as there is room for."""
        ordered = sorted(entries, key=lambda entry: entry.seq)
        self._has_more = len(ordered) > self._limit
        before, self._shown = self._shown, {}
        for entry in ordered[: self._limit]:
            known = before.get(entry.seq)
            self._shown[entry.seq] = known if known is not None and known == entry else entry
        shown = tuple(self._shown.values())
        self._pages.set(OutboxPages(shown, self._has_more, loaded=True))

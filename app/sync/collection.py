"""A collection of a pydantic model: stored on the device, shown at once, synchronised."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel

from app.core.actions import Data, Registry
from app.core.enqueue import Seen
from app.errors import NotFound
from app.ports import Store
from app.protocol import MAX_SAFE_INTEGER
from app.sync.changes import Changes
from app.sync.deletion import Deletion
from app.sync.invalid_rows import InvalidRows
from app.sync.queue import New, Queue, Queued
from app.sync.reader import Reader, Shown
from app.sync.report import StatusStore, SyncReport
from app.sync.stores import Readable, Unsubscribe, derived
from app.sync.window import View, Window

if TYPE_CHECKING:
    from app.sync.conflicts import Choice, Conflict, Conflicts, Resolution

M = TypeVar("M", bound=BaseModel)
LATEST = MAX_SAFE_INTEGER

__all__ = ["Collection", "Deletion", "Shown", "View"]


class Collection(Generic[M]):
    """Items of `model` under `name`. Reads go by range and page, never through the whole store.

    `data` (the values shown), `loading`, `syncing` and `online` are observable; with `save`,
    `remove` and `sync` they are all that a widget needs.
    """

    def __init__(
        self,
        name: str,
        model: type[M],
        store: Store,
        queue: Queue,
        changes: Changes,
        registry: Registry,
        status: StatusStore,
        invalid: InvalidRows,
        sync: Callable[[], Awaitable[SyncReport]],
        conflicts: Callable[[], Conflicts],
    ) -> None:
        self.name = name
        self.sync = sync
        self._queue = queue
        self._reader = Reader(name, model, store, registry, invalid)
        self._window = Window(name, self._reader, changes, invalid)
        self._status = status
        self._make_conflicts = conflicts

    @cached_property
    def _conflicts(self) -> Conflicts:
        return self._make_conflicts()

    @cached_property
    def data(self) -> Readable[tuple[M, ...]]:
        """The values shown, oldest first; computed for those who ask, like what follows."""
        return derived(self._window.view, _values)

    @cached_property
    def loading(self) -> Readable[bool]:
        """Whether nothing was loaded yet."""
        return derived(self._window.view, lambda view: not view.loaded)

    @cached_property
    def syncing(self) -> Readable[bool]:
        """Whether a synchronisation is under way."""
        return derived(self._status, lambda now: now.syncing)

    @cached_property
    def online(self) -> Readable[bool]:
        """Whether the server answers."""
        return derived(self._status, lambda now: now.connection.status == "connected")

    def get_view(self) -> View[M]:
        """Return what `subscribe` last told."""
        return self._window.view.get()

    def subscribe(self, fn: Callable[[View[M]], Any]) -> Unsubscribe:
        """Call `fn` with the view now and at each change; returns what ends it."""
        return self._window.view.subscribe(fn)

    async def load(self, limit: int = 100) -> None:
        """Show the newest `limit` rows of the device and everything that waits in the outbox."""
        await self._window.load(limit)

    async def load_older(self, count: int = 100) -> None:
        """Show up to `count` rows more, those that come before the oldest one shown."""
        await self._window.load_older(count)

    async def get(self, item_id: str) -> M | None:
        """Return the item as it is shown, or `None` where there is none."""
        shown = await self.shown(item_id)
        return shown.value if shown else None

    async def shown(self, item_id: str) -> Shown[M] | None:
        """Return the item with its state, or `None` where there is none."""
        return self._reader.present(await self._reader.item(item_id))

    async def all(self, limit: int = 100) -> list[M]:
        """Return the newest `limit` items and all that wait in the outbox, oldest first."""
        await self.load(limit)
        return [shown.value for shown in self.get_view().items]

    async def page(
        self, limit: int = 100, *, before: int = LATEST, since: int = 0
    ) -> list[Shown[M]]:
        """Return up to `limit` items that the server has, the newest first; shows nothing anew.

        They were last changed before the time `before` and not before `since`, in microseconds. The
        next page is that before the `updated_at` of the last one; after the last page it is empty.
        """
        found: list[Shown[M]] = []
        while len(found) < limit and before:
            page = await self._reader.older(limit - len(found), before, since)
            found += filter(None, map(self._reader.present, page.items))
            before = page.oldest
        return found

    async def save(
        self, value: M, item_id: str | None = None, *, seen: Shown[M] | None = None
    ) -> str:
        """Create an item, or change the one called `item_id`; returns its id.

        With what was `seen` when a person began to edit, only the fields that differ from it are
        changed, and what others did since is a conflict instead of being overwritten. It is shown
        and durable when this returns. Raises `InvalidInput`, `Rejected` or `StorageError`; then
        nothing was written.
        """
        exists = item_id is not None and (await self._reader.item(item_id)).data is not None
        item_id = item_id or self._queue.new_id()
        data = value.model_dump(mode="json")
        kind = "update" if exists else "create"
        before = seen.value.model_dump(mode="json") if seen and exists else {}
        changed = {name: it for name, it in data.items() if before.get(name, ...) != it}
        what = Seen(seen.server_version, before) if seen and seen.server_version else None
        new = New(kind, changed, self.name, item_id, seen=what if exists else None)
        await self._queue.add_many([new])
        return item_id

    async def delete(self, item_id: str) -> Deletion:
        """Delete an item; it goes from the view at once and from the server when it hears of it.

        Returns what brings the item back.
        """
        before = (await self._reader.item(item_id)).data
        new = New("delete", None, self.name, item_id, undoable=True)
        (queued,) = await self._queue.add_many([new])
        return Deletion(queued, lambda: self._bring_back(item_id, queued, before))

    remove = delete

    async def _bring_back(self, item_id: str, deletion: str, data: Data | None) -> None:
        try:
            await self._conflicts.undo(item_id, deletion)
        except NotFound:
            if data is None or (await self._reader.item(item_id)).data is not None:
                raise
            await self._queue.add("put", data, collection=self.name, item_id=item_id)

    async def conflict(self, item_id: str) -> Conflict | None:
        """Return the conflict of an item as it stands now, or `None` where there is none."""
        return await self._conflicts.get(item_id)

    async def resolve(
        self,
        item_id: str,
        choice: Choice,
        value: M | None = None,
        *,
        seen: Conflict | None = None,
    ) -> Queued:
        """Resolve the conflict of an item: `mine`, `theirs`, or `merge` with the edited `value`.

        Where one of the versions is a deletion, choosing that version deletes the item, and
        choosing the other restores it. The resolution is an action: it waits in the outbox, is
        based on the server's version, and can conflict again; `undo` takes it back while it was not
        sent. Returns its id; that of the record of the choice where `theirs` is taken.

        `seen` is the conflict as the person saw it: then no other one is resolved, and what the
        server got since is a conflict again. Raises `NotFound` where the conflict was resolved
        elsewhere, `InvalidInput` or `Rejected` for a value that the server would be sure to refuse;
        then nothing was changed.
        """
        data = value.model_dump(mode="json") if value is not None else None
        return await self._conflicts.resolve(item_id, choice, data, seen)

    async def undo(self, item_id: str) -> None:
        """Take back the last resolution or deletion of an item that was not sent yet.

        What it replaced comes back. Raises `NotFound` where there is none.
        """
        await self._conflicts.undo(item_id)

    async def undoable(self, item_id: str) -> bool:
        """Tell whether `undo` has something to take back now."""
        return await self._conflicts.can_undo(item_id)

    async def conflicts(self, limit: int = 100) -> list[Conflict]:
        """Return the oldest conflicts of the collection, those of deleted items, too."""
        return await self._conflicts.all(limit)

    async def resolutions(self, item_id: str, limit: int = 100) -> list[Resolution]:
        """Return how conflicts of an item were resolved, by whom and when, newest first."""
        return await self._conflicts.history(item_id, limit)


def _values(view: View[M]) -> tuple[M, ...]:
    return tuple(shown.value for shown in view.items)

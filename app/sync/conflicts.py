"""The conflicts of one collection: shown to a person, resolved, taken back, and their history."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import ValidationError

from app.core.actions import Data, Registry
from app.core.attempt import UNSETTLED, perhaps_sent
from app.core.conflict import Conflict, IsLocal, held
from app.core.entry import Entry, by_item, due, read_entries
from app.core.invalid import read_row
from app.core.resolutions import COLLECTION, Choice, Resolution, belongs_to, rows_of, waiting_of
from app.core.resolve import ALREADY, Chosen, resolve
from app.core.schema import ROWS
from app.core.undo import NOTHING, latest, take_back, undoable
from app.errors import InvalidInput, NotFound
from app.ports import Clock, Get, Store
from app.protocol import Row
from app.sync.invalid_rows import InvalidRows
from app.sync.queue import Queue, Queued

__all__ = ["Choice", "Conflict", "Conflicts", "Resolution"]


class Conflicts:
    """The conflicts of the collection `name`; `signature` tells how the person signs."""

    def __init__(
        self,
        name: str,
        store: Store,
        queue: Queue,
        registry: Registry,
        is_local: IsLocal,
        signature: Callable[[], str],
        clock: Clock,
        invalid: InvalidRows,
    ) -> None:
        self._name = name
        self._store = store
        self._queue = queue
        self._registry = registry
        self._is_local = is_local
        self._signature = signature
        self._clock = clock
        self._invalid = invalid

    async def get(self, item_id: str) -> Conflict | None:
        """Return the conflict of an item as it stands, or `None` where there is none."""
        line, row = await self._read(item_id)
        return held(line, row, self._registry, self._is_local).conflict if line else None

    async def all(self, limit: int) -> list[Conflict]:
        """Return the conflicts of the collection, oldest first."""
        (found,) = await self._store.read(due("conflict", limit=limit))
        ids = [entry.item_id for entry in read_entries(found) if entry.collection == self._name]
        conflicts = [await self.get(item_id) for item_id in dict.fromkeys(ids)]
        return [conflict for conflict in conflicts if conflict is not None]

    async def can_undo(self, item_id: str) -> bool:
        """Tell whether the last resolution or deletion of an item was not sent yet."""
        inbox, *found = await self._store.read(UNSETTLED, *undoable(self._name, item_id))
        try:
            entry = latest(self._name, item_id, [value for values in found for value in values])
        except NotFound:
            return False
        return entry.id not in perhaps_sent(inbox)

    async def resolve(
        self, item_id: str, choice: Choice, data: Data | None, seen: Conflict | None
    ) -> Queued:
        """Resolve the conflict of an item; returns the id of the action that says so."""
        line, _ = await self._read(item_id)
        if not line or (seen is not None and seen.action_id != line[0].id):
            raise NotFound(ALREADY)
        if choice == "merge" and data is None:
            raise InvalidInput("To merge, say what the item is to be.")
        chosen = Chosen(
            choice=choice,
            data=data,
            seen=seen,
            action_id=self._queue.new_id(),
            unique=self._queue.new_id(),
            name=self._signature(),
            now=self._clock.now(),
        )
        return await self._queue.alter(resolve(line[0], chosen, self._registry, self._is_local))

    async def undo(self, item_id: str, action_id: str | None = None) -> None:
        """Take back the last resolution or deletion of an item, or the one with this id."""
        found = await self._store.read(*undoable(self._name, item_id))
        entry = latest(self._name, item_id, [value for values in found for value in values])
        if action_id is not None and entry.id != action_id:
            raise NotFound(NOTHING)
        await self._queue.alter(take_back(entry, (self._name, item_id)))

    async def history(self, item_id: str, limit: int) -> list[Resolution]:
        """Return how conflicts of an item were resolved, newest first.

        A record that was damaged is missing until the server, which is asked again, has sent it.
        """
        found, waiting = await self._store.read(rows_of(item_id, limit), waiting_of(item_id))
        rows = {value["id"]: read_row(value) for value in found}
        await self._invalid.check((COLLECTION, key) for key, row in rows.items() if row is None)
        told = {row.id: row.data for row in rows.values() if row and row.data is not None}
        for entry in read_entries(waiting):
            action = entry.readable()
            if action is not None and action.data is not None:
                told[entry.item_id] = action.data
        mine = [told[key] for key in sorted(told, reverse=True)]
        records = [_parsed(it) for it in mine if belongs_to(it, self._name, item_id)]
        return [resolution for resolution in records if resolution is not None][:limit]

    async def _read(self, item_id: str) -> tuple[list[Entry], Row | None]:
        """Return the entries of an item from the one in conflict on, and its row."""
        key = [self._name, item_id]
        row, found = await self._store.read(Get(ROWS, key), by_item(self._name, item_id))
        line = read_entries(found)
        while line and line[0].state != "conflict":
            del line[0]
        return line, read_row(row)


def _parsed(value: Data) -> Resolution | None:
    """Return a record, or `None` for one that this version of the app does not know."""
    try:
        return Resolution.model_validate(value)
    except ValidationError:
        return None

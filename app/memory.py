"""A `Store` over dictionaries: the tests' double, and the fallback where nothing may be stored.
What goes with it then: such a context shares nothing with others, and so is a device by itself.

Keeps the order of keys that IndexedDB keeps: numbers, then strings, then lists (W3C Indexed
Database API 3.0, "compare two keys").
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.errors import StorageError
from app.ports import (
    Batch,
    Count,
    Decide,
    Delete,
    Get,
    IndexDefinition,
    Key,
    Put,
    Query,
    Scan,
    StoreDefinition,
    Upgrade,
    Value,
)


@dataclass(frozen=True, slots=True)
class _Kept:
    """A value as JSON, and its keys by the index they belong to; `None` stands for the store.

    Only a multi-entry index has any number of them, another one, or none.
    """

    text: str
    keys: dict[str | None, Sequence[Any]]


Stores = dict[str, dict[Any, _Kept]]
Uniques = dict[tuple[str, str], dict[Any, Any]]


class MemoryStore:
    """Stores made by the given upgrade steps, kept for the life of the object."""

    def __init__(self, upgrades: Sequence[Upgrade]) -> None:
        self._kept: Stores = {}
        self._unique: Uniques = {}
        self.upgrade(upgrades)

    def upgrade(self, upgrades: Sequence[Upgrade]) -> None:
        """Take the steps that are new; what is stored stays, and gets into the new indexes."""
        stored, self._definitions = self._kept, _definitions(upgrades)
        self._kept = {name: {} for name in self._definitions}
        self._unique = {
            (store.name, index.name): {}
            for store in self._definitions.values()
            for index in store.indexes
            if index.unique
        }
        for name, values in stored.items():
            for kept in values.values():
                self._put(self._kept, self._unique, Put(name, json.loads(kept.text)))

    async def read(self, *queries: Query) -> list[Any]:
        await asyncio.sleep(0)
        return [self._answer(query) for query in queries]

    async def transact(self, queries: Sequence[Query], decide: Decide) -> Any:
        await asyncio.sleep(0)
        batch = decide(*[self._answer(query) for query in queries])
        self._commit(batch)
        await asyncio.sleep(0)
        return batch.result

    def _commit(self, batch: Batch) -> None:
        """Apply all writes of the batch, or none where one is refused."""
        touched = {write.store for write in batch.writes}
        kept = {name: dict(self._kept[name]) for name in touched}
        unique = {name: dict(self._unique[name]) for name in self._unique if name[0] in touched}
        for write in batch.writes:
            if isinstance(write, Delete):
                self._forget(kept, unique, write.store, _sortable(write.key))
            else:
                self._put(kept, unique, write)
        self._kept |= kept
        self._unique |= unique

    def _put(self, kept: Stores, unique: Uniques, write: Put) -> None:
        definition = self._definitions[write.store]
        key = _sortable(_key_of(write.value, definition.key_path))
        keys: dict[str | None, Sequence[Any]] = {None: (key,)}
        self._forget(kept, unique, write.store, key)
        for index in definition.indexes:
            keys[index.name] = _keys_in(index, write.value)
            if index.unique:
                taken = unique[write.store, index.name]
                if any(taken.setdefault(one, key) != key for one in keys[index.name]):
                    raise StorageError(f"Another value has the same {index.name}.")
        kept[write.store][key] = _Kept(json.dumps(write.value), keys)

    def _forget(self, kept: Stores, unique: Uniques, store: str, key: Any) -> None:
        old = kept[store].pop(key, None)
        if old is None:
            return
        for index in self._definitions[store].indexes:
            if index.unique:
                for one in old.keys[index.name]:
                    del unique[store, index.name][one]

    def _answer(self, query: Query) -> Any:
        if isinstance(query, Get):
            kept = self._kept[query.store].get(_sortable(query.key))
            return None if kept is None else json.loads(kept.text)
        found = self._within(query)
        if isinstance(query, Count):
            return len(found)
        found.sort(key=lambda pair: (pair[0], pair[1].keys[None]))
        if query.reverse:
            found.reverse()
        return [json.loads(kept.text) for _, kept in found[: query.limit]]

    def _within(self, query: Scan | Count) -> list[tuple[Any, _Kept]]:
        """Return what is within a query's bounds, once for each of its keys there."""
        every = self._kept[query.store].values()
        found = [(key, kept) for kept in every for key in kept.keys[query.index]]
        if query.lower is not None:
            lower = _sortable(query.lower)
            found = [pair for pair in found if pair[0] >= lower]
        if query.upper is not None:
            upper = _sortable(query.upper)
            found = [pair for pair in found if pair[0] <= upper]
        return found


class SoleLeadership:
    """Leadership of a device that has one context only."""

    async def hold(self, lead: Callable[[], Awaitable[None]]) -> None:
        """See the port."""
        await lead()


class SoleChannel:
    """The channel of a device that has one context only: there is nobody to tell."""

    def publish(self, message: Mapping[str, Any]) -> None:
        """See the port."""

    def subscribe(self, receive: Callable[[Mapping[str, Any]], None]) -> Callable[[], None]:
        """See the port."""
        return lambda: None


def _definitions(upgrades: Sequence[Upgrade]) -> dict[str, StoreDefinition]:
    stores: dict[str, StoreDefinition] = {}
    for step in upgrades:
        stores |= {store.name: store for store in step.stores}
        for name, index in step.indexes:
            stores[name] = replace(stores[name], indexes=(*stores[name].indexes, index))
    return stores


def _keys_in(index: IndexDefinition, value: Value) -> Sequence[Any]:
    """Return the keys under which an index holds a value."""
    if index.multi_entry:
        return list({_sortable(key): None for key in value.get(str(index.key_path), ())})
    return (_sortable(_key_of(value, index.key_path)),)


def _key_of(value: Value, path: str | tuple[str, ...]) -> Key:
    if isinstance(path, str):
        key: Key = value[path]
        return key
    return [value[part] for part in path]


def _sortable(key: Key) -> tuple[int, Any]:
    if isinstance(key, str):
        return (1, key)
    if isinstance(key, list):
        return (2, tuple([_sortable(part) for part in key]))
    return (0, key)

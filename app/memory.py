"""A `Store` over dictionaries: the tests' double, and the fallback where nothing may be stored.

Keeps the order of keys that IndexedDB keeps: numbers, then strings, then lists (W3C Indexed
Database API 3.0, "compare two keys").
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from app.errors import StorageError
from app.ports import (
    Batch,
    Count,
    Decide,
    Delete,
    Get,
    Key,
    Put,
    Query,
    Scan,
    StoreDefinition,
    Upgrade,
    Value,
)


class MemoryStore:
    """Stores made by the given upgrade steps, kept for the life of the object."""

    def __init__(self, upgrades: Sequence[Upgrade]) -> None:
        self._definitions = {store.name: store for step in upgrades for store in step.stores}
        self._values: dict[str, dict[Any, str]] = {name: {} for name in self._definitions}

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
        changed = {name: dict(values) for name, values in self._values.items()}
        for write in batch.writes:
            if isinstance(write, Delete):
                changed[write.store].pop(_sortable(write.key), None)
            else:
                self._put(changed, write)
        self._values = changed

    def _put(self, values: dict[str, dict[Any, str]], write: Put) -> None:
        definition = self._definitions[write.store]
        key = _sortable(_key_of(write.value, definition.key_path))
        for index in definition.indexes:
            if not index.unique:
                continue
            wanted = _key_of(write.value, index.key_path)
            for other, text in values[write.store].items():
                if other != key and _key_of(json.loads(text), index.key_path) == wanted:
                    raise StorageError(f"Another value has the same {index.name}.")
        values[write.store][key] = json.dumps(write.value)

    def _answer(self, query: Query) -> Any:
        if isinstance(query, Get):
            text = self._values[query.store].get(_sortable(query.key))
            return None if text is None else json.loads(text)
        found = self._within(query)
        if isinstance(query, Count):
            return len(found)
        if query.reverse:
            found.reverse()
        return found[: query.limit]

    def _within(self, query: Scan | Count) -> list[Value]:
        definition = self._definitions[query.store]
        path = _index_path(definition, query.index)
        keyed = []
        for key, text in self._values[query.store].items():
            value = json.loads(text)
            sortable = _sortable(_key_of(value, path))
            if query.lower is not None and sortable < _sortable(query.lower):
                continue
            if query.upper is not None and sortable > _sortable(query.upper):
                continue
            keyed.append((sortable, key, value))
        keyed.sort(key=lambda entry: entry[:2])
        return [value for _, _, value in keyed]


def _index_path(definition: StoreDefinition, name: str | None) -> str | tuple[str, ...]:
    if name is None:
        return definition.key_path
    return next(index.key_path for index in definition.indexes if index.name == name)


def _key_of(value: Value, path: str | tuple[str, ...]) -> Key:
    if isinstance(path, str):
        key: Key = value[path]
        return key
    return [value[part] for part in path]


def _sortable(key: Key) -> tuple[int, Any]:
    if isinstance(key, list):
        return (2, tuple(_sortable(part) for part in key))
    return (1, key) if isinstance(key, str) else (0, key)

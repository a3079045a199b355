"""The `Store` on IndexedDB. All of a transaction runs synchronously inside the browser's callbacks
(assets/idb.js); nothing here awaits in the middle of one.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from js import driftlineIdb
from pyodide.ffi import JsException, create_proxy, to_js

from app.core.schema import UPGRADES
from app.errors import StorageClosed, StorageError, StorageFull, StorageNewer
from app.ports import Count, Decide, Delete, Get, IndexDefinition, Query, Upgrade

_log = logging.getLogger(__name__)

KINDS = {Get: "get", Count: "count"}
LOST = ("InvalidStateError", "UnknownError")
"""What a request on a connection raises that the browser has closed under us."""


class IndexedDBStore:
    """The stores of the database `name`; reopens once where the browser closed the connection."""

    def __init__(self, name: str, upgrades: Sequence[Upgrade] = UPGRADES) -> None:
        self._name = name
        self._upgrades = upgrades
        self._stores = to_js([store.name for step in upgrades for store in step.stores])
        self._database: Any = None
        self._deleted = False
        self._lost = create_proxy(self._forget)

    async def open(self) -> None:
        """Open the database, upgrading it if needed; raises `StorageError`."""
        if self._deleted:
            await asyncio.Future()
        try:
            self._database = await driftlineIdb.open(self._name, _steps(self._upgrades), self._lost)
        except JsException as error:
            raise _translated(error) from None

    async def delete(self) -> None:
        """Delete the database; whatever is asked of this store from now on is never answered.

        The page has come to its end then, and what still runs in it has nobody to tell of errors.
        """
        self._deleted = True
        try:
            await driftlineIdb.remove(self._name)
        except JsException as error:
            raise _translated(error) from None

    async def read(self, *queries: Query) -> list[Any]:
        """See the port."""
        text = _rendered(queries)
        answer = await self._run(lambda: driftlineIdb.read(self._database, self._stores, text))
        return json.loads(answer)

    async def transact(self, queries: Sequence[Query], decide: Decide) -> Any:
        """See the port."""
        text = _rendered(queries)
        decided: dict[str, Any] = {}

        def inside(results: str) -> str | None:
            decided.clear()
            try:
                batch = decide(*json.loads(results))
                decided["result"] = batch.result
                return json.dumps([_write(write) for write in batch.writes])
            except Exception as error:
                decided["error"] = error
                return None

        proxy = create_proxy(inside)
        try:
            await self._run(
                lambda: driftlineIdb.transact(self._database, self._stores, text, proxy)
            )
        except StorageError:
            if "error" in decided:
                raise decided["error"] from None
            raise
        finally:
            proxy.destroy()
        return decided["result"]

    async def _run(self, attempt: Callable[[], Awaitable[Any]]) -> Any:
        """Run one transaction; one that could not even begin on a lost connection runs again."""
        try:
            if self._database is None:
                await self.open()
            return await attempt()
        except JsException as error:
            if error.name not in LOST:
                raise _translated(error) from None
            _log.warning("The database connection was lost and is opened again: %s", error)
        await self.open()
        try:
            return await attempt()
        except JsException as error:
            raise _translated(error) from None

    def _forget(self) -> None:
        self._database = None


def _steps(upgrades: Sequence[Upgrade]) -> str:
    def index(store: str, definition: IndexDefinition) -> dict[str, Any]:
        return {
            "store": store,
            "name": definition.name,
            "keyPath": definition.key_path,
            "unique": definition.unique,
            "multiEntry": definition.multi_entry,
        }

    def rendered(step: Upgrade) -> dict[str, Any]:
        own = [(store.name, definition) for store in step.stores for definition in store.indexes]
        return {
            "stores": [{"name": store.name, "keyPath": store.key_path} for store in step.stores],
            "indexes": [index(*indexed) for indexed in (*own, *step.indexes)],
        }

    return json.dumps([rendered(step) for step in upgrades])


def _rendered(queries: Sequence[Query]) -> str:
    return json.dumps(
        [{"kind": KINDS.get(type(query), "scan"), **vars(query)} for query in queries]
    )


def _write(write: Any) -> list[Any]:
    if isinstance(write, Delete):
        return ["delete", write.store, write.key]
    return ["put", write.store, write.value]


def _translated(error: JsException) -> StorageError:
    if error.name == "QuotaExceededError":
        return StorageFull("This device has no room left for Driftline. Nothing was half-saved.")
    if error.name == "VersionError":
        return StorageNewer(
            "A newer version of Driftline has been at work on this device. Reload the page."
        )
    if error.name in LOST:
        return StorageClosed(
            "The storage on this device was closed by the browser. Reload the page."
        )
    return StorageError(f"The storage on this device refused: {error.message}")

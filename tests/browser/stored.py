"""What a device stores, made and read on CPython by the app's own decisions."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from app.core.collections import registry
from app.core.decision import Decision
from app.core.enqueue import Draft, enqueue
from app.core.schema import OUTBOX, UPGRADES
from app.memory import MemoryStore
from app.ports import IndexDefinition, Put, Value

NOW = 1_900_000_000_000
Stores = dict[str, list[dict[str, Any]]]


def upgrade_steps() -> list[dict[str, Any]]:
    """Return the steps that make the database, in the form that assets/idb.js takes them."""

    def index(store: str, it: IndexDefinition) -> dict[str, Any]:
        flags = {"unique": it.unique, "multiEntry": it.multi_entry}
        return {"store": store, "name": it.name, "keyPath": it.key_path, **flags}

    return [
        {
            "stores": [{"name": store.name, "keyPath": store.key_path} for store in step.stores],
            "indexes": [
                *[index(store.name, it) for store in step.stores for it in store.indexes],
                *[index(*named) for named in step.indexes],
            ],
        }
        for step in UPGRADES
    ]


def on_cpython(store: MemoryStore, *decisions: Decision) -> list[Any]:
    """Carry out decisions; in a thread, since Playwright has this one's event loop."""

    async def all_of_them() -> list[Any]:
        return [await store.transact(one.queries, one.decide) for one in decisions]

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, all_of_them()).result()


def written(store: MemoryStore, name: str, texts: list[str]) -> list[Value]:
    """Enqueue messages, each called `name` and its number, and return the outbox."""
    drafts = [
        Draft(f"{name}-{n}", "send_message", "messages", f"{name}-{n}", {"text": text}, NOW)
        for n, text in enumerate(texts)
    ]
    on_cpython(store, enqueue(drafts, registry))
    return [json.loads(kept.text) for kept in store._kept[OUTBOX].values()]


def kept(stores: Stores) -> MemoryStore:
    """Return a store on CPython that holds what a device stores."""
    store = MemoryStore(UPGRADES)
    writes = [Put(name, value) for name, values in stores.items() for value in values]
    for write in writes:
        store._put(store._kept, store._unique, write)
    return store

"""Who this device is to the server: an id that it makes itself, in the first write of all."""

from __future__ import annotations

from app.core.ids import uuid7
from app.core.schema import METADATA
from app.ports import Batch, Clock, Get, Put, Random, Store

KEY = "client_id"


async def own_id(store: Store, clock: Clock, random: Random) -> str:
    """Return the client id kept in a store, made now where there is none."""
    fresh = uuid7(clock.now(), random.getrandbits(74))

    def decide(known: dict[str, str] | None) -> Batch:
        if known is not None:
            return Batch(result=known["value"])
        return Batch([Put(METADATA, {"key": KEY, "value": fresh})], fresh)

    client_id: str = await store.transact([Get(METADATA, KEY)], decide)
    return client_id


async def first_write(store: Store, clock: Clock, random: Random) -> None:
    """Write the client id to a store that has none: what can be opened may still keep nothing.

    Raises `StorageError` then. A store that is in use is only read: however full or broken it is
    by now, it holds what a person wrote.
    """
    (known,) = await store.read(Get(METADATA, KEY))
    if known is None:
        await own_id(store, clock, random)

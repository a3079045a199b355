"""Who this device is to the server: an id that it makes itself, in the first write of all."""

from __future__ import annotations

from app.core.ids import uuid7
from app.core.schema import METADATA
from app.ports import Batch, Clock, Get, Put, Random, Store

KEY = "client_id"


async def own_id(store: Store, clock: Clock, random: Random) -> str:
    """Return the client id kept in a store, made now where there is none.

    Raises `StorageError` where the store cannot be read, or is new and can keep nothing.
    """
    fresh = uuid7(clock.now(), random.getrandbits(74))
    (known,) = await store.read(Get(METADATA, KEY))
    if known is not None:
        return str(known["value"])

    def decide(made_meanwhile: dict[str, str] | None) -> Batch:
        if made_meanwhile is not None:
            return Batch(result=made_meanwhile["value"])
        return Batch([Put(METADATA, {"key": KEY, "value": fresh})], fresh)

    return str(await store.transact([Get(METADATA, KEY)], decide))

"""Who this device is to the server: it names itself in the first write of all."""

from __future__ import annotations

import logging

from app.core.backoff import Backoff
from app.core.identity import Identity, identify
from app.core.ids import uuid7
from app.core.metadata import CLIENT_ID, id_of
from app.errors import StorageError
from app.ports import Clock, Random, Store
from app.sync.world import World

_log = logging.getLogger(__name__)


async def own_identity(store: Store, clock: Clock, random: Random) -> Identity:
    """Return who the device with this store is; one that has no name yet gets one now."""
    decision = identify(uuid7(clock.now(), random.getrandbits(74)))
    identity: Identity = await store.transact(decision.queries, decision.decide)
    return identity


async def identity_at_last(world: World) -> Identity:
    """Return who this device is: a storage that fails at the start must not be the end of it."""
    failures = 0
    while True:
        try:
            return await own_identity(world.store, world.clock, world.random)
        except StorageError as error:
            _log.warning("This device's storage failed at the start: %s", error)
            failures += 1
            await world.clock.sleep(Backoff().delay(failures, world.random.random()))


async def first_write(store: Store, clock: Clock, random: Random) -> None:
    """Write the client id to a store that has none: what can be opened may still keep nothing.

    Raises `StorageError` then. A store that is in use is only read: however full or broken it is
    by now, it holds what a person wrote.
    """
    (known,) = await store.read(CLIENT_ID)
    if id_of(known) is None:
        await own_identity(store, clock, random)

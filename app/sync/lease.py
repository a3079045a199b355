"""Leadership where there are no Web Locks: a lease in the store, which its holder renews."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from app.core.decision import Decision
from app.core.metadata import LEASE, Stored, put
from app.errors import StorageError
from app.ports import Batch, Clock, Delete, Store
from app.sync.waiting import wait_at_most

TERM = 9.0
"""Seconds after which a lease that was not renewed belongs to a context that died, or is frozen."""
RENEWAL = TERM / 3


class LeaseLeadership:
    """Leadership by a lease; `holder` is this context's name, and no other's.

    A holder that was frozen may go on for a moment after another took over. That does no harm: each
    write of the engine holds only if what it was decided on is still so, and a second request with
    the same ids has no second effect.
    """

    def __init__(self, store: Store, clock: Clock, holder: str) -> None:
        self._store = store
        self._clock = clock
        self._holder = holder

    async def hold(self, lead: Callable[[], Awaitable[None]]) -> None:
        """See the port."""
        while True:
            while not await self._take():
                await self._clock.sleep(RENEWAL)
            if await self._run(lead):
                return

    async def _run(self, lead: Callable[[], Awaitable[None]]) -> bool:
        """Lead until `lead` ends, or until the lease is lost; tells whether it ended."""
        leading = asyncio.ensure_future(lead())
        try:
            while not await wait_at_most(self._clock, RENEWAL, leading):
                if not await self._take():
                    return False
            leading.result()
            return True
        finally:
            leading.cancel()
            await asyncio.wait([leading])
            await self._transact(give_back(self._holder))

    async def _take(self) -> bool:
        """Take the lease, or renew it; tells whether it is ours for another term."""
        return bool(await self._transact(take(self._holder, self._clock.now())))

    async def _transact(self, decision: Decision) -> Any:
        with contextlib.suppress(StorageError):
            return await self._store.transact(decision.queries, decision.decide)
        return None


def take(holder: str, now: int) -> Decision:
    """Take or renew the lease for a term, unless it is another's; returns whether it is `holder`'s.

    One that lasts for longer than a term was made by a clock that was set back since.
    """
    until = now + round(TERM * 1000)

    def decide(found: Stored) -> Batch:
        other, ends = _read(found)
        if other not in ("", holder) and now < ends <= until:
            return Batch(result=False)
        return Batch([put(LEASE, {"holder": holder, "until": until})], True)

    return Decision([LEASE], decide)


def give_back(holder: str) -> Decision:
    """End the lease if it is still `holder`'s, so that another need not wait for its end."""

    def decide(found: Stored) -> Batch:
        other, _ = _read(found)
        return Batch([Delete(LEASE.store, LEASE.key)] if other == holder else [])

    return Decision([LEASE], decide)


def _read(record: Stored) -> tuple[str, int]:
    """Return who holds the lease, and until when; nobody where that cannot be read."""
    value = None if record is None else record.get("value")
    known = value if isinstance(value, dict) else {}
    holder, until = known.get("holder"), known.get("until")
    return (holder, until) if isinstance(holder, str) and type(until) is int else ("", 0)

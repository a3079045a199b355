"""How actions ended: the answer to "did the server take this write?"."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

from app.core.entry import Entry, Outcome, by_earlier_id, by_id, read_entries
from app.errors import NotFound
from app.ports import Clock, Store
from app.sync.changes import Change, Changes
from app.sync.waiting import wait_at_most

REMEMBERED = 1_000
"""How many outcomes a context remembers for those who ask later."""


class Outcomes:
    """Remembers how the latest actions ended, and tells those who wait."""

    def __init__(self, store: Store, changes: Changes, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._ended: OrderedDict[str, Outcome] = OrderedDict()
        self._waiting: dict[str, list[asyncio.Future[Outcome]]] = {}
        changes.subscribe(self._changed)

    async def settled(self, action_id: str, timeout: float) -> Outcome | None:
        """Return how an action ended, or `None` if it has not within `timeout` seconds.

        Raises `NotFound` for an action that this context knows nothing of.
        """
        waiter: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(action_id, []).append(waiter)
        try:
            known = self._ended.get(action_id) or await self._stored(action_id)
            if known is None and await wait_at_most(self._clock, timeout, waiter):
                known = waiter.result()
            return known
        finally:
            self._forget(action_id, waiter)

    async def _stored(self, action_id: str) -> Outcome | None:
        found, renamed = await self._store.read(by_id(action_id), by_earlier_id(action_id))
        entries: Sequence[Entry] = read_entries([*found, *renamed])
        if entries:
            return entries[0].outcome
        if action_id in self._ended:
            return self._ended[action_id]
        raise NotFound("This change is not waiting any more: it was sent or discarded before.")

    def ended(self, action_id: str) -> Outcome | None:
        """Return how an action ended, as far as this context remembers."""
        return self._ended.get(action_id)

    def _forget(self, action_id: str, waiter: asyncio.Future[Outcome]) -> None:
        waiters = self._waiting.get(action_id, [])
        if waiter in waiters:
            waiters.remove(waiter)
        if not waiters:
            self._waiting.pop(action_id, None)

    def _changed(self, change: Change) -> None:
        for action_id, outcome in change.outcomes.items():
            self._ended[action_id] = outcome
            self._ended.move_to_end(action_id)
            for waiter in self._waiting.get(action_id, []):
                if not waiter.done():
                    waiter.set_result(outcome)
        while len(self._ended) > REMEMBERED:
            self._ended.popitem(last=False)

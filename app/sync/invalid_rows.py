"""Invalid rows, looked at again: notes on them are kept true, and what was damaged comes back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from app.core.actions import Registry
from app.core.invalid import ItemKey, check_again
from app.errors import StorageError
from app.ports import Clock, Store
from app.sync.changes import Changes

CHECK_AGAIN = 5.0
"""Seconds after which rows are checked again where the storage refused to note them."""

_log = logging.getLogger(__name__)


class InvalidRows:
    """Checks rows again; `wake` has the server asked for those that cannot be read."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        changes: Changes,
        clock: Clock,
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._registry = registry
        self._changes = changes
        self._clock = clock
        self._wake = wake
        self._checking: set[asyncio.Task[None]] = set()

    async def check(self, keys: Iterable[ItemKey]) -> None:
        """Bring the notes on these rows up to date.

        Where the storage refuses, they are as they were, and it is tried again later.
        """
        items = sorted(keys)
        if not items:
            return
        decision = check_again(items, self._registry.problems)
        try:
            asks_again = await self._store.transact(decision.queries, decision.decide)
        except StorageError as error:
            _log.warning("The notes on invalid rows could not be written: %s", error)
            self._clock.call_later(CHECK_AGAIN, lambda: self._later(items))
            return
        self._changes.announce(items)
        if asks_again:
            self._wake()

    def _later(self, items: list[ItemKey]) -> None:
        task = asyncio.ensure_future(self.check(items))
        self._checking.add(task)
        task.add_done_callback(self._checking.discard)

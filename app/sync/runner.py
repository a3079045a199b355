"""Carrying out one action by its handler, and settling what came of it."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from app.core.backoff import Backoff
from app.core.entry import Entry, by_id, read_entries
from app.core.outbox import fail_attempt, remove
from app.core.settle import Settled
from app.ports import Clock, Random, Store
from app.protocol import Problem
from app.sync.changes import Changes
from app.sync.handlers import Handler, Handlers

MAX_ATTEMPTS = 3
"""Attempts of a handler before its action becomes `failed` (the first seed's limit)."""

_log = logging.getLogger(__name__)


class Runner:
    """Runs handlers for claimed entries; after a crash one may run again, with the same id."""

    def __init__(
        self, store: Store, handlers: Handlers, changes: Changes, clock: Clock, random: Random
    ) -> None:
        self._store = store
        self._handlers = handlers
        self._changes = changes
        self._clock = clock
        self._random = random
        self._backoff = Backoff()

    def handles(self, entry: Entry) -> bool:
        """Tell whether a registered handler carries out the entry's action."""
        return self._handlers.get(entry.type) is not None

    async def run_all(self, entries: Iterable[Entry], handler: Handler | None = None) -> Settled:
        """Carry out claimed entries in order, by `handler` or by the one of their type."""
        settled = Settled()
        for entry in entries:
            chosen = handler or self._handlers.get(entry.type)
            if chosen is not None and await self._is_in_flight(entry):
                await self._run(entry, chosen, settled)
        return settled

    async def _is_in_flight(self, entry: Entry) -> bool:
        """An earlier action of the item may have failed in the meantime and hold this one."""
        (found,) = await self._store.read(by_id(entry.id))
        return any(current.state == "in_flight" for current in read_entries(found))

    async def _run(self, entry: Entry, handler: Handler, settled: Settled) -> None:
        try:
            await self._handlers.run(handler, entry.parsed())
        except Exception as error:
            _log.warning("The handler of %s failed: %r", entry.type, error)
            failed = await self.count_failure(entry, str(error) or type(error).__name__)
            settled.failed += failed.state == "failed"
            return
        decision = remove(entry)
        await self._store.transact(decision.queries, decision.decide)
        settled.synced += 1
        self._changes.announce([(entry.collection, entry.item_id)])

    async def count_failure(self, entry: Entry, message: str) -> Entry:
        """Count a failed attempt of an entry; returns the entry as it is now."""
        delay = self._backoff.delay(entry.attempts + 1, self._random.random())
        decision = fail_attempt(
            entry,
            Problem(code="handler_failed", message=message),
            self._clock.now() + round(delay * 1000),
            MAX_ATTEMPTS,
        )
        counted: Entry = await self._store.transact(decision.queries, decision.decide)
        self._changes.announce([(entry.collection, entry.item_id)])
        return counted

"""Carrying out one action by its handler, and settling what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Sequence
from typing import Any

from app.core.actions import Registry
from app.core.claim import claim_local
from app.core.decision import Decision
from app.core.entry import Entry
from app.core.invalid import Check
from app.core.outbox import TakenOut, complete, fail_attempt
from app.core.policy import Handled, by_policy
from app.core.quarantine import quarantine
from app.core.settle import Settled
from app.errors import NotFound
from app.ports import Clock, Random, Store
from app.protocol import Problem, Row
from app.sync.changes import Changes
from app.sync.handlers import Handler, Handlers
from app.sync.waiting import wait_at_most

TIMEOUT = 60.0
"""Seconds that a handler may take; it counts as failed then, since everything waits behind it."""

_log = logging.getLogger(__name__)


class Runner:
    """Runs handlers for claimed entries; after a crash one may run again, with the same id."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        handlers: Handlers,
        changes: Changes,
        clock: Clock,
        random: Random,
    ) -> None:
        self._store = store
        self._registry = registry
        self._handlers = handlers
        self._changes = changes
        self._clock = clock
        self._random = random

    @property
    def check(self) -> Check:
        """What finds fault with rows that do not fit the models of the registry."""
        return self._registry.problems

    def resolve(self, line: Sequence[Entry], row: Row | None) -> Handled:
        """Settle a conflict by the policy of its collection, if that is what it says."""
        return by_policy(line, row, self._registry, self.handles)

    def handles(self, entry: Entry) -> bool:
        """Tell whether a registered handler carries out the entry's action."""
        return self._handlers.get(entry.type) is not None

    async def run_all(self, entries: Iterable[Entry], handler: Handler | None = None) -> Settled:
        """Carry out entries in order, by `handler` or by the one of their type.

        Each is claimed by itself when its turn comes: an earlier action of its item may have
        failed in the meantime, or another context may have taken it.
        """
        settled = Settled()
        for entry in entries:
            if entry.readable() is None:
                await self._quarantine(entry, settled)
                continue
            chosen = handler or self._handlers.get(entry.type)
            if chosen is None:
                continue
            if await self._transact(claim_local(entry, self._clock.now())):
                await self._run(entry, chosen, settled)
        return settled

    async def _quarantine(self, entry: Entry, settled: Settled) -> None:
        if await self._transact(quarantine(entry)):
            _log.error("The stored action %s (seq %d) is damaged", entry.id, entry.seq)
            settled.failed += 1
            item = (entry.collection, entry.item_id)
            self._changes.announce([item], outcomes={entry.id: "failed"})

    async def _run(self, entry: Entry, handler: Handler, settled: Settled) -> None:
        running = asyncio.ensure_future(self._handlers.run(handler, entry.parsed()))
        try:
            if not await wait_at_most(self._clock, TIMEOUT, running):
                raise TimeoutError(f"It took longer than {TIMEOUT:.0f} seconds.")
            await running
        except Exception as error:
            _log.warning("The handler of %s failed: %r", entry.type, error)
            with contextlib.suppress(NotFound):  # discarded while its handler ran
                doubt = isinstance(error, TimeoutError)
                message = str(error) or type(error).__name__
                failed = await self.count_failure(entry, message, in_doubt=doubt)
                settled.failed += failed.state == "failed"
            return
        finally:
            running.cancel()
        settled.synced += 1
        with contextlib.suppress(NotFound):  # discarded while its handler ran
            taken: TakenOut = await self._transact(complete(entry))
            settled.freed += sum(other.state == "pending" for other in taken.others)
        self._changes.announce([(entry.collection, entry.item_id)], outcomes={entry.id: "applied"})

    async def count_failure(
        self, entry: Entry, message: str, code: str = "handler_failed", in_doubt: bool = False
    ) -> Entry:
        """Count a failed attempt of an entry by its type's policy; returns it as it is now.

        `in_doubt` says that the attempt may have taken effect all the same.
        """
        policy = self._registry.retry_policy(entry.type)
        delay = policy.backoff.delay(entry.attempts + 1, self._random.random())
        decision = fail_attempt(
            entry,
            Problem(code=code, message=message),
            self._clock.now() + round(delay * 1000),
            policy.max_attempts,
            in_doubt,
        )
        counted: Entry = await self._transact(decision)
        ended = {} if counted.outcome is None else {counted.id: counted.outcome}
        self._changes.announce([(entry.collection, entry.item_id)], outcomes=ended)
        return counted

    async def _transact(self, decision: Decision) -> Any:
        return await self._store.transact(decision.queries, decision.decide)

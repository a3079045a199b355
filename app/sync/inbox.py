"""The service worker as a courier: what it has to know, and settling what it brought while no page
led (app/core/inbox.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

from app.core.attempt import NEXT, Attempt, read_attempt
from app.core.decision import Decision
from app.core.identity import Identity
from app.core.inbox import brief, doubt_attempt, drop_record, settle_attempt
from app.core.settle import Settled
from app.errors import StorageError
from app.ports import Clock, Store
from app.protocol import SyncResponse
from app.sync.changes import Changes
from app.sync.handlers import Handlers
from app.sync.report import StatusStore
from app.sync.runner import Runner

_log = logging.getLogger(__name__)


class Inbox:
    """Settles the worker's records; only a leader may, for then no worker is sending."""

    def __init__(
        self, store: Store, changes: Changes, status: StatusStore, runner: Runner, clock: Clock
    ) -> None:
        self._store = store
        self._changes = changes
        self._status = status
        self._runner = runner
        self._clock = clock
        self._arrived = 0

    async def empty(self, identity: Identity) -> None:
        """Settle all records, the oldest first; `identity` is who this device is.

        What a failing storage leaves over is settled by the next leader: the ids stay the same, so
        that sending it again meanwhile has no second effect.
        """
        try:
            while found := (await self._store.read(NEXT))[0]:
                await self._settle(found[0], identity)
        except StorageError as error:
            _log.warning("This device's storage failed while answers were settled: %s", error)

    async def _settle(self, record: dict[str, Any], identity: Identity) -> None:
        attempt = read_attempt(record)
        if attempt is None:
            _log.error("A record of the inbox is damaged and was dropped: %r", record.get("id"))
            await self._transact(drop_record(record["id"]))
            return
        response = attempt.response()
        if response is not None:
            await self._answered(attempt, response, identity)
            return
        if attempt.answer is not None:
            _log.error("An answer in the inbox is damaged; what it was about is sent again")
        await self._transact(doubt_attempt(attempt))

    async def _answered(self, attempt: Attempt, response: SyncResponse, identity: Identity) -> None:
        queries = attempt.named()
        entries = attempt.still_there(await self._store.read(*queries) if queries else ())
        rules = self._runner.check, identity, self._runner.resolve
        at = min(attempt.at, self._clock.now())
        decision = settle_attempt(attempt, response, entries, at, *rules)
        settled: Settled = await self._transact(decision)
        self._changes.announce(settled.changed, outcomes=settled.outcomes)
        self._note(response, at)

    def _note(self, response: SyncResponse, at: int) -> None:
        """Show in the status what came; the pages of one pull count the same messages."""
        self._arrived = max(self._arrived, response.unread_count)
        if not response.has_more:
            now = self._status.get()
            self._status.change(unread=now.unread + self._arrived, last_synced=at)
            self._arrived = 0

    async def _transact(self, decision: Decision) -> Any:
        return await self._store.transact(decision.queries, decision.decide)


class Courier:
    """Keeps what the worker goes by true: the API's address, and which types have a handler.

    Without an address the worker sends nothing: what is talked to is no server of ours.
    """

    def __init__(self, store: Store, api_url: str | None, handlers: Handlers) -> None:
        self._store = store
        self._api_url = api_url
        self._handlers = handlers
        self._task: asyncio.Task[None] | None = None

    async def brief(self) -> None:
        """Tell the worker now, and from now on whenever a handler is registered."""
        self._handlers.registered = self._again
        decision = brief(self._api_url, self._handlers.types)
        with contextlib.suppress(StorageError):  # it goes by what it was told before
            await self._store.transact(decision.queries, decision.decide)

    def _again(self) -> None:
        self._task = asyncio.ensure_future(self.brief())

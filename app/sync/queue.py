"""The action queue as applications use it: durable, atomic, and nothing leaves it unseen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.core.actions import Data, Registry
from app.core.decision import Decision
from app.core.enqueue import Draft, Enqueued, enqueue
from app.core.entry import Entry, by_id, read_entries
from app.core.ids import uuid7
from app.core.outbox import clear_page, remove, retry
from app.core.schema import OUTBOX
from app.errors import NotFound
from app.ports import Clock, Random, Scan, Store
from app.sync.changes import Changes
from app.sync.handlers import Handler
from app.sync.report import Status, StatusStore, SyncReport
from app.sync.runner import Runner
from app.sync.stores import Unsubscribe

DEFAULT_COLLECTION = "actions"


class Queue:
    """The outbox's verbs. Being offline costs no attempt; past the limit an action is kept."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        changes: Changes,
        status: StatusStore,
        runner: Runner,
        clock: Clock,
        random: Random,
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._registry = registry
        self._changes = changes
        self._status = status
        self._runner = runner
        self._clock = clock
        self._random = random
        self._wake = wake

    def new_id(self) -> str:
        """Return a fresh identifier, for an action or for an item."""
        return uuid7(self._clock.now(), self._random.getrandbits(74))

    async def add(
        self,
        action_type: str,
        data: Data | None = None,
        *,
        collection: str = DEFAULT_COLLECTION,
        item_id: str | None = None,
    ) -> str:
        """Enqueue an action and return its id; it is durable when this returns.

        Without `item_id` the action is about an item of its own, called like the action. Raises
        `InvalidInput`, `Rejected` or `StorageError`; then nothing was written.
        """
        action_id = self.new_id()
        draft = Draft(
            id=action_id,
            type=action_type,
            collection=collection,
            item_id=item_id or action_id,
            data=data,
            created_at=self._clock.now(),
        )
        added: Enqueued = await self._transact(enqueue([draft], self._registry))
        keys = [(entry.collection, entry.item_id) for entry in added.entries]
        self._changes.announce(keys, added.items)
        self._wake()
        return action_id

    async def pending(self, limit: int = 100, after: int = 0) -> list[Entry]:
        """Return up to `limit` entries of any state with a `seq` above `after`, oldest first."""
        (found,) = await self._store.read(Scan(OUTBOX, lower=after + 1, limit=limit))
        return read_entries(found)

    async def get(self, action_id: str) -> Entry:
        """Return an action's entry; raises `NotFound` once it is gone."""
        (found,) = await self._store.read(by_id(action_id))
        for entry in read_entries(found):
            return entry
        raise NotFound("This change is not waiting any more: it was sent or discarded.")

    async def remove(self, action_id: str) -> None:
        """Discard an action for good; raises `NotFound` once it is gone."""
        self._announce(await self._transact(remove(await self.get(action_id))))
        self._wake()

    async def retry(self, action_id: str) -> str:
        """Send a failed action again; returns its id, a new one if the server had refused it."""
        fresh: Entry = await self._transact(retry(await self.get(action_id), self.new_id()))
        self._announce(fresh)
        self._wake()
        return fresh.id

    async def increment_retry(self, action_id: str, reason: str = "The attempt failed.") -> None:
        """Count a failed attempt; past the limit the action becomes `failed`, and is kept."""
        await self._runner.count_failure(await self.get(action_id), reason)

    async def flush(self, handler: Handler | None = None) -> SyncReport:
        """Carry out everything due now by `handler`, in order, or by the handlers of the types.

        An action that succeeds is gone; one that raises stays, with one attempt more, and holds
        back the later ones of its item.
        """
        report, after = SyncReport(), 0
        while entries := await self.pending(after=after):
            after = entries[-1].seq
            now = self._clock.now()
            due = [entry for entry in entries if entry.next_attempt_at <= now]
            report = report.plus(await self._runner.run_all(due, handler))
        return report

    async def clear(self) -> None:
        """Discard everything in the outbox."""
        while removed := await self._transact(clear_page()):
            self._announce(*removed)
        self._wake()

    @property
    def count(self) -> int:
        """How many actions are in the outbox, in whatever state."""
        return self._status.get().count

    def subscribe(self, fn: Callable[[Status], Any]) -> Unsubscribe:
        """Call `fn` with the status, and so with the counts, now and at each change."""
        return self._status.subscribe(fn)

    async def _transact(self, decision: Decision) -> Any:
        return await self._store.transact(decision.queries, decision.decide)

    def _announce(self, *entries: Entry) -> None:
        self._changes.announce((entry.collection, entry.item_id) for entry in entries)

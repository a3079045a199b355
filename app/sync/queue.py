"""The action queue as applications use it: durable, atomic, and nothing leaves it unseen."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from app.core.actions import Data, Registry
from app.core.decision import Decision
from app.core.enqueue import Draft, Enqueued, enqueue
from app.core.entry import Entry, Outcome, by_id, read_entries
from app.core.ids import uuid7
from app.core.outbox import clear_page, remove, retry
from app.core.schema import OUTBOX
from app.errors import NotFound
from app.ports import Clock, Random, Scan, Store
from app.sync.changes import Changes
from app.sync.handlers import Handler
from app.sync.outcomes import Outcomes
from app.sync.report import Status, StatusStore, SyncReport
from app.sync.runner import Runner
from app.sync.stores import Unsubscribe

DEFAULT_COLLECTION = "actions"


@dataclass(frozen=True)
class New:
    """An action to enqueue; without `item_id` it is about an item of its own."""

    type: str
    data: Data | None = None
    collection: str = DEFAULT_COLLECTION
    item_id: str | None = None


class Queued(str):
    """The id of an enqueued action, which can be asked how the action ended."""

    _outcomes: Outcomes

    def __new__(cls, action_id: str, outcomes: Outcomes) -> Queued:
        queued = super().__new__(cls, action_id)
        queued._outcomes = outcomes
        return queued

    async def settled(self, timeout: float) -> Outcome | None:
        """Return how the action ended, or `None` if it has not within `timeout` seconds.

        Did the server take this write? `applied` says that it has.
        """
        return await self._outcomes.settled(str(self), timeout)


class Queue:
    """The outbox's verbs. Being offline costs no attempt; past the limit an action is kept."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        changes: Changes,
        status: StatusStore,
        runner: Runner,
        outcomes: Outcomes,
        clock: Clock,
        random: Random,
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._registry = registry
        self._changes = changes
        self._status = status
        self._runner = runner
        self._outcomes = outcomes
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
    ) -> Queued:
        """Enqueue an action and return its id; it is durable when this returns.

        Without `item_id` the action is about an item of its own, called like the action. An action
        that joined an earlier one of its item, which was not sent yet, goes by that one's id.
        Raises `InvalidInput`, `Rejected` or `StorageError`; then nothing was written.
        """
        (queued,) = await self.add_many([New(action_type, data, collection, item_id)])
        return queued

    async def add_many(self, actions: Iterable[New]) -> list[Queued]:
        """Enqueue any number of actions in one transaction, all or none; returns their ids."""
        drafts = [self._draft(action) for action in actions]
        added: Enqueued = await self._transact(enqueue(drafts, self._registry))
        outcomes: dict[str, Outcome] = dict.fromkeys(added.cancelled, "discarded")
        self._changes.announce({draft.item for draft in drafts}, added.items, outcomes)
        self._wake()
        return [Queued(action_id, self._outcomes) for action_id in added.ids]

    def _draft(self, action: New) -> Draft:
        action_id = self.new_id()
        return Draft(
            id=action_id,
            type=action.type,
            collection=action.collection,
            item_id=action.item_id or action_id,
            data=action.data,
            created_at=self._clock.now(),
        )

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
        self._discarded(await self._transact(remove(await self.get(action_id))))
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
            self._discarded(*removed)
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

    def _discarded(self, *entries: Entry) -> None:
        outcomes: dict[str, Outcome] = {entry.id: "discarded" for entry in entries}
        keys = [(entry.collection, entry.item_id) for entry in entries]
        self._changes.announce(keys, outcomes=outcomes)

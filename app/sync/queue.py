"""The action queue as applications use it: durable, atomic, and nothing leaves it unseen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from app.core.actions import Data, Registry
from app.core.decision import Decision
from app.core.edit import edit, retry
from app.core.enqueue import Draft, Enqueued, enqueue
from app.core.entry import Entry, Outcome, behind, by_id, read_entries
from app.core.ids import uuid7
from app.core.outbox import Altered, TakenOut, clear_page, remove
from app.errors import InvalidInput, NotFound
from app.ports import Clock, Random, Store
from app.sync.changes import Changes
from app.sync.handlers import Handler
from app.sync.outcomes import Outcomes
from app.sync.queued import DEFAULT_COLLECTION, New, Queued
from app.sync.report import Status, StatusStore, SyncReport
from app.sync.runner import Runner
from app.sync.stores import Unsubscribe

if TYPE_CHECKING:
    from app.core.transfer import Imported

__all__ = ["New", "Queue", "Queued"]


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
        depends_on: Sequence[str] = (),
    ) -> Queued:
        """Enqueue an action and return its id; it is durable when this returns.

        Without `item_id` the action is about an item of its own, called like the action. An action
        that joined an earlier one of its item, which was not sent yet, goes by that one's id.
        `depends_on` names actions by their ids: this one is not sent before they all were applied;
        an id that is not in the outbox counts as applied. Raises `InvalidInput`, `Rejected` or
        `StorageError`; then nothing was written.
        """
        new = New(action_type, data, collection, item_id, depends_on)
        (queued,) = await self.add_many([new])
        return queued

    async def add_many(self, actions: Iterable[New]) -> list[Queued]:
        """Enqueue any number of actions in one transaction, all or none; returns their ids."""
        drafts: list[Draft] = []
        made: dict[int, str] = {}
        for action in actions:
            drafts.append(self._draft(action, made))
            made[id(action)] = drafts[-1].id
        added: Enqueued = await self._transact(enqueue(drafts, self._registry))
        outcomes: dict[str, Outcome] = dict.fromkeys(added.cancelled, "discarded")
        self._changes.announce({draft.item for draft in drafts}, added.items, outcomes)
        self._wake()
        return [Queued(action_id, self._outcomes) for action_id in added.ids]

    def _draft(self, action: New, made: Mapping[int, str]) -> Draft:
        """Return an action's draft; `made` has the ids of those before it, by their identity."""
        action_id = self.new_id()
        needs = [made.get(id(n), "") if isinstance(n, New) else str(n) for n in action.depends_on]
        if not all(needs):
            raise InvalidInput("A change can only depend on one that is added before it.")
        if any(self._outcomes.ended(name) == "discarded" for name in needs):
            raise InvalidInput("The change that this one depends on was discarded.")
        return Draft(
            id=action_id,
            type=action.type,
            collection=action.collection,
            item_id=action.item_id or action_id,
            data=action.data,
            created_at=self._clock.now(),
            depends_on=tuple(needs),
            undoable=action.undoable,
            seen=action.seen,
        )

    async def alter(self, decision: Decision) -> Queued:
        """Carry out a decision that returns an `Altered`; returns the id of what it is about."""
        altered: Altered = await self._transact(decision)
        self._changes.announce(altered.items, outcomes=altered.outcomes)
        self._wake()
        return Queued(altered.entry.id, self._outcomes)

    async def pending(self, limit: int = 100, after: int = 0) -> list[Entry]:
        """Return up to `limit` entries of any state with a `seq` above `after`, oldest first."""
        (found,) = await self._store.read(behind(after, limit))
        return read_entries(found)

    async def get(self, action_id: str) -> Entry:
        """Return an action's entry; raises `NotFound` once it is gone."""
        (found,) = await self._store.read(by_id(action_id))
        for entry in read_entries(found):
            return entry
        raise NotFound("This change is not waiting any more: it was sent or discarded.")

    async def remove(self, action_id: str) -> None:
        """Discard an action for good; raises `NotFound` once it is gone.

        The actions that depend on it become `failed`, and are kept.
        """
        taken: TakenOut = await self._transact(remove(await self.get(action_id)))
        self._discarded(taken.entry)
        self._announce(*taken.others)
        self._wake()

    async def retry(self, action_id: str) -> str:
        """Send a failed action again; returns its id, a new one if the server had refused it."""
        fresh: Entry = await self._transact(retry(await self.get(action_id), self.new_id()))
        self._announce(fresh)
        self._wake()
        return fresh.id

    async def edit(self, action_id: str, data: Data | None) -> Queued:
        """Give a failed, conflicting or waiting action other data, and let it be sent.

        Returns its id, a new one if it was ever sent. Raises `InvalidInput` while it is under way
        and where it is not known whether it took effect, `InvalidInput` or `Rejected` for data that
        the server would be sure to refuse, `NotFound` once it is gone; then nothing was changed.
        """
        entry = await self.get(action_id)
        fresh: Entry = await self._transact(edit(entry, data, self.new_id(), self._registry))
        self._announce(fresh)
        self._wake()
        return Queued(fresh.id, self._outcomes)

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

    async def export(self) -> str:
        """Return the whole outbox as JSON text, for `import_entries` here or on another device."""
        from app.sync.transfer import export_all  # rarely needed, as is the next one

        return await export_all(self._store, self.new_id())

    async def import_entries(self, text: str) -> Imported:
        """Bring back the entries of an exported outbox, all in one transaction.

        None comes twice: what is in the outbox, was imported before, or was sent, or may have been,
        by this device since it made the file, is left out. On another device what may have been
        sent before the file was made is held there, as failed, until Retry; the rest is sent, and
        if the first device sends it as well, only what its actions check keeps it from a second
        effect. Raises `InvalidInput`, with the place, for a file that is not ours or damaged; then
        nothing was imported.
        """
        from app.sync.transfer import import_text

        imported = await import_text(self._store, text)
        self._announce(*imported.added)
        self._wake()
        return imported

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
        ended = {entry.id: entry.outcome for entry in entries if entry.outcome is not None}
        self._changes.announce([entry.item for entry in entries], outcomes=ended)

    def _discarded(self, *entries: Entry) -> None:
        outcomes: dict[str, Outcome] = {entry.id: "discarded" for entry in entries}
        self._changes.announce([entry.item for entry in entries], outcomes=outcomes)

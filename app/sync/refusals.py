"""What an error status says: about the request, about one of its actions, or about the server."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, NoReturn

from app.core.actions import Registry
from app.core.claim import requeue
from app.core.decision import Decision
from app.core.entry import Entry
from app.core.metadata import CURSOR
from app.core.outbox import conflict_attempt, fail_attempt
from app.core.settle import Settled, forget_cursor
from app.errors import InvalidInput, NotFound, Refused, StorageError, TransportError
from app.ports import Clock, Random, Store
from app.protocol import MAX_ACTIONS, Problem
from app.sync.runner import Runner

VERDICT_STATUSES = frozenset({400, 403, 404, 410, 413, 422})
"""Answers that are about what was sent: it is halved, and refused once it is a single action."""
CONFLICT_STATUSES = frozenset({409, 412})
"""Answers that somebody else changed what was sent meanwhile; halved, and kept as a conflict."""
PATIENCE = 3
"""Pushes in a row that come to nothing before it is asked whether one of their actions is why."""

GONE = (NotFound, InvalidInput)
"""A person discarded the action, or retried it, while its request was under way."""


class Refusals:
    """Finds the action that a refused push is about, and lets the others pass.

    A batch that is refused is halved until one action is left. What is wrong with the action alone
    makes it `failed`, or a conflict, at once. A 500 may be the server's own trouble, so the action
    is only put off; it counts as a failed attempt when the server then takes other actions. Where
    there was no answer, or 502 and above, trouble is even likelier: see `doubt`.

    `batch` is how many actions the next push may hold. `wary` says that the server is first to be
    asked without any; `answered`, that it just answered that.
    """

    def __init__(
        self, store: Store, registry: Registry, runner: Runner, clock: Clock, random: Random
    ) -> None:
        self._store = store
        self._registry = registry
        self._runner = runner
        self._clock = clock
        self._random = random
        self._failures: dict[str, int] = {}
        self._suspects: dict[str, Entry] = {}
        self._in_vain = 0
        self.batch = MAX_ACTIONS
        self.wary = False
        self.answered = False

    async def judge(self, error: Refused, pushed: Sequence[Entry]) -> Settled:
        """Return what a refused push settled; raises `error` where it says nothing of an action."""
        if "cursor" in error.fields and await self._forget_cursor():
            await self._release(error, pushed)
            return Settled()
        about_actions = not error.fields or any(name.startswith("actions") for name in error.fields)
        conflicts = error.status in CONFLICT_STATUSES
        blames = conflicts or (error.status in VERDICT_STATUSES and about_actions)
        if blames and len(pushed) == 1:
            return await self._keep(error, pushed[0], conflicts)
        await self._release(error, pushed)
        if error.status > 500:
            await self.doubt(error, pushed)
        if not pushed or not (blames or error.status == 500):
            raise error
        if len(pushed) == 1:
            return await self._put_off(error, pushed[0])
        self.batch = max(1, len(pushed) // 2)
        return Settled()

    async def doubt(self, error: TransportError, pushed: Sequence[Entry]) -> NoReturn:
        """Look for an action that a server which is there gives no verdict on, or dies of.

        It raises `error` whatever it finds, so that each step waits for the next attempt: a server
        that is in trouble, or asks for time, is left alone. The third push in vain is halved, and
        so is each after it. One action alone is sent only right after the server answered without
        it; if that fails again, it is put off, and the next one has its turn.
        """
        answered, self.answered = self.answered, False
        if not pushed:
            raise error
        self._in_vain += 1
        if self._in_vain >= PATIENCE or any(entry.id in self._failures for entry in pushed):
            self.batch = max(1, len(pushed) // 2)
            self.wary = self.wary or len(pushed) == 1
            if answered and len(pushed) == 1:
                await self._put_off(error, pushed[0])
        raise error

    async def passed(self, pushed: Sequence[Entry]) -> None:
        """Note that the server took a push: whatever else it refuses is not its own trouble."""
        if not pushed:
            return
        self.batch = min(MAX_ACTIONS, self.batch * 2)
        self.wary, self.answered, self._in_vain = False, False, 0
        for entry in pushed:
            self._failures.pop(entry.id, None)
            self._suspects.pop(entry.id, None)
        suspects, self._suspects = self._suspects, {}
        for entry in suspects.values():
            message = "The server fails at this change, but takes others."
            with contextlib.suppress(*GONE):
                await self._runner.count_failure(entry, message, "server_failed")

    async def _forget_cursor(self) -> bool:
        """Have the next pull start from the beginning; returns whether it would not have anyway."""
        (known,) = await self._store.read(CURSOR)
        await self._transact(forget_cursor())
        return known is not None

    async def _release(self, error: Refused, pushed: Sequence[Entry]) -> None:
        """Note that a push which was refused as a request has had no effect."""
        if error.had_no_effect:
            ids = {entry.id for entry in pushed}
            with contextlib.suppress(StorageError):  # the next round requeues, and knows less
                await self._transact(requeue(self._clock.now(), ids, refused=ids))

    async def _keep(self, error: Refused, entry: Entry, conflicts: bool) -> Settled:
        """Keep the action that was refused alone, as failed or as a conflict, for a person."""
        problem = Problem(code=error.code, message=str(error), fields=error.fields)
        refusal = fail_attempt(entry, problem, 0, max_attempts=1)
        item = {entry.item}
        try:
            await self._transact(conflict_attempt(entry, problem) if conflicts else refusal)
        except GONE:
            return Settled(changed=item)
        if conflicts:
            return Settled(conflicts=1, changed=item, outcomes={entry.id: "conflict"})
        return Settled(failed=1, changed=item, outcomes={entry.id: "failed"})

    async def _put_off(self, error: TransportError, entry: Entry) -> Settled:
        """A second suspect before any success means that the server itself is in trouble."""
        failures = self._failures[entry.id] = self._failures.get(entry.id, 0) + 1
        others = self._suspects.keys() - {entry.id}
        self._suspects[entry.id] = entry
        policy = self._registry.retry_policy(entry.type)
        delay = policy.backoff.delay(failures, self._random.random(), error.retry_after)
        message = f"The server fails at this change, and it is sent again later: {error}"
        problem = Problem(code="server_failed", message=message)
        with contextlib.suppress(*GONE):
            until = self._clock.now() + round(delay * 1000)
            await self._runner.put_off(entry, until, problem)
        if others:
            self._suspects.clear()
            raise error
        return Settled(changed={entry.item})

    async def _transact(self, decision: Decision) -> Any:
        return await self._store.transact(decision.queries, decision.decide)

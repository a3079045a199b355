"""The engine: the one loop that talks to the server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Any

from app.core.claim import Claim, claim, claim_none, requeue
from app.core.decision import Decision
from app.core.entry import Entry, due, read_entries
from app.core.identity import Identity, was_put_back
from app.core.settle import Settled, settle
from app.errors import Refused, StorageError, TransportError, Unreachable
from app.ports import Clock, Random, Store
from app.sync.changes import Changes
from app.sync.connection import Connection
from app.sync.reach import Reach
from app.sync.refusals import Refusals
from app.sync.report import Hold, StatusStore, SyncReport
from app.sync.runner import Runner
from app.sync.sweeper import Sweeper
from app.sync.transport import Answer, Push, Transport
from app.sync.waiting import Rest, Waking

DEBOUNCE = 0.1
"""Seconds between a wake and the request, so that the page paints first, and more can join in: taps
that follow each other are not held up by what the one before has to do."""
PAUSE = 1.0
"""Seconds to rest at least after a synchronisation that settled nothing."""
POLL = 60.0
"""Seconds between pulls where nothing else wakes the engine."""
HOLDS: dict[int, Hold] = {401: "sign_in", 426: "update"}
"""Answers that hold the whole queue until a person has done something."""
HOLD = 900.0
"""Seconds between attempts while the queue is held."""

_log = logging.getLogger(__name__)


class Engine:
    """Pushes what is due, pulls what changed, rests, and starts again:

          ┌───────────── woken, next action due, or poll ─────────────┐
          ▼                                                           │
       SYNCING ── all answered, nothing left ──► IDLE ────────────────┤
          │                                                           │
          ├── refused (500, 429 …) ──► BACKING OFF ── delay over ─────┤
          │                                                           │
          └── no answer ──► PROBING ── delay over, or urgent wake ────┘

    While backing off and probing only urgent wakes count (a person, the network, a page coming
    back). What is in flight without an answer is requeued, under the same id, before any claim.
    """

    def __init__(
        self,
        *,
        store: Store,
        transport: Transport,
        connection: Connection,
        changes: Changes,
        status: StatusStore,
        runner: Runner,
        refusals: Refusals,
        clock: Clock,
        random: Random,
        online: Callable[[], bool],
        identity: Identity,
    ) -> None:
        self._store = store
        self._transport = transport
        self._changes = changes
        self._status = status
        self._runner = runner
        self._refusals = refusals
        self._clock = clock
        self._identity = identity
        self._reach = Reach(connection, clock, random, online)
        self._claimed: frozenset[str] | None = None
        self._nothing_waits = False
        self._sweeper = Sweeper(store, changes)
        self._cursor: str | None = None
        self._poked: str | None = None
        self._unread = 0
        self._waking = Waking(clock)
        self._waiters: list[asyncio.Future[SyncReport]] = []

    def wake(self, *, urgent: bool = False) -> None:
        """Synchronise soon; `urgent` also while backing off or probing."""
        if urgent:
            self._reach.hurry()
        self._waking.wake(urgent=urgent)

    def poke(self, cursor: str | None) -> None:
        """The server says that there is something new up to `cursor`.

        While synchronising that waits: what is under way may bring just that, as after each push.
        """
        if self._status.get().syncing and cursor is not None:
            self._poked = cursor
        elif cursor is None or cursor != self._cursor:
            self.wake()

    async def sync(self) -> SyncReport:
        """Synchronise now; returns the report of the synchronisation that started after this."""
        waiter: asyncio.Future[SyncReport] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self.wake(urgent=True)
        return await waiter

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            if await self._waking.rest(await self._attempt()) == "woken":
                await self._waking.rest(Rest(DEBOUNCE))

    async def _attempt(self) -> Rest:
        """Synchronise once; whatever goes wrong ends in a rest, never in the end of the loop."""
        self._waking.hear()
        waiters, self._waiters, self._unread = self._waiters, [], 0
        self._status.change(syncing=True)
        report, rest = SyncReport(), Rest(POLL, urgent_only=False)
        try:
            report = await self._synchronise()
            seconds = await self._seconds_to_next()
            rest = Rest(seconds if report.progressed else max(seconds, PAUSE), urgent_only=False)
        except Unreachable as error:
            report, rest = SyncReport(error=str(error)), self._reach.without_answer(error)
        except Refused as error:
            report = SyncReport(error=str(error), hold=HOLDS.get(error.status))
            rest = Rest(HOLD) if report.hold else self._reach.backing_off(error.retry_after)
        except StorageError as error:
            _log.warning("This device's storage failed during a synchronisation: %s", error)
            report, rest = SyncReport(error=str(error)), self._reach.backing_off()
        except Exception as error:
            _log.exception("A defect ended a synchronisation")
            report, rest = SyncReport(error=str(error)), self._reach.backing_off()
        self._status.end(report, self._unread, rest.seconds)
        poked, self._poked = self._poked, None
        if poked not in (None, self._cursor):
            self.wake()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(report)
        return rest

    async def _synchronise(self) -> SyncReport:
        self._reach.reached = False
        if self._reach.lost:
            await self._reach.answer(self._transport.probe())
            self._reach.reached = True
        report, more = SyncReport(), True
        try:
            if self._refusals.wary:
                report = report.plus(await self._pull())
            while more:
                settled, more = await self._round()
                report = report.plus(settled)
        except TransportError:
            with contextlib.suppress(StorageError):  # the next round does it
                await self._requeue()
            raise
        self._reach.succeeded()
        return report

    async def _pull(self) -> Settled:
        """Ask without any action, to learn whether it is one of them that the server fails at."""
        who = self._identity.client_id
        settled, _ = await self._exchange(await self._transact(claim_none(who)))
        self._reach.reached = self._refusals.answered = True
        return settled

    async def _round(self) -> tuple[Settled, bool]:
        """One request and its answer; returns what it settled and whether there is more to do."""
        await self._requeue()
        now, limit, who = self._clock.now(), self._refusals.batch, self._identity.client_id
        self._claimed = None
        claimed: Claim = await self._transact(claim(now, limit, self._runner.handles, who))
        self._claimed = frozenset(entry.id for entry in claimed.entries)
        self._nothing_waits = claimed.nothing
        self._changes.announce_claimed(entry.item for entry in claimed.entries)
        return await self._exchange(claimed, self._reach.heard)

    async def _exchange(
        self, claimed: Claim, heard: Callable[[], None] = lambda: None
    ) -> tuple[Settled, bool]:
        push = Push(claimed.client_id, claimed.cursor, claimed.settled_through, claimed.entries)
        try:
            answer = await self._reach.answer(self._transport.sync(push))
        except Refused as error:
            return await self._judge(error, push.entries), True
        except Unreachable as error:
            if self._reach.reached:
                await self._refusals.doubt(error, push.entries)
            raise
        heard()
        settled = await self._settle(push, answer)
        if answer.broke_off is not None:
            if not isinstance(answer.broke_off, Refused) or answer.refused is None:
                raise answer.broke_off
            return settled.add(await self._judge(answer.broke_off, [answer.refused])), True
        settled.add(await self._runner.run_all(claimed.local))
        begins_anew = was_put_back(answer.response.results)
        more = answer.response.has_more or settled.freed > 0 or begins_anew
        return settled, more or (claimed.full and settled.progressed)

    async def _settle(self, push: Push, answer: Answer) -> Settled:
        entries, response = push.entries, answer.response
        rules = answer.on_base, self._runner.check, answer.untouched(entries)
        by = rules, self._identity, self._runner.resolve
        decision = settle(entries, response, push.cursor, self._clock.now(), *by[0], *by[1:])
        settled: Settled = await self._transact(decision)
        self._cursor = response.cursor
        self._unread = max(self._unread, response.unread_count)
        changed, rows_only = settled.changed, settled.rows_only
        self._changes.announce(changed, outcomes=settled.outcomes, rows_only=rows_only)
        if entries:
            self._claimed = frozenset()
        await self._sweeper.run(settled.sweeps)
        await self._refusals.passed(answer.judged(push.entries))
        return settled

    async def _judge(self, error: Refused, pushed: Sequence[Entry]) -> Settled:
        judged = await self._refusals.judge(error, pushed)
        self._changes.announce(judged.changed, outcomes=judged.outcomes)
        return judged

    async def _requeue(self) -> None:
        """Let go of what this engine claimed, or of what whoever led before it was pushing."""
        await self._transact(requeue(self._clock.now(), self._claimed))
        self._claimed = frozenset()

    async def _seconds_to_next(self) -> float:
        """Return the seconds until the next pending action is due, at most those of a poll.

        Whoever adds the first one wakes the engine.
        """
        if self._nothing_waits:
            return POLL
        (found,) = await self._store.read(due("pending", limit=1))
        now = self._clock.now()
        wait = min((entry.next_attempt_at - now for entry in read_entries(found)), default=now)
        return max(0.0, min(POLL, wait / 1000))

    async def _transact(self, decision: Decision) -> Any:
        return await self._store.transact(decision.queries, decision.decide)

"""The engine: the one loop that talks to the server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from app.core.backoff import Backoff, Probe
from app.core.claim import Claim, claim, requeue
from app.core.decision import Decision
from app.core.entry import Entry, due, read_entries
from app.core.settle import Settled, settle
from app.errors import Refused, StorageError, TransportError, Unreachable
from app.ports import Clock, Random, Store
from app.sync.changes import Changes
from app.sync.connection import Connection
from app.sync.refusals import Refusals
from app.sync.report import Hold, StatusStore, SyncReport
from app.sync.runner import Runner
from app.sync.sweeper import Sweeper
from app.sync.transport import Answer, Push, Transport
from app.sync.waiting import Rest, Waking, wait_at_most

FAILURES_TO_OFFLINE = 3
SILENCE = 9.5
"""Seconds without an answer after which the connection counts as lost; the request goes on."""
DEBOUNCE = 0.03
"""Seconds between a wake and the request, so that the page paints first, and more can join in."""
PAUSE = 1.0
"""Seconds to rest at least after a synchronisation that settled nothing."""
POLL = 60.0
"""Seconds between pulls where nothing else wakes the engine."""
HOLDS: dict[int, Hold] = {401: "sign_in", 426: "update"}
"""Answers that hold the whole queue until a person has done something."""
HOLD = 900.0
"""Seconds between attempts while the queue is held."""

T = TypeVar("T")
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
        client_id: str,
    ) -> None:
        self._store = store
        self._transport = transport
        self._connection = connection
        self._changes = changes
        self._status = status
        self._runner = runner
        self._refusals = refusals
        self._clock = clock
        self._random = random
        self._online = online
        self._client_id = client_id
        self._backoff = Backoff()
        self._probe = Probe()
        self._refused = 0
        self._silences = 0
        self._unsettled = True
        self._sweeper = Sweeper(store, changes)
        self._cursor: str | None = None
        self._unread = 0
        self._waking = Waking(clock)
        self._waiters: list[asyncio.Future[SyncReport]] = []

    def wake(self, *, urgent: bool = False) -> None:
        """Synchronise soon; `urgent` also while backing off or probing."""
        if urgent:
            self._silences = min(self._silences, FAILURES_TO_OFFLINE)
        self._waking.wake(urgent=urgent)

    def poke(self, cursor: str | None) -> None:
        """The server says that there is something new up to `cursor`."""
        if cursor is None or cursor != self._cursor:
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
        waiters, self._waiters = self._waiters, []
        self._status.change(syncing=True)
        self._unread = 0
        report, rest = SyncReport(), Rest(POLL, urgent_only=False)
        try:
            report = await self._synchronise()
            seconds = await self._seconds_to_next()
            rest = Rest(seconds if report.progressed else max(seconds, PAUSE), urgent_only=False)
        except Unreachable as error:
            report, rest = SyncReport(error=str(error)), self._lost(error)
        except Refused as error:
            report = SyncReport(error=str(error), hold=HOLDS.get(error.status))
            rest = Rest(HOLD) if report.hold else self._backing_off(error.retry_after)
        except StorageError as error:
            _log.warning("This device's storage failed during a synchronisation: %s", error)
            report, rest = SyncReport(error=str(error)), self._backing_off()
        except Exception as error:
            _log.exception("A defect ended a synchronisation")
            report, rest = SyncReport(error=str(error)), self._backing_off()
        self._status.end(report, self._unread)
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(report)
        return rest

    async def _synchronise(self) -> SyncReport:
        if self._silences >= FAILURES_TO_OFFLINE:
            await self._answer(self._transport.probe())
        report, more = SyncReport(), True
        try:
            while more:
                settled, more = await self._round()
                report = report.plus(settled)
        except TransportError:
            with contextlib.suppress(StorageError):  # the next round does it
                await self._requeue()
            raise
        self._refused = 0
        return report

    async def _round(self) -> tuple[Settled, bool]:
        """One request and its answer; returns what it settled and whether there is more to do."""
        now, limit = self._clock.now(), self._refusals.batch
        await self._transact(requeue() if self._unsettled else requeue(now))
        self._unsettled = True
        claimed: Claim = await self._transact(claim(now, limit, self._runner.handles))
        push = Push(self._client_id, claimed.cursor, claimed.settled_through, claimed.entries)
        try:
            answer = await self._answer(self._transport.sync(push))
        except Refused as error:
            return await self._judge(error, push.entries), True
        settled = await self._settle(push, answer)
        if answer.broke_off is not None:
            if not isinstance(answer.broke_off, Refused) or answer.refused is None:
                raise answer.broke_off
            return settled.add(await self._judge(answer.broke_off, [answer.refused])), True
        settled.add(await self._runner.run_all(claimed.local))
        full = len(push.entries) + len(claimed.local) >= limit
        more = answer.response.has_more or settled.freed > 0 or (full and settled.progressed)
        return settled, more

    async def _settle(self, push: Push, answer: Answer) -> Settled:
        entries, response = push.entries, answer.response
        rules = answer.on_base, self._runner.check, answer.untouched(entries), self._runner.resolve
        decision = settle(entries, response, push.cursor, self._clock.now(), *rules)
        settled: Settled = await self._transact(decision)
        self._cursor = response.cursor
        self._unread = max(self._unread, response.unread_count)
        self._changes.announce(settled.changed, outcomes=settled.outcomes)
        self._unsettled = False
        if settled.restored:
            self._status.change(restored=True)
        await self._sweeper.run(settled.sweeps)
        await self._refusals.passed(answer.judged(push.entries))
        return settled

    async def _judge(self, error: Refused, pushed: Sequence[Entry]) -> Settled:
        judged = await self._refusals.judge(error, pushed)
        self._changes.announce(judged.changed, outcomes=judged.outcomes)
        return judged

    async def _requeue(self) -> None:
        await self._transact(requeue())
        self._unsettled = False

    async def _answer(self, request: Awaitable[T]) -> T:
        """Await a request; say so if there is no answer for long, and that there is one at last."""
        task = asyncio.ensure_future(request)
        try:
            if not await wait_at_most(self._clock, SILENCE, task):
                self._connection.set_disconnected()
            answer = await task
        except Refused:
            self._heard()
            raise
        finally:
            task.cancel()
        self._heard()
        return answer

    def _heard(self) -> None:
        self._silences = 0
        self._connection.set_connected()

    def _lost(self, error: Unreachable) -> Rest:
        self._silences += 1
        if error.answered or self._silences >= FAILURES_TO_OFFLINE or not self._online():
            self._silences = max(self._silences, FAILURES_TO_OFFLINE)
            self._connection.set_disconnected(no_server=error.answered)
            probes = self._silences - FAILURES_TO_OFFLINE
            return Rest(self._probe.delay(probes, self._random.random()))
        self._connection.set_connecting()
        return Rest(self._backoff.delay(self._silences, self._random.random()))

    def _backing_off(self, retry_after: float | None = None) -> Rest:
        self._refused += 1
        return Rest(self._backoff.delay(self._refused, self._random.random(), retry_after))

    async def _seconds_to_next(self) -> float:
        """Return the seconds until the next pending action is due, at most those of a poll."""
        (found,) = await self._store.read(due("pending", limit=1))
        now = self._clock.now()
        wait = min((entry.next_attempt_at - now for entry in read_entries(found)), default=now)
        return max(0.0, min(POLL, wait / 1000))

    async def _transact(self, decision: Decision) -> Any:
        return await self._store.transact(decision.queries, decision.decide)

"""The contexts of one device: one of them leads, the others ask it and repeat what it reports."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from app.ports import Channel, Clock
from app.sync.connection import Connection, ConnectionState
from app.sync.engine import Engine
from app.sync.report import Status, StatusStore, SyncReport
from app.sync.stores import Writable
from app.sync.waiting import wait_at_most

REPORTED = (
    "syncing",
    "unread",
    "last_synced",
    "last_error",
    "next_attempt_at",
    "hold",
    "restored",
)
ANSWER_WITHIN = 40.0
"""Seconds that a follower waits for the leader's report: longer than one request may take."""


class Peers:
    """Keeps the status of all contexts alike; the leader's engine is the only source of it."""

    def __init__(
        self, channel: Channel, connection: Connection, status: StatusStore, clock: Clock
    ) -> None:
        self._channel = channel
        self._connection = connection
        self._status = status
        self._clock = clock
        self._engine: Engine | None = None
        self.followed = False
        self.leading: Writable[bool] = Writable(False)
        self._waiters: list[asyncio.Future[SyncReport]] = []
        channel.subscribe(self._receive)
        status.read = self._read
        self.greet()

    def greet(self) -> None:
        """Ask the leader, if there is one, for its status."""
        self._channel.publish({"kind": "hello"})

    async def lead(self, engine: Engine) -> None:
        """Be the leader, with this engine, until cancelled."""
        self._engine = engine
        self.leading.set(True)
        if self._waiters:
            self._sync_for_others(engine)
        end = self._status.subscribe(self._report)
        try:
            await engine.run()
        finally:
            end()
            self._engine = None
            self.leading.set(False)

    def wake(self, *, urgent: bool = False) -> None:
        """Wake the leader's engine, wherever it is."""
        if self._engine is not None:
            self._engine.wake(urgent=urgent)
        else:
            self._channel.publish({"kind": "wake", "urgent": urgent})

    def poke(self, cursor: str | None) -> None:
        """Take the server's word, which only a leader listens to, that there is something new."""
        if self._engine is not None:
            self._engine.poke(cursor)

    async def sync(self) -> SyncReport:
        """Synchronise now, in whichever context leads; returns the report."""
        if self._engine is not None:
            report = await self._engine.sync()
            self._tell(report)
            return report
        waiter: asyncio.Future[SyncReport] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._channel.publish({"kind": "sync"})
        if await wait_at_most(self._clock, ANSWER_WITHIN, waiter):
            return waiter.result()
        self._waiters.remove(waiter)
        return SyncReport(error="The tab that synchronises did not answer.")

    def _read(self) -> None:
        if self._engine is None:
            self._channel.publish({"kind": "read"})

    def _report(self, status: Status) -> None:
        report = {name: getattr(status, name) for name in REPORTED}
        self._channel.publish(
            {"kind": "status", "connection": dict(vars(status.connection)), "status": report}
        )

    def _sync_for_others(self, engine: Engine) -> None:
        asking = asyncio.ensure_future(engine.sync())
        asking.add_done_callback(
            lambda done: None if done.cancelled() else self._tell(done.result())
        )

    def _tell(self, report: SyncReport) -> None:
        """Give a report to whoever asked for a synchronisation, here or in another context."""
        self._channel.publish({"kind": "synced", "report": dict(vars(report))})
        self._answer(report)

    def _answer(self, report: SyncReport) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.set_result(report)

    def _receive(self, message: Mapping[str, Any]) -> None:
        kind = message.get("kind")
        if self._engine is not None:
            self._serve(self._engine, message)
        elif kind == "status":
            self.followed = True
            self._connection.adopt(ConnectionState(**message["connection"]))
            self._status.change(**message["status"])
        elif kind == "synced":
            self._answer(SyncReport(**message["report"]))

    def _serve(self, engine: Engine, message: Mapping[str, Any]) -> None:
        kind = message.get("kind")
        if kind == "hello":
            self._report(self._status.get())
        elif kind == "wake":
            engine.wake(urgent=message["urgent"])
        elif kind == "read":
            self._status.change(unread=0)
        elif kind == "sync":
            self._sync_for_others(engine)

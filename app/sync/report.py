"""What synchronising did, and what is left: the counts that people see."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from app.core.entry import counts
from app.core.invalid import NOTED
from app.core.metadata import CURSOR, RESTORED
from app.core.settle import Settled
from app.ports import Clock, Store
from app.sync.changes import Change, Changes
from app.sync.connection import Connection, ConnectionState
from app.sync.stores import Writable

Hold = Literal["sign_in", "update"]
"""What a person has to do before the queue goes on: sign in, or update the app."""


@dataclass(frozen=True)
class SyncReport:
    """How many actions one synchronisation settled, by outcome, and why it ended early, if so."""

    synced: int = 0
    failed: int = 0
    conflicts: int = 0
    error: str | None = None
    hold: Hold | None = None

    @property
    def progressed(self) -> bool:
        """Whether any action got a verdict."""
        return bool(self.synced or self.failed or self.conflicts)

    def plus(self, settled: Settled) -> SyncReport:
        """Return this report with the outcome of one more answer."""
        return replace(
            self,
            synced=self.synced + settled.synced,
            failed=self.failed + settled.failed,
            conflicts=self.conflicts + settled.conflicts,
        )


@dataclass(frozen=True)
class Status:
    """The state of synchronisation, for people.

    `unread` counts the messages of others that arrived since `mark_read`; `last_synced` is in
    milliseconds since the epoch; `last_error` says why the last synchronisation ended early,
    `next_attempt_at` when it is tried again in that case, in milliseconds since the epoch, and
    `hold` what a person has to do before it can go on. `restored` says that the server was found
    to have gone back to a backup: all was pulled anew, and what waits here is kept; it stays so,
    also over a restart, until that note is dismissed. `invalid`
    counts rows that this version of the app cannot show, since they do not fit its models.
    `durable` is false where nothing is kept on the device: what waits ends with the page.
    """

    connection: ConnectionState = ConnectionState()
    syncing: bool = False
    pending: int = 0
    failed: int = 0
    conflicts: int = 0
    unread: int = 0
    last_synced: int | None = None
    last_error: str | None = None
    next_attempt_at: int | None = None
    hold: Hold | None = None
    restored: bool = False
    invalid: int = 0
    durable: bool = True

    @property
    def count(self) -> int:
        """How many actions are in the outbox, in whatever state."""
        return self.pending + self.failed + self.conflicts


class StatusStore(Writable[Status]):
    """The observable status: the connection's part follows by itself, counts are read anew."""

    def __init__(
        self, store: Store, connection: Connection, clock: Clock, *, durable: bool = True
    ) -> None:
        super().__init__(Status(durable=durable))
        self._store = store
        self._connection = connection
        self._clock = clock
        self._recounting: asyncio.Task[None] | None = None
        self._recount_again = False
        self.read: Callable[[], None] = lambda: None
        connection.subscribe(lambda state: self.change(connection=state))

    def follow(self, changes: Changes) -> None:
        """Count anew with each change; once for any number that come while one is under way."""
        changes.subscribe(self._changed)

    def _changed(self, change: Change) -> None:
        if change.rows_only:
            return
        self._recount_again = True
        if self._recounting is None:
            self._recounting = asyncio.ensure_future(self._keep_counting())

    async def _keep_counting(self) -> None:
        try:
            while self._recount_again:
                self._recount_again = False
                await self.recount()
        finally:
            self._recounting = None

    def change(self, **changes: Any) -> None:
        """Set the named parts of the status."""
        now = self.get()
        if any(getattr(now, name) != value for name, value in changes.items()):
            self.set(replace(now, **changes))

    def end(self, report: SyncReport, arrived: int, rest: float) -> None:
        """Note the end of a synchronisation, and that the next begins after `rest` seconds.

        `arrived` is how many messages of others came with it.
        """
        before, now = self.get(), self._clock.now()
        self.change(
            connection=self._connection.get(),
            syncing=False,
            last_error=report.error,
            next_attempt_at=now + round(rest * 1000) if report.error else None,
            hold=report.hold,
            last_synced=before.last_synced if report.error else now,
            unread=before.unread + arrived,
        )

    def mark_read(self) -> None:
        """Note that a person has seen what arrived; `read` tells the other contexts."""
        self.change(unread=0)
        self.read()

    async def recount(self) -> None:
        """Read anew how many actions there are of each kind, and what else is to be told."""
        found = await self._store.read(*counts(), NOTED, RESTORED)
        *unsent, conflicts, failed, invalid, restored = found
        self.change(
            pending=sum(unsent),
            conflicts=conflicts,
            failed=failed,
            invalid=invalid,
            restored=restored is not None,
        )

    async def recall(self) -> None:
        """Read when this device was last in step with the server, before it was closed."""
        (cursor,) = await self._store.read(CURSOR)
        if cursor is not None and self.get().last_synced is None:
            self.change(last_synced=cursor.get("at"))

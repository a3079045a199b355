"""What synchronising did, and what is left: the counts that people see."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from app.core.outbox import counts
from app.core.settle import Settled
from app.ports import Clock, Store
from app.sync.connection import Connection, ConnectionState
from app.sync.stores import Writable


@dataclass(frozen=True)
class SyncReport:
    """How many actions one synchronisation settled, by outcome, and why it ended early, if so."""

    synced: int = 0
    failed: int = 0
    conflicts: int = 0
    error: str | None = None

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
    """The state of synchronisation, for people; `last_synced` in milliseconds since the epoch."""

    connection: ConnectionState = ConnectionState()
    syncing: bool = False
    pending: int = 0
    failed: int = 0
    conflicts: int = 0
    unread: int = 0
    last_synced: int | None = None
    last_error: str | None = None

    @property
    def count(self) -> int:
        """How many actions are in the outbox, in whatever state."""
        return self.pending + self.failed + self.conflicts


class StatusStore(Writable[Status]):
    """The observable status: the connection's part follows by itself, counts are read anew."""

    def __init__(self, store: Store, connection: Connection, clock: Clock) -> None:
        super().__init__(Status())
        self._store = store
        self._clock = clock
        connection.subscribe(lambda state: self.change(connection=state))

    def change(self, **changes: Any) -> None:
        """Set the named parts of the status."""
        self.set(replace(self.get(), **changes))

    def end(self, report: SyncReport, unread: int | None) -> None:
        """Note the end of a synchronisation."""
        done = {} if report.error else {"last_synced": self._clock.now()}
        if unread is not None:
            done["unread"] = unread
        self.change(syncing=False, last_error=report.error, **done)

    async def recount(self) -> None:
        """Read the outbox's counts anew."""
        pending, in_flight, blocked, conflicts, failed = await self._store.read(*counts())
        self.change(pending=pending + in_flight + blocked, conflicts=conflicts, failed=failed)

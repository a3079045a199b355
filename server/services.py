"""What the endpoints work with: one object per app, made at its start and closed at its end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection
from starlette.requests import HTTPConnection

from app.core.actions import Registry
from app.protocol import SyncResponse
from server.database import READERS, Database, Job
from server.exchange import Exchange, answer_all
from server.identity import Identity
from server.pokes import LocalPokes, Pokes
from server.pull import newest_version
from server.writer import Writer

T = TypeVar("T")
Clock = Callable[[], int]


def wall_clock() -> int:
    """Return the time in microseconds since the epoch."""
    return time.time_ns() // 1000


class Services:
    """The database with its writer and readers, the action registry, the clock and the pokes."""

    def __init__(self, database: Database, registry: Registry, clock: Clock) -> None:
        self.database = database
        self.registry = registry
        self.clock = clock
        self.pokes: Pokes = LocalPokes()
        self._writer: Writer[Exchange, SyncResponse] = Writer(database, self._answer)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="reader")

    async def write(self, exchange: Exchange) -> SyncResponse:
        """Answer an exchange that pushes, off the event loop; returns once it has committed."""
        return await asyncio.wrap_future(self._writer.submit(exchange))

    async def read(self, exchange: Exchange) -> SyncResponse:
        """Answer an exchange that only pulls, off the event loop."""

        def job(connection: Connection) -> SyncResponse:
            return self._answer(connection, [exchange])[0]

        return await self._read(job)

    async def newest_version(self, identity: Identity) -> int:
        """Return the version of the last change in the space."""
        return await self._read(lambda connection: newest_version(connection, identity.space_id))

    async def _read(self, job: Job[T]) -> T:
        return await asyncio.wrap_future(self._readers.submit(self.database.read, job))

    def _answer(self, connection: Connection, exchanges: Sequence[Exchange]) -> list[SyncResponse]:
        return answer_all(connection, self.registry, exchanges)

    def close(self) -> None:
        """Finish what is under way and close the database."""
        self.pokes.close()
        self._writer.close()
        self._readers.shutdown()
        self.database.close()


def services_of(request: HTTPConnection) -> Services:
    """Return the services of the app that a request came to."""
    services: Services = request.app.state.services
    return services

"""What the endpoints work with: one object per app, made at its start and closed at its end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from starlette.requests import HTTPConnection

from app.core.actions import Registry
from server.database import READERS, Database, Job
from server.pokes import LocalPokes, Pokes
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
        self._writer = Writer(database)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="reader")

    async def write(self, job: Job[T]) -> T:
        """Run `job` in a write transaction off the event loop; returns once it has committed."""
        return await asyncio.wrap_future(self._writer.submit(job))

    async def read(self, job: Job[T]) -> T:
        """Run `job` in a read transaction off the event loop."""
        return await asyncio.wrap_future(self._readers.submit(self.database.read, job))

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

"""What the endpoints work with: one object per app, made at its start and closed at its end."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection
from starlette.requests import HTTPConnection

from app.core.actions import Registry
from server.backend import READERS
from server.database import Database, Job
from server.exchange import Answer, Exchange, answer_all
from server.history import History, read_epoch, read_history
from server.identity import Identity
from server.landing import Landing
from server.metrics import Metrics
from server.pokes import LocalPokes, Pokes
from server.streams import Streams
from server.webpush_sender import WebPush
from server.writer import Writer
from server.writer_link import WriterLink

T = TypeVar("T")
Clock = Callable[[], int]


def wall_clock() -> int:
    """Return the time in microseconds since the epoch."""
    return time.time_ns() // 1000


class Services:
    """The database with its writer and readers, the action registry, the clock, and what goes on.

    `epoch` is the database's as it was at the start; it never changes while a server runs.
    """

    def __init__(
        self,
        database: Database,
        registry: Registry,
        clock: Clock,
        streams: Streams,
        webpush: WebPush,
    ) -> None:
        self.database = database
        self.registry = registry
        self.clock = clock
        self.epoch = database.read(read_epoch)
        self.pokes: Pokes = _pokes(database)
        self.streams = streams
        self.webpush = webpush
        self.metrics = Metrics(streams)
        self._writer: Writer[Exchange, Answer] = Writer(database, self._answer)
        self._link: WriterLink | None = None
        self._landing = Landing()
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="reader")

    async def write_elsewhere(self, writer: socket.socket) -> None:
        """Have what is pushed written by the process that answers on a socket, while it lives."""
        self._link = WriterLink(writer)
        await self._link.open()

    def write_here(self) -> None:
        """Have what is pushed written by this process."""
        if self._link is not None:
            self._link.close()

    async def write(self, exchange: Exchange) -> Answer:
        """Answer an exchange that pushes, off the event loop; returns once it has committed.

        The listeners of the space are poked where it has changed.
        """
        answered = await self._written(exchange)
        self.metrics.judged(answered.verdicts)
        if answered.changed_to:
            self.pokes.publish(exchange.identity.space_id, answered.changed_to)
            self.webpush.changed(exchange.identity.space_id, exchange.client_id)
        return answered

    async def _written(self, exchange: Exchange) -> Answer:
        if self._link is not None and self._link.is_open:
            return await self._link.answer(exchange)
        submitted = self._writer.submit(exchange, len(exchange.actions))
        return await self._landing.result(submitted)

    async def read(self, exchange: Exchange) -> Answer:
        """Answer an exchange that only pulls, off the event loop."""

        return await self.query(lambda connection: self._answer(connection, [exchange])[0])

    async def history(self, identity: Identity) -> History:
        """Return the epoch, and how far the identity's space has come."""
        return await self.query(lambda connection: read_history(connection, identity.space_id))

    async def query(self, job: Job[T]) -> T:
        """Run `job` in a read transaction, off the event loop."""
        return await self._landing.result(self._readers.submit(self.database.read, job))

    async def change(self, job: Job[T]) -> T:
        """Run `job` in a write transaction, off the event loop: for what is rare, and no push."""
        return await self._landing.result(self._readers.submit(self.database.write, job))

    def _answer(self, connection: Connection, exchanges: Sequence[Exchange]) -> list[Answer]:
        return answer_all(connection, self.registry, exchanges)

    def close(self) -> None:
        """Finish what is under way and close the database."""
        self.pokes.close()
        self.webpush.close()
        self.write_here()
        self._writer.close()
        self._readers.shutdown()
        self.database.close()


def _pokes(database: Database) -> Pokes:
    if not database.backend.is_shared:
        return LocalPokes()
    # Its driver takes a tenth of a second to import, which SQLite need not wait for.
    from server.shared_pokes import SharedPokes

    return SharedPokes(database.engine)


def services_of(request: HTTPConnection) -> Services:
    """Return the services of the app that a request came to."""
    services: Services = request.app.state.services
    return services

"""The database behind the server, and its kinds of transaction.

A write transaction never fails half-way for want of a lock that it could have taken first. A read
transaction sees one snapshot and holds nobody up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from app.errors import InvalidInput
from server.backend import Backend
from server.postgres import NAMES as POSTGRES
from server.postgres import open_postgres
from server.refusals import is_passing, is_refusal, unavailable
from server.sqlite import open_sqlite

T = TypeVar("T")
Job = Callable[[Connection], T]

ATTEMPTS = 3
"""How often a transaction is begun before the database is said to be unavailable."""


class Database:
    """Transactions on the database at `url`; safe to use from several threads.

    Raises `InvalidInput` where the URL is not one of a database that this server can use, and
    `DatabaseUnavailable` from everything, where the database refuses. A job may be run more than
    once, each time from the start, in a new transaction.
    """

    def __init__(self, url: str) -> None:
        self.backend = _open(url)
        self.engine = self.backend.engine
        self._reads = self.engine.execution_options(**self.backend.reading)
        self._writes = self.engine.execution_options(**self.backend.writing)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Hold a write transaction open: it commits at the end, or undoes all on an exception."""
        try:
            with self._writes.begin() as connection:
                yield connection
        except Exception as error:
            if not is_refusal(error):
                raise
            raise unavailable(error) from error

    def write(self, job: Job[T]) -> T:
        """Run `job` in a write transaction and return what it returns."""
        return _run(self._writes, job)

    def read(self, job: Job[T]) -> T:
        """Run `job` in a read transaction and return what it returns."""
        return _run(self._reads, job)

    def maintain(self, job: Job[T]) -> T:
        """Run `job` as `write` does, one such job at a time, and let it take its time."""

        def patiently(connection: Connection) -> T:
            for statement in self.backend.maintaining:
                connection.exec_driver_sql(statement)
            return job(connection)

        return _run(self._writes, patiently)

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def _open(url: str) -> Backend:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise InvalidInput(
            f"“{url}” is not a database URL; a file is written sqlite:///path/to/file.db."
        ) from None
    name = parsed.get_backend_name()
    try:
        if name == "sqlite":
            return open_sqlite(parsed)
        if name in POSTGRES:
            return open_postgres(parsed)
    except (ImportError, NoSuchModuleError):
        raise InvalidInput(f"There is no driver for {parsed.drivername} databases.") from None
    raise InvalidInput(
        "This server keeps its data in SQLite or PostgreSQL: "
        "give a sqlite:/// or a postgresql:// URL."
    )


def _run(engine: Engine, job: Job[T]) -> T:
    attempt = 0
    while True:
        attempt += 1
        is_done = False
        try:
            with engine.begin() as connection:
                result = job(connection)
                is_done = True
            return result
        except Exception as error:
            if not is_refusal(error):
                raise
            # A commit that was not answered may have happened: only a resend can sort that out.
            if is_done or attempt == ATTEMPTS or not is_passing(error):
                raise unavailable(error) from error

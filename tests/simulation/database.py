"""The server's database for the schedules of a process: SQLite in memory, emptied before each.

It is one connection that stays open, and says `BEGIN` and `COMMIT` itself: pooling connections and
announcing transactions to listeners costs more than the transactions.
"""

from __future__ import annotations

import sqlite3
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import Connection, create_engine, text

from server.database import Database, Job
from server.migrations import migrate

T = TypeVar("T")


class SimDatabase(Database):
    """Transactions as the server's, one after the other."""

    def __init__(self) -> None:
        self.engine = create_engine("sqlite://")
        self._connection = self.engine.connect()
        raw: Any = self._connection.connection.driver_connection
        raw.isolation_level = None
        raw.execute("PRAGMA foreign_keys = ON")
        self._raw = raw
        migrate(self)

    def write(self, job: Job[T]) -> T:
        """Run `job` in a transaction and return what it returns."""
        self._raw.execute("BEGIN IMMEDIATE")
        try:
            result = job(self._connection)
        except BaseException:
            self._raw.execute("ROLLBACK")
            raise
        self._raw.execute("COMMIT")
        return result

    def maintain(self, job: Job[T]) -> T:
        """Run `job` as `write` does."""
        return self.write(job)

    def read(self, job: Job[T]) -> T:
        """Run `job` and return what it returns; nobody writes meanwhile."""
        return job(self._connection)

    def copy(self) -> sqlite3.Connection:
        """Return a copy as it is now."""
        copy = sqlite3.connect(":memory:")
        self._raw.backup(copy)
        return copy

    def put_back(self, copy: sqlite3.Connection) -> None:
        """Be what the copy is."""
        copy.backup(self._raw)

    def clear(self) -> None:
        """Forget everything."""

        def job(connection: Connection) -> None:
            for table in ("receipts", "rows", "clients", "spaces"):
                connection.execute(text(f"DELETE FROM {table}"))

        self.write(job)


@cache
def database() -> SimDatabase:
    """Return this process's database."""
    return SimDatabase()

"""The database behind the server: how it is opened, and its two kinds of transaction.

A write transaction takes the write lock at its start, so that it never fails half-way for want of
it. A read transaction sees one snapshot and takes no lock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    NoSuchModuleError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.errors import DriftlineError, InvalidInput

T = TypeVar("T")
Job = Callable[[Connection], T]

BUSY_TIMEOUT_MS = 5_000
READERS = 4


class DatabaseUnavailable(DriftlineError):
    """The database is busy, full or out of reach; nothing of the transaction was written."""


class DatabaseTooNew(DriftlineError):
    """The database was made by a newer version of this code."""


class Database:
    """Transactions on the database at `url`; safe to use from several threads.

    Raises `InvalidInput` where the URL is not one of a database that this server can use, and
    `DatabaseUnavailable` from everything, where the database refuses.
    """

    def __init__(self, url: str) -> None:
        self.engine = _open(_parse(url))
        self._writes = self.engine.execution_options(driftline_begin="BEGIN IMMEDIATE")

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Hold a write transaction open: it commits at the end, or undoes all on an exception."""
        with _refusals_named(), self._writes.begin() as connection:
            yield connection

    def write(self, job: Job[T]) -> T:
        """Run `job` in a write transaction and return what it returns."""
        with self.writing() as connection:
            return job(connection)

    def read(self, job: Job[T]) -> T:
        """Run `job` in a read transaction and return what it returns."""
        with _refusals_named(), self.engine.begin() as connection:
            return job(connection)

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise InvalidInput(
            f"“{url}” is not a database URL; a file is written sqlite:///path/to/file.db."
        ) from None
    if parsed.get_backend_name() != "sqlite":
        raise InvalidInput("This server keeps its data in SQLite: give a sqlite:/// URL.")
    if parsed.database in (None, "", ":memory:"):
        raise InvalidInput("The database must be a file: sqlite:///path/to/file.db.")
    return parsed


def _open(url: URL) -> Engine:
    folder = Path(url.database or "").parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        engine = create_engine(url, pool_size=READERS + 1, pool_timeout=BUSY_TIMEOUT_MS / 1000)
    except OSError as error:
        raise DatabaseUnavailable(
            f"The folder {folder} cannot be made: {error.strerror}."
        ) from None
    except (ImportError, NoSuchModuleError):
        raise InvalidInput(f"There is no driver for {url.drivername} databases.") from None
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    return engine


def _configure(connection: Any, _record: Any) -> None:
    # The driver's own implicit transactions would begin late and without the write lock.
    connection.isolation_level = None
    for setting in (
        f"busy_timeout = {BUSY_TIMEOUT_MS}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
    ):
        connection.execute(f"PRAGMA {setting}")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("driftline_begin", "BEGIN"))


def is_refusal(error: Exception) -> bool:
    """Tell whether the database refused (busy, full, damaged) rather than the query was wrong."""
    ours = isinstance(error, DataError | IntegrityError | ProgrammingError)
    return isinstance(error, DatabaseError | InterfaceError | PoolTimeout) and not ours


@contextmanager
def _refusals_named() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if not is_refusal(error):
            raise
        reason = getattr(error, "orig", None) or "it is too busy"
        raise DatabaseUnavailable(f"The database cannot be used now: {reason}.") from error

"""SQLite: a file, one writer at a time, and commits that are on the disk."""

from __future__ import annotations

from pathlib import Path
from sqlite3 import SQLITE_BUSY, OperationalError
from time import monotonic, sleep
from typing import Any

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine import URL

from app.errors import InvalidInput
from server.backend import BUSY_TIMEOUT_MS, POOL_SIZE, Backend
from server.refusals import DatabaseUnavailable

STATEMENTS = 256
"""Statements that a connection keeps compiled: more than there are (`server/insertion.py`)."""
BUSY_PAUSE = 0.01
"""Seconds until a new file's log is asked for again."""


def open_sqlite(url: URL) -> Backend:
    """Return the engine of the file at `url`, whose folder is made.

    A write transaction takes the write lock at its start, so that it never fails half-way for
    want of it; a read transaction takes none. Raises `InvalidInput`, `DatabaseUnavailable`.
    """
    if url.database in (None, "", ":memory:"):
        raise InvalidInput("The database must be a file: sqlite:///path/to/file.db.")
    folder = Path(url.database or "").parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatabaseUnavailable(
            f"The folder {folder} cannot be made: {error.strerror}."
        ) from None
    engine = create_engine(
        url,
        pool_size=POOL_SIZE,
        pool_timeout=BUSY_TIMEOUT_MS / 1000,
        connect_args={"cached_statements": STATEMENTS},
    )
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    return Backend(engine, reading={}, writing={"driftline_begin": "BEGIN IMMEDIATE"})


def _configure(connection: Any, _record: Any) -> None:
    # The driver's own implicit transactions would begin late and without the write lock.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    _log_ahead(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _log_ahead(connection: Any) -> None:
    """Give a new file its write-ahead log; one that has it keeps it.

    SQLite's own time-out does not count here: beside a process that writes, as one does that starts
    at the same moment, this is refused at once (measured with SQLite 3.40: after 0.2 ms of 5 s).
    """
    give_up_at = monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except OperationalError as error:
            if error.sqlite_errorcode & 0xFF != SQLITE_BUSY or monotonic() >= give_up_at:
                raise
            sleep(BUSY_PAUSE)
        else:
            return


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("driftline_begin", "BEGIN"))

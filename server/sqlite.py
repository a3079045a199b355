"""SQLite: a file, one writer at a time, and commits that are on the disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine import URL

from app.errors import InvalidInput
from server.backend import BUSY_TIMEOUT_MS, POOL_SIZE, Backend
from server.refusals import DatabaseUnavailable


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
    engine = create_engine(url, pool_size=POOL_SIZE, pool_timeout=BUSY_TIMEOUT_MS / 1000)
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    return Backend(engine, reading={}, writing={"driftline_begin": "BEGIN IMMEDIATE"})


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

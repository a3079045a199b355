"""Rows put into the database directly, by the million, where it is not pushing that is measured."""

from __future__ import annotations

from functools import partial

from sqlalchemy import Connection, func, select, text

from server.database import Database
from server.tables import rows

_CHUNK = 100_000
_SPACE = text(
    "INSERT INTO spaces (space_id, version, updated_at, horizon) VALUES ('local', 0, 0, 0)"
    " ON CONFLICT DO NOTHING"
)
_ROWS = text(
    """WITH RECURSIVE numbers (n) AS (
        SELECT version + 1 FROM spaces WHERE space_id = 'local'
        UNION ALL SELECT n + 1 FROM numbers WHERE n < :last
    )
    INSERT INTO rows (space_id, collection, item_id, version, data, updated_at, user_id,
        client_id, seq, run_base)
    SELECT 'local', 'messages', 'fill-' || CAST(n AS TEXT), n,
        :data, n, 'local', 'fill', n, 0
    FROM numbers"""
)
_DATA = '{"text":"Back at the hut around 18:00.","sent_at":1795276800000}'
_COUNTER = text(
    "UPDATE spaces SET version = :last, updated_at = :last"
    " WHERE space_id = 'local' AND version < :last"
)


def fill(url: str, count: int) -> None:
    """Add messages to the space until it has `count` rows, in versions without a gap."""
    database = Database(url)
    try:
        while (missing := count - stored(database)) > 0:
            database.maintain(partial(_add, min(missing, _CHUNK)))
    finally:
        database.close()


def _add(count: int, connection: Connection) -> None:
    connection.execute(_SPACE)
    version = connection.execute(text("SELECT version FROM spaces WHERE space_id = 'local'"))
    last = version.scalar_one() + count
    connection.execute(_ROWS, {"last": last, "data": _DATA})
    connection.execute(_COUNTER, {"last": last})


def stored(database: Database) -> int:
    """Return how many rows there are."""
    query = select(func.count()).select_from(rows)
    return int(database.read(lambda connection: connection.execute(query).scalar_one()))


def effects(url: str) -> int:
    """Return how many rows the database at `url` has."""
    database = Database(url)
    try:
        return stored(database)
    finally:
        database.close()

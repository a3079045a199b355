"""Forgetting tombstones for good, so that deleted rows do not stay in the database for ever.

A client that has not seen a forgotten deletion can tell by the horizon of the space: it is told to
start anew, and learns from the complete pull that the row is gone.
"""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, delete, func, select, update

from server.database import Database
from server.tables import rows, spaces

DEFAULT_DAYS = 90
_DAY = 24 * 3600 * 1_000_000

_OLD_TOMBSTONES = (rows.c.data.is_(None), rows.c.updated_at < bindparam("before"))
_REACH = (
    select(rows.c.space_id, func.max(rows.c.version)).where(*_OLD_TOMBSTONES).group_by("space_id")
)
_FORGET = delete(rows).where(*_OLD_TOMBSTONES)
_MOVE = update(spaces).where(
    spaces.c.space_id == bindparam("in_space"), spaces.c.horizon < bindparam("reach")
)


def compact(database: Database, days: int, now: int) -> int:
    """Delete the tombstones older than `days`, and return how many there were.

    `now` is in microseconds since the epoch. A server may be running on the database.
    """
    before = now - days * _DAY

    def job(connection: Connection) -> int:
        old = {"before": before}
        for space_id, reach in connection.execute(_REACH, old).all():
            moved = {"in_space": space_id, "reach": reach}
            connection.execute(_MOVE.values(horizon=bindparam("reach")), moved)
        return connection.execute(_FORGET, old).rowcount

    return database.write(job)

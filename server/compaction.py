"""Forgetting what is old: tombstones, and the receipts of REST writes, which nobody settles.

A client that has not seen a forgotten deletion can tell by the horizon of the space: it is told to
start anew, and learns from the complete pull that the row is gone.
"""

from __future__ import annotations

from functools import partial

from sqlalchemy import Connection, bindparam, delete, func, select, update

from server.database import Database
from server.rest_actions import seq_at
from server.tables import receipts, rows, spaces

DEFAULT_DAYS = 90
_DAY = 24 * 3600 * 1_000_000

_SPACES = select(spaces.c.space_id)
_LOCK = _SPACES.where(spaces.c.space_id == bindparam("in_space")).with_for_update()
_OLD_TOMBSTONES = (
    rows.c.space_id == bindparam("in_space"),
    rows.c.data.is_(None),
    rows.c.updated_at < bindparam("before"),
)
_REACH = select(func.max(rows.c.version)).where(*_OLD_TOMBSTONES)
_FORGET = delete(rows).where(*_OLD_TOMBSTONES)
_OLD_ANSWERS = delete(receipts).where(receipts.c.seq > bindparam("before"))
_MOVE = update(spaces).where(
    spaces.c.space_id == bindparam("in_space"), spaces.c.horizon < bindparam("reach")
)


def compact(database: Database, days: int, now: int) -> int:
    """Delete the tombstones older than `days`, and return how many there were.

    `now` is in microseconds since the epoch. A server may be running on the database: each space
    is locked for its own transaction only, and has its new horizon when its tombstones are gone.
    """
    before = now - days * _DAY
    found = database.read(lambda connection: list(connection.scalars(_SPACES)))
    return sum(database.maintain(partial(_compact, space_id, before)) for space_id in found)


def forget_answers(database: Database, days: int, now: int) -> int:
    """Delete the receipts of REST writes older than `days`, and return how many there were.

    `now` is in microseconds since the epoch. Those of devices are kept until they are settled.
    """
    old = {"before": seq_at(now - days * _DAY)}
    return database.maintain(lambda connection: connection.execute(_OLD_ANSWERS, old).rowcount)


def _compact(space_id: str, before: int, connection: Connection) -> int:
    here = {"in_space": space_id}
    connection.execute(_LOCK, here)
    reach = connection.scalar(_REACH, {**here, "before": before})
    if reach is None:
        return 0
    connection.execute(_MOVE.values(horizon=bindparam("reach")), {**here, "reach": reach})
    return connection.execute(_FORGET, {**here, "before": before}).rowcount

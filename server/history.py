"""Which history a database holds: its epoch, how far each space has come, and what was forgotten.

The epoch is a random name that the database got when it was made, or when a backup was put back.
A version means something within its epoch only. The horizon of a space is the highest version of
the tombstones that were deleted for good: whoever has not pulled that far cannot learn of them.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select, update

from server.cursors import Cursor
from server.tables import properties, spaces

VERSIONS_SKIPPED = 1_000_000
"""How far a new epoch moves the counters, so that no lost version is given out a second time."""

_IS_EPOCH = properties.c.name == "epoch"
_EPOCH = select(properties.c.value).where(_IS_EPOCH)
_HISTORY = (
    select(properties.c.value, spaces.c.version, spaces.c.horizon)
    .select_from(properties.outerjoin(spaces, spaces.c.space_id == bindparam("in_space")))
    .where(_IS_EPOCH)
)


@dataclass(frozen=True)
class Start:
    """Where a pull starts. `since` is the horizon at the start of a pull from zero.

    With `reset`, what the client holds beyond the rows to come is not on the server; `restored`
    where that is so because the database is another one, or an older copy of itself.
    """

    after: int
    since: int | None
    reset: bool
    restored: bool = False


@dataclass(frozen=True)
class History:
    """The history of a space as a transaction sees it; `newest` is its last version."""

    epoch: str
    newest: int
    horizon: int

    def start(self, cursor: Cursor | None, newest: int | None = None) -> Start:
        """Return where the pull of a client with this cursor starts.

        It starts at zero where the cursor is of another epoch, beyond the `newest` version (the
        database is an older copy of itself), or behind deletions that were forgotten since.
        """
        if cursor is None:
            return Start(0, self.horizon, reset=False)
        is_ours = cursor.epoch in (None, self.epoch)
        is_known = cursor.version <= (self.newest if newest is None else newest)
        is_complete = max(cursor.version, cursor.since or 0) >= self.horizon
        if is_ours and is_known and is_complete:
            return Start(cursor.version, cursor.since, reset=False)
        return Start(0, self.horizon, reset=True, restored=not (is_ours and is_known))


def read_epoch(connection: Connection) -> str:
    """Return the database's epoch."""
    return str(connection.scalars(_EPOCH).one())


def read_history(connection: Connection, space_id: str) -> History:
    """Return the history of a space; an empty one has versions from 1 on."""
    epoch, newest, horizon = connection.execute(_HISTORY, {"in_space": space_id}).one()
    return History(epoch, newest or 0, horizon or 0)


def begin_epoch(connection: Connection) -> str:
    """Give the database a new epoch, after it was put back from a backup; returns the epoch.

    No server may be running on the database: each keeps in mind the epoch of its start.
    """
    epoch = secrets.token_hex(8)
    connection.execute(update(properties).where(_IS_EPOCH).values(value=epoch))
    connection.execute(update(spaces).values(version=spaces.c.version + VERSIONS_SKIPPED))
    return epoch

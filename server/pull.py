"""Reading what has changed: rows in the order of their versions, from one snapshot."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, select

from app.core.messages import COLLECTION as MESSAGES
from app.protocol import MAX_PULL_ROWS, Row
from server.cursors import encode_cursor
from server.history import History, Start
from server.records import ROW_COLUMNS, StoredRow
from server.tables import rows

_AFTER = (rows.c.space_id == bindparam("in_space"), rows.c.version > bindparam("after"))
_ROWS = (
    select(*(rows.c[name] for name in ROW_COLUMNS))
    .where(*_AFTER)
    .order_by(rows.c.version)
    .limit(bindparam("most"))
)
_UNREAD = select(func.count()).where(
    *_AFTER,
    rows.c.collection == MESSAGES,
    rows.c.data.is_not(None),
    rows.c.client_id != bindparam("by_client"),
)


@dataclass(frozen=True)
class Position:
    """Where a client's pull starts, and how many rows it takes at most."""

    client_id: str
    start: Start
    limit: int

    @property
    def after(self) -> int:
        """The version behind which it starts."""
        return self.start.after


@dataclass(frozen=True)
class Page:
    """The rows after a cursor, and the cursor behind the last of them."""

    rows: list[Row]
    cursor: str
    has_more: bool
    unread_count: int
    reset: bool


@dataclass(frozen=True)
class _Change:
    """A row as it is stored, and as clients see it."""

    stored: StoredRow
    row: Row

    def is_unread(self, client_id: str) -> bool:
        stored = self.stored
        is_message = stored.collection == MESSAGES and stored.data is not None
        return is_message and stored.client_id != client_id


def pull(
    connection: Connection, space_id: str, history: History, positions: Sequence[Position]
) -> list[Page]:
    """Return for each position up to `limit` rows with a version after it, oldest change first.

    `history` is the space's as the transaction sees it. `unread_count` is the number of messages
    after the position that other clients wrote last.
    """
    newest = history.newest
    # Most clients that pull are a few rows behind: one query serves all of them.
    near = [p.after for p in positions if newest - MAX_PULL_ROWS <= p.after < newest]
    shared = _read(connection, space_id, min(near), MAX_PULL_ROWS) if near else []
    versions = [change.stored.version for change in shared]
    pages: list[Page] = []
    for position in positions:
        after = position.after
        if after == newest:
            found = []
        elif after in near:
            start = bisect_right(versions, after)
            found = shared[start : start + position.limit + 1]
        else:
            found = _read(connection, space_id, after, position.limit + 1)
        pages.append(_page(connection, space_id, history, position, found))
    return pages


def _read(connection: Connection, space_id: str, after: int, most: int) -> list[_Change]:
    found = connection.execute(_ROWS, {"in_space": space_id, "after": after, "most": most})
    stored = [StoredRow(*row) for row in found]
    return [_Change(row, row.public()) for row in stored]


def _page(
    connection: Connection,
    space_id: str,
    history: History,
    position: Position,
    found: list[_Change],
) -> Page:
    page = found[: position.limit]
    has_more = len(found) > len(page)
    if has_more:
        cursor = encode_cursor(history.epoch, page[-1].stored.version, position.start.since)
        keys = {"in_space": space_id, "after": position.after, "by_client": position.client_id}
        unread = connection.scalar(_UNREAD, keys) or 0
    else:
        cursor = encode_cursor(history.epoch, history.newest)
        unread = sum(change.is_unread(position.client_id) for change in page)
    seen = [change.row for change in page]
    return Page(seen, cursor, has_more, unread, position.start.reset)

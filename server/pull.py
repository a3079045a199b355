"""Reading what has changed: rows in the order of their versions, from one snapshot."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, select

from app.core.messages import COLLECTION as MESSAGES
from app.protocol import Row
from server.cursors import encode_cursor
from server.identity import Identity
from server.records import ROW_COLUMNS, StoredRow
from server.tables import rows, spaces

_NEWEST = select(spaces.c.version).where(spaces.c.space_id == bindparam("in_space"))
_AFTER = (rows.c.space_id == bindparam("in_space"), rows.c.version > bindparam("after"))
_PAGE = (
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
class Page:
    """The rows after a cursor, and the cursor behind the last of them."""

    rows: list[Row]
    cursor: str
    has_more: bool
    unread_count: int


def newest_version(connection: Connection, identity: Identity) -> int:
    """Return the version of the last change in the space, 0 before the first."""
    return connection.scalar(_NEWEST, {"in_space": identity.space_id}) or 0


def pull(
    connection: Connection, identity: Identity, client_id: str, after: int, limit: int
) -> Page:
    """Return up to `limit` rows with a version above `after`, oldest change first.

    A position that the space has not come to yet belongs to another history: then all rows count.
    `unread_count` is the number of messages after it that other clients wrote last.
    """
    newest = newest_version(connection, identity)
    if after > newest:
        after = 0
    if after == newest:
        return Page([], encode_cursor(newest), False, 0)
    keys = {"in_space": identity.space_id, "after": after}
    found = [StoredRow(*row) for row in connection.execute(_PAGE, {**keys, "most": limit + 1})]
    page, rest = found[:limit], found[limit:]
    if rest:
        unread = connection.scalar(_UNREAD, {**keys, "by_client": client_id}) or 0
    else:
        unread = sum(_is_unread(row, client_id) for row in page)
    return Page(
        rows=[row.public() for row in page],
        cursor=encode_cursor(page[-1].version if rest else newest),
        has_more=bool(rest),
        unread_count=unread,
    )


def _is_unread(row: StoredRow, client_id: str) -> bool:
    return row.collection == MESSAGES and row.data is not None and row.client_id != client_id

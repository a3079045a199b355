"""Reading items as REST does: one by its id, or a collection page by page; no tombstones."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, select

from app.protocol import Row, Wire
from server.cursors import decode_cursor, encode_cursor
from server.history import read_history
from server.problems import RequestRefused
from server.records import ROW_COLUMNS, StoredRow
from server.tables import rows

_LIVE = select(*(rows.c[name] for name in ROW_COLUMNS)).where(
    rows.c.space_id == bindparam("in_space"),
    rows.c.collection == bindparam("in_collection"),
    rows.c.data.is_not(None),
)
_ONE = _LIVE.where(rows.c.item_id == bindparam("of_item"))
_AFTER = (
    _LIVE.where(rows.c.version > bindparam("after"))
    .order_by(rows.c.version)
    .limit(bindparam("most"))
)


class Items(Wire):
    """A page of a collection's items, the one that was changed longest ago first."""

    rows: Sequence[Row]
    cursor: str
    has_more: bool


def read_item(connection: Connection, space_id: str, collection: str, item_id: str) -> Row | None:
    """Return an item, or `None` where there is none, or no more."""
    keys = {"in_space": space_id, "in_collection": collection, "of_item": item_id}
    found = connection.execute(_ONE, keys).one_or_none()
    return StoredRow(*found).public() if found else None


def list_items(
    connection: Connection, space_id: str, collection: str, cursor: str | None, limit: int
) -> Items:
    """Return up to `limit` items behind a cursor that an earlier page ended with.

    Raises `RequestRefused` (410) where the cursor belongs to another history: a page has no way to
    say that it starts anew.
    """
    history = read_history(connection, space_id)
    position = decode_cursor(cursor)
    after = position.version if position else 0
    if position and (position.epoch not in (None, history.epoch) or after > history.newest):
        raise RequestRefused(410, "cursor_expired", "Start again without a cursor.")
    keys = {"in_space": space_id, "in_collection": collection, "after": after, "most": limit + 1}
    found = [StoredRow(*row) for row in connection.execute(_AFTER, keys)]
    page = found[:limit]
    has_more = len(found) > len(page)
    reached = page[-1].version if has_more else history.newest
    shown = [row.public() for row in page]
    return Items(rows=shown, cursor=encode_cursor(history.epoch, reached), has_more=has_more)

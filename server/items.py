"""Reading items as REST does: one by its id, or a collection page by page; no tombstones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select

from app.protocol import Row, Wire
from server.cursors import decode_cursor, encode_cursor
from server.history import read_history
from server.problems import RequestRefused
from server.records import ROW_COLUMNS, StoredRow
from server.tables import rows

_ALL = select(*(rows.c[name] for name in ROW_COLUMNS)).where(
    rows.c.space_id == bindparam("in_space"),
    rows.c.collection == bindparam("in_collection"),
)
_LIVE = _ALL.where(rows.c.data.is_not(None))
_ONE = _LIVE.where(rows.c.item_id == bindparam("of_item"))
_AFTER, _AFTER_WITH_DELETED = (
    these.where(rows.c.version > bindparam("after"))
    .order_by(rows.c.version)
    .limit(bindparam("most"))
    for these in (_LIVE, _ALL)
)


@dataclass(frozen=True)
class Asked:
    """Which page of a collection: behind a cursor that an earlier one ended with; tombstones?"""

    collection: str
    cursor: str | None
    limit: int
    deleted: bool = False


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


def list_items(connection: Connection, space_id: str, asked: Asked) -> Items:
    """Return a page of a collection's items.

    Raises `RequestRefused` (410) where the cursor belongs to another history, or where tombstones
    behind it were forgotten: a page has no way to say that it starts anew.
    """
    history = read_history(connection, space_id)
    position = decode_cursor(asked.cursor)
    after, since = (position.version, position.since) if position else (0, history.horizon)
    is_ours = position is None or position.epoch in (None, history.epoch)
    is_complete = not asked.deleted or not history.start(position).reset
    if not is_ours or after > history.newest or not is_complete:
        raise RequestRefused(410, "cursor_expired", "Start again without a cursor.")
    keys = {"in_space": space_id, "in_collection": asked.collection, "after": after}
    query = _AFTER_WITH_DELETED if asked.deleted else _AFTER
    found = [StoredRow(*row) for row in connection.execute(query, keys | {"most": asked.limit + 1})]
    page = found[: asked.limit]
    has_more = len(found) > len(page)
    cursor = (
        encode_cursor(history.epoch, page[-1].version, since)
        if has_more
        else encode_cursor(history.epoch, history.newest)
    )
    return Items(rows=[row.public() for row in page], cursor=cursor, has_more=has_more)

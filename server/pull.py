"""Reading what has changed: rows in the order of their versions, from one snapshot."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from sqlalchemy import Connection

from app.core.messages import COLLECTION as MESSAGES
from app.protocol import MAX_PULL_ROWS
from server.cursors import encode_cursor
from server.history import History, Start
from server.records import ROW_COLUMNS, StoredRow
from server.statements import Statement

MOST_UNREAD = 1_000
"""How many versions behind the cursor are looked at for unread messages, where a page is full."""

_ROWS = Statement(
    f"""SELECT {", ".join(ROW_COLUMNS)} FROM rows
    WHERE space_id = :space AND version > :after AND version <= :newest
    ORDER BY version LIMIT :most"""
)
_UNREAD = Statement(
    """SELECT count(*) FROM rows
    WHERE space_id = :space AND version > :after AND version <= :until
        AND collection = :messages AND data IS NOT NULL AND client_id <> :client"""
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
    """The rows after a cursor, each as JSON, and the cursor behind the last of them."""

    rows: list[str]
    cursor: str
    has_more: bool
    unread_count: int
    start: Start


def pull(
    connection: Connection,
    space_id: str,
    history: History,
    positions: Sequence[Position],
    written: Sequence[StoredRow] = (),
) -> list[Page]:
    """Return for each position up to `limit` rows with a version after it, oldest change first.

    `history` is the space's as the transaction sees it, `written` are the rows that the
    transaction wrote itself. `unread_count` is the number of messages after the position that
    other clients wrote last; where a page is full, among the next `MOST_UNREAD` versions.
    """
    reader = _Reader(connection, space_id, history)
    recent = reader.recent([position.after for position in positions], written)
    return [reader.page(position, recent) for position in positions]


class _Recent(NamedTuple):
    """The newest rows: all those with a version above `after`."""

    after: int
    rows: list[StoredRow]
    versions: list[int]


class _Reader:
    """Reads from a space for several clients; a row that many of them get is put in words once."""

    def __init__(self, connection: Connection, space_id: str, history: History) -> None:
        self._connection = connection
        self._history = history
        self._here = {"space": space_id}
        self._text = cache(StoredRow.text)

    def recent(self, starts: Iterable[int], written: Sequence[StoredRow]) -> _Recent:
        """Return the rows that clients need who are a few rows behind, as most of them are."""
        newest = self._history.newest
        before = written[0].version - 1 if written else newest
        after = min((it for it in starts if newest - MAX_PULL_ROWS <= it < before), default=before)
        rows = [*self._read(after, before, MAX_PULL_ROWS), *written]
        return _Recent(after, rows, [row.version for row in rows])

    def page(self, position: Position, recent: _Recent) -> Page:
        """Return the page of a client."""
        after, most = position.after, position.limit + 1
        if after >= recent.after:
            start = bisect_right(recent.versions, after)
            found = recent.rows[start : start + most]
        else:
            found = self._read(after, self._history.newest, most)
        has_more = len(found) == most
        if has_more:
            del found[-1]
            cursor = encode_cursor(self._history.epoch, found[-1].version, position.start.since)
            unread = self._count_unread(position, recent)
        else:
            cursor = encode_cursor(self._history.epoch, self._history.newest)
            unread = sum(_is_unread(row, position.client_id) for row in found)
        shown = [self._text(row) for row in found]
        return Page(shown, cursor, has_more, unread, position.start)

    def _read(self, after: int, newest: int, most: int) -> list[StoredRow]:
        if after >= newest:
            return []
        values = {**self._here, "after": after, "newest": newest, "most": most}
        return [StoredRow._make(row) for row in _ROWS.run(self._connection, values)]

    def _count_unread(self, position: Position, recent: _Recent) -> int:
        if position.after >= recent.after:
            start = bisect_right(recent.versions, position.after)
            end = bisect_right(recent.versions, position.after + MOST_UNREAD)
            return sum(_is_unread(row, position.client_id) for row in recent.rows[start:end])
        span = {"after": position.after, "until": position.after + MOST_UNREAD}
        by_others = {"messages": MESSAGES, "client": position.client_id}
        ((count,),) = _UNREAD.run(self._connection, {**self._here, **span, **by_others})
        return int(count)


def _is_unread(row: StoredRow, client_id: str) -> bool:
    return row.collection == MESSAGES and row.data is not None and row.client_id != client_id

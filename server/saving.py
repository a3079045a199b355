"""What pushes to a space amount to, written to the database as sets.

The first of it is sent while the last is decided, so that PostgreSQL and this process are both at
work. Nothing of it counts before the commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection

from server import tables
from server.insertion import Insertion
from server.records import (
    RECEIPT_COLUMNS,
    ROW_COLUMNS,
    Author,
    ItemKey,
    Outcome,
    StoredRow,
)
from server.statements import Statement, Step, as_set, sending
from server.storage import Stored

ENOUGH = 64
"""Receipts that are worth statements of their own, before the verdicts on all are given."""

_NEW_VALUES = ", ".join(f"{name} = excluded.{name}" for name in ROW_COLUMNS[2:])

# PostgreSQL looks for a row in the way only where one may be.
_ADD_ROWS = Insertion(tables.rows, ROW_COLUMNS)
_CHANGE_ROWS = Insertion(
    tables.rows,
    ROW_COLUMNS,
    f"ON CONFLICT (space_id, collection, item_id) DO UPDATE SET {_NEW_VALUES}",
)
_ADD_RECEIPTS = Insertion(tables.receipts, RECEIPT_COLUMNS)
_ADVANCE = Statement(
    "UPDATE spaces SET version = :version, updated_at = :updated_at WHERE space_id = :space"
)
_SETTLE = Statement(
    """INSERT INTO clients (space_id, user_id, client_id, settled_through)
    SELECT :space, given.value ->> 0, given.value ->> 1, CAST(given.value ->> 2 AS BIGINT)
    FROM EACH(:settled) AS given WHERE true
    ON CONFLICT (space_id, client_id, user_id)
    DO UPDATE SET settled_through = excluded.settled_through"""
)
_DROP_RECEIPTS = Statement(
    """DELETE FROM receipts WHERE LOCATION IN (
        SELECT receipts.LOCATION FROM EACH(:settled) AS given CROSS JOIN receipts
        WHERE space_id = :space AND user_id = given.value ->> 0
            AND client_id = given.value ->> 1 AND seq <= CAST(given.value ->> 2 AS BIGINT)
            AND seq > CAST(given.value ->> 3 AS BIGINT)
    )"""
)


class Changes:
    """What is written, as it grows from batch to batch.

    `version` and `updated_at` are the space's last, `rows` are all that were written.
    """

    def __init__(
        self,
        connection: Connection,
        space_id: str,
        stored: Stored,
        send: Callable[[Sequence[Step]], None],
    ) -> None:
        self.version = self._began_at = stored.history.newest
        self.updated_at = stored.updated_at
        self.rows: dict[ItemKey, StoredRow] = {}
        self._connection = connection
        self._space_id = space_id
        self._send = send
        self._there = set(stored.rows)
        self._unwritten: dict[ItemKey, StoredRow] = {}
        self._receipts: list[tuple[str | int, ...]] = []
        self._settled: dict[Author, tuple[int, int]] = {}

    def add(self, author: Author, outcome: Outcome) -> None:
        """Take in what a batch amounts to."""
        self.version = outcome.version
        self.updated_at = outcome.updated_at
        self.rows |= outcome.rows
        self._unwritten |= outcome.rows
        self._receipts += [(*author, *receipt) for receipt in outcome.receipts.values()]
        if len(self._receipts) >= ENOUGH:
            self._write()

    def settle(self, author: Author, through: int, known: int) -> None:
        """Say how far an author has settled, and how far was known before this."""
        _, known = self._settled.get(author, (0, known))
        self._settled[author] = through, known

    def finish(self) -> None:
        """Write what is left, and the counters."""
        self._write()
        here = {"space": self._space_id}
        if self.version > self._began_at:
            counters = {"version": self.version, "updated_at": self.updated_at}
            self._send([(_ADVANCE, {**here, **counters})])
        if self._settled:
            settled = as_set((*author, *span) for author, span in self._settled.items())
            values = {**here, "settled": settled}
            self._send([(_SETTLE, values), (_DROP_RECEIPTS, values)])

    def _write(self) -> None:
        new = [row for key, row in self._unwritten.items() if key not in self._there]
        changed = [row for key, row in self._unwritten.items() if key in self._there]
        where = self._connection, self._space_id
        self._send(
            [
                *_ADD_ROWS.steps(*where, new),
                *_CHANGE_ROWS.steps(*where, changed),
                *_ADD_RECEIPTS.steps(*where, self._receipts),
            ]
        )
        self._there |= self._unwritten.keys()
        self._unwritten = {}
        self._receipts = []


@contextmanager
def saving(connection: Connection, space_id: str, stored: Stored) -> Iterator[Changes]:
    """Write the changes to what `load` returned, in the same transaction."""
    with sending(connection) as send:
        changes = Changes(connection, space_id, stored, send)
        yield changes
        changes.finish()

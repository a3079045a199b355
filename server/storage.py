"""What bears on the pushes to a space, read from the database and written to it as sets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import Connection

from app.protocol import Action
from server import tables
from server.history import History
from server.insertion import Insertion
from server.records import (
    RECEIPT_COLUMNS,
    ROW_COLUMNS,
    Author,
    ItemKey,
    Outcome,
    Receipt,
    StoredRow,
)
from server.statements import Statement, Step, as_set, run_all

_COLUMNS = ", ".join(ROW_COLUMNS)
_NEW_VALUES = ", ".join(f"{name} = excluded.{name}" for name in ROW_COLUMNS[2:])

_LOCK = Statement(
    """SELECT spaces.version, spaces.horizon, spaces.updated_at, properties.value
    FROM spaces JOIN properties ON properties.name = 'epoch'
    WHERE spaces.space_id = :space FOR UPDATE OF spaces"""
)
_ADD_SPACE = Statement(
    """INSERT INTO spaces (space_id, version, updated_at, horizon) VALUES (:space, 0, 0, 0)
    ON CONFLICT DO NOTHING"""
)
_ADVANCE = Statement(
    "UPDATE spaces SET version = :version, updated_at = :updated_at WHERE space_id = :space"
)
# Cross joins are made in this order: the given entries, each looked up by the key.
_ROWS = Statement(
    f"""SELECT {_COLUMNS} FROM EACH(:items) AS given CROSS JOIN rows
    WHERE space_id = :space AND collection = given.value ->> 0 AND item_id = given.value ->> 1"""
)
_WRITE_ROWS = Insertion(
    tables.rows,
    ROW_COLUMNS,
    f"ON CONFLICT (space_id, collection, item_id) DO UPDATE SET {_NEW_VALUES}",
)
_RECEIPTS = Statement(
    f"""SELECT {", ".join(RECEIPT_COLUMNS)}
    FROM EACH(:actions) AS given CROSS JOIN receipts
    WHERE space_id = :space AND action_id = given.value ->> 0"""
)
_ADD_RECEIPTS = Insertion(tables.receipts, RECEIPT_COLUMNS)
_CLIENTS = Statement(
    """SELECT user_id, client_id, settled_through FROM EACH(:authors) AS given CROSS JOIN clients
    WHERE space_id = :space AND user_id = given.value ->> 0 AND client_id = given.value ->> 1"""
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


@dataclass(frozen=True)
class Stored:
    """What the database holds: how far the space is, and what some actions and authors touch."""

    history: History
    updated_at: int
    rows: dict[ItemKey, StoredRow]
    receipts: defaultdict[Author, dict[str, Receipt]]
    settled: dict[Author, int]


@dataclass
class Changes:
    """What is to be written, as it grows from batch to batch.

    `settled` says of each author how far it has settled, and how far the database knew of.
    """

    version: int
    updated_at: int
    rows: dict[ItemKey, StoredRow] = field(default_factory=dict)
    receipts: defaultdict[Author, dict[str, Receipt]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    settled: dict[Author, tuple[int, int]] = field(default_factory=dict)

    def add(self, author: Author, outcome: Outcome) -> None:
        """Take in what a batch amounts to."""
        self.version = outcome.version
        self.updated_at = outcome.updated_at
        self.rows |= outcome.rows
        self.receipts[author] |= outcome.receipts


def load(
    connection: Connection, space_id: str, authors: Iterable[Author], actions: Iterable[Action]
) -> Stored:
    """Lock the space and return what it holds; nobody else gives out a version until the commit."""
    actions = list(actions)
    here = {"space": space_id}
    items = as_set({(action.collection, action.item_id) for action in actions})
    ids = as_set({(action.id,) for action in actions})
    steps = [
        (_LOCK, here),
        (_ROWS, {**here, "items": items}),
        (_RECEIPTS, {**here, "actions": ids}),
        (_CLIENTS, {**here, "authors": as_set(set(authors))}),
    ]
    locked, rows, given, clients = run_all(connection, steps)
    if not locked:
        # Two servers may be the first: one of them makes the record, both then lock it.
        _ADD_SPACE.run(connection, here)
        locked, rows, given, clients = run_all(connection, steps)
    version, horizon, updated_at, epoch = locked[0]
    receipts: defaultdict[Author, dict[str, Receipt]] = defaultdict(dict)
    for user_id, client_id, *receipt in given:
        receipts[Author(user_id, client_id)][receipt[0]] = Receipt(*receipt)
    return Stored(
        history=History(epoch, version, horizon),
        updated_at=updated_at,
        rows={row.key: row for row in map(StoredRow._make, rows)},
        receipts=receipts,
        settled={Author(user_id, client_id): through for user_id, client_id, through in clients},
    )


def save(connection: Connection, space_id: str, changes: Changes) -> None:
    """Write the changes to what `load` returned, in the same transaction."""
    here = {"space": space_id}
    steps: list[Step] = []
    if changes.rows:
        counters = {"version": changes.version, "updated_at": changes.updated_at}
        steps += [
            *_WRITE_ROWS.steps(connection, space_id, changes.rows.values()),
            (_ADVANCE, {**here, **counters}),
        ]
    receipts = [
        (*author, *receipt)
        for author, given in changes.receipts.items()
        for receipt in given.values()
    ]
    steps += _ADD_RECEIPTS.steps(connection, space_id, receipts)
    if changes.settled:
        settled = as_set((*author, *span) for author, span in changes.settled.items())
        steps += [
            (_SETTLE, {**here, "settled": settled}),
            (_DROP_RECEIPTS, {**here, "settled": settled}),
        ]
    run_all(connection, steps)

"""What bears on the pushes to a space, read from the database as sets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection

from server.history import History
from server.plans import keeping_plans
from server.prepared import Prepared
from server.records import (
    RECEIPT_COLUMNS,
    ROW_COLUMNS,
    Author,
    ItemKey,
    Receipt,
    StoredRow,
)
from server.statements import Statement, as_set, run_all

_COLUMNS = ", ".join(ROW_COLUMNS)

_LOCK = Statement(
    """SELECT spaces.version, spaces.horizon, spaces.updated_at, properties.value
    FROM spaces JOIN properties ON properties.name = 'epoch'
    WHERE spaces.space_id = :space FOR UPDATE OF spaces"""
)
_ADD_SPACE = Statement(
    """INSERT INTO spaces (space_id, version, updated_at, horizon) VALUES (:space, 0, 0, 0)
    ON CONFLICT DO NOTHING"""
)
_ROWS = Statement(
    f"""SELECT {_COLUMNS} FROM EACH(:items) AS given CROSS JOIN rows
    WHERE space_id = :space AND collection = given.value ->> 0 AND item_id = given.value ->> 1"""
)
_RECEIPTS = Statement(
    f"""SELECT {", ".join(RECEIPT_COLUMNS)}
    FROM EACH(:actions) AS given CROSS JOIN receipts
    WHERE space_id = :space AND action_id = given.value ->> 0"""
)
_CLIENTS = Statement(
    """SELECT user_id, client_id, settled_through FROM EACH(:authors) AS given CROSS JOIN clients
    WHERE space_id = :space AND user_id = given.value ->> 0 AND client_id = given.value ->> 1"""
)


@dataclass(frozen=True)
class Stored:
    """What the database holds: how far the space is, and what some actions and authors touch."""

    history: History
    updated_at: int
    rows: dict[ItemKey, StoredRow]
    receipts: defaultdict[Author, dict[str, Receipt]]
    settled: dict[Author, int]


def load(
    connection: Connection, space_id: str, authors: Iterable[Author], actions: Iterable[Prepared]
) -> Stored:
    """Lock the space and return what it holds; nobody else gives out a version until the commit."""
    actions = list(actions)
    here = {"space": space_id}
    items = as_set({(action.collection, action.item_id) for action in actions})
    ids = as_set({(name,) for action in actions for name in (action.id, *action.earlier_ids)})
    steps = [
        (_LOCK, here),
        (_ROWS, {**here, "items": items}),
        (_RECEIPTS, {**here, "actions": ids}),
        (_CLIENTS, {**here, "authors": as_set(set(authors))}),
    ]
    first = keeping_plans(connection)
    locked, rows, given, clients = run_all(connection, [*first, *steps])[len(first) :]
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

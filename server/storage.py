"""What bears on the pushes to a space, read from the database and written to it as sets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, delete, insert, select, update

from app.protocol import Action
from server.records import ROW_COLUMNS, Author, ItemKey, Outcome, Receipt, StoredRow
from server.tables import clients, receipts, rows, spaces

# Built once: putting a statement together costs more than running it.
_IN_SPACE: BindParameter[str] = bindparam("in_space")
_LOCK = (
    select(spaces.c.version, spaces.c.updated_at)
    .where(spaces.c.space_id == _IN_SPACE)
    .with_for_update()
)
_ADD_SPACE = insert(spaces)
_ADVANCE = update(spaces).where(spaces.c.space_id == _IN_SPACE)
_ROWS = select(*(rows.c[name] for name in ROW_COLUMNS)).where(
    rows.c.space_id == _IN_SPACE,
    rows.c.collection.in_(bindparam("collections", expanding=True)),
    rows.c.item_id.in_(bindparam("item_ids", expanding=True)),
)
_ADD_ROWS = insert(rows)
_CHANGE_ROWS = update(rows).where(
    rows.c.space_id == _IN_SPACE,
    rows.c.collection == bindparam("in_collection"),
    rows.c.item_id == bindparam("of_item"),
)
_RECEIPTS = select(
    receipts.c.user_id,
    receipts.c.client_id,
    receipts.c.action_id,
    receipts.c.seq,
    receipts.c.body_hash,
    receipts.c.result,
).where(
    receipts.c.space_id == _IN_SPACE,
    receipts.c.action_id.in_(bindparam("action_ids", expanding=True)),
)
_ADD_RECEIPTS = insert(receipts)
_DROP_RECEIPTS = delete(receipts).where(
    receipts.c.space_id == _IN_SPACE,
    receipts.c.user_id == bindparam("by_user"),
    receipts.c.client_id == bindparam("by_client"),
    receipts.c.seq <= bindparam("settled_through"),
)
_CLIENTS = select(clients.c.user_id, clients.c.client_id, clients.c.settled_through).where(
    clients.c.space_id == _IN_SPACE,
    clients.c.client_id.in_(bindparam("client_ids", expanding=True)),
)
_ADD_CLIENTS = insert(clients)
_SETTLE = update(clients).where(
    clients.c.space_id == _IN_SPACE,
    clients.c.user_id == bindparam("by_user"),
    clients.c.client_id == bindparam("by_client"),
)


@dataclass(frozen=True)
class Stored:
    """What the database holds: the space's counters, and what some actions and authors touch."""

    version: int
    updated_at: int
    rows: dict[ItemKey, StoredRow]
    receipts: dict[Author, dict[str, Receipt]]
    settled: dict[Author, int]


@dataclass
class Changes:
    """What is to be written, as it grows from batch to batch."""

    version: int
    updated_at: int
    rows: dict[ItemKey, StoredRow] = field(default_factory=dict)
    receipts: defaultdict[Author, dict[str, Receipt]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    settled: dict[Author, int] = field(default_factory=dict)

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
    here = {"in_space": space_id}
    space = connection.execute(_LOCK, here).one_or_none()
    if space is None:
        connection.execute(
            _ADD_SPACE, [{"space_id": space_id, "version": 0, "updated_at": 0, "horizon": 0}]
        )
    items = {
        "collections": list({action.collection for action in actions}),
        "item_ids": list({action.item_id for action in actions}),
    }
    found_rows = [StoredRow(*found) for found in connection.execute(_ROWS, {**here, **items})]
    given: defaultdict[Author, dict[str, Receipt]] = defaultdict(dict)
    ids = {"action_ids": list({action.id for action in actions})}
    for user_id, client_id, action_id, *rest in connection.execute(_RECEIPTS, {**here, **ids}):
        given[Author(user_id, client_id)][action_id] = Receipt(action_id, *rest)
    client_ids = {"client_ids": list({author.client_id for author in authors})}
    found_clients = connection.execute(_CLIENTS, {**here, **client_ids})
    return Stored(
        version=space.version if space else 0,
        updated_at=space.updated_at if space else 0,
        rows={row.key: row for row in found_rows},
        receipts=given,
        settled={Author(user_id, client): through for user_id, client, through in found_clients},
    )


def save(connection: Connection, space_id: str, stored: Stored, changes: Changes) -> None:
    """Write the changes to what `load` returned, in the same transaction."""
    _save_rows(connection, space_id, stored, changes)
    given = [
        {
            "space_id": space_id,
            "user_id": author.user_id,
            "client_id": author.client_id,
            "action_id": receipt.action_id,
            "seq": receipt.seq,
            "body_hash": receipt.body_hash,
            "result": receipt.result,
        }
        for author, receipts_given in changes.receipts.items()
        for receipt in receipts_given.values()
    ]
    if given:
        connection.execute(_ADD_RECEIPTS, given)
    if changes.settled:
        _save_settled(connection, space_id, stored, changes)


def _save_rows(connection: Connection, space_id: str, stored: Stored, changes: Changes) -> None:
    added: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    for key, row in changes.rows.items():
        values = row.written()
        if key in stored.rows:
            of_item = {"in_collection": values.pop("collection"), "of_item": values.pop("item_id")}
            changed.append({"in_space": space_id, **of_item, **values})
        else:
            added.append({"space_id": space_id, **values})
    if added:
        connection.execute(_ADD_ROWS, added)
    if changed:
        connection.execute(_CHANGE_ROWS, changed)
    if changes.version != stored.version:
        counters = {"version": changes.version, "updated_at": changes.updated_at}
        connection.execute(_ADVANCE, {"in_space": space_id, **counters})


def _save_settled(connection: Connection, space_id: str, stored: Stored, changes: Changes) -> None:
    """Remember how far the clients have settled, and forget the receipts up to there."""
    known: list[dict[str, Any]] = []
    new: list[dict[str, Any]] = []
    for author, through in changes.settled.items():
        by = {"by_user": author.user_id, "by_client": author.client_id}
        known.append({"in_space": space_id, **by, "settled_through": through})
        if author not in stored.settled:
            of = {"user_id": author.user_id, "client_id": author.client_id}
            new.append({"space_id": space_id, **of, "settled_through": through})
    if new:
        connection.execute(_ADD_CLIENTS, new)
    connection.execute(_SETTLE, known)
    connection.execute(_DROP_RECEIPTS, known)

"""Carrying a batch of actions into the database: effects, receipts and version in one transaction.

The lock on the space's record is taken first, so that the order of versions is the order of the
commits and no reader ever sees a version before a lower one. What bears on the batch is read as
sets, decided in memory (`server/apply.py`), and written as sets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import BindParameter, Connection, Table, bindparam, delete, insert, select, update

from app.core.actions import Registry
from app.protocol import Action, Result, SyncRequest
from server.apply import apply_batch
from server.identity import Identity
from server.records import ROW_COLUMNS, Author, Before, Outcome, Receipt, StoredRow
from server.tables import clients, receipts, rows, spaces

# Built once: putting a statement together costs more than running it.
_IN_SPACE: BindParameter[str] = bindparam("in_space")


def _by_author(table: Table) -> tuple[Any, ...]:
    return (
        table.c.space_id == _IN_SPACE,
        table.c.user_id == bindparam("by_user"),
        table.c.client_id == bindparam("by_client"),
    )


_LOCK = (
    select(spaces.c.version, spaces.c.updated_at)
    .where(spaces.c.space_id == _IN_SPACE)
    .with_for_update()
)
_ADD_SPACE = insert(spaces)
_ADVANCE = update(spaces).where(spaces.c.space_id == _IN_SPACE)
_SETTLED = select(clients.c.settled_through).where(*_by_author(clients))
_ADD_CLIENT = insert(clients)
_SETTLE = update(clients).where(*_by_author(clients))
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
    receipts.c.action_id, receipts.c.seq, receipts.c.body_hash, receipts.c.result
).where(*_by_author(receipts), receipts.c.action_id.in_(bindparam("ids", expanding=True)))
_ADD_RECEIPTS = insert(receipts)
_DROP_RECEIPTS = delete(receipts).where(
    *_by_author(receipts), receipts.c.seq <= bindparam("through")
)


def push(
    connection: Connection,
    identity: Identity,
    registry: Registry,
    request: SyncRequest,
    now: int,
) -> list[Result]:
    """Run the request's actions and return their verdicts; needs a write transaction.

    `now` is in microseconds since the epoch.
    """
    author = Author(identity.user_id, request.client_id)
    keys = {
        "in_space": identity.space_id,
        "by_user": author.user_id,
        "by_client": author.client_id,
    }
    before = _read(connection, keys, request.actions)
    outcome = apply_batch(registry, before, author, request.actions, now)
    _write_rows(connection, keys, before, outcome)
    if outcome.receipts:
        owner = {"space_id": identity.space_id, **asdict(author)}
        kept = [{**owner, **asdict(receipt)} for receipt in outcome.receipts.values()]
        connection.execute(_ADD_RECEIPTS, kept)
    if request.settled_through > before.settled_through:
        _settle(connection, keys, request.settled_through)
    return outcome.results


def _read(connection: Connection, keys: dict[str, Any], actions: Sequence[Action]) -> Before:
    space = connection.execute(_LOCK, keys).one_or_none()
    if space is None:
        first = {"space_id": keys["in_space"], "version": 0, "updated_at": 0}
        connection.execute(_ADD_SPACE, [first])
    touched = {
        "collections": list({action.collection for action in actions}),
        "item_ids": list({action.item_id for action in actions}),
    }
    ids = {"ids": list({action.id for action in actions})}
    stored = [StoredRow(*found) for found in connection.execute(_ROWS, {**keys, **touched})]
    given = [Receipt(*found) for found in connection.execute(_RECEIPTS, {**keys, **ids})]
    return Before(
        version=space.version if space else 0,
        updated_at=space.updated_at if space else 0,
        settled_through=connection.scalar(_SETTLED, keys) or 0,
        rows={row.key: row for row in stored},
        receipts={receipt.action_id: receipt for receipt in given},
    )


def _write_rows(
    connection: Connection, keys: dict[str, Any], before: Before, outcome: Outcome
) -> None:
    if not outcome.rows:
        return
    space_id = keys["in_space"]
    added: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    for key, row in outcome.rows.items():
        values = row.written()
        if key in before.rows:
            of_item = {"in_collection": values.pop("collection"), "of_item": values.pop("item_id")}
            changed.append({"in_space": space_id, **of_item, **values})
        else:
            added.append({"space_id": space_id, **values})
    if added:
        connection.execute(_ADD_ROWS, added)
    if changed:
        connection.execute(_CHANGE_ROWS, changed)
    counters = {"version": outcome.version, "updated_at": outcome.updated_at}
    connection.execute(_ADVANCE, {"in_space": space_id, **counters})


def _settle(connection: Connection, keys: dict[str, Any], through: int) -> None:
    """Remember how far the client has settled, and forget the receipts up to there."""
    known = connection.execute(_SETTLE, {**keys, "settled_through": through}).rowcount
    if not known:
        record = {
            "space_id": keys["in_space"],
            "user_id": keys["by_user"],
            "client_id": keys["by_client"],
            "settled_through": through,
        }
        connection.execute(_ADD_CLIENT, [record])
    connection.execute(_DROP_RECEIPTS, {**keys, "through": through})

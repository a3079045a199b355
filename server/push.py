"""Carrying pushes into the database: effects, receipts and versions in one transaction.

The lock on the space's record is taken first, so that the order of versions is the order of the
commits and no reader ever sees a version before a lower one. What bears on the pushes is read as
sets (`server/storage.py`), decided in memory (`server/apply.py`), and written as sets
(`server/saving.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from app.core.actions import Registry
from server.apply import apply_batch
from server.history import History
from server.prepared import Prepared
from server.records import Author, Before, Judged, StoredRow
from server.saving import Changes, saving
from server.storage import Stored, load


@dataclass(frozen=True)
class Push:
    """One client's actions, and how far it has settled; `now` is in microseconds."""

    author: Author
    actions: Sequence[Prepared]
    settled_through: int
    now: int


@dataclass(frozen=True)
class Pushed:
    """The verdicts on a push, and the versions that the space had before it and after it."""

    judged: list[Judged]
    began_at: int
    ended_at: int


@dataclass(frozen=True)
class Group:
    """What pushes came to: each by itself, the space's history, and the rows that were written."""

    pushed: list[Pushed]
    history: History
    rows: list[StoredRow]


def push(
    connection: Connection, space_id: str, registry: Registry, pushes: Sequence[Push]
) -> Group:
    """Run the pushes one after the other; needs a write transaction.

    The rows are in the order of their versions.
    """
    authors = [push.author for push in pushes]
    actions = [action for push in pushes for action in push.actions]
    stored = load(connection, space_id, authors, actions)
    with saving(connection, space_id, stored) as changes:
        pushed = [_run(registry, stored, changes, push) for push in pushes]
    history = replace(stored.history, newest=changes.version)
    rows = sorted(changes.rows.values(), key=lambda row: row.version)
    return Group(pushed, history, rows)


def _run(registry: Registry, stored: Stored, changes: Changes, push: Push) -> Pushed:
    author = push.author
    before = Before(
        version=changes.version,
        updated_at=changes.updated_at,
        settled_through=stored.settled.get(author, 0),
        rows=stored.rows,
        receipts=stored.receipts[author],
    )
    outcome = apply_batch(registry, before, author, push.actions, push.now)
    changes.add(author, outcome)
    # The pushes behind this one are to find what it wrote.
    stored.rows.update(outcome.rows)
    stored.receipts[author].update(outcome.receipts)
    if push.settled_through > before.settled_through:
        changes.settle(author, push.settled_through, before.settled_through)
        stored.settled[author] = push.settled_through
    return Pushed(outcome.judged, before.version, outcome.version)

"""Carrying pushes into the database: effects, receipts and versions in one transaction.

The lock on the space's record is taken first, so that the order of versions is the order of the
commits and no reader ever sees a version before a lower one. What bears on the pushes is read as
sets (`server/storage.py`), decided in memory (`server/apply.py`), and written as sets.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from app.core.actions import Registry
from app.protocol import Action, Result
from server.apply import apply_batch
from server.records import Author, Before
from server.storage import Changes, Stored, load, save


@dataclass(frozen=True)
class Pushed:
    """The verdicts on a push, and the version that the space had come to before it."""

    results: list[Result]
    began_at: int


@dataclass(frozen=True)
class Push:
    """One client's actions, and how far it has settled; `now` is in microseconds."""

    author: Author
    actions: Sequence[Action]
    settled_through: int
    now: int


def push(
    connection: Connection, space_id: str, registry: Registry, pushes: Sequence[Push]
) -> list[Pushed]:
    """Run the pushes one after the other; needs a write transaction."""
    authors = [push.author for push in pushes]
    actions = [action for push in pushes for action in push.actions]
    stored = load(connection, space_id, authors, actions)
    changes = Changes(stored.version, stored.updated_at)
    done = [_run(registry, stored, changes, push) for push in pushes]
    save(connection, space_id, stored, changes)
    return done


def _run(registry: Registry, stored: Stored, changes: Changes, push: Push) -> Pushed:
    author = push.author
    settled = changes.settled.get(author, stored.settled.get(author, 0))
    before = Before(
        version=changes.version,
        updated_at=changes.updated_at,
        settled_through=settled,
        rows=ChainMap(changes.rows, stored.rows),
        receipts=ChainMap(changes.receipts[author], stored.receipts.get(author, {})),
    )
    outcome = apply_batch(registry, before, author, push.actions, push.now)
    changes.add(author, outcome)
    if push.settled_through > settled:
        changes.settled[author] = push.settled_through
    return Pushed(outcome.results, before.version)

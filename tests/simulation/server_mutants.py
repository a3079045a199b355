"""Defects put into the server on purpose."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from server import apply, push, saving, storage, tables
from server.insertion import Insertion
from server.records import RECEIPT_COLUMNS
from tests.simulation.database import SimDatabase
from tests.simulation.patching import Patch


def no_dedupe(patch: Patch) -> None:
    """The server does not know what it has done before."""
    patch.setattr(apply._Batch, "_known", lambda *_: None)
    again = Insertion(tables.receipts, RECEIPT_COLUMNS, "ON CONFLICT DO NOTHING")
    patch.setattr(saving, "_ADD_RECEIPTS", again)


def acknowledge_before_commit(patch: Patch) -> None:
    """Now and then the server answers, and then its transaction is undone."""
    write, calls = SimDatabase.write, itertools.count(1)

    class Undone(Exception):
        pass

    def hasty(self: SimDatabase, job: Callable[[Any], Any]) -> Any:
        if next(calls) % 5:
            return write(self, job)
        kept: list[Any] = []

        def undone(connection: Any) -> None:
            kept.append(job(connection))
            raise Undone

        with pytest.raises(Undone):
            write(self, undone)
        return kept[0]

    patch.setattr(SimDatabase, "write", hasty)


def last_writer_wins(patch: Patch) -> None:
    """The server ignores `base_version`."""
    patch.setattr(apply, "is_stale", lambda *_, **__: False)


def receipts_dropped_by_age(patch: Patch) -> None:
    """The server forgets its receipts before the clients have settled them."""
    load = storage.load

    def forgetful(connection: Any, *rest: Any) -> Any:
        stored = load(connection, *rest)
        connection.execute(text("DELETE FROM receipts"))
        return stored

    patch.setattr(push, "load", forgetful)


def server_forgets_what_failed(patch: Patch) -> None:
    """The server goes on with an item after one of its actions failed in the batch."""
    take = apply._Batch.take

    def forgetful(self: Any, prepared: Any) -> None:
        self._held.clear()
        take(self, prepared)

    patch.setattr(apply._Batch, "take", forgetful)


SERVER_MUTANTS: tuple[Callable[[Patch], None], ...] = (
    no_dedupe,
    acknowledge_before_commit,
    last_writer_wins,
    receipts_dropped_by_age,
    server_forgets_what_failed,
)

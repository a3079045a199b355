"""Plans that PostgreSQL keeps: for a moment, and for the transactions that write."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Connection

from server.database import Database
from server.plans import KEPT_SECONDS, keeping_plans
from server.statements import Statement, run_all
from tests.server.watching import watching


@pytest.fixture
def kind() -> str:
    return "postgresql"


def begun_with(connection: Connection, now: float) -> list[str]:
    """Return what is run first where the clock shows `now`."""
    heard: list[str] = []
    with watching(heard.append):
        run_all(connection, keeping_plans(connection, lambda: now))
    return heard


def test_plans_are_made_anew_once_they_are_old(database: Database) -> None:
    def job(connection: Connection) -> list[int]:
        times = (0, KEPT_SECONDS - 0.01, KEPT_SECONDS, 2 * KEPT_SECONDS - 0.01, 2 * KEPT_SECONDS)
        return [len(begun_with(connection, now)) for now in times]

    assert database.write(job) == [2, 1, 2, 1, 2]


def test_plans_are_kept_in_the_transaction_that_asks_for_it_alone(database: Database) -> None:
    made = Statement(
        """SELECT generic_plans, custom_plans FROM pg_prepared_statements
        WHERE statement LIKE 'SELECT count(*) FROM receipts %'"""
    )
    ask = Statement("SELECT count(*) FROM receipts WHERE space_id = :space")

    def plans(connection: Connection, *, keeps: bool) -> tuple[int, int]:
        if keeps:
            run_all(connection, keeping_plans(connection))
        ask.run(connection, {"space": "s"})
        ((generic, custom),) = made.run(connection, {})
        return generic, custom

    assert database.write(lambda c: plans(c, keeps=True)) == (1, 0)
    assert database.write(lambda c: plans(c, keeps=False)) == (1, 1)
    assert database.write(lambda c: plans(c, keeps=True)) == (2, 1)


def test_sqlite_has_nothing_to_keep(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/driftline.db")
    assert database.read(keeping_plans) == []
    database.close()

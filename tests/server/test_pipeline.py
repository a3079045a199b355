"""Statements that go to PostgreSQL in one piece, and what becomes of them where something fails."""

from __future__ import annotations

from functools import partial
from typing import Any
from unittest.mock import patch

import pytest
from psycopg.generators import send
from sqlalchemy import Connection, text
from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError

from server.database import Database
from server.statements import Statement, run_all, sending

ADD = Statement("INSERT INTO properties (name, value) VALUES (:name, :value)")
ASK = Statement("SELECT value FROM properties WHERE name = :name")
LENGTH = Statement("SELECT :words, length(:words)")


@pytest.fixture
def kind() -> str:
    return "postgresql"


def stored(database: Database, name: str) -> list[Any]:
    return [value for (value,) in database.read(lambda c: ASK.run(c, {"name": name}))]


def test_statements_that_are_run_together_wake_postgresql_once(database: Database) -> None:
    steps = [(ASK, {"name": name}) for name in ("one", "two", "three", "four")]
    database.read(lambda c: run_all(c, steps))
    with patch("server.pipeline.send", wraps=send) as sent:
        database.read(lambda c: run_all(c, steps))
    assert sent.call_count == 1


def test_more_than_a_connection_takes_at_once_goes_both_ways(database: Database) -> None:
    words = "Back at the hut around 18:00. " * 100_000
    steps = [(LENGTH, {"words": words})] * 4
    assert database.read(lambda c: run_all(c, steps)) == [[(words, len(words))]] * 4


def test_numbers_of_every_size_are_taken_by_one_statement(database: Database) -> None:
    add = Statement("SELECT CAST(:n AS BIGINT) + 1")
    for n in (0, 70_000, 2**40, -1):
        assert list(database.read(partial(add.run, values={"n": n}))) == [(n + 1,)]


def test_what_cannot_be_kept_as_text_is_refused_and_not_cut_short(database: Database) -> None:
    with pytest.raises(DataError, match="NUL"):
        database.write(lambda c: ADD.run(c, {"name": "n", "value": "before\0behind"}))
    assert stored(database, "n") == []


def test_transaction_goes_on_after_an_error_of_our_own(database: Database) -> None:
    def make_a_mistake(connection: Connection) -> None:
        with sending(connection) as run:
            run([(ADD, {"name": "first", "value": "v"})])
            raise KeyError("a mistake")

    def job(connection: Connection) -> None:
        with pytest.raises(KeyError):
            make_a_mistake(connection)
        ADD.run(connection, {"name": "second", "value": "v"})

    database.write(job)
    assert stored(database, "first") == stored(database, "second") == ["v"]


def test_first_error_is_told_where_others_follow_from_it(database: Database) -> None:
    wrong = Statement("SELECT no_such_column FROM properties")
    twice = [(ADD, {"name": "n", "value": "v"})] * 2
    with pytest.raises(IntegrityError):
        database.write(lambda c: run_all(c, [*twice, (wrong, {}), (ASK, {"name": "n"})]))
    with pytest.raises(ProgrammingError, match="no_such_column"):
        database.write(lambda c: run_all(c, [(wrong, {}), *twice]))
    assert stored(database, "n") == []


def test_error_of_our_own_is_told_before_one_of_the_database(database: Database) -> None:
    def job(connection: Connection) -> None:
        with sending(connection) as run:
            run([(ADD, {"name": "n", "value": "v"})] * 2)
            raise KeyError("a mistake")

    with pytest.raises(KeyError, match="a mistake"):
        database.write(job)


@pytest.mark.parametrize("forget", ["DEALLOCATE ALL", "DISCARD ALL"])
def test_connection_that_forgot_its_statements_prepares_them_again(
    database: Database, forget: str
) -> None:
    database.write(lambda c: ADD.run(c, {"name": "first", "value": "v"}))
    with database.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text(forget))
    database.write(lambda c: ADD.run(c, {"name": "second", "value": "v"}))
    assert stored(database, "second") == ["v"]


def test_reads_see_one_snapshot_and_change_nothing(database: Database) -> None:
    settings = Statement(
        "SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only')"
    )
    assert list(database.read(lambda c: settings.run(c, {}))) == [("repeatable read", "on")]
    assert list(database.write(lambda c: settings.run(c, {}))) == [("read committed", "off")]

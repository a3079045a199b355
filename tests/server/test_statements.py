"""Statements that both databases take, and what is said where one fails."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy.exc import IntegrityError

from server.database import Database
from server.migrations import migrate
from server.statements import Statement, as_set

PARTS = Statement("SELECT given.value ->> 0, given.value ->> 1 FROM EACH(:given) AS given")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    migrate(database)
    yield database
    database.close()


@pytest.mark.parametrize(
    "words", ["plain", 'it\'s "quoted" \\ %s :name', "Привет 👋", "a\nb\tc", '{"t":"\\u0000"}', ""]
)
def test_set_arrives_as_it_was_given(database: Database, words: str) -> None:
    given = as_set([("first", words), ("second", None)])
    found = database.read(lambda connection: PARTS.run(connection, {"given": given}))
    assert [tuple(row) for row in found] == [("first", words), ("second", None)]


def test_empty_set_gives_nothing(database: Database) -> None:
    assert list(database.read(lambda c: PARTS.run(c, {"given": as_set([])}))) == []


def test_drivers_errors_have_sqlalchemys_names_and_quote_no_values(database: Database) -> None:
    one = Statement("INSERT INTO properties (name, value) VALUES (:name, :value)")
    database.write(lambda c: one.run(c, {"name": "same", "value": "first"}))
    with pytest.raises(IntegrityError, match="INSERT INTO properties") as refused:
        database.write(lambda c: one.run(c, {"name": "same", "value": "secret"}))
    assert "secret" not in str(refused.value).partition("DETAIL")[0]

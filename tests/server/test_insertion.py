"""A set of entries goes into a table whole, whatever it holds and however large it is."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from server.database import Database
from server.insertion import MOST, Insertion
from server.records import ROW_COLUMNS, StoredRow
from server.statements import run_all
from server.tables import rows, spaces
from tests.server.watching import watching

ADD = Insertion(rows, ROW_COLUMNS)
KEEP = Insertion(rows, ROW_COLUMNS, "ON CONFLICT (space_id, collection, item_id) DO NOTHING")


@pytest.fixture
def database(database: Database) -> Database:
    """Return a database with a space, which is called `here`."""
    space = spaces.insert().values(space_id="here", version=0, updated_at=0, horizon=0)
    database.write(lambda connection: connection.execute(space))
    return database


def row(version: int, data: str | None = "{}", item_id: str = "") -> StoredRow:
    return StoredRow("notes", item_id or f"n{version}", version, data, 2**53 - 1, "u", "c", 1, 0)


def put(database: Database, how: Insertion, *entries: StoredRow) -> None:
    database.write(lambda c: run_all(c, how.steps(c, "here", entries)))


def found(database: Database) -> list[Any]:
    query = select(*(rows.c[name] for name in ROW_COLUMNS)).order_by(rows.c.version)
    return database.read(lambda connection: [tuple(row) for row in connection.execute(query)])


@pytest.mark.parametrize("count", [0, 1, MOST, 2 * MOST + 3])
def test_every_entry_is_there_as_it_was_given(database: Database, count: int) -> None:
    entries = [row(version + 1) for version in range(count)]
    put(database, ADD, *entries)
    assert found(database) == [tuple(entry) for entry in entries]


@pytest.mark.parametrize("data", [None, 'it\'s "quoted" \\ %s ?1 :name', '{"t":"\\u0000 Привет"}'])
def test_no_text_is_taken_for_a_part_of_the_statement(database: Database, data: str | None) -> None:
    put(database, ADD, row(1, data))
    assert found(database) == [tuple(row(1, data))]


def test_what_follows_the_values_says_what_becomes_of_those_that_are_there(
    database: Database,
) -> None:
    put(database, ADD, row(1, "first", "same"))
    put(database, KEEP, row(2, "second", "same"), row(3))
    assert found(database) == [tuple(row(1, "first", "same")), tuple(row(3))]


def test_a_statement_takes_many_entries(database: Database) -> None:
    queries: list[str] = []
    with watching(queries.append):
        put(database, ADD, *(row(version + 1) for version in range(MOST)))
    assert len([query for query in queries if query.startswith("INSERT")]) == 1

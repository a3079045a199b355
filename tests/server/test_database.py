"""Opening the database: its settings, its history, and what cannot be opened."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.exc import ProgrammingError

from app.errors import InvalidInput
from server.database import Database
from server.migrations import MIGRATIONS, Migration, migrate
from server.refusals import DatabaseTooNew, DatabaseUnavailable
from server.tables import metadata


@pytest.fixture
def url(database_url: str) -> str:
    return database_url.replace("server.db", "deep/server.db")


def test_every_sqlite_connection_is_durable_bounded_and_checks_keys(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'deep' / 'server.db'}")

    def settings(name: str) -> object:
        return database.read(lambda c: c.execute(text(f"PRAGMA {name}")).scalar())

    names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
    found = [settings(name) for name in names]
    database.close()
    assert found == ["wal", 2, 1, 5_000]


@pytest.mark.parametrize("bad", ["nonsense", "sqlite://", "sqlite:///:memory:", "mysql://x/y"])
def test_url_of_no_usable_database_is_refused_in_a_sentence(bad: str) -> None:
    with pytest.raises(InvalidInput, match=r"sqlite:///"):
        Database(bad)


def test_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "server.db").write_text("This is not a database, but a letter." * 100)
    database = Database(f"sqlite:///{tmp_path / 'server.db'}")
    with pytest.raises(DatabaseUnavailable, match="not a database"):
        migrate(database)
    database.close()


def test_migrated_tables_are_the_tables_of_the_queries(url: str) -> None:
    database = Database(url)
    migrate(database)
    found = inspect(database.engine)
    for table in metadata.sorted_tables:
        columns = {column["name"]: column for column in found.get_columns(table.name)}
        assert list(columns) == [column.name for column in table.columns]
        for column in table.columns:
            assert columns[column.name]["nullable"] in (column.nullable, column.primary_key)
            assert str(columns[column.name]["type"]) == str(column.type)
        key = found.get_pk_constraint(table.name)["constrained_columns"]
        assert key == [column.name for column in table.primary_key]
        indexes = {
            (index["name"], tuple(index["column_names"]), bool(index["unique"]))
            for index in found.get_indexes(table.name)
        }
        assert indexes == {
            (index.name, tuple(column.name for column in index.columns), index.unique)
            for index in table.indexes
        }
    database.close()


def test_steps_are_applied_once(url: str) -> None:
    database = Database(url)
    assert migrate(database) == [step.name for step in MIGRATIONS]
    assert migrate(database) == []
    database.close()


def test_servers_that_start_at_once_apply_each_step_once(url: str) -> None:
    databases = [Database(url) for _ in range(6)]
    with ThreadPoolExecutor(len(databases)) as pool:
        applied = list(pool.map(migrate, databases))
    assert sorted(name for names in applied for name in names) == [s.name for s in MIGRATIONS]
    for database in databases:
        database.close()


def test_server_that_starts_while_another_writes_its_new_file_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "server.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    paused: list[float] = []

    def pause(seconds: float) -> None:
        paused.append(seconds)
        other.execute("COMMIT")

    monkeypatch.setattr("server.sqlite.sleep", pause)
    database = Database(f"sqlite:///{path}")
    assert migrate(database) == [step.name for step in MIGRATIONS]
    assert len(paused) == 1
    database.close()
    other.close()


def test_step_that_fails_leaves_neither_effect_nor_record(url: str) -> None:
    database = Database(url)
    broken = Migration("9999_broken", ("CREATE TABLE half (n INTEGER)", "CREATE nonsense"))
    with pytest.raises((DatabaseUnavailable, ProgrammingError), match="syntax error"):
        migrate(database, [*MIGRATIONS, broken])
    mended = Migration("9999_broken", ("CREATE TABLE half (n INTEGER)",))
    assert migrate(database, [*MIGRATIONS, mended]) == ["9999_broken"]
    database.close()


def test_step_for_the_other_database_is_recorded_and_does_nothing(
    database_url: str,
) -> None:
    database = Database(database_url)
    other = "sqlite" if database.engine.dialect.name == "postgresql" else "postgresql"
    step = Migration("9999_elsewhere", ("CREATE nonsense",), only=other)
    assert migrate(database, [*MIGRATIONS, step])[-1] == step.name
    assert migrate(database, [*MIGRATIONS, step]) == []
    database.close()


def test_database_of_a_newer_version_is_refused(url: str) -> None:
    database = Database(url)
    migrate(database, [*MIGRATIONS, Migration("9999_future", ())])
    with pytest.raises(DatabaseTooNew, match="9999_future"):
        migrate(database)
    database.close()

"""One thread writes; jobs that wait together share a commit, and each keeps its own fate."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import wait
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import OperationalError

from server.database import Database, DatabaseUnavailable
from server.writer import Writer


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'server.db'}")
    database.write(lambda c: c.execute(text("CREATE TABLE notes (n INTEGER)")))
    yield database
    database.close()


@pytest.fixture
def writer(database: Database) -> Iterator[Writer]:
    writer = Writer(database)
    yield writer
    writer.close()


def note(number: int) -> Any:
    return lambda c: c.execute(text("INSERT INTO notes VALUES (:n)"), {"n": number}).rowcount


def notes(database: Database) -> list[int]:
    query = text("SELECT n FROM notes ORDER BY n")
    return database.read(lambda c: list(c.scalars(query)))


def held_back(writer: Writer, *jobs: Any) -> list[Any]:
    """Submit jobs while the writer is busy, so that they form one group."""
    busy, go = threading.Event(), threading.Event()

    def hold(_connection: Connection) -> None:
        busy.set()
        go.wait(10)

    writer.submit(hold)
    busy.wait(10)
    futures = [writer.submit(job) for job in jobs]
    go.set()
    wait(futures)
    return futures


def test_waiting_jobs_share_one_commit(database: Database, writer: Writer) -> None:
    commits: list[Connection] = []
    event.listen(database.engine, "commit", commits.append)
    futures = held_back(writer, *(note(number) for number in range(10)))
    assert [future.result() for future in futures] == [1] * 10
    assert len(commits) == 2
    assert notes(database) == list(range(10))


def test_job_that_fails_is_undone_alone(database: Database, writer: Writer) -> None:
    def fail(connection: Connection) -> None:
        note(99)(connection)
        raise ValueError("no")

    first, failed, last = held_back(writer, note(1), fail, note(2))
    assert (first.result(), last.result()) == (1, 1)
    with pytest.raises(ValueError, match="no"):
        failed.result()
    assert notes(database) == [1, 2]


def test_refusal_of_the_database_undoes_the_group_and_tells_everyone(
    database: Database, writer: Writer
) -> None:
    def refuse(_connection: Connection) -> None:
        raise OperationalError("INSERT", {}, sqlite3.OperationalError("disk is full"))

    for future in held_back(writer, note(1), refuse, note(2)):
        with pytest.raises(DatabaseUnavailable, match="disk is full"):
            future.result()
    assert notes(database) == []
    assert writer.submit(note(3)).result() == 1


def test_closing_finishes_what_was_submitted(database: Database) -> None:
    writer = Writer(database)
    futures = [writer.submit(note(number)) for number in range(200)]
    writer.close()
    assert all(future.done() for future in futures)
    assert len(notes(database)) == 200

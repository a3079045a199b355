"""One thread writes; tasks that wait together are done together, and none spoils the others."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, wait

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from server.database import Database
from server.refusals import DatabaseUnavailable
from server.writer import ENOUGH, Writer

BUSY, BAD, FULL = -1, -2, -3


class Notes:
    """Work that writes numbers down; some of them make trouble."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.groups: list[int] = []
        self.busy, self.go = threading.Event(), threading.Event()

    def write(self, connection: Connection, numbers: Sequence[int]) -> list[int]:
        self.groups.append(len(numbers))
        for number in numbers:
            if number == BUSY:
                self.busy.set()
                self.go.wait(10)
            connection.execute(text("INSERT INTO notes VALUES (:n)"), {"n": number})
            if number == BAD:
                raise ValueError("bad number")
            if number == FULL:
                raise OperationalError("INSERT", {}, sqlite3.OperationalError("disk is full"))
        return [number * 10 for number in numbers]

    def kept(self) -> list[int]:
        query = text("SELECT n FROM notes WHERE n > 0 ORDER BY n")
        return self.database.read(lambda c: list(c.scalars(query)))


@pytest.fixture
def notes(database_url: str) -> Iterator[Notes]:
    database = Database(database_url)
    database.write(lambda c: c.execute(text("CREATE TABLE notes (n INTEGER)")))
    yield Notes(database)
    database.close()


@pytest.fixture
def writer(notes: Notes) -> Iterator[Writer[int, int]]:
    writer = Writer(notes.database, notes.write)
    yield writer
    writer.close()


def submit_together(notes: Notes, writer: Writer[int, int], *numbers: int) -> list[Future[int]]:
    """Submit tasks while the writer is busy, so that they form one group."""
    writer.submit(BUSY)
    notes.busy.wait(10)
    futures = [writer.submit(number) for number in numbers]
    notes.go.set()
    wait(futures)
    return futures


def test_tasks_that_wait_share_a_transaction(notes: Notes, writer: Writer[int, int]) -> None:
    futures = submit_together(notes, writer, *range(1, 11))
    assert [future.result() for future in futures] == [number * 10 for number in range(1, 11)]
    assert notes.groups == [1, 6, 4]
    assert notes.kept() == list(range(1, 11))


def test_group_has_a_limit(notes: Notes, writer: Writer[int, int]) -> None:
    submit_together(notes, writer, *range(1, 201))
    assert notes.groups == [1, 64, 64, 64, 8]


def test_group_of_large_tasks_has_fewer(notes: Notes, writer: Writer[int, int]) -> None:
    writer.submit(BUSY)
    notes.busy.wait(10)
    futures = [writer.submit(number, ENOUGH // 4) for number in range(1, 11)]
    notes.go.set()
    wait(futures)
    assert notes.groups == [1, 4, 4, 2]


def test_group_that_is_large_enough_waits_for_nobody(
    notes: Notes, writer: Writer[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.writer.PATIENCE", 30)
    writer.submit(BUSY)
    notes.busy.wait(10)
    large = writer.submit(1, ENOUGH)
    notes.go.set()
    assert large.result(10) == 10


def test_task_with_an_error_of_ours_is_undone_alone(notes: Notes, writer: Writer[int, int]) -> None:
    first, bad, last = submit_together(notes, writer, 1, BAD, 2)
    assert (first.result(), last.result()) == (10, 20)
    with pytest.raises(ValueError, match="bad number"):
        bad.result()
    assert notes.kept() == [1, 2]


def test_refusal_of_the_database_undoes_the_group_and_tells_everyone_in_it(
    notes: Notes, writer: Writer[int, int]
) -> None:
    first, full, last = submit_together(notes, writer, 1, FULL, 2)
    for future in (first, full):
        with pytest.raises(DatabaseUnavailable, match="disk is full"):
            future.result()
    assert last.result() == 20
    assert notes.kept() == [2]


def test_task_that_nobody_waits_for_any_more_is_left_out(
    notes: Notes, writer: Writer[int, int]
) -> None:
    writer.submit(BUSY)
    notes.busy.wait(10)
    assert writer.submit(1).cancel()
    notes.go.set()
    assert writer.submit(2).result() == 20
    assert notes.kept() == [2]


def test_closing_finishes_what_was_submitted(notes: Notes) -> None:
    writer = Writer(notes.database, notes.write)
    futures = [writer.submit(number) for number in range(1, 201)]
    writer.close()
    assert all(future.done() for future in futures)
    assert len(notes.kept()) == 200


def test_group_is_half_of_those_at_work_and_waits_for_as_many(
    notes: Notes, writer: Writer[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.writer.PATIENCE", 30)
    writer.submit(BUSY)
    notes.busy.wait(10)
    futures = [writer.submit(number) for number in range(1, 6)]
    notes.go.set()
    wait(futures[:3], 10)
    assert not futures[3].done()
    assert writer.submit(6).result(10) == 60
    assert [future.result(10) for future in futures] == [10, 20, 30, 40, 50]
    assert notes.groups == [1, 3, 3]


def test_group_goes_on_without_those_who_do_not_come(
    notes: Notes, writer: Writer[int, int]
) -> None:
    submit_together(notes, writer, *range(1, 6))
    assert notes.groups == [1, 3, 2]


def test_one_who_is_alone_never_waits(
    writer: Writer[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.writer.PATIENCE", 30)
    assert [writer.submit(number).result(10) for number in (1, 2, 3)] == [10, 20, 30]


def test_end_of_a_group_is_said_once_all_of_it_were_told(notes: Notes) -> None:
    told: list[str] = []
    writer = Writer(notes.database, notes.write, lambda: told.append("end"))
    writer.submit(BUSY)
    notes.busy.wait(10)
    for number in (1, 2, BAD):
        writer.submit(number).add_done_callback(lambda _: told.append("one"))
    notes.go.set()
    writer.close()
    assert told == ["end", "one", "one", "end", "one", "end"]


def test_too_few_results_are_an_error_of_ours_and_the_writer_goes_on(notes: Notes) -> None:
    def forgetful(connection: Connection, numbers: Sequence[int]) -> list[int]:
        return [result for result in notes.write(connection, numbers) if result != 20]

    writer = Writer(notes.database, forgetful)
    with pytest.raises(RuntimeError, match="0 results for 1 tasks"):
        writer.submit(2).result(10)
    first, forgotten = submit_together(notes, writer, 1, 2)
    assert first.result() == 10
    with pytest.raises(RuntimeError):
        forgotten.result()
    assert notes.kept() == [1]
    writer.close()

"""Statements that both databases take, and what is said where one fails."""

from __future__ import annotations

import io
import logging
import sys
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from server.database import Database
from server.logs import Discreet, TurnHandler
from server.statements import Statement, as_set, run_all, sending

PARTS = Statement("SELECT given.value ->> 0, given.value ->> 1 FROM EACH(:given) AS given")


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


def test_log_of_a_refused_row_does_not_quote_it(database: Database) -> None:
    one = Statement("INSERT INTO properties (name, value) VALUES (:name, :value)")
    row = {"name": "what a person wrote", "value": "secret"}
    database.write(lambda c: one.run(c, row))
    log = io.StringIO()
    handler = TurnHandler(log)
    handler.setFormatter(Discreet())
    try:
        database.write(lambda c: one.run(c, row))
    except IntegrityError:
        said = {"msg": "It failed.", "levelno": logging.ERROR, "exc_info": sys.exc_info()}
        handler.handle(logging.makeLogRecord(said))
    logged = log.getvalue()
    assert logged.startswith("It failed.\nTraceback, without the messages:\n")
    assert "sqlalchemy.exc.IntegrityError\n" in logged
    assert "server/statements.py" in logged
    assert not [words for words in row.values() if words in logged]


def test_statements_that_are_run_together_see_what_those_before_did(database: Database) -> None:
    add = Statement("INSERT INTO properties (name, value) VALUES (:name, :value)")
    ask = Statement("SELECT value FROM properties WHERE name = :name")
    steps = [(add, {"name": "n", "value": "v"}), (ask, {"name": "n"}), (ask, {"name": "none"})]
    found = database.write(lambda c: run_all(c, steps))
    assert [[tuple(row) for row in rows] for rows in found] == [[], [("v",)], []]
    assert database.read(lambda c: run_all(c, [])) == []


def test_statements_that_are_run_together_are_undone_together(database: Database) -> None:
    add = Statement("INSERT INTO properties (name, value) VALUES (:name, :value)")
    ask = Statement("SELECT value FROM properties WHERE name = :name")
    twice = [(add, {"name": "n", "value": "v"})] * 2
    for steps in (twice, [*twice, (ask, {"name": "n"})]):
        with pytest.raises(IntegrityError):
            database.write(partial(run_all, steps=steps))
    assert list(database.read(lambda c: ask.run(c, {"name": "n"}))) == []


def test_statements_that_are_sent_are_done_in_their_order(database: Database) -> None:
    add = Statement("INSERT INTO properties (name, value) VALUES (:name, :value)")
    change = Statement("UPDATE properties SET value = :value WHERE name = :name")
    ask = Statement("SELECT value FROM properties WHERE name = :name")

    def job(connection: Connection) -> list[Any]:
        with sending(connection) as send:
            send([(add, {"name": "n", "value": "first"})])
            send([(change, {"name": "n", "value": "second"})])
        return list(ask.run(connection, {"name": "n"}))

    assert [tuple(row) for row in database.write(job)] == [("second",)]


def test_statements_that_are_sent_are_undone_together(database: Database) -> None:
    add = Statement("INSERT INTO properties (name, value) VALUES (:name, :value)")
    ask = Statement("SELECT value FROM properties WHERE name = :name")

    def job(connection: Connection) -> None:
        with sending(connection) as send:
            send([(add, {"name": "n", "value": "v"})])
            send([(add, {"name": "n", "value": "again"})])
            send([(add, {"name": "other", "value": "v"})])

    with pytest.raises(IntegrityError, match="INSERT INTO properties"):
        database.write(job)
    for name in ("n", "other"):
        assert list(database.read(partial(ask.run, values={"name": name}))) == []

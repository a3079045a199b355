"""Statements of the hot path: SQL that SQLite and PostgreSQL both take, run by the driver itself.

Going through SQLAlchemy's layers costs ten times what the driver needs for a small statement. It
still opens, commits and ends the transaction, and its errors are the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from server.refusals import is_cut_off

_VALUE = re.compile(r"(?<!:):(\w+)")
_SET = re.compile(r"EACH\((:\w+)\) AS (\w+)")
_PART = re.compile(r"(\w+\.value) ->> ([0-9]+)")
_LOCK = re.compile(r" FOR UPDATE OF \w+")
_LOOKUP = re.compile(
    r"SELECT (?P<columns>[\w., ]+) FROM (?P<given>EACH\(:\w+\) AS \w+) CROSS JOIN (?P<table>\w+) "
    r"WHERE (?P<keys>(?:[^()]|\([^()]*\))+)"
)
_ONE_BY_ONE = (
    r"SELECT found.* FROM \g<given> CROSS JOIN LATERAL "
    r"(SELECT \g<columns> FROM \g<table> WHERE \g<keys> OFFSET 0) AS found"
)


class Statement:
    """SQL with `:name` for values.

    `EACH(:name) AS x` is a table with an entry of a JSON array as `x.value` in each of its rows:
    so a statement takes a whole set, and its text is always the same. `x.value ->> 0` is the first
    part of an entry that is itself an array. `LOCATION` is where a row lies.

    `SELECT … FROM EACH(:name) AS x CROSS JOIN y WHERE …` looks each entry up in `y`, one after the
    other. PostgreSQL is not left to choose: of a table that it has no statistics of, it would read
    all that a space holds.
    """

    def __init__(self, sql: str) -> None:
        self.sql = sql = " ".join(sql.split())
        sqlite = _SET.sub(r"json_each(\1) AS \2", _LOCK.sub("", sql))
        sqlite = _PART.sub(r"json_extract(\1, '$[\2]')", sqlite)
        postgres = _LOOKUP.sub(_ONE_BY_ONE, sql)
        postgres = _SET.sub(r"jsonb_array_elements(CAST(\1 AS jsonb)) AS \2 (value)", postgres)
        self._texts = {
            "sqlite": sqlite.replace("LOCATION", "rowid"),
            "postgresql": _VALUE.sub(r"%(\1)s", postgres).replace("LOCATION", "ctid"),
        }

    def text(self, connection: Connection) -> str:
        """Return it as the connection's database takes it."""
        return self._texts[connection.dialect.name]

    def run(self, connection: Connection, values: Mapping[str, Any]) -> Sequence[Any]:
        """Run it in the connection's transaction and return the rows it gives, as tuples."""
        (found,) = run_all(connection, [(self, values)])
        return found


Step = tuple[Statement, Mapping[str, Any] | Sequence[Any]]
"""A statement with its values."""


def run_all(connection: Connection, steps: Sequence[Step]) -> list[Sequence[Any]]:
    """Run statements with their values, one after the other, and return the rows of each.

    PostgreSQL gets all of them at once: that saves waiting for each answer before the next.
    """
    with _statements(connection) as begun:
        with _pipeline(connection) if len(steps) > 1 else nullcontext():
            for step in steps:
                _start(connection, step, begun)
        return [cursor.fetchall() if cursor.description else [] for _, cursor in begun]


@contextmanager
def sending(connection: Connection) -> Iterator[Callable[[Sequence[Step]], None]]:
    """Give a function that runs statements whose rows nobody wants, in the order they come in.

    It does not wait: PostgreSQL works on some while the next are made up. That one has failed is
    raised by a later call, or at the end.
    """
    with _statements(connection) as begun, _pipeline(connection):

        def send(steps: Sequence[Step]) -> None:
            for step in steps:
                _start(connection, step, begun)

        yield send


_Begun = tuple[Statement, Any]


def _start(connection: Connection, step: Step, begun: list[_Begun]) -> None:
    """Run a statement, or have it run in its turn, and put it with its cursor at the end."""
    statement, values = step
    driver: Any = connection.connection.dbapi_connection
    cursor = driver.cursor()
    begun.append((statement, cursor))
    cursor.execute(statement.text(connection), values)


def _pipeline(connection: Connection) -> AbstractContextManager[Any]:
    driver: Any = connection.connection.dbapi_connection
    pipeline: AbstractContextManager[Any]
    pipeline = driver.pipeline() if hasattr(driver, "pipeline") else nullcontext()
    return pipeline


@contextmanager
def _statements(connection: Connection) -> Iterator[list[_Begun]]:
    """Give a list for statements and their cursors; those are closed, and errors named as ours."""
    begun: list[_Begun] = []
    try:
        yield begun
    except connection.dialect.loaded_dbapi.Error as error:
        text = "; ".join(statement.sql for statement, _ in begun)
        raise _named(connection, text, error) from error
    finally:
        for _, cursor in begun:
            cursor.close()


def _named(connection: Connection, text: str, error: Any) -> Exception:
    """Return a driver's error as SQLAlchemy's; a connection that is lost is not used again."""
    dialect = connection.dialect
    is_lost = is_cut_off(error) or dialect.is_disconnect(error, connection.connection, None)
    if is_lost:
        connection.invalidate(error)
        # What ended this one, such as a restart of the database, has ended the others as well.
        connection.engine.dispose()
    base = dialect.loaded_dbapi.Error
    named: Exception = DBAPIError.instance(
        text,
        None,
        error,
        base,
        hide_parameters=True,
        connection_invalidated=is_lost,
        dialect=dialect,
    )
    return named


def as_set(entries: Iterable[Any]) -> str:
    """Return entries as `EACH` takes them."""
    return _encode(list(entries))


_encode = json.JSONEncoder(separators=(",", ":")).encode

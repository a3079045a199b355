"""Statements of the hot path: SQL that SQLite and PostgreSQL both take, run by the driver itself.

Going through SQLAlchemy's layers costs ten times what the driver needs for a small statement. It
still opens, commits and ends the transaction, and its errors are the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from typing import Any, Protocol

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from server.refusals import is_cut_off

_VALUE = re.compile(r"(?<!:):(\w+)")
_SET = re.compile(r"EACH\((:\w+)\) AS (\w+)")
_PART = re.compile(r"(\w+\.value) ->> ([0-9]+)")
_LOCK = re.compile(r" FOR UPDATE OF \w+")
_PREPARED = "driftline_prepared"
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
        self._names = list(dict.fromkeys(_VALUE.findall(postgres)))
        for number, name in enumerate(self._names, 1):
            postgres = re.sub(rf"(?<!:):{name}\b", f"${number}", postgres)
        self._texts = {
            "sqlite": sqlite.replace("LOCATION", "rowid"),
            "postgresql": postgres.replace("LOCATION", "ctid"),
        }

    def text(self, connection: Connection) -> str:
        """Return it as the connection's database takes it."""
        return self._texts[connection.dialect.name]

    def values(self, connection: Connection, given: Mapping[str, Any] | Sequence[Any]) -> Any:
        """Return values as the text takes them: PostgreSQL by number, SQLite by name as well."""
        if connection.dialect.name == "sqlite":
            return given
        return [given[name] for name in self._names]

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
    with _errors_named(connection, steps), _running(connection) as running:
        for step in steps:
            _add(connection, running, step)
        return running.rows()


@contextmanager
def sending(connection: Connection) -> Iterator[Callable[[Sequence[Step]], None]]:
    """Give a function that runs statements whose rows nobody wants, in the order they come in.

    It does not wait: PostgreSQL works on some while the next are made up. That one has failed is
    raised at the end.
    """
    sent: list[Step] = []
    with _errors_named(connection, sent), _running(connection) as running:

        def send(steps: Sequence[Step]) -> None:
            sent.extend(steps)
            for step in steps:
                _add(connection, running, step)
            running.send()

        yield send


class _Running(Protocol):
    """Runs statements in the order they come in."""

    def add(self, text: str, values: Any) -> None: ...

    def send(self) -> None: ...

    def rows(self) -> list[Sequence[Any]]: ...


class _OneByOne:
    """Runs each statement at once."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver
        self._cursors: list[Any] = []

    def add(self, text: str, values: Any) -> None:
        cursor = self._driver.cursor()
        self._cursors.append(cursor)
        cursor.execute(text, values)

    def send(self) -> None:
        """Do nothing: they were run."""

    def rows(self) -> list[Sequence[Any]]:
        return [cursor.fetchall() if cursor.description else [] for cursor in self._cursors]

    def close(self) -> None:
        for cursor in self._cursors:
            cursor.close()


def _running(connection: Connection) -> AbstractContextManager[_Running]:
    driver: Any = connection.connection.dbapi_connection
    if connection.dialect.name == "sqlite":
        return closing(_OneByOne(driver))
    from server.pipeline import pipeline  # servers on SQLite do without PostgreSQL's driver

    return pipeline(driver, connection.info.setdefault(_PREPARED, {}))


def _add(connection: Connection, running: _Running, step: Step) -> None:
    statement, values = step
    running.add(statement.text(connection), statement.values(connection, values))


@contextmanager
def _errors_named(connection: Connection, steps: Sequence[Step]) -> Iterator[None]:
    """Raise the driver's errors as SQLAlchemy does."""
    try:
        yield
    except connection.dialect.loaded_dbapi.Error as error:
        text = "; ".join(statement.sql for statement, _ in steps)
        raise _named(connection, text, error) from error


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

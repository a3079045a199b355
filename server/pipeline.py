"""Statements that go to PostgreSQL in one piece, on a connection of psycopg's.

psycopg has a pipeline of its own, which sends each statement by itself: for a push of one action
that woke PostgreSQL a dozen times, and was most of the time that its writer took. So this speaks
to the connection through psycopg's `pq`, within the transaction that is open on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from typing import Any

import psycopg
from psycopg import pq
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import InvalidSqlStatementName, error_from_result
from psycopg.generators import fetch_many, send

Rows = Sequence[tuple[Any, ...]]

_numbers = count(1)


@dataclass(frozen=True)
class _Preparing:
    """What is expected back: that PostgreSQL keeps a statement under a name."""

    text: str
    name: bytes


class Pipeline:
    """Statements on their way; made by `pipeline`.

    `names` are those of the statements that the connection has prepared, by their texts.
    """

    def __init__(self, driver: psycopg.Connection[Any], names: dict[str, bytes]) -> None:
        self._driver = driver
        self._connection = driver.pgconn
        self._names = names
        self._preparing: dict[str, bytes] = {}
        self._adapted = Transformer(driver)
        self._expected: list[_Preparing | None] = []
        self._is_beginning = driver.pgconn.transaction_status == pq.TransactionStatus.IDLE
        if self._is_beginning:
            self.add(_beginning(driver), ())

    def add(self, text: str, values: Sequence[str | int | None]) -> None:
        """Have a statement run behind those that were added before; `$1` is the first value."""
        name = self._names.get(text) or self._preparing.get(text) or self._prepare(text)
        given = self._adapted.dump_sequence(values, [PyFormat.TEXT] * len(values))
        self._connection.send_query_prepared(name, given)
        self._expected.append(None)

    def send(self) -> None:
        """Send what was added, as far as the connection takes it now, and wait for nothing."""
        self._connection.flush()

    def rows(self) -> list[Rows]:
        """Wait for all that was added, and return the rows of each, none where it gives none.

        Raises the first error, as psycopg does; what was added behind that was not run.
        """
        if not self._expected:
            return []
        expected, self._expected = self._expected, []
        self._connection.pipeline_sync()
        self._driver.wait(send(self._connection))
        results = self._results(expected)
        if self._is_beginning:
            self._is_beginning = False
            del results[0]
        return [self._rows_of(result) for result in results]

    def _prepare(self, text: str) -> bytes:
        name = self._preparing[text] = b"driftline_%d" % next(_numbers)
        # Types are left to PostgreSQL: psycopg's depend on how large a number is.
        self._connection.send_prepare(name, text.encode())
        self._expected.append(_Preparing(text, name))
        return name

    def _results(self, expected: Sequence[_Preparing | None]) -> list[pq.abc.PGresult]:
        """Receive what is expected, and return what the statements gave."""
        results = []
        first: psycopg.Error | None = None
        try:
            for it in expected:
                result = self._next()
                if result.status == pq.ExecStatus.FATAL_ERROR:
                    first = first or error_from_result(result)
                elif it is None:
                    results.append(result)
                elif result.status == pq.ExecStatus.COMMAND_OK:
                    self._names[it.text] = it.name
            self._next()  # the end, behind which PostgreSQL would go on after an error
        except psycopg.Error as error:
            # The connection is lost; where PostgreSQL said why, that is what is told.
            raise first or error from None
        if isinstance(first, InvalidSqlStatementName):
            self._names.clear()
        if first is not None:
            raise first
        return results

    def _next(self) -> pq.abc.PGresult:
        results = self._driver.wait(fetch_many(self._connection))
        if not results:
            raise psycopg.OperationalError("PostgreSQL did not answer to all that it was sent")
        result: pq.abc.PGresult = results[-1]
        return result

    def _rows_of(self, result: pq.abc.PGresult) -> Rows:
        if result.status != pq.ExecStatus.TUPLES_OK:
            return []
        self._adapted.set_pgresult(result)
        return self._adapted.load_rows(0, result.ntuples, tuple)


def _beginning(driver: psycopg.Connection[Any]) -> str:
    """Return how a transaction begins on the connection, as psycopg would begin it."""
    parts = ["BEGIN"]
    if driver.isolation_level is not None:
        parts.append(f"ISOLATION LEVEL {driver.isolation_level.name.replace('_', ' ')}")
    if driver.read_only is not None:
        parts.append("READ ONLY" if driver.read_only else "READ WRITE")
    return " ".join(parts)


@contextmanager
def pipeline(driver: psycopg.Connection[Any], names: dict[str, bytes]) -> Iterator[Pipeline]:
    """Give a pipeline on the connection, which is used in no other way meanwhile.

    At the end all that was added has been run; raises what `Pipeline.rows` does.
    """
    driver.pgconn.enter_pipeline_mode()
    try:
        together = Pipeline(driver, names)
        try:
            yield together
        except BaseException:
            # What was sent gives something, which has to be received; its errors come second.
            with suppress(psycopg.Error):
                together.rows()
            raise
        together.rows()
    finally:
        if driver.pgconn.status == pq.ConnStatus.OK:
            driver.pgconn.exit_pipeline_mode()

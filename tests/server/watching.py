"""Hearing of the statements that the server's hot path runs, before they are run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from sqlalchemy import Connection

from server.statements import Statement


@contextmanager
def watching(hear: Callable[[str], object]) -> Iterator[None]:
    """Have `hear` called with each statement; what it raises, the statement raises."""
    run = Statement.run

    def heard(self: Statement, connection: Connection, values: Mapping[str, Any]) -> Sequence[Any]:
        hear(self.sql)
        return run(self, connection, values)

    with patch.object(Statement, "run", heard):
        yield

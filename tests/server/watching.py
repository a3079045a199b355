"""Hearing of the statements that the server's hot path runs, before they are run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

from sqlalchemy import Connection

from server.statements import Statement


@contextmanager
def watching(hear: Callable[[str], object]) -> Iterator[None]:
    """Have `hear` called with each statement; what it raises, the statement raises."""
    text = Statement.text

    def heard(self: Statement, connection: Connection) -> str:
        hear(self.sql)
        return text(self, connection)

    with patch.object(Statement, "text", heard):
        yield

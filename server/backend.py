"""What the kinds of database have in common: an engine, and what its transactions are told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine

BUSY_TIMEOUT_MS = 5_000
"""How long a transaction waits for a lock, a connection or a statement's end."""

READERS = 4
POOL_SIZE = READERS + 1


@dataclass(frozen=True)
class Backend:
    """An engine, its options for transactions that read and that write, and its maintenance.

    `maintaining` are the statements that a transaction begins with which changes tables or cleans
    up: it may take its time, and there is one at a time. Where `is_shared`, several servers can
    work on the database.
    """

    engine: Engine
    reading: Mapping[str, Any]
    writing: Mapping[str, Any]
    maintaining: tuple[str, ...] = ()
    is_shared: bool = False

"""Pokes among the servers of one PostgreSQL, by its LISTEN and NOTIFY.

A trigger notifies of a version where it is given out (`server/migrations.py`), so that others hear
of it when it is committed and not before. While the connection that listens is down nothing is
heard; once it is back, every listener is told how far its space has come.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import psycopg
from sqlalchemy import Engine

from server.pokes import LocalPokes
from server.postgres import connection_parameters

logger = logging.getLogger(__name__)

CHANNEL = "driftline_pokes"
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 10.0

_NEWEST = "SELECT space_id, version FROM spaces WHERE space_id = ANY(%s)"


class SharedPokes(LocalPokes):
    """Pokes that also come from, and go to, other servers on the same database."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self._parameters = connection_parameters(engine)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen to other servers for as long as the context lasts."""
        task = asyncio.create_task(self._listen())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _listen(self) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                async with await self._connect() as connection:
                    await connection.execute(f"LISTEN {CHANNEL}".encode())
                    pause = FIRST_PAUSE
                    await self._catch_up(connection)
                    async for notification in connection.notifies():
                        self._pass_on(notification.payload)
            except (psycopg.Error, OSError, ValueError) as error:
                reason = str(error).strip().partition("\n")[0]
                logger.warning("What other servers commit is not heard now: %s", reason)
            await asyncio.sleep(pause * random.uniform(0.5, 1))
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _connect(self) -> psycopg.AsyncConnection:
        return await psycopg.AsyncConnection.connect(**self._parameters, autocommit=True)

    async def _catch_up(self, connection: psycopg.AsyncConnection) -> None:
        """Tell every listener what it may have missed; what comes from now on is not missed."""
        found = await connection.execute(_NEWEST, [list(self._listeners)])
        for space_id, version in await found.fetchall():
            self.publish(space_id, version)

    def _pass_on(self, payload: str) -> None:
        version, _, space_id = payload.partition(" ")
        self.publish(space_id, int(version))

"""The server's event stream: open while it is of use, never trusted to say that it died."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from app.ports import Clock, Listener, OpenStream
from app.sync.waiting import wait_at_most

REOPEN_FIRST = 5.0
REOPEN_CAP = 60.0
SILENCE = 40.0
"""Seconds in which nothing was heard after which a stream counts as dead. A living one has a
heartbeat every 15 s; one that a network swallowed never says so."""


class Pokes:
    """Keeps the stream open while the server is known to be there.

    A stream that breaks, or in which nothing is heard, says that something is wrong: `broken` makes
    the engine find out what. It is opened again after 5 s, doubling to 60 s, and at once on a new
    connection. `changed` is called with the cursor of each poke.
    """

    def __init__(
        self,
        open_stream: OpenStream,
        clock: Clock,
        changed: Callable[[str | None], None],
        broken: Callable[[], None],
    ) -> None:
        self._open = open_stream
        self._clock = clock
        self._changed = changed
        self._broken = broken
        self._delay = REOPEN_FIRST
        self._keeping: asyncio.Task[Any] | None = None

    def follow(self, connected: bool) -> None:
        """Open the stream when the server is there, close it when it is not."""
        if not connected and self._keeping is not None:
            self._keeping.cancel()
            self._keeping = None
        elif connected and self._keeping is None:
            self._keeping = asyncio.ensure_future(self._keep())

    async def _keep(self) -> None:
        while True:
            await self._listen()
            delay, self._delay = self._delay, min(REOPEN_CAP, self._delay * 2)
            self._broken()
            await self._clock.sleep(delay)

    async def _listen(self) -> None:
        """Open the stream, and return when it has broken or was silent for too long."""
        loop = asyncio.get_running_loop()
        news: asyncio.Future[None] = loop.create_future()
        ended = False

        def hear() -> None:
            if not news.done():
                news.set_result(None)

        def alive() -> None:
            self._delay = REOPEN_FIRST
            hear()

        def poked(cursor: str | None) -> None:
            alive()
            self._changed(cursor)

        def failed() -> None:
            nonlocal ended
            ended = True
            hear()

        close = self._open(Listener(poked, alive, failed))
        try:
            while not ended and await wait_at_most(self._clock, SILENCE, news):
                news = loop.create_future()
        finally:
            close()

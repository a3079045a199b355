"""Whether the server can be reached, as the latest requests found, and how long to rest if not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from app.core.backoff import Backoff, Probe
from app.errors import Refused, Unreachable
from app.ports import Clock, Random
from app.sync.connection import Connection
from app.sync.waiting import Rest, wait_at_most

FAILURES_TO_OFFLINE = 3
SILENCE = 9.5
"""Seconds without an answer after which the connection counts as lost; the request goes on."""

T = TypeVar("T")


class Reach:
    """Counts what went wrong in a row: requests without an answer, and attempts without success.

    A probe that is answered ends neither: a server that is up, behind a proxy that takes no
    pushes, is asked less and less all the same. `reached` says that the server answered something
    small in this attempt, so that what then goes without an answer is not the network's fault.
    """

    def __init__(
        self, connection: Connection, clock: Clock, random: Random, online: Callable[[], bool]
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._random = random
        self._online = online
        self._backoff = Backoff()
        self._probe = Probe()
        self._silences = 0
        self._failures = 0
        self.reached = False

    @property
    def lost(self) -> bool:
        """Whether the server is to be probed before anything else is asked of it.

        Also where the browser says that it is offline: what is claimed counts as sent from then on,
        and can be taken back no more.
        """
        return self._silences >= FAILURES_TO_OFFLINE or not self._online()

    def hurry(self) -> None:
        """A person, the network or a page coming back: probe often again."""
        self._silences = min(self._silences, FAILURES_TO_OFFLINE)

    def heard(self) -> None:
        """The server answered what it was asked."""
        self._silences = 0
        self._connection.set_connected()

    def succeeded(self) -> None:
        """All that was to be asked was answered."""
        self._failures = 0

    async def answer(self, request: Awaitable[T]) -> T:
        """Await a request; say so if there is no answer for long, or if it is an error."""
        task = asyncio.ensure_future(request)
        try:
            if not await wait_at_most(self._clock, SILENCE, task):
                self._connection.set_disconnected()
            return await task
        except Refused:
            self.heard()
            raise
        finally:
            task.cancel()

    def without_answer(self, error: Unreachable) -> Rest:
        """Return the rest after a request that was not answered by our server."""
        self._silences += 1
        chance, least = self._random.random(), 0.0
        if self.reached:
            least = self.backing_off().seconds
        if error.answered or self.lost:
            self._silences = max(self._silences, FAILURES_TO_OFFLINE)
            self._connection.set_disconnected(no_server=error.answered)
            probes = self._silences - FAILURES_TO_OFFLINE
            return Rest(max(least, self._probe.delay(probes, chance, error.retry_after)))
        self._connection.set_connecting()
        return Rest(max(least, self._backoff.delay(self._silences, chance)))

    def backing_off(self, retry_after: float | None = None) -> Rest:
        """Return the rest after an answer that was an error, or after a failure of our own."""
        self._failures += 1
        return Rest(self._backoff.delay(self._failures, self._random.random(), retry_after))

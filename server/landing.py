"""Bringing what threads have done to the event loop, as many results at a time as there are.

Each crossing wakes the loop by a system call and takes the interpreter's lock from the thread that
works. A group of requests is done together, so one crossing serves all of it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import Future
from threading import Lock
from typing import Any, TypeVar

R = TypeVar("R")


class Landing:
    """Awaits the futures of threads, on the one event loop that first asks for it."""

    def __init__(self) -> None:
        self._landed: deque[tuple[asyncio.Future[Any], Future[Any]]] = deque()
        self._lock = Lock()
        self._is_due = False

    async def result(self, future: Future[R]) -> R:
        """Return what `future` comes to; where this is cancelled, so is what was not begun."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[R] = loop.create_future()
        future.add_done_callback(lambda done: self._land(loop, waiter, done))
        try:
            return await waiter
        except asyncio.CancelledError:
            future.cancel()
            raise

    def _land(
        self, loop: asyncio.AbstractEventLoop, waiter: asyncio.Future[R], done: Future[R]
    ) -> None:
        with self._lock:
            self._landed.append((waiter, done))
            was_due, self._is_due = self._is_due, True
        if not was_due and not loop.is_closed():
            loop.call_soon_threadsafe(self._hand_out)

    def _hand_out(self) -> None:
        with self._lock:
            landed, self._landed = self._landed, deque()
            self._is_due = False
        for waiter, done in landed:
            if not waiter.done():
                _settle(waiter, done)


def _settle(waiter: asyncio.Future[R], done: Future[R]) -> None:
    if done.cancelled():
        waiter.cancel()
    elif (error := done.exception()) is not None:
        waiter.set_exception(error)
    else:
        waiter.set_result(done.result())

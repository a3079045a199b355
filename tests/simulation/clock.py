"""Virtual time: callbacks in the order of their times, and clocks of devices that may be wrong."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from typing import Any

START = 1_800_000_000_000


class SimClock:
    """True time in milliseconds; it moves only when the schedule says so."""

    def __init__(self) -> None:
        self.time = START
        self._timers: list[tuple[int, int, Callable[[], Any]]] = []
        self._made = 0

    def call_later(self, seconds: float, fn: Callable[[], Any]) -> None:
        """Call `fn` when `seconds` have passed."""
        self._made += 1
        heapq.heappush(self._timers, (self.time + round(seconds * 1000), self._made, fn))

    async def sleep(self, seconds: float) -> None:
        """Return when `seconds` have passed."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.call_later(seconds, lambda: future.done() or future.set_result(None))
        await future

    async def settle(self) -> None:
        """Let everything happen that needs no time."""
        ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]
        await asyncio.sleep(0)
        turns = 0
        while ready:
            await asyncio.sleep(0)
            turns += 1
            if turns > 20_000:
                raise AssertionError("something runs for ever without any time passing")

    async def advance(self, seconds: float) -> None:
        """Move time, calling what is due on the way, in order."""
        end = self.time + round(seconds * 1000)
        await self.settle()
        while self._timers and self._timers[0][0] <= end:
            due, _, fn = heapq.heappop(self._timers)
            self.time = max(self.time, due)
            fn()
            await self.settle()
        self.time = end


class DeviceClock:
    """A device's idea of the time: `skew` milliseconds off; durations are true."""

    def __init__(self, clock: SimClock) -> None:
        self._clock = clock
        self.skew = 0

    def now(self) -> int:
        """Return the device's time in milliseconds."""
        return self._clock.time + self.skew

    async def sleep(self, seconds: float) -> None:
        """Return when `seconds` have passed."""
        await self._clock.sleep(seconds)

"""Virtual time: callbacks in the order of their times, and clocks of devices that may be wrong."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

from tests.simulation.loop import SimLoop

START = 1_800_000_000_000


class SimClock:
    """True time in milliseconds; it moves only when the schedule says so."""

    def __init__(self, loop: SimLoop) -> None:
        self.time = START
        self._loop = loop
        self._timers: list[tuple[int, int, Callable[[], Any]]] = []
        self._taken_back: set[int] = set()
        self._made = 0

    def call_later(self, seconds: float, fn: Callable[[], Any]) -> Callable[[], None]:
        """Call `fn` when `seconds` have passed, unless what this returns was called before."""
        self._made += 1
        made = self._made
        heapq.heappush(self._timers, (self.time + round(seconds * 1000), made, fn))
        return lambda: self._taken_back.add(made)

    async def sleep(self, seconds: float) -> None:
        """Return when `seconds` have passed."""
        future = self._loop.create_future()

        def wake() -> None:
            if not future.done():
                future.set_result(None)

        self.call_later(seconds, wake)
        await future

    def settle(self) -> None:
        """Let everything happen that needs no time."""
        if not self._loop.run_ready():
            raise AssertionError("something runs for ever without any time passing")

    def advance(self, seconds: float) -> None:
        """Move time, calling what is due on the way, in order."""
        end = self.time + round(seconds * 1000)
        self.settle()
        while self._timers and self._timers[0][0] <= end:
            due, made, fn = heapq.heappop(self._timers)
            self.time = max(self.time, due)
            if made not in self._taken_back:
                fn()
                self.settle()
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

    def call_later(self, seconds: float, fn: Callable[[], Any]) -> Callable[[], None]:
        """Call `fn` when `seconds` have passed, unless what this returns was called before."""
        return self._clock.call_later(seconds, fn)

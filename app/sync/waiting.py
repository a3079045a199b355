"""Waiting with an end: for an answer, or between synchronisations until the engine is woken."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Literal

from app.ports import Clock


async def wait_at_most(clock: Clock, seconds: float, future: asyncio.Future[Any]) -> bool:
    """Wait until `future` is done or the time is over; returns whether it is done."""
    timer = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait([future, timer], return_when=asyncio.FIRST_COMPLETED)
    finally:
        timer.cancel()
    return future.done()


@dataclass(frozen=True)
class Rest:
    """How long to rest, in seconds, and whether only urgent wakes end it early."""

    seconds: float
    urgent_only: bool = True


class Waking:
    """Two kinds of wakes, kept until they are heard, so that none is lost."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._woken = asyncio.Event()
        self._urged = asyncio.Event()

    def wake(self, *, urgent: bool) -> None:
        """End the present rest, or the next one, if it listens to wakes of this kind."""
        self._woken.set()
        if urgent:
            self._urged.set()

    def hear(self) -> None:
        """Forget the wakes so far: what they asked for is about to be done."""
        self._woken.clear()
        self._urged.clear()

    async def rest(self, rest: Rest) -> Literal["over", "woken", "urged"]:
        """Return when the time is over, or at a wake that `rest` listens to; tells which."""
        event = self._urged if rest.urgent_only else self._woken
        heard = asyncio.ensure_future(event.wait())
        try:
            woken = await wait_at_most(self._clock, rest.seconds, heard)
        finally:
            heard.cancel()
        if self._urged.is_set():
            return "urged"
        return "woken" if woken else "over"

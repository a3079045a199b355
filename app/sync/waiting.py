"""Waiting with an end: for an answer, or between synchronisations until the engine is woken."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Literal

from app.ports import Clock


async def wait_at_most(clock: Clock, seconds: float, future: asyncio.Future[Any]) -> bool:
    """Wait until `future` is done or the time is over; returns whether it is done.

    No task is made for that: in the browser each costs more than what is waited for.
    """
    if future.done():
        return True
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def end(_done: object = None) -> None:
        if not over.done():
            over.set_result(None)

    future.add_done_callback(end)
    cancel = clock.call_later(seconds, end)
    try:
        await over
    finally:
        cancel()
        future.remove_done_callback(end)
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
        self._woken = False
        self._urged = False
        self._urgent_only = True
        self._heard: asyncio.Future[None] | None = None

    def wake(self, *, urgent: bool) -> None:
        """End the present rest, or the next one, if it listens to wakes of this kind."""
        self._woken = True
        self._urged |= urgent
        self._end_rest()

    def hear(self) -> None:
        """Forget the wakes so far: what they asked for is about to be done."""
        self._woken = self._urged = False

    async def rest(self, rest: Rest) -> Literal["over", "woken", "urged"]:
        """Return when the time is over, or at a wake that `rest` listens to; tells which."""
        self._heard = heard = asyncio.get_running_loop().create_future()
        self._urgent_only = rest.urgent_only
        self._end_rest()
        woken = await wait_at_most(self._clock, rest.seconds, heard)
        if self._urged:
            return "urged"
        return "woken" if woken else "over"

    def _end_rest(self) -> None:
        called = self._urged if self._urgent_only else self._woken
        if called and self._heard is not None and not self._heard.done():
            self._heard.set_result(None)

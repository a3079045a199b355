"""A tap is carried out once, however often it is made while it is being carried out."""

from __future__ import annotations

import asyncio
from functools import partial

from app.ui.page import Taps


async def turns() -> None:
    """Let everything go on as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_the_same_tap_is_done_once_at_a_time_and_another_one_beside_it() -> None:
    done: list[str] = []
    ends = {name: asyncio.Event() for name in ("save", "delete")}

    async def work(name: str) -> None:
        await ends[name].wait()
        done.append(name)

    taps = Taps()
    for name in ("save", "save", "delete"):
        taps.do(name, partial(work, name))
    ends["delete"].set()
    await turns()
    assert done == ["delete"]
    ends["save"].set()
    await turns()
    taps.do("save", partial(work, "save"))
    await turns()
    assert done == ["delete", "save", "save"]


async def test_tap_that_failed_can_be_made_again() -> None:
    done: list[int] = []

    async def work() -> None:
        done.append(1)
        raise ValueError("no room")

    taps = Taps()
    for _ in range(2):
        taps.do("save", work)
        await turns()
    assert done == [1, 1]

"""What threads have done comes to the event loop: each result to who waits for it, in few trips."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future

import pytest

from server.landing import Landing


async def test_each_waiter_gets_its_own_result_or_error() -> None:
    landing = Landing()
    futures: list[Future[int]] = [Future() for _ in range(3)]
    waiting = [asyncio.ensure_future(landing.result(future)) for future in futures]
    await asyncio.sleep(0)
    futures[2].set_result(2)
    futures[0].set_exception(KeyError("none"))
    futures[1].set_result(1)
    assert await asyncio.gather(*waiting[1:]) == [1, 2]
    with pytest.raises(KeyError):
        await waiting[0]


async def test_results_of_a_group_cross_to_the_loop_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    landing, loop = Landing(), asyncio.get_running_loop()
    crossings: list[object] = []
    cross = loop.call_soon_threadsafe

    def counted(*args: object) -> object:
        crossings.append(args)
        return cross(*args)  # type: ignore[arg-type]  # whatever it was called with

    monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
    futures: list[Future[int]] = [Future() for _ in range(64)]
    waiting = [asyncio.ensure_future(landing.result(future)) for future in futures]
    await asyncio.sleep(0)

    def all_at_once() -> None:
        for n, future in enumerate(futures):
            future.set_result(n)

    await asyncio.to_thread(all_at_once)
    assert await asyncio.gather(*waiting) == list(range(64))
    assert len(crossings) < 16


async def test_who_gives_up_takes_back_what_was_not_begun() -> None:
    landing = Landing()
    begun: Future[int] = Future()
    begun.set_running_or_notify_cancel()
    futures: list[Future[int]] = [Future(), begun]
    waiting = [asyncio.ensure_future(landing.result(future)) for future in futures]
    await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert [future.cancelled() for future in futures] == [True, False]
    begun.set_result(1)
    await asyncio.sleep(0)
    assert await landing.result(begun) == 1

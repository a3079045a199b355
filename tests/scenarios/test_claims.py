"""Claims: nobody lets go of what another context is carrying out, and no effect comes twice."""

from __future__ import annotations

import asyncio

import pytest

from app.core.claim import LEASE, LOCAL_LEASE
from app.protocol import Action
from app.sync.client import Client
from app.sync.runner import TIMEOUT
from tests.fakes import Device, FakeClock, FakeNetwork, error_answer
from tests.loopback import Loopback
from tests.sync.test_engine import idle, send


class Slow:
    """A handler that takes a while; `runs` holds when it began and ended."""

    def __init__(self, clock: FakeClock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self.runs: list[str] = []

    async def __call__(self, _action: Action) -> None:
        self.runs.append("begin")
        await self._clock.sleep(self._seconds)
        self.runs.append("end")


async def two_tabs(device: Device, clock: FakeClock, slow: Slow) -> tuple[Client, Client]:
    leader = await device.open()
    await clock.until(lambda: idle(leader))
    other = await device.open(run=False)
    for client in (leader, other):
        client.handler("call")(slow)
    return leader, other


@pytest.mark.parametrize("status", [503, 422])
async def test_refusal_of_the_leader_s_push_leaves_another_tab_s_handler_its_action(
    device: Device, clock: FakeClock, network: FakeNetwork, status: int
) -> None:
    slow = Slow(clock, 30)
    leader, other = await two_tabs(device, clock, slow)
    await other.queue.add("call")
    flushing = asyncio.ensure_future(other.queue.flush())
    await clock.advance(1)
    network.faults.append(error_answer(status))
    await send(other, "hello")
    await leader.sync()
    await clock.advance(120)
    assert slow.runs == ["begin", "end"]
    assert (await flushing).synced == 1


async def test_new_leader_leaves_another_tab_s_handler_its_action_and_takes_over_what_was_pushed(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    slow = Slow(clock, 30)
    leader, other = await two_tabs(device, clock, slow)
    await other.queue.add("call")
    flushing = asyncio.ensure_future(other.queue.flush())
    network.gate = asyncio.Event()
    await send(leader, "hello")
    await clock.advance(1)
    await device.kill()
    network.gate = None
    survivor = await device.open()
    survivor.handler("call")(slow)
    await clock.advance(1)
    assert server.texts() == ["hello"], "at once, since the one who pushed it is dead"
    await clock.advance(120)
    assert slow.runs == ["begin", "end"]
    assert (await flushing).synced == 1


def test_claim_of_a_handler_outlasts_the_longest_handler() -> None:
    assert LOCAL_LEASE >= TIMEOUT * 1000 + 10_000
    assert LOCAL_LEASE > LEASE


async def test_s29_settling_that_fails_does_not_run_a_handler_again(
    device: Device, clock: FakeClock
) -> None:
    client = await device.open()
    await clock.until(lambda: idle(client))
    runs: list[str] = []
    client.handler("call")(lambda action: runs.append(action.id))
    failing = [True, True]
    device.store.fail_when = lambda batch: (
        hasattr(batch.result, "others") and bool(failing and failing.pop())
    )
    queued = await client.queue.add("call")
    await clock.until(lambda: client.queue.count == 0 and not failing, within=60)
    assert runs == [queued]
    assert await queued.settled(1) == "applied"


async def test_s29_flush_whose_settling_failed_does_not_run_its_handler_again(
    device: Device,
) -> None:
    client = await device.open(run=False)
    runs: list[str] = []
    failing = [True]
    device.store.fail_when = lambda batch: (
        hasattr(batch.result, "others") and bool(failing and failing.pop())
    )
    await client.queue.add("call")
    with pytest.raises(Exception, match="disk said no"):
        await client.queue.flush(lambda action: runs.append(action.id))
    await client.queue.add("call")
    report = await client.queue.flush(lambda action: runs.append(action.id))
    assert (report.synced, len(runs)) == (2, 2)
    assert await client.queue.pending() == []


@pytest.mark.parametrize("status", [422, 500])
async def test_settled_after_a_retry_waits_for_what_comes_of_that(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback, status: int
) -> None:
    """The id stays where the server gave no verdict, and so does what is remembered of it."""
    client = await device.open()
    await clock.until(lambda: idle(client))
    network.faults.append(error_answer(422))
    queued = await client.queue.add("create", {"n": 1}, collection="things", item_id="a")
    await clock.until(lambda: client.status.get().failed == 1)
    assert await queued.settled(1) == "failed"
    network.faults.extend([error_answer(503)] if status == 500 else [error_answer(422)])
    assert await client.queue.retry(queued) == queued
    waiting = asyncio.ensure_future(queued.settled(60))
    await clock.settle()
    assert not waiting.done()
    await clock.until(waiting.done)
    assert await waiting == ("applied" if status == 500 else "failed")

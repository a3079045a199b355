"""Where there are no Web Locks, a lease makes one context of a device lead."""

from __future__ import annotations

import asyncio

import pytest

from app.core.schema import METADATA
from app.ports import Batch, Get, Put
from app.sync.lease import TERM, LeaseLeadership
from tests.fakes import FakeClock, FaultyStore

HOUR = 3600.0


class Context:
    """A context that leads until it is killed or ends by itself; `leads` tells whether it does."""

    def __init__(self, store: FaultyStore, clock: FakeClock, name: str) -> None:
        self.leads = False
        self.turns = 0
        self._end: asyncio.Event = asyncio.Event()
        self.task = asyncio.ensure_future(LeaseLeadership(store, clock, name).hold(self._lead))

    async def _lead(self) -> None:
        self.leads = True
        self.turns += 1
        try:
            await self._end.wait()
        finally:
            self.leads = False

    def end(self) -> None:
        self._end.set()

    async def die(self, store: FaultyStore) -> None:
        """End as a crash does: nothing is written any more."""
        store.fail_when = lambda _batch: True
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        store.fail_when = lambda _batch: False


@pytest.fixture
def store() -> FaultyStore:
    return FaultyStore()


@pytest.fixture
async def two(store: FaultyStore, clock: FakeClock) -> tuple[Context, Context]:
    first = Context(store, clock, "first")
    await clock.settle()
    second = Context(store, clock, "second")
    await clock.settle()
    return first, second


async def test_one_leads_as_long_as_it_lives(
    two: tuple[Context, Context], clock: FakeClock
) -> None:
    first, second = two
    for _ in range(100):
        await clock.advance(1)
        assert (first.leads, second.leads) == (True, False)
    assert first.turns == 1


async def test_leader_that_died_is_replaced_within_a_term(
    two: tuple[Context, Context], clock: FakeClock, store: FaultyStore
) -> None:
    first, second = two
    await clock.advance(20)
    await first.die(store)
    assert await clock.until(lambda: second.leads, within=HOUR) <= TERM * 4 / 3


async def test_leader_that_ends_is_replaced_without_waiting_for_its_term(
    two: tuple[Context, Context], clock: FakeClock
) -> None:
    first, second = two
    first.end()
    assert await clock.until(lambda: second.leads, within=HOUR) <= TERM / 3
    assert first.task.done()


async def test_leader_that_was_frozen_stops_once_it_sees_that_another_leads(
    two: tuple[Context, Context], clock: FakeClock, store: FaultyStore
) -> None:
    first, second = two
    taken = {"key": "lease", "value": {"holder": "third", "until": clock.now() + 9_000}}
    await store.transact([], lambda: Batch([Put(METADATA, taken)]))
    await clock.advance(TERM / 3)
    assert (first.leads, second.leads) == (False, False)
    await clock.advance(TERM * 2)
    assert first.leads != second.leads


async def test_leader_that_cannot_renew_stops_and_leads_again_when_it_can(
    two: tuple[Context, Context], clock: FakeClock, store: FaultyStore
) -> None:
    first, second = two
    store.fail_when = lambda _batch: True
    await clock.advance(TERM)
    assert (first.leads, second.leads) == (False, False)
    store.fail_when = lambda _batch: False
    await clock.advance(TERM * 2)
    assert first.leads != second.leads


async def test_lease_from_before_the_clock_was_set_back_is_taken_over_at_once(
    two: tuple[Context, Context], clock: FakeClock, store: FaultyStore
) -> None:
    first, second = two
    await first.die(store)
    clock.time -= 86_400_000
    late = Context(store, clock, "late")
    await clock.settle()
    assert late.leads
    second.task.cancel()


async def test_lease_is_gone_once_its_holder_ended(store: FaultyStore, clock: FakeClock) -> None:
    only = Context(store, clock, "only")
    await clock.settle()
    only.end()
    await clock.settle()
    assert await store.read(Get(METADATA, "lease")) == [None]

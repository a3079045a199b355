"""Deleting everything: in every tab, and nothing goes on that would fill the device again."""

from __future__ import annotations

import asyncio

import pytest

from app.core.messages import COLLECTION, SEND
from app.core.schema import OUTBOX
from app.errors import StorageError
from app.ports import Count
from tests.fakes import Device, FakeClock, FakeNetwork


async def test_every_tab_ends_and_asks_the_server_for_nothing_more(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    first, second = await device.open(), await device.open()
    await clock.settle()
    await second.erase()
    await clock.settle()
    assert (first.erased.get(), second.erased.get()) == (True, True)
    assert not first.leading.get()
    assert not second.leading.get()
    asked = len(network.requests)
    await clock.advance(600)
    assert len(network.requests) == asked


async def test_what_still_runs_writes_nothing_and_raises_nothing(
    device: Device, clock: FakeClock
) -> None:
    client = await device.open()
    await client.erase()
    adding = asyncio.ensure_future(client.queue.add(SEND, {"text": "x"}, collection=COLLECTION))
    await clock.advance(60)
    assert not adding.done()
    adding.cancel()
    device.store.erased = False
    assert await device.store.read(Count(OUTBOX)) == [0]


async def test_what_could_not_be_deleted_is_said_and_work_goes_on(
    device: Device, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse() -> None:
        raise StorageError("No.")

    monkeypatch.setattr(device.store, "erase", refuse)
    client = await device.open()
    await clock.settle()
    with pytest.raises(StorageError):
        await client.erase()
    assert not client.erased.get()
    assert client.leading.get()

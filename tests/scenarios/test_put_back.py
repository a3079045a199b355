"""A device whose storage was put back to an older state: what is new goes on, nothing twice."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from app.core.collections import registry
from app.core.entry import Entry
from app.core.messages import COLLECTION, Message
from app.core.metadata import CLIENT_ID
from app.core.schema import METADATA, ROWS
from app.core.settle import forget_cursor
from app.errors import InvalidInput
from app.ports import Batch, Delete, Get, Put
from app.protocol import Action
from app.sync.client import Client
from tests.fakes import Device, FakeClock, FakeNetwork
from tests.loopback import Loopback
from tests.sync.test_engine import idle, send

Copy = tuple[Any, Any]


@pytest.fixture(autouse=True)
def count_type() -> Iterator[None]:
    """An action type that counts up, whatever was there: a second effect always shows."""

    @registry.action("count_up")
    def count_up(current: dict[str, Any] | None, _action: Action) -> dict[str, Any]:
        return {"n": (current or {"n": 0})["n"] + 1}

    yield
    del registry._types["count_up"]


def storage_of(device: Device) -> Copy:
    return copy.deepcopy((device.store._kept, device.store._unique))


def put_back(device: Device, kept: Copy) -> None:
    device.store._kept, device.store._unique = copy.deepcopy(kept)


def counted(server: Loopback) -> int:
    body = json.dumps({"protocol": 1, "client_id": "reader", "cursor": None})
    rows = json.loads(server("POST", "/api/sync", body).body)["rows"]
    return max((row["data"]["n"] for row in rows if row["collection"] == "counters"), default=0)


async def count_up(client: Client) -> str:
    return await client.queue.add("count_up", collection="counters", item_id="one")


async def lose_a_time(device: Device, clock: FakeClock, *texts: str) -> None:
    """Send some messages, let them be settled, and forget all of that."""
    client = await device.open()
    await clock.until(lambda: idle(client))
    await device.kill()
    kept = storage_of(device)
    client = await device.open()
    await send(client, *texts)
    await clock.until(lambda: idle(client))
    await send(client, "last")
    await clock.until(lambda: idle(client))
    await client.sync()
    await device.kill()
    put_back(device, kept)


async def test_cursor_that_was_put_back_with_the_device_is_not_followed(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    """It may be of a history that the server has lost, and given out again."""
    await lose_a_time(device, clock, "a", "b", "c")
    client = await device.open()
    await clock.until(lambda: idle(client))
    begun = len(network.requests)
    await send(client, "new")
    await clock.until(lambda: idle(client))
    refused, anew = [body["cursor"] for *_, body in network.requests[begun:] if body][:2]
    assert refused is not None
    assert anew is None


async def test_new_actions_of_a_device_that_was_put_back_are_sent_by_themselves(
    device: Device, clock: FakeClock, server: Loopback
) -> None:
    await lose_a_time(device, clock, "a", "b", "c")
    (known,) = await device.store.read(CLIENT_ID)
    client = await device.open()
    await clock.until(lambda: idle(client))
    new, _ = await send(client, "new", "and another")
    await clock.until(lambda: idle(client))
    assert await new.settled(1) == "applied"
    assert client.status.get().failed == 0
    assert server.texts() == ["a", "b", "c", "last", "new", "and another"]
    texts = [message.text for message in await client.collection(COLLECTION, Message).all()]
    assert texts == server.texts()
    (now,) = await device.store.read(CLIENT_ID)
    assert now != known


async def test_what_took_effect_in_the_lost_time_is_not_done_twice(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    """Whatever a person taps: neither by itself, nor by Retry, nor by an edit."""
    network.down = True
    client = await device.open()
    await count_up(client)
    await device.kill()
    kept = storage_of(device)
    network.down = False
    client = await device.open()
    await clock.until(lambda: idle(client))
    await send(client, "later, so that the first one is settled")
    await clock.until(lambda: idle(client))
    await client.sync()
    await device.kill()
    put_back(device, kept)
    client = await device.open()
    await clock.until(lambda: client.status.get().failed == 1)
    (entry,) = await client.queue.pending()
    assert entry.error is not None
    assert entry.error.code == "already_settled"
    assert "may have been carried out" in entry.error.message
    with pytest.raises(InvalidInput, match="was changed since"):
        await client.queue.retry(entry.id)
    with pytest.raises(InvalidInput, match="was changed since"):
        await client.queue.edit(entry.id, {"n": 7})
    await clock.advance(3600)
    assert counted(server) == 1
    await client.queue.remove(entry.id)


async def test_what_a_later_start_cannot_be_sure_of_goes_by_retry_where_its_item_is_as_it_was(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    await lose_a_time(device, clock, "a", "b")
    network.down = True
    client = await device.open()
    await send(client, "offline, after the storage was put back")
    queued = await count_up(client)
    await device.kill()
    network.down = False
    client = await device.open()
    await clock.until(lambda: client.status.get().failed == 2)
    for entry in await client.queue.pending():
        assert await client.queue.retry(entry.id) == entry.id
    await clock.until(lambda: idle(client))
    assert server.texts()[-1] == "offline, after the storage was put back"
    assert (counted(server), queued in await ids(client)) == (1, False)


async def ids(client: Client) -> list[str]:
    return [entry.id for entry in await client.queue.pending()]


async def counted_up_offline(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> tuple[Client, Entry]:
    """Return the client of a later start, and the action of which it cannot be sure."""
    network.down = True
    client = await device.open()
    await count_up(client)
    await device.kill()
    network.down = False
    client = await device.open()
    await clock.until(lambda: client.status.get().failed == 1)
    (entry,) = await client.queue.pending()
    return client, entry


async def test_retry_of_what_may_have_been_carried_out_waits_for_a_whole_pull(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    await lose_a_time(device, clock, "a")
    client, entry = await counted_up_offline(device, clock, network)
    await device.store.transact([], forget_cursor().decide)
    network.down = True
    with pytest.raises(InvalidInput, match="has synchronised"):
        await client.queue.retry(entry.id)


async def test_version_that_a_server_gave_out_twice_is_not_taken_for_the_item_as_it_was(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    """The server was put back unannounced, and its item made anew under the old version."""
    client = await device.open()
    await count_up(client)
    await clock.until(lambda: idle(client))
    await device.kill()
    await lose_a_time(device, clock, "a")
    client, entry = await counted_up_offline(device, clock, network)
    (row,) = await device.store.read(Get(ROWS, ["counters", "one"]))
    await replace_row(device, {**row, "data": {"n": 7}})
    with pytest.raises(InvalidInput, match="was changed since"):
        await client.queue.retry(entry.id)
    await replace_row(device, row)
    assert await client.queue.retry(entry.id) == entry.id


async def replace_row(device: Device, row: dict[str, Any]) -> None:
    await device.store.transact([], lambda: Batch([Put(ROWS, row)]))


async def test_what_is_in_doubt_goes_under_the_client_that_sent_it(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    """An answer was lost, and then the record of who this device is."""
    client = await device.open()
    await clock.until(lambda: idle(client))
    network.faults.append("lost")
    await count_up(client)
    await clock.advance(0.1)
    network.down = True
    await clock.advance(5)
    await device.kill()
    assert counted(server) == 1
    await device.store.transact([], lambda: Batch([Delete(METADATA, "client_id")]))
    network.down = False
    client = await device.open()
    await send(client, "under the new one")
    await clock.until(lambda: idle(client))
    assert counted(server) == 1
    clients = {body["client_id"] for _, _, _, body in network.requests if body and body["actions"]}
    assert len(clients) == 2
    assert server.texts() == ["under the new one"]

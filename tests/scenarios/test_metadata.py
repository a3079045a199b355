"""A record of the metadata that was lost or damaged costs a request or two, and never a change."""

from __future__ import annotations

from typing import Any

import pytest

from app.core.messages import COLLECTION, Message
from app.core.schema import METADATA, ROWS
from app.ports import Batch, Delete, Put, Scan
from tests.fakes import Device, FakeClock, FakeNetwork
from tests.loopback import Loopback
from tests.sync.test_engine import idle, send

KEYS = ("seq", "cursor", "reset", "client_id", "epoch", "restored")
DAMAGES: tuple[Any, ...] = ("gone", None, 7, -1, True, "", "no spaces allowed", {"round": "x"}, [1])


async def damage(device: Device, key: str, value: Any) -> None:
    """Take a record away, or put something else into it."""
    write = (
        Delete(METADATA, key) if value == "gone" else Put(METADATA, {"key": key, "value": value})
    )
    await device.store.transact([], lambda: Batch([write]))


@pytest.mark.parametrize("value", DAMAGES, ids=str)
@pytest.mark.parametrize("key", KEYS)
async def test_h3_damaged_record_wedges_nothing_and_loses_no_change(
    device: Device,
    clock: FakeClock,
    network: FakeNetwork,
    server: Loopback,
    key: str,
    value: Any,
) -> None:
    client = await device.open()
    await send(client, "before")
    await clock.until(lambda: idle(client))
    await client.sync()
    network.down = True
    await send(client, "waiting")
    await device.kill()
    await damage(device, key, value)
    client = await device.open()
    await send(client, "after")
    await damage(device, key, value)
    await send(client, "after once more")
    network.down = False
    await clock.until(lambda: idle(client), within=3600)
    expected = ["before", "waiting", "after", "after once more"]
    assert server.texts() == expected
    assert client.status.get().failed == 0
    shown = [message.text for message in await client.collection(COLLECTION, Message).all()]
    assert shown == expected
    await send(client, "last")
    await clock.until(lambda: idle(client))
    assert server.texts()[-1] == "last"


async def test_counter_that_is_lost_does_not_write_over_what_waits(
    device: Device, network: FakeNetwork
) -> None:
    network.down = True
    client = await device.open(run=False)
    await send(client, "one", "two")
    await damage(device, "seq", "gone")
    await send(client, "three")
    assert [entry.seq for entry in await client.queue.pending()] == [1, 2, 3]


async def test_counter_that_is_behind_what_waits_is_put_right_before_that_is_sent(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    client = await device.open()
    await send(client, "one", "two")
    await clock.until(lambda: idle(client))
    await client.sync()  # says that both are settled
    network.down = True
    await send(client, "three")
    await device.kill()
    await damage(device, "seq", 1)
    network.down = False
    client = await device.open()
    await clock.until(lambda: idle(client))
    await client.sync()
    await send(client, "four")
    await clock.until(lambda: idle(client))
    assert server.texts() == ["one", "two", "three", "four"]


@pytest.mark.parametrize("keys", [("reset",), ("reset", "cursor"), ("cursor",)])
async def test_rows_that_are_gone_are_swept_out_also_after_the_round_was_forgotten(
    device: Device,
    clock: FakeClock,
    server: Loopback,
    keys: tuple[str, ...],
) -> None:
    client = await device.open()
    await send(client, "kept")
    await clock.until(lambda: idle(client))
    backup = server.back_up()
    await send(client, "lost")
    await clock.until(lambda: idle(client))
    for _ in range(2):  # so that the rows are of a later round than the first
        server.restore(backup)
        await client.sync()
        await send(client, "lost again")
        await clock.until(lambda: idle(client))
    server.restore(backup)
    await device.kill()
    for key in keys:
        await damage(device, key, "gone")
    client = await device.open()
    await clock.until(lambda: client.status.get().last_synced is not None)
    (rows,) = await device.store.read(Scan(ROWS))
    assert [row["data"]["text"] for row in rows] == ["kept"]

"""Starting over: a restored server is noticed, and a device ends up with what the server has."""

from __future__ import annotations

import pytest

from app.core.messages import COLLECTION, SEND, Message, compose
from app.core.reset import PAGE
from app.core.schema import METADATA, ROWS
from app.core.settle import forget_cursor
from app.errors import StorageError
from app.ports import Batch, Put, Scan
from app.sync.client import Client
from app.sync.queue import New
from tests.fakes import Device, FakeClock, FakeNetwork
from tests.loopback import Loopback
from tests.sync.test_engine import idle, send


async def texts(client: Client) -> list[str]:
    return [message.text for message in await client.collection(COLLECTION, Message).all()]


async def test_s27_restored_server_is_noticed_told_and_followed(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    client = await device.open()
    await send(client, "kept")
    await clock.until(lambda: idle(client))
    backup = server.back_up()
    await send(client, "lost with the server")
    await clock.until(lambda: idle(client))
    network.down = True
    await send(client, "waiting")
    server.restore(backup)
    network.down = False
    await client.sync()
    await clock.until(lambda: client.status.get().count == 0)
    assert server.texts() == ["kept", "waiting"]
    assert await texts(client) == ["kept", "waiting"]
    assert client.status.get().restored


async def test_rows_of_many_pages_that_the_server_lost_are_swept_out(
    device: Device, clock: FakeClock, server: Loopback
) -> None:
    client = await device.open()
    await send(client, "kept")
    await clock.until(lambda: idle(client))
    backup = server.back_up()
    lost = [f"lost {number}" for number in range(PAGE + 100)]
    await client.queue.add_many(
        [New(SEND, compose(text), COLLECTION, client.queue.new_id()) for text in lost]
    )
    await clock.until(lambda: idle(client))
    server.restore(backup)
    await client.sync()
    (rows,) = await device.store.read(Scan(ROWS))
    assert [row["data"]["text"] for row in rows] == ["kept"]


async def test_sweep_that_is_interrupted_goes_on_at_the_next_start(
    device: Device, clock: FakeClock, server: Loopback
) -> None:
    client = await device.open()
    await send(client, "kept")
    await clock.until(lambda: idle(client))
    backup = server.back_up()
    await send(client, "lost")
    await clock.until(lambda: idle(client))
    server.restore(backup)
    device.store.fail_when = lambda batch: hasattr(batch.result, "gone")
    report = await client.sync()
    assert report.error == str(StorageError("The disk said no."))
    (rows,) = await device.store.read(Scan(ROWS))
    assert len(rows) == 2
    await device.kill()
    device.store.fail_when = lambda _batch: False
    again = await device.open()
    await clock.until(lambda: idle(again))
    assert await texts(again) == ["kept"]


async def test_first_pull_and_ordinary_ones_sweep_nothing(
    device: Device, clock: FakeClock, server: Loopback
) -> None:
    client = await device.open()
    await send(client, "one", "two")
    await clock.until(lambda: idle(client))
    await client.sync()
    assert await texts(client) == ["one", "two"]
    assert not client.status.get().restored


@pytest.mark.parametrize("waiting", [0, 3])
async def test_queue_survives_a_reset(
    clock: FakeClock, network: FakeNetwork, server: Loopback, waiting: int
) -> None:
    device = Device(clock, network, seed=7)
    client = await device.open()
    await send(client, "first")
    await clock.until(lambda: idle(client))
    backup = server.back_up()
    server.restore(backup)
    network.down = True
    new = [f"waiting {number}" for number in range(waiting)]
    await send(client, *new)
    network.down = False
    await client.sync()
    await clock.until(lambda: client.status.get().count == 0)
    assert await texts(client) == ["first", *new] == server.texts()
    await device.kill()


async def test_pull_from_the_beginning_takes_rows_whose_version_is_lower(
    device: Device, clock: FakeClock, server: Loopback
) -> None:
    client = await device.open()
    await client.queue.add("create", {"n": 1}, collection="sheets", item_id="a")
    await clock.until(lambda: idle(client))
    backup = server.back_up()
    await client.queue.add("update", {"n": 2}, collection="sheets", item_id="a")
    await clock.until(lambda: idle(client))
    await client.sync()
    await device.kill()
    server.restore(backup)
    await device.store.transact([], forget_cursor().decide)
    client = await device.open()
    await clock.until(lambda: client.status.get().last_synced is not None)
    (rows,) = await device.store.read(Scan(ROWS))
    assert [row["data"]["n"] for row in rows] == [1]


async def test_first_pull_of_all_sweeps_nothing_and_reads_no_rows_for_it(
    device: Device, clock: FakeClock, server: Loopback
) -> None:
    phases: list[str] = []

    def note(batch: Batch) -> bool:
        writes = [w.value for w in batch.writes if isinstance(w, Put) and w.store == METADATA]
        phases.extend(value["value"]["phase"] for value in writes if value["key"] == "reset")
        return False

    device.store.fail_when = note
    client = await device.open()
    await send(client, "one")
    await clock.until(lambda: idle(client))
    assert set(phases) == {"none"}


@pytest.mark.parametrize("announced", [True, False], ids=["new_epoch", "no_new_epoch"])
async def test_s27_restored_server_is_told_also_after_a_restart_until_it_is_dismissed(
    device: Device, clock: FakeClock, server: Loopback, announced: bool
) -> None:
    client = await device.open()
    await send(client, "kept")
    await clock.until(lambda: idle(client))
    backup = server.back_up()
    await send(client, "acknowledged, then lost")
    await clock.until(lambda: idle(client))
    server.restore(backup, new_epoch=announced)
    await client.sync()
    await clock.settle()
    assert client.status.get().restored
    await device.kill()
    client = await device.open()
    assert client.status.get().restored
    beside = await device.open()
    await beside.dismiss_restored()
    await clock.until(lambda: not client.status.get().restored)
    await device.kill()
    client = await device.open()
    await client.sync()
    assert not client.status.get().restored

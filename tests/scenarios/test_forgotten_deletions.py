"""Deletions that the server has forgotten: a device that was away for long follows all the same."""

from __future__ import annotations

from app.core.schema import ROWS
from app.core.settle import forget_cursor
from app.ports import Scan
from server.compaction import compact
from tests.fakes import Device, FakeClock, FakeNetwork
from tests.loopback import Loopback
from tests.sync.test_engine import idle


async def test_pull_from_the_beginning_is_complete_and_sweeps_out_what_was_forgotten(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    """The cursor was forgotten, as after a damaged row, and then a deletion on the server."""
    client = await device.open()
    for name in ("gone", "stays"):
        await client.queue.add("create", {"n": 1}, collection="sheets", item_id=name)
    await clock.until(lambda: idle(client))
    await device.kill()
    other = await Device(clock, network, seed=5).open()
    await other.sync()
    await other.queue.add("delete", collection="sheets", item_id="gone")
    await clock.until(lambda: idle(other))
    clock.time += 200 * 86_400_000
    assert compact(server._database, 90, clock.now() * 1000) == 1
    await device.store.transact([], forget_cursor().decide)
    client = await device.open()
    await clock.until(lambda: client.status.get().last_synced is not None)
    (rows,) = await device.store.read(Scan(ROWS))
    assert [row["id"] for row in rows] == ["stays"]


async def test_deletions_that_were_forgotten_are_not_told_as_a_restored_server(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    client = await device.open()
    await client.queue.add("create", {"n": 1}, collection="sheets", item_id="gone")
    await clock.until(lambda: idle(client))
    await device.kill()
    other = await Device(clock, network, seed=5).open()
    await other.sync()
    await other.queue.add("delete", collection="sheets", item_id="gone")
    await clock.until(lambda: idle(other))
    compact(server._database, 0, clock.now() * 1000 + 1)
    client = await device.open()
    await client.sync()
    await clock.settle()
    assert not client.status.get().restored
    assert (await device.store.read(Scan(ROWS))) == [[]]

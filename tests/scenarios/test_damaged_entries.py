"""A damaged entry of the outbox is kept, with the reason, and in nobody's way."""

from __future__ import annotations

from typing import Any

import pytest

from app.core.messages import COLLECTION, Message
from app.core.schema import OUTBOX
from app.ports import Batch, Put, Scan
from app.protocol import MAX_ACTIONS
from tests.fakes import Device, FakeClock, FakeNetwork
from tests.loopback import Loopback
from tests.sync.test_engine import idle, send

DAMAGES: list[dict[str, Any]] = [
    {"action": '{"id": "torn in the mid'},
    {"attempts": "three", "from_elsewhere": [1, 2]},
    {"error": 7, "action": None},
    {"state": "half-written"},
    {"type": None, "collection": "", "item_id": "?"},
]


async def damage(device: Device, action_id: str, changes: dict[str, Any]) -> dict[str, Any]:
    """Write over parts of a stored entry; returns it as it is then."""
    (entries,) = await device.store.read(Scan(OUTBOX))
    (entry,) = [entry for entry in entries if entry["id"] == action_id]
    damaged = {**entry, **changes}
    await device.store.transact([], lambda: Batch([Put(OUTBOX, damaged)]))
    return damaged


@pytest.mark.parametrize("changes", DAMAGES)
async def test_h3_damaged_entry_is_kept_with_its_reason_and_the_queue_goes_on(
    device: Device,
    clock: FakeClock,
    network: FakeNetwork,
    server: Loopback,
    changes: dict[str, Any],
) -> None:
    network.down = True
    client = await device.open()
    _, bad, _ = await send(client, "one", "damaged", "three")
    await device.kill()
    damaged = await damage(device, bad, changes)
    network.down = False
    again = await device.open()
    await clock.until(lambda: again.status.get().failed == 1)
    await clock.until(lambda: server.texts() == ["one", "three"])
    assert again.status.get().count == 1
    (entry,) = await again.queue.pending()
    assert (entry.state, entry.id) == ("failed", bad)
    assert entry.error is not None
    assert entry.error.code == "damaged"
    assert "kept" in entry.error.message
    kept = entry.damaged or {"action": entry.action}
    assert kept.items() <= damaged.items(), "what is left of it is there to be saved by hand"
    shown = [message.text for message in await again.collection(COLLECTION, Message).all()]
    assert [text for text in shown if text != "damaged"] == ["one", "three"]
    await again.queue.remove(bad)
    await clock.settle()
    assert again.status.get().count == 0


async def test_h3_what_stands_behind_a_damaged_entry_of_its_item_waits_for_a_person(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    network.down = True
    client = await device.open(run=False)
    first = await client.queue.add("create", {"n": 1}, collection="sheets", item_id="a")
    await client.queue.add("delete", collection="other", item_id="b")
    await damage(device, first, {"sent": True})  # so that the next one does not join it
    second = await client.queue.add("update", {"n": 2}, collection="sheets", item_id="a")
    await damage(device, first, {"action": "not JSON"})
    network.down = False
    runner = await device.open()
    await clock.until(lambda: runner.status.get().failed == 1)
    await clock.until(lambda: runner.status.get().count == 2)
    assert (await runner.queue.get(second)).state == "blocked"
    assert second not in {action_id for ids in network.pushed() for action_id in ids}


async def test_h3_many_damaged_entries_ahead_do_not_wedge_the_queue(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    network.down = True
    client = await device.open(run=False)
    many = await send(client, *[f"damaged {number}" for number in range(MAX_ACTIONS + 5)])
    await send(client, "behind them")
    (entries,) = await device.store.read(Scan(OUTBOX))
    torn = [Put(OUTBOX, {**entry, "attempts": -1.5}) for entry in entries[: len(many)]]
    await device.store.transact([], lambda: Batch(torn))
    network.down = False
    runner = await device.open()
    await clock.until(lambda: server.texts() == ["behind them"], within=10)
    assert runner.status.get().failed == len(many)
    await runner.queue.retry(many[0])
    await clock.until(lambda: runner.status.get().failed == len(many))
    await runner.queue.clear()
    await clock.until(lambda: idle(runner))

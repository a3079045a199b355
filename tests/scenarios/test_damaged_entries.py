"""A damaged entry of the outbox is kept, with the reason, and in nobody's way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from app.core.messages import COLLECTION, Message
from app.core.schema import OUTBOX
from app.ports import Batch, Put, Scan
from app.protocol import MAX_ACTIONS
from app.sync.client import Client
from tests.fakes import Device, FakeClock, FakeNetwork
from tests.loopback import Loopback
from tests.sync.test_engine import idle, send

SHEET: dict[str, Any] = {"collection": "sheets", "item_id": "a"}
OTHER: dict[str, Any] = {"collection": "other", "item_id": "b"}

DAMAGES: list[dict[str, Any]] = [
    {"action": '{"id": "torn in the mid'},
    {"attempts": "three", "from_elsewhere": [1, 2]},
    {"error": 7, "action": None},
    {"state": "half-written"},
    {"state": "failed", "next_attempt_at": "never"},
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


async def two_of_an_item(device: Device) -> tuple[Client, str, str]:
    """Write two actions of one item, of which the second does not join the first."""
    client = await device.open(run=False)
    first = await client.queue.add("create", {"n": 1}, **SHEET)
    await damage(device, first, {"sent": True})
    return client, first, await client.queue.add("update", {"n": 2}, **SHEET)


async def add_dependent(client: Client, first: str, _exported: str) -> None:
    await client.queue.add("create", {"n": 3}, depends_on=[first], **OTHER)


async def import_dependent(client: Client, _first: str, exported: str) -> None:
    """Import a change that depends on the first one, which waits here already."""
    await client.queue.import_entries(exported)


async def leave_alone(_client: Client, _first: str, _exported: str) -> None:
    """Do nothing: it is found when it is looked for."""


@pytest.mark.parametrize("meets", [add_dependent, import_dependent, leave_alone])
@pytest.mark.parametrize(
    "changes",
    [
        {"action": "not JSON"},
        {"attempts": "torn"},
        {"state": "half-written"},
        {"attempts": "torn", "next_attempt_at": 2**52},
    ],
)
async def test_h3_what_stands_behind_a_damaged_entry_of_its_item_waits_for_a_person(
    device: Device,
    clock: FakeClock,
    network: FakeNetwork,
    changes: dict[str, Any],
    meets: Callable[[Client, str, str], Awaitable[None]],
) -> None:
    client, first, second = await two_of_an_item(device)
    third = await client.queue.add("create", {"n": 3}, depends_on=[first], **OTHER)
    exported = await client.queue.export()
    await client.queue.remove(third)
    (free,) = await send(client, "of another item")
    await damage(device, first, changes)
    await meets(client, first, exported)
    await device.kill()
    runner = await device.open()
    await clock.until(lambda: runner.status.get().failed == 1)
    await clock.until(lambda: runner.status.get().last_synced is not None)
    waiting = {entry.id: entry.state for entry in await runner.queue.pending()}
    assert (waiting.pop(first), waiting[second]) == ("failed", "blocked")
    assert set(waiting.values()) == {"blocked"}, "what depends on it waits, too"
    assert network.pushed() == [[free]]


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

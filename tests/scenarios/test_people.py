"""Scenarios of people at work: the same field twice, coming and going, clocks that are wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from email.utils import formatdate
from typing import Any

import pytest

from app.core.messages import COLLECTION, Message
from app.ports import HttpResponse
from app.sync.client import Client
from tests.fakes import Device, FakeClock, FakeNetwork, error_answer
from tests.loopback import Loopback
from tests.scenarios.oracle import all_is_well, device_rows, drained, server_rows
from tests.sync.test_engine import idle, send

SHEET: dict[str, Any] = {"collection": "sheets", "item_id": "a"}
YEAR = 365 * 86_400_000


async def change(client: Client, **fields: Any) -> str:
    return await client.queue.add("update", fields, **SHEET)


@pytest.mark.parametrize("resolution", ["mine", "theirs"])
async def test_s15_two_clients_edit_the_same_field_offline_and_both_converge(
    clock: FakeClock, server: Loopback, resolution: str
) -> None:
    network = FakeNetwork(clock, server)
    mine, theirs = Device(clock, network, seed=1), Device(clock, network, seed=2)
    client, other = await mine.open(), await theirs.open()
    await client.queue.add("create", {"n": 1, "m": 1}, **SHEET)
    await clock.until(lambda: idle(client))
    await other.sync()
    network.down = True
    await change(client, n=2)
    await change(other, n=3)
    await clock.until(lambda: client.connection.status == other.connection.status == "disconnected")
    network.down = False
    await asyncio.gather(client.sync(), other.sync())
    await clock.until(lambda: drained(client) and drained(other))
    conflicts = [who for who in (client, other) if who.status.get().conflicts]
    assert len(conflicts) == 1, "one of them came second"
    (loser,) = conflicts
    (entry,) = await loser.queue.pending()
    wanted = json.loads(entry.action)["data"]["n"]
    assert (entry.base, entry.theirs) == ({"n": 1, "m": 1}, {"n": 5 - wanted, "m": 1})
    for _ in range(3):
        await asyncio.gather(client.sync(), other.sync())
    assert loser.status.get().conflicts == 1, "it is shown once, however often they meet"
    await all_is_well(clock, server, (mine, client), (theirs, other))
    if resolution == "mine":
        await loser.queue.retry(entry.id)
    else:
        await loser.queue.remove(entry.id)
    await clock.until(lambda: loser.queue.count == 0)
    await all_is_well(clock, server, (mine, client), (theirs, other))
    (row,) = server_rows(server)
    assert row["data"]["n"] == (wanted if resolution == "mine" else 5 - wanted)
    assert client.queue.count == other.queue.count == 0
    await mine.kill()
    await theirs.kill()


async def restarted(device: Device) -> Client:
    await device.kill()
    return await device.open()


async def test_s16_item_made_changed_and_deleted_offline_over_restarts_leaves_nothing(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    network.down = True
    client = await device.open()
    await client.queue.add("create", {"n": 1}, **SHEET)
    client = await restarted(device)
    await change(client, n=2)
    client = await restarted(device)
    assert client.queue.count == 1
    await client.queue.add("delete", **SHEET)
    client = await restarted(device)
    network.down = False
    await client.sync()
    await all_is_well(clock, server, (device, client), saved=[])
    assert (server_rows(server), network.pushed()) == ([], [])


async def test_s16_changes_over_restarts_are_one_action_with_the_same_final_state(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    client = await device.open()
    await client.queue.add("create", {"n": 1, "kept": True}, **SHEET)
    await clock.until(lambda: idle(client))
    network.down = True
    for number in range(2, 6):
        client = await restarted(device)
        await change(client, n=number)
    assert client.queue.count == 1
    network.down = False
    client = await restarted(device)
    await all_is_well(clock, server, (device, client))
    (row,) = server_rows(server)
    assert (row["data"], row["version"]) == ({"n": 5, "kept": True}, 2)
    network.down = True
    await change(client, n=6)
    client = await restarted(device)
    await client.queue.add("delete", **SHEET)
    (entry,) = await client.queue.pending()
    assert entry.type == "delete"
    network.down = False
    client = await restarted(device)
    await all_is_well(clock, server, (device, client))
    assert [row["deleted"] for row in server_rows(server)] == [True]


class Overtaking(FakeNetwork):
    """The server's poke for a push arrives before the answer to it."""

    def __init__(self, clock: FakeClock, server: Loopback) -> None:
        super().__init__(clock, server)
        self.poked: list[Client] = []

    async def __call__(
        self,
        method: str,
        url: str,
        body: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float,
    ) -> HttpResponse:
        answer = await super().__call__(method, url, body, headers=headers, timeout=timeout)
        if body is not None and json.loads(body)["actions"]:
            for client in self.poked:
                client.poke(json.loads(answer.body)["cursor"])
            await self._clock.sleep(0.5)
        return answer


async def test_s18_poke_of_ones_own_write_before_its_answer_shows_nothing_twice(
    clock: FakeClock, server: Loopback
) -> None:
    network = Overtaking(clock, server)
    device = Device(clock, network)
    client, tab = await device.open(), await device.open()
    network.poked = [client, tab]
    views: list[list[tuple[str, str]]] = []
    for context in (client, tab):
        messages = context.collection(COLLECTION, Message)
        await messages.load()
        messages.subscribe(
            lambda view: views.append([(item.value.text, item.status) for item in view.items])
        )
    await clock.until(lambda: idle(client))
    before = len(network.requests)
    await send(client, "hello")
    await clock.until(lambda: idle(client))
    await clock.advance(2)
    assert len(network.requests) == before + 1, "its answer brings what the poke is about"
    assert all(len(view) <= 1 for view in views), "nothing is shown twice"
    steps = [view[0][1] for view in views if view]
    assert steps == sorted(steps), "pending, then synced, and never back"
    assert set(steps) == {"pending", "synced"}
    first = next(place for place, view in enumerate(views) if view)
    assert len([view for view in views[first:] if not view]) <= 1, "what was shown stays"
    assert len(network.pushed()) == 1
    await all_is_well(clock, server, (device, client), saved=["hello"])
    await device.kill()


async def test_c5_poison_action_needs_attention_and_only_its_item_waits(
    device: Device, clock: FakeClock, server: Loopback
) -> None:
    """For the reference's `seq` that advances: a verdict with a receipt; the item is held."""
    client = await device.open()
    poison = await client.queue.add("no_such_action", {"n": 1}, **SHEET)
    follower = await client.queue.add("create", {"n": 2}, **SHEET)
    await client.queue.add("create", {"n": 3}, collection="sheets", item_id="b")
    await send(client, "others flow")
    await all_is_well(clock, server, (device, client), saved=["others flow"], blocked=1)
    assert [row["id"] for row in server_rows(server) if row["collection"] == "sheets"] == ["b"]
    entries = {entry.id: entry for entry in await client.queue.pending()}
    assert entries[poison].state == "failed"
    error = entries[poison].error
    assert error is not None
    assert error.fields == {"type": "is not known"}
    assert entries[follower].state == "blocked"
    await client.queue.remove(poison)
    await all_is_well(clock, server, (device, client), saved=["others flow"])
    assert client.queue.count == 0
    assert {row["id"] for row in server_rows(server)} >= {"a", "b"}


class SkewedClock(FakeClock):
    """A device's wall clock that is wrong, and set while it runs; timers are not moved by that."""

    def __init__(self, true: FakeClock) -> None:
        super().__init__()
        self._true = true
        self.skew = 0

    def now(self) -> int:
        return self._true.now() + self.skew

    async def sleep(self, seconds: float) -> None:
        await self._true.sleep(seconds)

    def call_later(self, seconds: float, fn: Callable[[], Any]) -> Callable[[], None]:
        return self._true.call_later(seconds, fn)


JUMPS = [[10 * YEAR], [-10 * YEAR], [10 * YEAR, -10 * YEAR, 0], [0, 3_600_000, -3_600_000]]


@pytest.mark.parametrize("jumps", JUMPS)
async def test_f1_wrong_and_jumping_clock_of_a_device_changes_no_order_and_delays_nothing(
    clock: FakeClock, network: FakeNetwork, server: Loopback, jumps: list[int]
) -> None:
    wrong, right = Device(clock, network, seed=1), Device(clock, network, seed=2)
    wrong.clock = SkewedClock(clock)
    client, other = await wrong.open(), await right.open()
    written: list[str] = []
    for number, jump in enumerate(jumps * 2):
        wrong.clock.skew = jump
        for who, name in ((client, "wrong"), (other, "right")):
            written.append(f"{name} {number}")
            await send(who, written[-1])
            await clock.until(lambda: drained(client) and drained(other), within=10)
        network.down = True
        written.append(f"offline {number}")
        await send(client, written[-1])
        await clock.advance(120)
        network.down = False
        wrong.clock.skew = -jump
        for who in (client, other):
            assert (await who.sync()).error is None
    assert await all_is_well(clock, server, (wrong, client), (right, other), saved=written) <= 120
    assert server.texts() == written, "the order is the server's"
    for device, context in ((wrong, client), (right, other)):
        shown = await context.collection(COLLECTION, Message).all()
        assert [message.text for message in shown] == written
        versions = [row["version"] for row in await device_rows(device)]
        assert versions == sorted(versions)
    await wrong.kill()
    await right.kill()


async def test_f1_claim_from_before_the_clock_was_set_back_is_taken_over_at_once(
    clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    """The page dies with a request under way, and the clock is set ten years back."""
    device = Device(clock, network)
    device.clock = skewed = SkewedClock(clock)
    skewed.skew = 10 * YEAR
    client = await device.open()
    await clock.until(lambda: idle(client))
    network.gate = asyncio.Event()
    await send(client, "hello")
    await clock.advance(1)
    assert (await client.queue.pending())[0].state == "in_flight"
    await device.kill()
    network.gate = None
    skewed.skew = 0
    again = await device.open()
    assert await all_is_well(clock, server, (device, again), saved=["hello"]) <= 5
    await device.kill()


async def test_f1_date_in_retry_after_read_by_a_clock_years_behind_waits_an_hour_at_most(
    clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    device = Device(clock, network)
    device.clock = skewed = SkewedClock(clock)
    skewed.skew = -10 * YEAR
    client = await device.open()
    await clock.until(lambda: idle(client))
    soon = formatdate(clock.now() / 1000 + 60, usegmt=True)
    network.faults.append(error_answer(503, retry_after=soon))
    await send(client, "hello")
    took = await all_is_well(clock, server, (device, client), saved=["hello"], within=3700)
    assert took <= 3602
    await device.kill()


async def test_f2_server_clock_that_steps_back_leaves_versions_and_times_in_order(
    clock: FakeClock, tmp_path: Any
) -> None:
    """Versions are a counter; `updated_at` grows with them whatever the clock says."""
    server_clock = FakeClock()
    server = Loopback(tmp_path, server_clock)
    network = FakeNetwork(clock, server)
    device = Device(clock, network)
    client = await device.open()
    written = [f"message {number}" for number in range(4)]
    for text, step in zip(written, (0, -10 * YEAR, 3_600_000, -5_000), strict=True):
        server_clock.time += step
        await send(client, text)
        await clock.until(lambda: drained(client))
    await all_is_well(clock, server, (device, client), saved=written)
    rows = server_rows(server)
    assert [row["data"]["text"] for row in rows] == written
    assert [row["version"] for row in rows] == [1, 2, 3, 4]
    assert all(a["updated_at"] < b["updated_at"] for a, b in zip(rows, rows[1:], strict=False))
    server_clock.time += YEAR
    other = Device(clock, network, seed=4)
    reader = await other.open()
    await all_is_well(clock, server, (device, client), (other, reader), saved=written)
    await device.kill()
    await other.kill()
    server.close()

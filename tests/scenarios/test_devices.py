"""Fault cases C6 and C7: a device that meets a server which has moved on without it."""

from __future__ import annotations

from typing import Any

import pytest

from app.core.actions import Registry
from app.core.collections import registry
from app.protocol import Action
from server.compaction import compact
from tests.fakes import Device, FakeClock, FakeNetwork
from tests.loopback import Loopback
from tests.scenarios.oracle import all_is_well, device_rows, drained, server_rows
from tests.sync.test_engine import idle, send

DAY = 86_400_000
SHEET: dict[str, Any] = {"collection": "sheets", "item_id": "a"}


async def test_c7_device_from_before_what_was_forgotten_pulls_all_anew_and_loses_nothing(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    """For the reference's 410: the push is judged, and the pull starts at zero (`reset`)."""
    client = await device.open()
    await client.queue.add("create", {"n": 1}, **SHEET)
    await client.queue.add("create", {"n": 1}, collection="sheets", item_id="b")
    await clock.until(lambda: idle(client))
    await device.kill()
    other = Device(clock, network, seed=2)
    writer = await other.open()
    await writer.sync()
    await writer.queue.add("delete", **SHEET)
    await writer.queue.add("update", {"n": 2}, collection="sheets", item_id="b")
    await clock.until(lambda: idle(writer))
    clock.time += 200 * DAY
    assert compact(server._database, 90, clock.now() * 1000) == 1
    network.down = True
    client = await device.open()
    await send(client, "written long ago")
    await client.queue.add("update", {"m": 3}, collection="sheets", item_id="b")
    network.down = False
    await client.sync()
    await clock.until(lambda: drained(client))
    await all_is_well(clock, server, (device, client), (other, writer), saved=["written long ago"])
    assert {row["id"] for row in await device_rows(device)} >= {"b"}
    assert not [row for row in await device_rows(device) if row["id"] == "a"]
    (entry,) = await client.queue.pending()
    assert (entry.state, entry.theirs) == ("conflict", {"n": 2})
    await client.queue.retry(entry.id)
    await all_is_well(clock, server, (device, client), (other, writer))
    assert [row["data"] for row in server_rows(server) if row["id"] == "b"] == [{"n": 2, "m": 3}]
    await other.kill()


async def test_c6_action_that_the_server_does_not_know_yet_is_kept_and_sent_once_it_does(
    device: Device,
    clock: FakeClock,
    network: FakeNetwork,
    server: Loopback,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The verdict is `rejected: unknown_type`; nothing is dropped, and a person can retry."""
    old = Registry()
    old._types, old._models = dict(registry._types), dict(registry._models)
    monkeypatch.setattr("tests.loopback.registry", old)
    client = await device.open()
    action_id = await client.queue.add("stamp", {"ink": "red"}, **SHEET)
    await send(client, "the rest goes on")
    await all_is_well(clock, server, (device, client), saved=["the rest goes on"])
    entry = await client.queue.get(action_id)
    assert entry.state == "failed"
    assert entry.error is not None
    assert entry.error.code == "unknown_type"
    await device.kill()
    client = await device.open()
    assert client.status.get().failed == 1

    @old.action("stamp")
    def stamp(current: dict[str, Any] | None, action: Action) -> dict[str, Any] | None:
        return {**(current or {}), **(action.data or {})}

    await client.queue.retry(action_id)
    await all_is_well(clock, server, (device, client))
    assert client.queue.count == 0
    assert [row["data"] for row in server_rows(server) if row["id"] == "a"] == [{"ink": "red"}]

"""Dependent actions as an application makes them, against the real server's code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from app.errors import InvalidInput
from app.ports import HttpResponse, Query
from app.protocol import Action
from app.sync.client import Client
from app.sync.queue import New, Queued
from tests.fakes import Device, FakeClock, FakeNetwork, error_answer
from tests.loopback import Loopback


async def create(client: Client, item: str, *needs: str) -> Queued:
    return await client.queue.add(
        "create", {"n": 1}, collection="things", item_id=item, depends_on=needs
    )


async def states(client: Client) -> dict[str, str]:
    return {entry.item_id: entry.state for entry in await client.queue.pending()}


async def test_chain_made_offline_is_sent_in_its_order_in_one_synchronisation(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    network.down = True
    client = await device.open()
    await clock.settle()
    last = await create(client, "a")
    ids = [last]
    for item in "bcd":
        last = await create(client, item, last)
        ids.append(last)
    network.down = False
    report = await client.sync()
    assert report.synced == 4
    assert network.pushed() == [[action_id] for action_id in ids]


async def test_new_actions_of_one_call_may_depend_on_earlier_ones_of_it(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    client = await device.open(run=False)
    project = New("create", {"n": 1}, "things", "p")
    tasks = [New("create", {"n": n}, "things", f"t{n}", [project]) for n in range(3)]
    done = New("update", {"done": True}, "things", "p", tasks)
    ids = await client.queue.add_many([project, *tasks, done])
    await device.open()
    await clock.until(lambda: client.queue.count == 0)
    assert network.pushed() == [[ids[0]], ids[1:4], [ids[4]]]


async def test_new_action_cannot_depend_on_one_that_comes_later(device: Device) -> None:
    client = await device.open(run=False)
    later = New("create", {"n": 1}, "things", "b")
    first = New("create", {"n": 1}, "things", "a", [later])
    for actions in ([first, later], [first]):
        with pytest.raises(InvalidInput, match="added before it"):
            await client.queue.add_many(actions)
    assert await client.queue.pending() == []


async def test_dependent_waits_visibly_behind_a_failed_action_and_goes_once_that_went(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    client = await device.open()
    refused = await client.queue.add("unknown", collection="things", item_id="gone")
    await clock.until(lambda: client.status.get().failed == 1)
    dependent = await create(client, "b", refused)
    await create(client, "other")
    await clock.advance(60)
    assert await states(client) == {"gone": "failed", "b": "blocked"}
    assert (client.status.get().pending, client.status.get().failed) == (1, 1)
    fresh = await client.queue.retry(refused)
    assert fresh != refused
    await clock.until(lambda: client.status.get().failed == 1)
    await client.queue.remove(fresh)
    assert await dependent.settled(timeout=1) == "failed"
    entry = await client.queue.get(dependent)
    assert entry.error is not None
    assert entry.error.message.startswith("A change that this one depends on was discarded.")
    await client.queue.retry(dependent)
    await clock.until(lambda: client.queue.count == 0)


async def test_dependency_on_what_this_device_discarded_is_refused(device: Device) -> None:
    client = await device.open(run=False)
    first = await create(client, "a")
    await client.queue.remove(first)
    with pytest.raises(InvalidInput, match="was discarded"):
        await create(client, "b", first)


async def test_dependency_that_was_sent_already_needs_nothing(
    device: Device, clock: FakeClock
) -> None:
    client = await device.open()
    first = await create(client, "a")
    await clock.until(lambda: client.queue.count == 0)
    await create(client, "b", first)
    await clock.until(lambda: client.queue.count == 0)


async def test_dependencies_outlive_the_context_and_a_lost_answer(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    network.down = True
    client = await device.open()
    first = await create(client, "a")
    second = await create(client, "b", first)
    await device.kill()
    network.down = False
    network.faults.extend(["lost"])
    again = await device.open()
    await clock.until(lambda: again.queue.count == 0)
    assert network.pushed()[-3:] == [[first], [first], [second]]


async def test_action_of_the_server_waits_for_one_of_a_handler_and_the_other_way_round(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    client = await device.open(run=False)
    order: list[str] = []

    @client.handler("call")
    def call(action: Action) -> None:
        order.append(f"call {len(network.pushed())}")
        if order == ["call 0"]:
            raise OSError("Busy.")

    first = await client.queue.add("call")
    second = await create(client, "a", first)
    await client.queue.add("call", depends_on=[second])
    runner = await device.open()
    runner.handler("call")(call)
    await clock.until(lambda: client.queue.count == 0)
    assert order == ["call 0", "call 0", "call 1"]
    assert network.pushed() == [[second]]


async def test_flush_carries_out_dependents_after_what_they_depend_on(device: Device) -> None:
    client = await device.open(run=False)
    handed: list[str] = []
    first = await client.queue.add("call")
    second = await client.queue.add("call", depends_on=[first])

    def busy(_action: Action) -> None:
        raise OSError("Busy.")

    await client.queue.flush(busy)
    assert (await client.queue.get(second)).state == "blocked"
    await client.queue.increment_retry(first)
    await client.queue.increment_retry(first)
    await client.queue.retry(first)
    report = await client.queue.flush(lambda action: handed.append(action.id))
    assert (report.synced, handed) == (2, [first, second])


async def test_bisection_that_finds_a_poisoned_dependency_holds_its_dependents(
    clock: FakeClock, server: Loopback
) -> None:
    def poisoned(
        method: str, url: str, body: str | None, headers: Mapping[str, str]
    ) -> HttpResponse:
        actions = json.loads(body)["actions"] if body else []
        if any(action["item_id"] == "bad" for action in actions):
            return error_answer(422, "poison")
        return server(method, url, body, headers)

    network = FakeNetwork(clock, poisoned)
    device = Device(clock, network)
    client = await device.open(run=False)
    new = [New("create", {"n": n}, "things", item) for n, item in enumerate(["a", "bad", "c", "d"])]
    new.append(New("create", {"n": 9}, "things", "after-bad", [new[1]]))
    new.append(New("create", {"n": 9}, "things", "after-a", [new[0]]))
    await client.queue.add_many(new)
    await device.open()
    await clock.until(lambda: client.status.get().failed == 1 and client.queue.count == 2)
    await clock.advance(60)
    assert await states(client) == {"bad": "failed", "after-bad": "blocked"}
    await device.kill()


async def test_server_that_knows_no_dependencies_gets_none_that_it_could_break(
    clock: FakeClock, server: Loopback
) -> None:
    """What depends on another is never in the same batch, so an old server cannot misplace it."""

    def old(method: str, url: str, body: str | None, headers: Mapping[str, str]) -> HttpResponse:
        asked = json.loads(body) if body else {}
        for action in asked.get("actions", ()):
            action.pop("depends_on", None)
            if action["item_id"] == "bad":
                action["type"] = "unknown"
        return server(method, url, json.dumps(asked) if body else None, headers)

    network = FakeNetwork(clock, old)
    device = Device(clock, network)
    client = await device.open()
    bad = await create(client, "bad")
    await create(client, "b", bad)
    await clock.until(lambda: client.status.get().failed == 1)
    await clock.advance(60)
    assert await states(client) == {"bad": "failed", "b": "blocked"}
    assert network.pushed() == [[bad]]
    await device.kill()


async def test_outbox_without_dependencies_asks_one_query_more_to_settle_and_none_to_claim(
    device: Device, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await device.open(run=False)
    asked: list[str] = []
    read = device.store._answer

    def noted(query: Query) -> Any:
        asked.append(getattr(query, "index", "") or "")
        return read(query)

    monkeypatch.setattr(device.store, "_answer", noted)
    await client.queue.add_many([New("create", {"n": 1}, "things", f"i{n}") for n in range(50)])
    assert "waits_for" not in asked
    assert "earlier_ids" not in asked
    await device.open()
    await clock.until(lambda: client.queue.count == 0)
    assert asked.count("waits_for") <= 2

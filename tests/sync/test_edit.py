"""Editing what waits or was refused, as an application does it."""

from __future__ import annotations

import json

import pytest

from app.core.schema import ROWS
from app.errors import InvalidInput, NotFound, Rejected
from app.ports import Get
from tests.fakes import Device, FakeClock, FakeNetwork, error_answer
from tests.loopback import Loopback
from tests.sync.test_engine import send


async def test_refused_message_is_sent_once_it_was_edited(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    client = await device.open()
    network.faults.extend([None, error_answer(422, "rude")])
    await clock.advance(1)
    (rude,) = await send(client, "rude")
    await clock.until(lambda: client.status.get().failed == 1)
    polite = await client.queue.edit(rude, {"text": "polite"})
    assert polite != rude
    await clock.until(lambda: client.queue.count == 0)
    assert await polite.settled(timeout=1) == "applied"
    assert server.texts() == ["polite"]


async def test_edit_of_what_was_not_sent_is_what_is_sent(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    network.down = True
    client = await device.open(run=False)
    (first,) = await send(client, "first")
    assert await client.queue.edit(first, {"text": "better"}) == first
    network.down = False
    await device.open()
    await clock.until(lambda: client.queue.count == 0)
    assert server.texts() == ["better"]


async def test_edit_that_the_model_refuses_changes_nothing(device: Device) -> None:
    client = await device.open(run=False)
    (first,) = await send(client, "first")
    before = await client.queue.get(first)
    with pytest.raises(Rejected):
        await client.queue.edit(first, {"text": " "})
    assert await client.queue.get(first) == before
    with pytest.raises(NotFound):
        await client.queue.edit("no-such-action", {"text": "x"})


async def test_message_whose_answer_was_lost_has_one_effect_and_cannot_be_edited(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    client = await device.open()
    await clock.advance(1)
    network.faults.append("lost")
    (first,) = await send(client, "first")
    await clock.until(lambda: len(network.pushed()) == 1)
    network.down = True
    await clock.settle()
    with pytest.raises(InvalidInput, match="not known whether"):
        await client.queue.edit(first, {"text": "second"})
    network.down = False
    await clock.until(lambda: client.queue.count == 0)
    assert server.texts() == ["first"]


async def test_batch_that_was_refused_as_too_large_may_be_edited(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    client = await device.open(run=False)
    (large,) = await send(client, "large")
    await send(client, "small")
    network.faults.extend([error_answer(413, "too_large")] * 2)
    await device.open()
    await clock.until(lambda: client.status.get().failed == 1)
    await client.queue.edit(large, {"text": "smaller"})
    await clock.until(lambda: client.queue.count == 0)
    assert sorted(server.texts()) == ["small", "smaller"]


async def test_action_at_which_the_server_failed_cannot_be_edited_but_retried(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    client = await device.open()
    await clock.advance(1)
    network.faults.append(error_answer(500))
    (first,) = await send(client, "first")
    await clock.until(lambda: len(network.pushed()) == 1)
    await clock.settle()
    with pytest.raises(InvalidInput, match="not known whether"):
        await client.queue.edit(first, {"text": "second"})
    await clock.until(lambda: client.queue.count == 0)


async def test_handler_whose_time_ran_out_leaves_its_action_in_doubt(
    device: Device, clock: FakeClock
) -> None:
    client = await device.open(run=False)
    late = await client.queue.add("call", {"n": 1})
    busy = await client.queue.add("call", {"n": 2})

    def call(action: object) -> None:
        raise TimeoutError if getattr(action, "id", "") == late else OSError("Busy.")

    await client.queue.flush(call)
    with pytest.raises(InvalidInput, match="not known whether"):
        await client.queue.edit(late, {"n": 3})
    assert await client.queue.edit(busy, {"n": 3}) != busy


async def test_edit_after_a_conflict_wins_over_what_the_server_has_now(
    clock: FakeClock, network: FakeNetwork
) -> None:
    mine, theirs = Device(clock, network, seed=1), Device(clock, network, seed=2)
    client, other = await mine.open(), await theirs.open()
    await client.queue.add("create", {"n": 1}, collection="things", item_id="a")
    await clock.until(lambda: client.queue.count == 0)
    await other.sync()
    await other.queue.add("update", {"n": 2}, collection="things", item_id="a")
    await clock.until(lambda: other.queue.count == 0)
    conflicting = await client.queue.add("update", {"n": 3}, collection="things", item_id="a")
    await clock.until(lambda: client.status.get().conflicts == 1)
    await client.queue.edit(conflicting, {"n": 5})
    await clock.until(lambda: client.queue.count == 0)
    (row,) = await mine.store.read(Get(ROWS, ["things", "a"]))
    assert row["data"] == {"n": 5}
    await mine.kill()
    await theirs.kill()


async def test_late_copy_of_a_request_is_not_carried_out_behind_the_edit_of_its_message(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    """Something on the way doubled the request; its first copy was refused."""
    client = await device.open()
    await clock.advance(1)
    network.faults.append(error_answer(401, "signed_out"))
    (first,) = await send(client, "first")
    await clock.until(lambda: client.status.get().hold == "sign_in")
    _, method, url, copy = next(asked for asked in network.requests if asked[3]["actions"])
    second = await client.queue.edit(first, {"text": "second"})
    await client.sync()
    await clock.until(lambda: client.queue.count == 0)
    assert second != first
    (verdict,) = json.loads(server(method, url, json.dumps(copy)).body)["results"]
    assert (verdict["id"], verdict["error"]["code"]) == (first, "already_settled")
    assert server.texts() == ["second"]

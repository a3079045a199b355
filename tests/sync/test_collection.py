"""Collections: shown at once, never older than one's own writes, and true to the store."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import BaseModel

from app.core.actions import Registry, registry
from app.sync.client import Client
from app.sync.collection import Collection
from tests.fakes import Device, FakeClock, FakeNetwork


class Todo(BaseModel):
    title: str
    done: bool = False


def todos(client: Client) -> Collection[Todo]:
    return client.collection("todos", Todo)


def quiet(client: Client) -> bool:
    return client.queue.count == 0 and not client.status.get().syncing


def titles(collection: Collection[Todo]) -> list[tuple[str, str]]:
    return [(item.value.title, item.status) for item in collection.get_view().items]


async def test_saved_item_is_shown_pending_then_synced(device: Device, clock: FakeClock) -> None:
    client = await device.open()
    collection = todos(client)
    await collection.load()
    item_id = await collection.save(Todo(title="Water"))
    await clock.settle()
    seen: list[list[tuple[str, str]]] = []
    collection.subscribe(lambda view: seen.append(titles(collection)))
    await clock.until(lambda: titles(collection) == [("Water", "synced")])
    assert await collection.get(item_id) == Todo(title="Water")
    assert all(step in ([("Water", "pending")], [("Water", "synced")]) for step in seen)


async def test_change_and_delete_show_at_once_offline(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    network.down = True
    client = await device.open()
    collection = todos(client)
    await collection.load()
    item_id = await collection.save(Todo(title="Water"))
    await collection.save(Todo(title="Water", done=True), item_id)
    await clock.settle()
    assert [item.value.done for item in collection.get_view().items] == [True]
    await collection.delete(item_id)
    await clock.settle()
    assert titles(collection) == []


async def test_s02_reopened_device_shows_the_same_queue_order_and_items(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    network.down = True
    client = await device.open()
    collection = todos(client)
    for title in ("a", "b", "c"):
        await collection.save(Todo(title=title))
    before = (await collection.all(), await client.queue.pending())
    await device.kill()
    again = await device.open(run=False)
    assert (await todos(again).all(), await again.queue.pending()) == before


async def test_s17_pull_during_a_pending_write_never_shows_the_old_value(
    clock: FakeClock, network: FakeNetwork
) -> None:
    mine, theirs = Device(clock, network, seed=1), Device(clock, network, seed=2)
    client, other = await mine.open(), await theirs.open()
    collection, foreign = todos(client), todos(other)
    await collection.load()
    item_id = await collection.save(Todo(title="first"))
    await clock.until(lambda: quiet(client))
    await other.sync()
    network.gate = asyncio.Event()
    shown: list[str] = []
    collection.subscribe(lambda view: shown.extend(item.value.title for item in view.items))
    syncing = asyncio.ensure_future(client.sync())
    await clock.settle()
    await collection.save(Todo(title="second"), item_id)
    await foreign.save(Todo(title="theirs"))
    network.gate.set()
    await syncing
    await clock.until(lambda: quiet(client) and quiet(other))
    own = [title for title in shown if title != "theirs"]
    assert own.index("second") == own.count("first"), shown
    assert set(own[own.index("second") :]) == {"second"}
    await mine.kill()
    await theirs.kill()


async def test_only_the_newest_page_is_loaded_and_more_on_request(
    device: Device, clock: FakeClock
) -> None:
    client = await device.open()
    collection = todos(client)
    for number in range(30):
        await collection.save(Todo(title=str(number)))
    await clock.until(lambda: quiet(client))
    await collection.load(limit=10)
    assert [title for title, _ in titles(collection)] == [str(n) for n in range(20, 30)]
    assert collection.get_view().has_more
    await collection.save(Todo(title="new"))
    await clock.until(lambda: quiet(client))
    assert titles(collection)[-1][0] == "new"
    await collection.load(limit=100)
    assert len(titles(collection)) == 31
    assert not collection.get_view().has_more


async def test_first_pull_of_many_rows_passes_a_window_that_shows_the_newest(
    clock: FakeClock, network: FakeNetwork
) -> None:
    writer, reader = Device(clock, network, seed=1), Device(clock, network, seed=2)
    other = await writer.open()
    for number in range(400):
        await todos(other).save(Todo(title=str(number)))
    await clock.until(lambda: quiet(other))
    collection = todos(await reader.open(run=False))
    await collection.load(limit=20)
    longest = 0

    def look(_view: object) -> None:
        nonlocal longest
        longest = max(longest, len(titles(collection)))

    collection.subscribe(look)
    client = await reader.open()
    await clock.until(lambda: client.status.get().last_synced is not None)
    await clock.settle()
    assert [title for title, _ in titles(collection)] == [str(n) for n in range(380, 400)]
    assert collection.get_view().has_more
    assert longest <= 20
    await writer.kill()
    await reader.kill()


async def test_older_rows_that_were_asked_for_stay_when_many_new_ones_come(
    clock: FakeClock, network: FakeNetwork
) -> None:
    writer, reader = Device(clock, network, seed=1), Device(clock, network, seed=2)
    other, client = await writer.open(), await reader.open()
    for number in range(60):
        await todos(other).save(Todo(title=str(number)))
    await clock.until(lambda: quiet(other))
    await client.sync()
    await clock.settle()
    collection = todos(client)
    await collection.load(limit=20)
    await collection.load_older(20)
    for number in range(60, 160):
        await todos(other).save(Todo(title=str(number)))
    await clock.until(lambda: quiet(other))
    await client.sync()
    await clock.settle()
    assert [title for title, _ in titles(collection)] == [str(n) for n in range(20, 160)]
    await writer.kill()
    await reader.kill()


async def test_another_tab_sees_what_this_one_wrote(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    network.down = True
    first, second = await device.open(), await device.open()
    seen = todos(second)
    await seen.load()
    await todos(first).save(Todo(title="Water"))
    await clock.settle()
    assert titles(seen) == [("Water", "pending")]
    assert second.status.get().pending == 1


async def test_second_tab_follows_the_leader_and_takes_over(
    device: Device, clock: FakeClock
) -> None:
    first, second = await device.open(), await device.open()
    await clock.until(lambda: second.connection.status == "connected")
    collection = todos(second)
    await collection.load()
    await collection.save(Todo(title="Water"))
    report = await second.sync()
    assert report.error is None
    await clock.until(lambda: titles(collection) == [("Water", "synced")])
    assert first.connection.status == "connected"


async def test_rows_that_do_not_fit_the_model_are_left_out(
    device: Device, clock: FakeClock
) -> None:
    client = await device.open()
    await client.queue.add("create", {"name": 1}, collection="others", item_id="x")
    await clock.until(lambda: quiet(client))
    assert await client.collection("others", Todo).all() == []


def test_declared_models_belong_to_the_registry() -> None:
    own = Registry()
    own.declare("todos", Todo)
    assert own.model("todos") is Todo
    assert registry.model("messages") is not None


@pytest.mark.parametrize("heard", [True, False], ids=["heard of", "never heard of"])
async def test_what_a_leader_did_before_it_died_is_shown_once_another_leads(
    device: Device, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, heard: bool
) -> None:
    leader = await device.open()
    if not heard:
        monkeypatch.setattr(leader._peers, "_report", lambda _status: None)
    other = await device.open()
    collection = todos(other)
    await collection.load()
    await collection.save(Todo(title="Water"))
    monkeypatch.setattr(leader._changes, "announce", lambda *_, **__: None)
    await clock.until(lambda: leader.status.get().last_synced is not None)
    await clock.advance(5)
    assert titles(collection) == [("Water", "pending")]
    device._running[0].cancel()
    await clock.until(lambda: titles(collection) == [("Water", "synced")], within=1)

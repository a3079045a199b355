"""Scenarios of people who change the same note: whatever they choose, everyone ends up equal."""

from __future__ import annotations

import asyncio

import pytest

from app.core.notes import COLLECTION, Note
from app.core.resolutions import Choice
from app.sync.client import Client
from app.sync.collection import Collection
from tests.fakes import Device, FakeClock, FakeNetwork
from tests.loopback import Loopback
from tests.scenarios.oracle import all_is_well, drained, server_rows

ITEM = "note-1"
FIRST = Note(title="Hut", body="Closed.")


def notes_of(client: Client) -> Collection[Note]:
    return client.collection(COLLECTION, Note)


@pytest.mark.parametrize("choice", ["mine", "theirs", "merge"])
@pytest.mark.parametrize("order", ["first", "second", "together"])
async def test_s15_note_edited_offline_on_two_devices_is_equal_everywhere_after_each_choice(
    clock: FakeClock, server: Loopback, choice: Choice, order: str
) -> None:
    network = FakeNetwork(clock, server)
    devices = [Device(clock, network, seed=seed) for seed in (1, 2)]
    clients = [await device.open() for device in devices]
    await notes_of(clients[0]).save(FIRST, ITEM)
    await clients[0].sync()
    await clients[1].sync()
    network.down = True
    edits = [Note(title=f"Hut {number}", body="Closed.") for number in (1, 2)]
    for client, edit in zip(clients, edits, strict=True):
        await notes_of(client).save(edit, ITEM)
    await clock.until(lambda: all(it.connection.status == "disconnected" for it in clients))
    network.down = False
    if order == "together":
        await asyncio.gather(*(client.sync() for client in clients))
    else:
        for client in clients if order == "first" else clients[::-1]:
            await client.sync()
    await clock.until(lambda: all(drained(client) for client in clients))
    (loser,) = [client for client in clients if client.status.get().conflicts]
    notes = notes_of(loser)
    seen = await notes.conflict(ITEM)
    assert seen is not None
    assert seen.mine is not None
    assert seen.theirs is not None
    both = Note(title=f"{seen.mine['title']} and {seen.theirs['title']}", body="Closed.")
    await notes.resolve(ITEM, choice, both if choice == "merge" else None, seen=seen)
    wanted = {"mine": seen.mine, "theirs": seen.theirs, "merge": both.model_dump()}[choice]
    contexts = list(zip(devices, clients, strict=True))
    await all_is_well(clock, server, *contexts)
    late = Device(clock, network, seed=3)
    contexts.append((late, await late.open()))
    await all_is_well(clock, server, *contexts)
    for _, client in contexts:
        assert await notes_of(client).get(ITEM) == Note.model_validate(wanted)
        assert [it.choice for it in await notes_of(client).resolutions(ITEM)] == [choice]
        assert client.queue.count == client.status.get().conflicts == 0
    for device, _ in contexts:
        await device.kill()


async def test_s07_resolution_whose_answer_was_lost_has_one_effect_and_one_record(
    clock: FakeClock, server: Loopback
) -> None:
    network = FakeNetwork(clock, server)
    mine, theirs = Device(clock, network, seed=1), Device(clock, network, seed=2)
    client, other = await mine.open(), await theirs.open()
    await notes_of(client).save(FIRST, ITEM)
    await client.sync()
    await other.sync()
    network.down = True
    await notes_of(client).save(Note(title="Mine"), ITEM)
    await notes_of(other).save(Note(title="Theirs"), ITEM)
    network.down = False
    await other.sync()
    await client.sync()
    before = len(server_rows(server)), max(row["version"] for row in server_rows(server))
    network.faults.extend(["lost", "lost"])
    await notes_of(client).resolve(ITEM, "mine")
    await clock.until(lambda: client.queue.count == 0)
    await all_is_well(clock, server, (mine, client), (theirs, other))
    after = len(server_rows(server)), max(row["version"] for row in server_rows(server))
    assert after == (before[0] + 1, before[1] + 2)
    await mine.kill()
    await theirs.kill()


async def test_s16_note_made_edited_and_deleted_offline_over_restarts_leaves_nothing(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    async def reopened() -> Collection[Note]:
        await device.kill()
        return notes_of(await device.open())

    network.down = True
    notes = await reopened()
    item = await notes.save(FIRST)
    notes = await reopened()
    await notes.save(Note(title="Edited"), item)
    notes = await reopened()
    assert await notes.get(item) == Note(title="Edited")
    await notes.delete(item)
    await device.kill()
    client = await device.open()
    assert await notes_of(client).all() == []
    network.down = False
    await client.sync()
    await all_is_well(clock, server, (device, client))
    assert (server_rows(server), network.pushed()) == ([], [])

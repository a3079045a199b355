"""The outbox as a file: everything that is needed is in it, and nothing comes twice by it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from app.core.entry import Entry, read_entries
from app.core.messages import SEND
from app.core.schema import OUTBOX
from app.core.transfer import export_entries, read_export
from app.errors import InvalidInput
from app.ports import Batch, Put
from app.sync.client import Client
from tests.fakes import Device, FakeClock, FakeNetwork, error_answer
from tests.loopback import Loopback
from tests.sync.test_engine import idle, send

SHEET: dict[str, Any] = {"collection": "sheets", "item_id": "a"}


async def sent(device: Device) -> Client:
    """Open a context that synchronises; returns it once nothing waits any more."""
    client = await device.open()
    await device.clock.until(lambda: idle(client))
    return client


def texts(entries: list[Entry]) -> list[Any]:
    return [(entry.parsed().data or {}).get("text") for entry in entries]


async def test_file_holds_all_that_is_needed_and_is_readable(
    device: Device, network: FakeNetwork
) -> None:
    client = await device.open(run=False)
    (hello,) = await send(client, "Grüße")
    await client.queue.add("create", {"n": 1}, **SHEET, depends_on=[hello])
    text = await client.queue.export()
    file = json.loads(text)
    assert "Grüße" in text
    assert [it["action"]["type"] for it in file["entries"]] == [SEND, "create"]
    assert file["entries"][1]["action"]["depends_on"] == [file["entries"][0]["action"]["seq"]]
    assert export_entries(await client.queue.pending(), file["client_id"]) == text


async def test_exported_outbox_is_sent_by_another_device_in_order(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    client = await device.open(run=False)
    (hello,) = await send(client, "hello")
    await client.queue.add("create", {"n": 1}, **SHEET, depends_on=[hello])
    await client.queue.add("update", {"n": 2}, **SHEET)
    text = await client.queue.export()
    await device.kill()
    elsewhere = Device(clock, network, seed=2)
    other = await elsewhere.open(run=False)
    await send(other, "my own")
    imported = await other.queue.import_entries(text)
    assert (len(imported.added), imported.held, imported.known) == (3, 0, 0)
    assert [entry.state for entry in imported.added] == ["pending", "blocked", "blocked"]
    await sent(elsewhere)
    assert sorted(server.texts()) == ["hello", "my own"]
    assert other.queue.count == 0
    await elsewhere.kill()


async def test_same_file_twice_adds_nothing_the_second_time_also_once_it_was_sent(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    client = await device.open(run=False)
    await send(client, "hello")
    text = await client.queue.export()
    await device.kill()
    elsewhere = Device(clock, network, seed=2)
    other = await elsewhere.open(run=False)
    assert len((await other.queue.import_entries(text)).added) == 1
    assert (await other.queue.import_entries(text)).known == 1
    await sent(elsewhere)
    again = await other.queue.import_entries(text)
    assert (again.added, again.known) == ((), 1)
    assert server.texts() == ["hello"]
    await elsewhere.kill()


async def test_device_that_sent_an_action_never_takes_it_back_in(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    client = await device.open(run=False)
    await send(client, "hello")
    await client.queue.add("create", {"n": 1}, **SHEET)
    text = await client.queue.export()
    assert (await client.queue.import_entries(text)).known == 2, "it is in the outbox"
    await sent(device)
    imported = await client.queue.import_entries(text)
    assert (imported.added, imported.known) == ((), 2), "it was sent since"
    assert client.queue.count == 0
    assert server.texts() == ["hello"]


@pytest.mark.parametrize("discard", ["remove", "clear"])
async def test_what_was_discarded_unsent_comes_back_once(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback, discard: str
) -> None:
    client = await device.open(run=False)
    (hello,) = await send(client, "hello")
    text = await client.queue.export()
    await (client.queue.remove(hello) if discard == "remove" else client.queue.clear())
    assert len((await client.queue.import_entries(text)).added) == 1
    assert texts(await client.queue.pending()) == ["hello"]
    await sent(device)
    assert (await client.queue.import_entries(text)).known == 1
    assert server.texts() == ["hello"]


async def test_what_may_have_been_sent_is_held_on_another_device_until_retry(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    client = await device.open()
    await clock.until(lambda: idle(client))
    network.faults.append("lost")
    await send(client, "hello")
    await clock.until(lambda: len(network.pushed()) == 1)
    text = await client.queue.export()
    await device.kill()
    elsewhere = Device(clock, network, seed=2)
    other = await elsewhere.open()
    imported = await other.queue.import_entries(text)
    assert imported.held == 1
    await clock.advance(2)
    assert (other.status.get().failed, server.texts()) == (1, ["hello"])
    (entry,) = await other.queue.pending()
    assert entry.error is not None
    assert entry.error.message.endswith("Retry to send it again.")
    await other.queue.retry(entry.id)
    await clock.until(lambda: other.status.get().failed == 1 and not other.status.get().syncing)
    assert server.texts() == ["hello"], "the action itself refuses to be made twice"
    await elsewhere.kill()


async def test_failed_and_conflicting_actions_keep_their_state_and_reason(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    client = await device.open()
    await clock.until(lambda: idle(client))
    network.faults.append(error_answer(422, "rude"))
    await send(client, "rude")
    await clock.until(lambda: client.status.get().failed == 1)
    (entry,) = await client.queue.pending()
    other = await Device(clock, network, seed=2).open(run=False)
    await other.queue.import_entries(await client.queue.export())
    (brought,) = await other.queue.pending()
    assert (brought.state, brought.error, brought.id) == ("failed", entry.error, entry.id)


async def test_damaged_entry_is_in_the_file_for_people_and_is_not_imported(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    client = await device.open(run=False)
    await send(client, "hello")
    keys = {"seq": 7, "id": "d", "collection": "c", "item_id": "i", "next_attempt_at": 0}
    damaged = {**keys, "state": "failed", "note": "half of it is gone"}
    await device.store.transact([], lambda: Batch([Put(OUTBOX, damaged)]))
    text = await client.queue.export()
    assert "half of it is gone" in text
    other = await Device(clock, network, seed=2).open(run=False)
    assert len((await other.queue.import_entries(text)).added) == 1


def _without(text: str, change: Callable[[dict[str, Any]], None]) -> str:
    file = json.loads(text)
    change(file)
    return json.dumps(file)


@pytest.mark.parametrize(
    ("change", "said", "field"),
    [
        (lambda it: it.pop("format"), "not an exported outbox", None),
        (lambda it: it.update(version=2), "newer version", None),
        (lambda it: it["entries"][0]["action"].pop("id"), "damaged", "entries.0.action.id"),
        (lambda it: it["entries"][1].update(state="odd"), "damaged", "entries.1.state"),
        (
            lambda it: it["entries"][1]["action"].update(data={"text": "x" * 70_000}),
            "damaged",
            "entries.1.action",
        ),
    ],
)
async def test_bad_file_is_refused_whole_and_says_where(
    device: Device, network: FakeNetwork, change: Any, said: str, field: str | None
) -> None:
    client = await device.open(run=False)
    await send(client, "one", "two")
    text = _without(await client.queue.export(), change)
    await client.queue.clear()
    with pytest.raises(InvalidInput, match=said) as refused:
        await client.queue.import_entries(text)
    assert list(refused.value.fields) == ([] if field is None else [field])
    assert await client.queue.pending() == []


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, '["' + '\\"[' * 100_000])
def test_text_that_is_no_export_is_refused_in_words(text: str) -> None:
    with pytest.raises(InvalidInput, match="not an exported outbox"):
        read_export(text)


async def test_import_that_the_storage_refuses_leaves_nothing(
    device: Device, network: FakeNetwork
) -> None:
    client = await device.open(run=False)
    await send(client, "one", "two")
    text = await client.queue.export()
    await client.queue.clear()
    device.store.fail_when = lambda batch: len(batch.writes) > 2
    with pytest.raises(Exception, match="disk said no"):
        await client.queue.import_entries(text)
    device.store.fail_when = lambda _batch: False
    assert await client.queue.pending() == []
    assert len((await client.queue.import_entries(text)).added) == 2


def test_entries_survive_the_file() -> None:
    stored = {"seq": 3, "id": "x", "type": "update", "state": "conflict", "sent": True}
    stored |= {"collection": "c", "item_id": "i", "base": {"n": 1}, "theirs": {"n": 2}}
    action = {"id": "x", "seq": 3, "type": "update", "collection": "c", "item_id": "i"}
    stored |= {"action": json.dumps({**action, "created_at": 5}), "verdict": "conflict"}
    (entry,) = read_entries([stored])
    (carried,) = read_export(export_entries([entry])).entries
    brought = carried.entry(9, ())
    assert (brought.base, brought.theirs, brought.state) == ({"n": 1}, {"n": 2}, "conflict")
    assert (brought.seq, brought.parsed().seq, brought.verdict) == (9, 9, "conflict")

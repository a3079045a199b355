"""What the toolkit promises to a developer, line by line."""

from __future__ import annotations

from typing import Any

import pytest

from app.core.collections import registry
from app.core.notes import COLLECTION, Note
from app.core.schema import ROWS
from app.ports import Query, Scan
from app.sync.client import Client
from app.sync.collection import Collection, View
from tests.fakes import Device, FakeClock, FakeNetwork, error_answer
from tests.sync.test_engine import idle


def notes_of(client: Client) -> Collection[Note]:
    return client.collection(COLLECTION, Note)


async def filled(client: Client, count: int) -> Collection[Note]:
    """Return notes with `count` items that the server has."""
    notes = notes_of(client)
    for number in range(count):
        await notes.save(Note(title=f"{number}"), f"n{number}")
    while client.queue.count:
        await client.sync()
    return notes


async def test_collection_saves_gets_lists_deletes_and_tells_subscribers(device: Device) -> None:
    client = await device.open(run=False)
    notes = notes_of(client)
    views: list[View[Note]] = []
    end = notes.subscribe(views.append)
    await notes.load()
    kept, other = await notes.save(Note(title="a")), await notes.save(Note(title="b"))
    assert await notes.save(Note(title="c"), kept) == kept
    assert await notes.get(kept) == Note(title="c")
    assert await notes.all() == [Note(title="c"), Note(title="b")]
    await notes.delete(other)
    assert await notes.get(other) is None
    end()
    assert [item.value for item in views[-1].items] == [Note(title="c")]
    (shown,) = views[-1].items
    assert (shown.status, shown.server_version, shown.local_version) == ("pending", 0, 1)


async def test_collection_has_the_seven_members_of_the_hook(
    device: Device, clock: FakeClock
) -> None:
    client = await device.open()
    notes = notes_of(client)
    assert notes.loading.get()
    await notes.load()
    await clock.until(lambda: idle(client))
    item = await notes.save(Note(title="a"))
    assert (notes.loading.get(), notes.data.get()) == (False, (Note(title="a"),))
    seen: list[bool] = []
    notes.syncing.subscribe(seen.append)
    report = await notes.sync()
    assert (report.synced, seen, notes.online.get()) == (1, [False, True, False], True)
    await notes.remove(item)
    assert notes.data.get() == ()


async def test_reads_go_by_page_and_range_and_never_through_the_whole_store(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await device.open()
    notes = await filled(client, 12)
    await notes.delete("n9")
    await client.sync()
    asked: list[Query] = []
    read = device.store.read

    async def watched(*queries: Query) -> list[Any]:
        asked.extend(queries)
        return await read(*queries)

    monkeypatch.setattr(device.store, "read", watched)
    pages: list[list[str]] = []
    before: dict[str, Any] = {}
    while page := await notes.page(5, **before):
        pages.append([shown.value.title for shown in page])
        before = {"before": page[-1].updated_at}
    assert pages == [["11", "10", "8", "7", "6"], ["5", "4", "3", "2", "1"], ["0"]]
    middle = await notes.shown("n5")
    assert middle is not None
    recent = await notes.page(since=middle.updated_at)
    assert [shown.id for shown in recent] == ["n11", "n10", "n8", "n7", "n6", "n5"]
    await notes.load(3)
    await notes.load_older(3)
    scans = [query for query in asked if isinstance(query, Scan) and query.store == ROWS]
    assert scans
    assert all(scan.limit for scan in scans)


async def test_page_shows_what_waits_on_top_and_leaves_the_view_alone(device: Device) -> None:
    client = await device.open()
    notes = await filled(client, 3)
    await notes.load(1)
    view = notes.get_view()
    await notes.save(Note(title="mine"), "n0")
    assert [(it.value.title, it.status) for it in await notes.page()][-1] == ("mine", "pending")
    assert len(notes.get_view().items) == len(view.items) + 1, "only by what was saved"


async def test_queue_pending_remove_and_increment_retry(device: Device) -> None:
    client = await device.open(run=False)
    first = await client.queue.add("create", {"n": 1})
    second = await client.queue.add("create", {"n": 2})
    assert [entry.id for entry in await client.queue.pending()] == [first, second]
    await client.queue.remove(first)
    for attempt in range(3):
        await client.queue.increment_retry(second, f"No. {attempt}")
    (entry,) = await client.queue.pending()
    assert (entry.id, entry.state, entry.attempts) == (second, "failed", 3)
    assert entry.error is not None
    assert entry.error.message == "No. 2"


async def test_sync_report_counts_synced_failed_and_conflicts(
    clock: FakeClock, network: FakeNetwork
) -> None:
    client = await Device(clock, network, seed=1).open()
    other = await Device(clock, network, seed=2).open()
    notes = await filled(client, 2)
    await other.sync()
    network.down = True
    await notes_of(other).save(Note(title="theirs"), "n0")
    await notes.save(Note(title="mine"), "n0")
    await client.queue.add("create", {"title": "again"}, collection=COLLECTION, item_id="n1x")
    await client.queue.add("no_such_type", {}, collection=COLLECTION, item_id="n2x")
    network.down = False
    await other.sync()
    report = await client.sync()
    assert (report.synced, report.failed, report.conflicts) == (1, 1, 1)


async def test_status_tells_the_connection_counts_last_synced_and_last_error(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    client = await device.open()
    await clock.until(lambda: idle(client))
    told: list[tuple[Any, ...]] = []
    client.status.subscribe(
        lambda it: told.append((it.connection.status, it.syncing, it.pending, it.failed))
    )
    synced = client.status.get().last_synced
    assert synced == clock.time
    network.faults.append(error_answer(503))
    await client.queue.add("create", {"title": "x"}, collection=COLLECTION, item_id="x")
    await client.queue.add("no_such_type", {})
    await clock.advance(0.5)
    status = client.status.get()
    assert (status.last_error, status.last_synced, status.pending) == ("No.", synced, 2)
    await client.sync()
    await clock.settle()
    status = client.status.get()
    assert (status.last_error, status.pending, status.failed, status.conflicts) == (None, 0, 1, 0)
    assert status.last_synced == clock.time
    assert ("connected", True, 2, 0) in told
    assert told[-1] == ("connected", False, 0, 1)


def test_collection_is_declared_in_one_line_on_both_sides() -> None:
    assert registry.model(COLLECTION) is Note
    assert registry.policy(COLLECTION) == "manual"

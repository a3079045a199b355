"""The outbox as it is looked at: by page, always as it is stored, and read no more than needed."""

from __future__ import annotations

import asyncio

from app.core.messages import COLLECTION, SEND, compose
from app.core.outbox import complete
from app.core.schema import OUTBOX
from app.errors import StorageError
from app.ports import Batch, Put, Query, Scan
from app.sync.client import Client
from app.sync.outbox_view import PAGE, OutboxView
from app.sync.queue import New
from app.sync.retrying import retry_all
from tests.fakes import Device, FakeClock, FakeNetwork, error_answer


async def send(client: Client, *texts: str) -> list[str]:
    new = [New(SEND, compose(text), COLLECTION, client.queue.new_id()) for text in texts]
    return list(await client.queue.add_many(new))


def texts(view: OutboxView) -> list[str]:
    found = [entry.parsed().data for entry in view.get().entries]
    return [data["text"] for data in found if data]


def states(view: OutboxView) -> list[str]:
    return [entry.state for entry in view.get().entries]


async def test_opened_outbox_shows_what_waits_and_follows_what_is_added_and_sent(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    network.down = True
    client = await device.open()
    await send(client, "one")
    view = client.outbox()
    await view.open()
    assert texts(view) == ["one"]
    await send(client, "two")
    await clock.settle()
    assert texts(view) == ["one", "two"]
    network.down = False
    await client.sync()
    await clock.settle()
    assert view.get().entries == ()
    assert view.get().loaded


async def test_request_that_fails_shows_its_entries_as_pending_again(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    client = await device.open()
    await client.sync()
    view = client.outbox()
    await view.open()
    seen: list[list[str]] = []
    view.subscribe(lambda pages: seen.append([entry.state for entry in pages.entries]))
    network.faults.append(error_answer(503))
    await send(client, "hello")
    await clock.until(lambda: client.status.get().last_error is not None, within=1)
    await clock.settle()
    assert seen == [[], ["pending"], ["in_flight"], ["pending"]]


async def test_second_tab_sees_that_an_entry_is_being_sent(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    client, follower = await device.open(), await device.open()
    await client.sync()
    view = follower.outbox()
    await view.open()
    network.gate = asyncio.Event()
    await send(client, "hello")
    await clock.until(lambda: states(view) == ["in_flight"], within=1)
    network.gate.set()
    await clock.until(lambda: states(view) == [], within=1)


async def test_only_a_page_is_shown_and_more_on_request(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    network.down = True
    client = await device.open()
    await send(client, *[str(number) for number in range(2 * PAGE + 20)])
    view = client.outbox()
    await view.open()
    assert (len(texts(view)), view.get().has_more) == (PAGE, True)
    await send(client, "last")
    await clock.settle()
    assert texts(view)[-1] == str(PAGE - 1), "what comes behind the page is not shown yet"
    await view.load_more()
    await view.load_more()
    assert (len(texts(view)), view.get().has_more) == (2 * PAGE + 21, False)
    assert texts(view)[-1] == "last"
    await view.load_more()
    assert len(texts(view)) == 2 * PAGE + 21


async def test_page_is_filled_up_when_entries_leave_it(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    network.down = True
    client = await device.open()
    ids = await send(client, *[str(number) for number in range(PAGE + 2)])
    view = client.outbox()
    await view.open()
    for action_id in ids[:3]:
        await client.queue.remove(action_id)
    await clock.settle()
    assert texts(view) == [str(number) for number in range(3, PAGE + 2)]
    assert not view.get().has_more


async def test_more_entries_than_a_page_that_come_at_once_do_not_all_get_in(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    network.down = True
    client = await device.open()
    view = client.outbox()
    await view.open()
    await send(client, *[str(number) for number in range(PAGE - 1)])
    await clock.settle()
    await send(client, "a", "b", "c")
    await clock.settle()
    assert (len(texts(view)), view.get().has_more) == (PAGE, True)
    assert texts(view)[-1] == "a"


async def test_what_waited_for_a_change_of_another_item_is_shown_freed(device: Device) -> None:
    client = await device.open(run=False)
    (needed,) = await send(client, "first")
    await client.queue.add(
        SEND, compose("second"), collection=COLLECTION, item_id="b", depends_on=[needed]
    )
    view = client.outbox()
    await view.open()
    assert states(view) == ["pending", "blocked"]
    first = view.get().entries[0]
    done = complete(first)
    await device.store.transact(done.queries, done.decide)
    client._changes.announce([first.item])
    await device.clock.settle()
    assert states(view) == ["pending"]


class Reads:
    """The queries for entries that a device's storage answered."""

    def __init__(self, device: Device) -> None:
        self.queries: list[Query] = []
        self._read = device.store.read
        device.store.read = self  # type: ignore[method-assign]  # to count

    async def __call__(self, *queries: Query) -> list[object]:
        self.queries += [query for query in queries if isinstance(query, Scan)]
        return await self._read(*queries)


async def test_change_of_one_item_reads_that_item_only_and_keeps_the_other_entries(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    network.down = True
    client = await device.open(run=False)
    ids = await send(client, *[str(number) for number in range(50)])
    view = client.outbox()
    await view.open()
    before = view.get().entries
    await clock.settle()
    reads = Reads(device)
    await client.queue.remove(ids[10])
    await clock.settle()
    after = view.get().entries
    assert [entry.id for entry in after] == [*ids[:10], *ids[11:]]
    assert all(one is other for one, other in zip(before[11:], after[10:], strict=True))
    pages = [query for query in reads.queries if isinstance(query, Scan) and query.index is None]
    assert pages == []


async def test_closed_outbox_reads_nothing_and_is_true_again_when_opened(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    network.down = True
    client = await device.open(run=False)
    view = client.outbox()
    await view.open()
    view.close()
    await clock.settle()
    reads = Reads(device)
    await send(client, "hello")
    await clock.settle()
    assert reads.queries == []
    assert texts(view) == []
    await view.open()
    assert texts(view) == ["hello"]


async def test_reading_that_failed_is_made_up_for_at_the_next_change(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    network.down = True
    client = await device.open(run=False)
    view = client.outbox()
    await view.open()
    read, failing = device.store.read, True

    async def fail(*queries: Query) -> list[object]:
        if failing and any(isinstance(query, Scan) for query in queries):
            raise StorageError("The disk said no.")
        return await read(*queries)

    device.store.read = fail  # type: ignore[method-assign]  # a broken disk
    await send(client, "unread")
    await clock.settle()
    assert texts(view) == []
    failing = False
    await send(client, "read")
    await clock.settle()
    assert texts(view) == ["unread", "read"]


async def test_exported_entry_is_imported_again_once_it_was_discarded(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    network.down = True
    client = await device.open()
    await clock.settle()
    await send(client, "one", "two")
    view = client.outbox()
    await view.open()
    text = await view.export(view.get().entries[1])
    await client.queue.remove(view.get().entries[1].id)
    await clock.settle()
    assert texts(view) == ["one"]
    assert len((await client.queue.import_entries(text)).added) == 1
    assert len((await client.queue.import_entries(text)).added) == 0
    await clock.settle()
    assert texts(view) == ["one", "two"]


async def test_lost_word_of_a_change_has_everything_read_anew(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    network.down = True
    client, other = await device.open(run=False), await device.open(run=False)
    view = other.outbox()
    await view.open()
    channel = device._hub.ends
    kept, device._hub.ends = channel, []
    await send(client, "unheard")
    device._hub.ends = kept
    await send(client, "heard")
    await clock.settle()
    assert texts(view) == ["unheard", "heard"]


async def test_retry_all_sends_what_failed_and_leaves_what_was_damaged(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    client = await device.open()
    network.down = True
    await send(client, "a", "b", "c")
    for entry in (await client.queue.pending())[:2]:
        for _ in range(3):
            await client.queue.increment_retry(entry.id)
    assert [entry.state for entry in await client.queue.pending()] == [
        "failed",
        "failed",
        "pending",
    ]
    known = {"id": "x", "collection": "c", "item_id": "i", "waits_for": [], "earlier_ids": []}
    damaged = {"seq": 9, "state": "failed", "next_attempt_at": 0, **known}
    await device.store.transact([], lambda: Batch([Put(OUTBOX, damaged)]))
    assert await retry_all(client.queue) == 2
    states_now = [entry.state for entry in await client.queue.pending()]
    assert states_now == ["pending", "pending", "pending", "failed"]

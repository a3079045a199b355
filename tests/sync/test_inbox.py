"""A start settles what the service worker brought, before anything is sent."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from app.core.entry import Entry, read_entries
from app.core.metadata import CLIENT_ID
from app.core.metadata import put as put_record
from app.core.notes import COLLECTION, Note
from app.core.schema import INBOX, METADATA, OUTBOX
from app.errors import NotFound
from app.ports import Batch, Get, Put, Scan, Value
from app.protocol import Problem, Result, SyncResponse
from app.sync.client import Client
from tests.courier import Courier
from tests.fakes import API, Device, FakeClock, FakeNetwork
from tests.loopback import Loopback


async def put(device: Device, record: Value) -> None:
    await device.store.transact([], lambda: Batch([Put(INBOX, record)]))


async def inbox(device: Device) -> list[Value]:
    (found,) = await device.store.read(Scan(INBOX))
    return list(found)


async def background(device: Device, server: Loopback, kill_at: int | None = None) -> None:
    """Let the worker make a trip while no page is open."""
    courier = Courier(device.store, lambda body: server("POST", f"{API}/sync", body).body)
    await courier.trip(kill_at)


async def written_offline(device: Device, clock: FakeClock, *texts: str) -> Client:
    """Write messages while the network is down, and close the app."""
    device.network.down = True
    client = await device.open()
    await clock.settle()
    for text in texts:
        await client.queue.add("send_message", {"text": text}, collection="messages")
    await clock.settle()
    await device.kill()
    device.network.down = False
    return client


async def test_answers_are_settled_at_the_next_start_and_nothing_is_sent_again(
    device: Device, server: Loopback, network: FakeNetwork, clock: FakeClock
) -> None:
    await written_offline(device, clock, "one", "two")
    await background(device, server)
    network.requests.clear()
    client = await device.open()
    await clock.settle()
    assert server.texts() == ["one", "two"]
    assert network.pushed() == []
    assert client.status.get().count == 0
    assert client.status.get().last_synced is not None
    assert await inbox(device) == []


async def test_start_without_a_network_shows_what_the_worker_has_sent_as_sent(
    device: Device, server: Loopback, network: FakeNetwork, clock: FakeClock
) -> None:
    await written_offline(device, clock, "one")
    await background(device, server)
    network.down = True
    client = await device.open()
    await clock.settle()
    assert client.status.get().count == 0


async def test_whoever_waits_for_an_action_hears_that_the_worker_had_it_applied(
    device: Device, server: Loopback, clock: FakeClock
) -> None:
    await written_offline(device, clock, "one")
    await background(device, server)
    client = await device.open(run=False)
    (entry,) = await client.queue.pending()
    waiting = asyncio.ensure_future(client.queue._outcomes.settled(entry.id, 5))
    await clock.settle()
    running = asyncio.ensure_future(client.run())
    await clock.settle()
    assert await waiting == "applied"
    running.cancel()


async def test_attempt_without_an_answer_is_sent_again_under_the_same_ids(
    device: Device, server: Loopback, network: FakeNetwork, clock: FakeClock
) -> None:
    await written_offline(device, clock, "one")
    (record,) = (await device.store.read(Scan("outbox")))[0]
    await background(device, server, kill_at=2)
    assert server.texts() == ["one"]
    network.requests.clear()
    await device.open()
    await clock.settle()
    assert network.pushed() == [[record["id"]]]
    assert server.texts() == ["one"]
    assert await inbox(device) == []


@pytest.mark.parametrize(
    "damage",
    [{"answer": "<html>"}, {"answer": "{}"}, {"actions": "?"}, {"asked": 7, "at": None}],
)
async def test_damaged_records_hold_nothing_up(
    device: Device,
    server: Loopback,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
    damage: dict[str, Any],
) -> None:
    await written_offline(device, clock, "one")
    await background(device, server)
    (record,) = await inbox(device)
    await put(device, {**record, **damage})
    client = await device.open()
    await clock.settle()
    assert "damaged" in caplog.text
    assert (server.texts(), client.status.get().count) == (["one"], 0)
    assert await inbox(device) == []


async def test_messages_of_others_that_the_worker_pulled_count_as_unread(
    clock: FakeClock, device: Device, server: Loopback, network: FakeNetwork
) -> None:
    await written_offline(device, clock, "mine")
    other = Device(clock, network, seed=2)
    theirs = await other.open()
    await theirs.queue.add("send_message", {"text": "theirs"}, collection="messages")
    await clock.settle()
    await background(device, server)
    network.down = True
    client = await device.open()
    await clock.settle()
    assert client.status.get().unread == 1
    await other.kill()


async def test_what_is_read_in_one_tab_is_read_in_all(
    clock: FakeClock, device: Device, network: FakeNetwork
) -> None:
    leader, other = await device.open(), await device.open()
    await clock.settle()
    afar = Device(clock, network, seed=2)
    theirs = await afar.open()
    await theirs.queue.add("send_message", {"text": "theirs"}, collection="messages")
    await clock.settle()
    await leader.sync()
    await clock.settle()
    assert (leader.status.get().unread, other.status.get().unread) == (1, 1)
    other.status.mark_read()
    await clock.settle()
    assert (leader.status.get().unread, other.status.get().unread) == (0, 0)
    await afar.kill()


async def test_storage_that_fails_while_answers_are_settled_ends_nothing(
    device: Device, server: Loopback, clock: FakeClock
) -> None:
    await written_offline(device, clock, "one")
    await background(device, server)
    device.store.fail_when = lambda batch: any(w.store == INBOX for w in batch.writes)
    client = await device.open()
    await clock.settle()
    assert (server.texts(), client.status.get().count) == (["one"], 0)
    device.store.fail_when = lambda _batch: False
    await device.kill()
    await device.open()
    await clock.settle()
    assert await inbox(device) == []


async def briefed(device: Device) -> Any:
    (found,) = await device.store.read(Get(METADATA, "courier"))
    return found and found["value"]


async def test_worker_is_told_the_address_and_what_has_a_handler(
    device: Device, clock: FakeClock
) -> None:
    client = await device.open(run=False)
    client.handler("fetch")(lambda _action: None)
    running = asyncio.ensure_future(client.run())
    await clock.settle()
    assert await briefed(device) == {"api": API, "local_types": ["fetch"]}
    client.handler("print")(lambda _action: None)
    await clock.settle()
    assert await briefed(device) == {"api": API, "local_types": ["fetch", "print"]}
    running.cancel()


async def test_worker_is_told_nothing_where_the_api_is_not_ours(
    clock: FakeClock, network: FakeNetwork
) -> None:
    device = Device(clock, network, rest=True)
    await device.store.transact([], lambda: Batch([Put(METADATA, {"key": "courier", "value": 1})]))
    await device.open()
    await clock.settle()
    assert await briefed(device) is None
    await device.kill()


async def test_change_discarded_after_the_worker_sent_it_is_not_missed(
    device: Device, server: Loopback, clock: FakeClock
) -> None:
    await written_offline(device, clock, "one", "two")
    await background(device, server)
    client = await device.open(run=False)
    first, _ = await client.queue.pending()
    await client.queue.remove(first.id)
    running = asyncio.ensure_future(client.run())
    await clock.settle()
    assert client.status.get().count == 0
    with pytest.raises(NotFound):
        await client.queue.get(first.id)
    running.cancel()


async def sent_unseen(device: Device, server: Loopback, clock: FakeClock) -> Client:
    """Have the worker send a message whose answer is lost; return a client that does not lead."""
    await written_offline(device, clock, "one")
    await background(device, server, kill_at=2)
    return await device.open(run=False)


async def test_file_says_what_the_worker_may_have_sent(
    device: Device, server: Loopback, clock: FakeClock, network: FakeNetwork
) -> None:
    client = await sent_unseen(device, server, clock)
    elsewhere = await Device(clock, network, seed=2).open(run=False)
    imported = await elsewhere.queue.import_entries(await client.queue.export())
    assert (len(imported.added), imported.held) == (1, 1)


async def test_change_discarded_after_the_worker_sent_it_does_not_come_back_from_a_file(
    device: Device, server: Loopback, clock: FakeClock
) -> None:
    client = await sent_unseen(device, server, clock)
    text = await client.queue.export()
    (entry,) = await client.queue.pending()
    await client.queue.remove(entry.id)
    assert (await client.queue.import_entries(text)).added == ()


async def test_outbox_cleared_after_the_worker_sent_it_does_not_come_back_from_a_file(
    device: Device, server: Loopback, clock: FakeClock
) -> None:
    client = await sent_unseen(device, server, clock)
    text = await client.queue.export()
    await client.queue.clear()
    assert (await client.queue.import_entries(text)).added == ()


async def test_handler_does_not_carry_out_what_the_worker_may_have_sent(
    device: Device, server: Loopback, clock: FakeClock
) -> None:
    client = await sent_unseen(device, server, clock)
    carried_out: list[str] = []
    await client.queue.flush(lambda action: carried_out.append(action.id))
    assert carried_out == []
    assert client.queue.count == 1


async def test_deletion_that_the_worker_has_sent_cannot_be_taken_back(
    device: Device, server: Loopback, clock: FakeClock
) -> None:
    client = await device.open()
    notes = client.collection(COLLECTION, Note)
    await notes.save(Note(title="Hut", body="Closed."), "note-1")
    await client.sync()
    await device.kill()
    client = await device.open(run=False)
    notes = client.collection(COLLECTION, Note)
    await notes.delete("note-1")
    assert await notes.undoable("note-1")
    await background(device, server, kill_at=2)
    assert not await notes.undoable("note-1")
    with pytest.raises(NotFound):
        await notes.undo("note-1")


async def stored(device: Device) -> Entry:
    (found,) = await device.store.read(Scan(OUTBOX))
    (entry,) = read_entries(found)
    return entry


async def test_change_whose_answer_was_lost_goes_on_under_the_client_that_sent_it(
    device: Device, server: Loopback, clock: FakeClock
) -> None:
    await written_offline(device, clock, "one")
    older = (await stored(device)).put(client_id="")
    await device.store.transact([], lambda: Batch([older]))
    await background(device, server, kill_at=2)
    await device.store.transact([], lambda: Batch([put_record(CLIENT_ID, "another")]))
    await device.open()
    await clock.settle()
    assert (server.texts(), await device.store.read(Scan(OUTBOX))) == (["one"], [[]])


SETTLED = Result(
    id="", verdict="rejected", error=Problem(code="already_settled", message="Settled.")
)


@pytest.mark.parametrize(("again", "outcome"), [(False, "pending"), (True, "failed")])
async def test_refusal_as_settled_in_the_inbox_is_one_like_any_other(
    device: Device, clock: FakeClock, again: bool, outcome: str
) -> None:
    """What was made since the start, and never sent before, goes under the successor."""
    await device.open(run=False)
    client = await device.open(run=False)
    await client.queue.add("send_message", {"text": "one"}, collection="messages")
    entry = await stored(device)
    answer = SyncResponse(
        results=[SETTLED.model_copy(update={"id": entry.id})],
        rows=[],
        cursor="c",
        has_more=False,
        server_time=0,
    )
    record = {
        "id": 1,
        "at": clock.now(),
        "client": entry.client_id,
        "again": again,
        "actions": [{"seq": entry.seq, "id": entry.id}],
        "answer": answer.model_dump_json(),
    }
    await put(device, record)
    device.network.down = True
    running = asyncio.ensure_future(client.run())
    await clock.settle()
    after = await stored(device)
    assert after.state == outcome
    assert (after.client_id == entry.client_id) == again
    running.cancel()

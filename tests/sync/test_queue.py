"""The queue's verbs, and handlers that carry out actions by themselves."""

from __future__ import annotations

import asyncio

import pytest

from app.core.backoff import DEFAULT_RETRY
from app.core.messages import COLLECTION, SEND
from app.core.schema import ROWS
from app.errors import InvalidInput, NotFound, Rejected, StorageError
from app.ports import Get
from app.protocol import MAX_ACTION_BYTES, Action
from app.sync.client import Client
from tests.fakes import Device, FakeClock, FakeNetwork
from tests.loopback import Loopback


async def counted(client: Client, clock: FakeClock) -> int:
    await clock.settle()
    return client.queue.count


async def test_added_action_is_pending_and_counted(device: Device, clock: FakeClock) -> None:
    client = await device.open(run=False)
    action_id = await client.queue.add("call", {"to": "base"})
    (entry,) = await client.queue.pending()
    assert (entry.id, entry.type, entry.state) == (action_id, "call", "pending")
    assert entry.parsed().data == {"to": "base"}
    assert await counted(client, clock) == 1


async def test_subscribers_hear_the_count_at_once_and_at_each_change(
    device: Device, clock: FakeClock
) -> None:
    client = await device.open(run=False)
    heard: list[int] = []
    end = client.queue.subscribe(lambda status: heard.append(status.count))
    first = await client.queue.add("call")
    await clock.settle()
    await client.queue.remove(first)
    await clock.settle()
    end()
    await client.queue.add("call")
    await clock.settle()
    assert heard == [0, 1, 0]


async def test_removed_action_is_never_sent(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    client = await device.open(run=False)
    await client.queue.remove(await client.queue.add("call"))
    await device.open()
    await clock.advance(5)
    assert network.pushed() == []


async def test_clear_discards_everything(device: Device, clock: FakeClock) -> None:
    client = await device.open(run=False)
    for _ in range(3):
        await client.queue.add("call")
    await client.queue.clear()
    assert await counted(client, clock) == 0
    assert await client.queue.pending() == []


async def test_sequence_numbers_are_never_reused(device: Device) -> None:
    client = await device.open(run=False)
    await client.queue.add("call")
    await client.queue.clear()
    await client.queue.add("call")
    assert [entry.seq for entry in await client.queue.pending()] == [2]


async def test_action_past_the_limit_of_retries_fails_but_is_kept(device: Device) -> None:
    client = await device.open(run=False)
    action_id = await client.queue.add("call")
    for _ in range(DEFAULT_RETRY.max_attempts):
        assert (await client.queue.get(action_id)).state == "pending"
        await client.queue.increment_retry(action_id, "No answer.")
    entry = await client.queue.get(action_id)
    assert (entry.state, entry.attempts) == ("failed", DEFAULT_RETRY.max_attempts)
    assert entry.error is not None
    assert entry.error.message == "No answer."


async def test_flush_hands_actions_over_in_order_and_keeps_what_raises(device: Device) -> None:
    client = await device.open(run=False)
    first, second, third = [await client.queue.add("call", {"n": n}) for n in range(3)]
    handed: list[str] = []

    async def handler(action: Action) -> None:
        handed.append(action.id)
        if action.id == second:
            raise ValueError("Busy.")

    report = await client.queue.flush(handler)
    assert handed == [first, second, third]
    assert (report.synced, report.failed) == (2, 0)
    (kept,) = await client.queue.pending()
    assert (kept.id, kept.attempts, kept.state) == (second, 1, "pending")


async def test_flush_leaves_what_no_handler_takes(device: Device) -> None:
    client = await device.open(run=False)
    await client.queue.add("call")
    report = await client.queue.flush()
    assert report.synced == 0
    (kept,) = await client.queue.pending()
    assert kept.state == "pending"


async def test_registered_handler_runs_once_connected_and_not_before(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    network.down = True
    client = await device.open()
    handled: list[object] = []

    @client.handler("call")
    def call(action: Action) -> None:
        handled.append(action.data)

    await client.queue.add("call", {"to": "base"})
    await clock.advance(120)
    assert handled == []
    network.down = False
    await clock.until(lambda: bool(handled))
    await clock.advance(120)
    assert handled == [{"to": "base"}]
    assert await client.queue.pending() == []
    assert network.pushed() == []


async def test_handler_that_keeps_failing_ends_failed_after_three_attempts(
    device: Device, clock: FakeClock
) -> None:
    client = await device.open()
    attempts: list[int] = []

    @client.handler("call")
    async def call(_action: Action) -> None:
        attempts.append(clock.now())
        raise OSError("Line busy.")

    action_id = await client.queue.add("call")
    await clock.until(lambda: client.status.get().failed == 1)
    await clock.advance(300)
    assert len(attempts) == DEFAULT_RETRY.max_attempts
    error = (await client.queue.get(action_id)).error
    assert error is not None
    assert error.message == "Line busy."


async def test_retry_after_a_verdict_goes_under_a_new_id_and_succeeds(
    device: Device, clock: FakeClock, server: Loopback
) -> None:
    client = await device.open()
    refused = await client.queue.add(
        "unknown_to_the_server", {"text": "hi"}, collection="things", item_id="a"
    )
    await clock.until(lambda: client.status.get().failed == 1)
    entry = await client.queue.get(refused)
    assert entry.verdict == "rejected"
    fresh = await client.queue.retry(refused)
    assert fresh != refused
    with pytest.raises(NotFound):
        await client.queue.get(refused)


async def test_retry_of_an_unknown_outcome_keeps_the_id(device: Device) -> None:
    client = await device.open(run=False)
    action_id = await client.queue.add("call")
    for _ in range(DEFAULT_RETRY.max_attempts):
        await client.queue.increment_retry(action_id)
    assert await client.queue.retry(action_id) == action_id
    assert (await client.queue.get(action_id)).state == "pending"


async def test_failed_action_blocks_later_ones_of_its_item_only(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    client = await device.open()
    await client.queue.add("unknown", collection="things", item_id="a")
    await clock.until(lambda: client.status.get().failed == 1)
    await client.queue.add("create", {"n": 1}, collection="things", item_id="a")
    await client.queue.add("create", {"n": 2}, collection="things", item_id="b")
    await clock.advance(5)
    assert [entry.state for entry in await client.queue.pending()] == ["failed", "blocked"]
    (failed, _) = await client.queue.pending()
    await client.queue.remove(failed.id)
    await clock.until(lambda: client.queue.count == 0)
    assert len(network.pushed()[-1]) == 1


async def test_s01_enqueue_that_fails_leaves_nothing(device: Device) -> None:
    client = await device.open(run=False)
    device.store.fail_when = lambda _batch: True
    with pytest.raises(StorageError):
        await client.queue.add(SEND, {"text": "x"}, collection=COLLECTION, item_id="m")
    device.store.fail_when = lambda _batch: False
    assert await client.queue.pending() == []
    await client.queue.add("call")
    assert [entry.seq for entry in await client.queue.pending()] == [1]


async def test_action_that_the_server_would_refuse_is_refused_at_once(device: Device) -> None:
    client = await device.open(run=False)
    with pytest.raises(Rejected):
        await client.queue.add(SEND, {"text": ""}, collection=COLLECTION, item_id="m")
    with pytest.raises(InvalidInput):
        await client.queue.add("call", {"text": "x" * MAX_ACTION_BYTES})
    with pytest.raises(InvalidInput):
        await client.queue.add("call", {"text": "\ud800"})
    assert await client.queue.pending() == []


async def test_flush_passes_over_any_number_of_actions_that_no_handler_takes(
    device: Device,
) -> None:
    client = await device.open(run=False)
    for _ in range(120):
        await client.queue.add("other")
    await client.queue.add("call")
    handled: list[str] = []
    client.handler("call")(lambda action: handled.append(action.type))
    assert (await client.queue.flush()).synced == 1
    assert handled == ["call"]
    assert {entry.state for entry in await client.queue.pending(200)} == {"pending"}


async def test_action_whose_context_died_in_its_handler_is_carried_out_later(
    device: Device, clock: FakeClock
) -> None:
    leader = await device.open()
    await clock.until(lambda: leader.connection.status == "connected")
    dying = await device.open(run=False)
    await dying.queue.add("call")
    stuck = asyncio.ensure_future(dying.queue.flush(lambda _action: asyncio.Event().wait()))
    await clock.settle()
    stuck.cancel()
    handled: list[str] = []
    leader.handler("call")(lambda action: handled.append(action.type))
    await clock.advance(150)
    assert handled == ["call"]


async def test_action_that_cannot_be_claimed_makes_no_stream_of_requests(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    leader = await device.open()
    await clock.until(lambda: leader.connection.status == "connected")
    leader.handler("call")(lambda _action: None)
    dying = await device.open(run=False)
    await dying.queue.add("call", collection="things", item_id="a")
    stuck = asyncio.ensure_future(dying.queue.flush(lambda _action: asyncio.Event().wait()))
    await clock.settle()
    stuck.cancel()
    await dying.queue.add("call", collection="things", item_id="a")
    before = len(network.requests)
    await clock.advance(30)
    assert len(network.requests) - before <= 31
    await clock.until(lambda: leader.queue.count == 0)


async def test_handler_and_server_actions_of_an_item_keep_their_order(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    client = await device.open(run=False)
    order: list[str] = []

    @client.handler("call")
    def call(_action: Action) -> None:
        order.append("call" if not network.pushed() else "call after push")
        if len(order) == 1:
            raise OSError("Busy.")

    await client.queue.add("call", collection="things", item_id="a")
    await client.queue.add("create", {"n": 1}, collection="things", item_id="a")
    running = asyncio.ensure_future(client.run())
    await clock.until(lambda: client.queue.count == 0 and bool(network.pushed()))
    running.cancel()
    assert order == ["call", "call"]


async def test_action_discarded_while_its_handler_runs_is_no_defect(
    device: Device, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    client = await device.open()

    @client.handler("call")
    async def call(action: Action) -> None:
        await client.queue.remove(action.id)

    await client.queue.add("call")
    await clock.until(lambda: client.queue.count == 0)
    await clock.advance(5)
    assert client.status.get().last_error is None
    assert "defect" not in caplog.text


async def test_handler_that_never_ends_counts_as_failed(device: Device, clock: FakeClock) -> None:
    client = await device.open()

    @client.handler("call")
    async def call(_action: Action) -> None:
        await asyncio.Event().wait()

    action_id = await client.queue.add("call")
    await clock.until(lambda: client.status.get().failed == 1)
    error = (await client.queue.get(action_id)).error
    assert error is not None
    assert "longer than 60 seconds" in error.message


async def test_retry_of_what_has_not_failed_is_refused(device: Device, clock: FakeClock) -> None:
    client = await device.open()
    await client.queue.add("unknown", collection="things", item_id="a")
    await clock.until(lambda: client.status.get().failed == 1)
    blocked = await client.queue.add("create", {"n": 1}, collection="things", item_id="a")
    with pytest.raises(InvalidInput, match="has not failed"):
        await client.queue.retry(blocked)
    with pytest.raises(InvalidInput, match="not being tried"):
        await client.queue.increment_retry(blocked)
    assert (await client.queue.get(blocked)).state == "blocked"


async def test_retry_after_a_conflict_is_based_on_what_the_server_has_now(
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
    await client.queue.add("update", {"m": 4}, collection="things", item_id="a")
    await clock.until(lambda: client.status.get().conflicts == 1)
    await client.queue.retry(conflicting)
    await clock.until(lambda: client.queue.count == 0)
    (row,) = await mine.store.read(Get(ROWS, ["things", "a"]))
    assert row["data"] == {"n": 3, "m": 4}
    await mine.kill()
    await theirs.kill()

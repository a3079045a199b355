"""The engine against the real server's code, on virtual time."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial

import pytest

from app.core.messages import COLLECTION, SEND, Message, compose
from app.core.schema import METADATA
from app.errors import Unreachable
from app.ports import Batch, Put
from app.protocol import MAX_ACTIONS
from app.sync.client import Client
from app.sync.queued import Queued
from tests.fakes import HTML, Device, FakeClock, FakeNetwork, error_answer
from tests.loopback import Loopback


async def send(client: Client, *texts: str) -> list[Queued]:
    return [
        await client.queue.add(
            SEND, compose(text), collection=COLLECTION, item_id=client.queue.new_id()
        )
        for text in texts
    ]


def idle(client: Client) -> bool:
    status = client.status.get()
    return status.count == 0 and not status.syncing and status.last_synced is not None


async def test_message_reaches_the_server_and_leaves_the_outbox(
    device: Device, clock: FakeClock, server: Loopback
) -> None:
    client = await device.open()
    await send(client, "hello")
    await clock.until(lambda: idle(client))
    assert server.texts() == ["hello"]
    assert client.connection.status == "connected"


async def test_s13_enqueue_during_a_drain_keeps_the_order(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    client = await device.open()
    await clock.until(lambda: idle(client))
    network.gate = asyncio.Event()
    await send(client, "one", "two")
    await clock.settle()
    await send(client, "three")
    network.gate.set()
    await clock.until(lambda: idle(client))
    assert server.texts() == ["one", "two", "three"]


async def test_s04_three_errors_then_success_is_one_effect_within_the_policy(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    client = await device.open()
    await clock.until(lambda: idle(client))
    network.requests.clear()
    network.faults.extend([error_answer(500)] * 3)
    await send(client, "hello")
    await clock.until(lambda: idle(client))
    assert server.texts() == ["hello"]
    times = [time for time, *_ in network.requests]
    waits = [later - earlier for earlier, later in zip(times, times[1:], strict=False)][:3]
    assert all(wait <= ceiling for wait, ceiling in zip(waits, [1000, 2000, 4000], strict=True)), (
        waits
    )
    assert len({tuple(ids) for ids in network.pushed()}) == 1


async def test_retry_after_is_honoured(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    client = await device.open()
    await clock.until(lambda: idle(client))
    network.faults.append(error_answer(503, retry_after="30"))
    await send(client, "hello")
    assert await clock.until(lambda: idle(client)) >= 30


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_honoured_where_the_storage_fails_meanwhile(
    device: Device, clock: FakeClock, network: FakeNetwork, status: int
) -> None:
    client = await device.open()
    await clock.until(lambda: idle(client))
    failing = [True]

    def fails(batch: Batch) -> bool:
        """Fail once, at the requeue of what was refused: the only decision that returns a list."""
        return (
            bool(failing)
            and isinstance(batch.result, list)
            and bool(batch.result)
            and failing.pop()
        )

    device.store.fail_when = fails
    network.faults.append(error_answer(status, retry_after="30"))
    await send(client, "hello")
    assert await clock.until(lambda: idle(client)) >= 30
    assert not failing


@pytest.mark.parametrize("fault", [HTML, Unreachable("A redirect.")], ids=["html", "redirect"])
async def test_s08_captive_portal_acknowledges_nothing(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback, fault: object
) -> None:
    client = await device.open()
    await clock.until(lambda: idle(client))
    network.faults.extend([fault] * 6)  # type: ignore[list-item]  # parametrised
    await send(client, "hello")
    await clock.until(lambda: client.connection.status == "disconnected")
    assert (client.status.get().pending, server.texts()) == (1, [])
    await clock.until(lambda: idle(client))
    assert server.texts() == ["hello"]


async def test_s09_dead_network_is_noticed_probed_less_often_and_recovered_from(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    client = await device.open()
    await clock.until(lambda: idle(client))
    network.down = True
    network.requests.clear()
    await send(client, "hello")
    assert await clock.until(lambda: client.connection.status == "disconnected") <= 10
    assert len(network.requests) <= 3
    await clock.advance(600)
    probes = [time for time, method, *_ in network.requests if method == "GET"]
    waits = [(later - earlier) / 1000 for earlier, later in zip(probes, probes[1:], strict=False)]
    assert 4 <= (probes[0] - network.requests[2][0]) / 1000 <= 6
    expected = [10.0, 20.0, 40.0, *[60.0] * len(waits)]
    assert all(
        0.8 * nominal <= wait <= 1.2 * nominal
        for nominal, wait in zip(expected, waits, strict=False)
    ), waits
    network.down = False
    assert await clock.until(lambda: idle(client)) <= 72
    assert client.connection.status == "connected"
    assert client.connection.was_disconnected


async def test_a_server_that_never_answers_counts_as_lost_within_ten_seconds(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    client = await device.open()
    await clock.until(lambda: idle(client))
    network.gate = asyncio.Event()
    await send(client, "hello")
    assert await clock.until(lambda: client.connection.status == "disconnected") <= 10
    network.gate.set()
    await clock.until(lambda: idle(client))
    assert client.connection.status == "connected"


async def test_s10_browser_that_claims_to_be_offline_still_drains(
    device: Device, clock: FakeClock, server: Loopback
) -> None:
    device.online = False
    client = await device.open()
    await send(client, "hello")
    await clock.until(lambda: idle(client))
    assert (server.texts(), client.connection.status) == (["hello"], "connected")


async def test_nothing_counts_as_sent_while_the_browser_says_that_it_is_offline(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    client = await device.open()
    await clock.until(lambda: idle(client))
    network.down, device.online = True, False
    network.requests.clear()
    await send(client, "hello")
    await clock.advance(600)
    assert {method for _, method, *_ in network.requests} == {"GET"}


async def test_being_offline_costs_no_attempt(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    network.down = True
    client = await device.open()
    (action_id,) = await send(client, "hello")
    await clock.advance(3600)
    entry = await client.queue.get(action_id)
    assert (entry.attempts, entry.state) == (0, "pending")


async def test_new_actions_while_offline_make_no_extra_requests(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    network.down = True
    client = await device.open()
    await clock.until(lambda: client.connection.status == "disconnected")
    before = len(network.requests)
    await send(client, *map(str, range(20)))
    await clock.advance(1)
    assert len(network.requests) == before


async def test_sync_now_does_not_wait_for_the_next_probe(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    network.down = True
    client = await device.open()
    await send(client, "hello")
    await clock.advance(600)
    network.down = False
    report = await client.sync()
    assert (report.synced, report.error, server.texts()) == (1, None, ["hello"])


async def test_s03_page_killed_at_each_step_of_a_send_has_one_effect(
    clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    """The page dies after every possible number of turns; the next page finishes the job."""
    texts = []
    for turns in range(40):
        device = Device(clock, network, seed=turns)
        client = await device.open()
        texts.append(f"message {turns}")
        await send(client, texts[-1])
        for _ in range(turns):
            await asyncio.sleep(0)
        await device.kill()
        survivor = await device.open()
        await clock.until(partial(idle, survivor))
        assert server.texts() == texts
        await device.kill()
    sent = Counter(action_id for ids in network.pushed() for action_id in ids)
    assert set(sent.values()) == {1, 2}, "some kills must come before, some after the commit"


async def test_s03_lost_answers_are_resent_under_the_same_id(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    client = await device.open()
    await clock.until(lambda: idle(client))
    network.faults.extend(["lost", "lost", "lost"])
    await send(client, "hello")
    await clock.until(lambda: idle(client))
    assert server.texts() == ["hello"]
    assert len(network.pushed()) == 4
    assert len({tuple(ids) for ids in network.pushed()}) == 1


async def test_s29_settling_that_fails_does_not_run_the_effect_again(
    device: Device, clock: FakeClock, server: Loopback, network: FakeNetwork, caplog: object
) -> None:
    client = await device.open()
    await clock.until(lambda: idle(client))
    device.store.fail_when = lambda batch: hasattr(batch.result, "synced")
    await send(client, "hello")
    await clock.until(lambda: client.status.get().last_error is not None)
    assert client.status.get().pending == 1
    await device.kill()
    device.store.fail_when = lambda _batch: False
    survivor = await device.open()
    await clock.until(lambda: idle(survivor))
    assert server.texts() == ["hello"]
    assert len(network.pushed()) == 2


async def test_batches_are_bounded_and_in_order(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    client = await device.open(run=False)
    texts = [f"{number}" for number in range(250)]
    await send(client, *texts)
    device2 = await device.open()
    await clock.until(lambda: idle(device2))
    assert server.texts() == texts
    assert [len(ids) for ids in network.pushed()] == [MAX_ACTIONS, MAX_ACTIONS, 50]


async def test_too_large_a_batch_is_halved_until_it_passes(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    client = await device.open(run=False)
    texts = [f"{number}" for number in range(8)]
    await send(client, *texts)
    network.faults.extend([error_answer(413), error_answer(413)])
    runner = await device.open()
    await clock.until(lambda: idle(runner))
    assert server.texts() == texts
    assert [len(ids) for ids in network.pushed()][:3] == [8, 4, 2]


async def test_an_action_refused_alone_fails_and_the_others_go_on(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    client = await device.open()
    await clock.until(lambda: idle(client))
    network.faults.append(error_answer(422, "invalid"))
    (refused,) = await send(client, "refused")
    await clock.until(lambda: client.status.get().failed == 1)
    await send(client, "fine")
    await clock.until(lambda: server.texts() == ["fine"])
    entry = await client.queue.get(refused)
    assert entry.state == "failed"
    assert entry.error is not None
    assert entry.error.code == "invalid"


async def test_pull_brings_what_others_sent(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    mine = await device.open()
    theirs = await Device(clock, network, seed=2).open()
    await send(theirs, "from afar")
    await clock.until(lambda: idle(theirs))
    await mine.sync()
    shown = await mine.collection(COLLECTION, Message).all()
    assert [message.text for message in shown] == ["from afar"]
    assert mine.status.get().unread == 1


async def test_defect_in_a_round_is_reported_and_the_loop_goes_on(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    client = await device.open()
    await clock.until(lambda: idle(client))
    network.faults.append(ZeroDivisionError("a defect"))
    await send(client, "hello")
    await clock.until(lambda: idle(client))
    assert server.texts() == ["hello"]


async def test_request_that_is_at_fault_is_not_blamed_on_its_actions(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    client = await device.open()
    await clock.until(lambda: idle(client))
    put = Put(METADATA, {"key": "cursor", "value": "not one of ours"})
    await device.store.transact([], lambda: Batch([put]))
    await send(client, "one", "two")
    await clock.until(lambda: idle(client))
    assert (server.texts(), client.status.get().failed) == (["one", "two"], 0)
    network.faults.append(error_answer(422, "invalid", {"protocol": "is not known"}))
    await send(client, "three")
    await clock.until(lambda: client.status.get().last_error is not None)
    assert (client.status.get().pending, client.status.get().failed) == (1, 0)


async def test_address_without_a_sync_endpoint_is_no_server(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    network.faults.extend([error_answer(404)] * 3)
    client = await device.open()
    await send(client, "hello")
    await clock.until(lambda: client.connection.status == "disconnected")
    assert client.connection.get().no_server
    assert client.status.get().pending == 1


async def test_poke_while_the_server_asks_for_time_does_not_hurry(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    client = await device.open()
    await clock.until(lambda: idle(client))
    network.faults.append(error_answer(503, retry_after="60"))
    await send(client, "hello")
    await clock.advance(0.1)
    before = len(network.requests)
    client.wake()
    client.poke("anything")
    await clock.advance(59)
    assert len(network.requests) == before


async def test_poke_of_other_news_during_a_synchronisation_is_followed_when_it_ends(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    client = await device.open()
    await clock.until(lambda: idle(client))
    before, network.gate = len(network.requests), asyncio.Event()
    await send(client, "hello")
    await clock.advance(0.1)
    client.poke("news")
    network.gate.set()
    await clock.advance(1)
    assert len(network.requests) == before + 2


async def test_only_the_leader_of_a_device_listens_to_the_server(
    device: Device, clock: FakeClock
) -> None:
    first, second = await device.open(), await device.open()
    await clock.until(lambda: first.connection.status == "connected")
    assert (first.leading.get(), second.leading.get()) == (True, False)


async def test_arrived_messages_are_unread_until_marked(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    mine = await device.open()
    theirs = await Device(clock, network, seed=2).open()
    for text in ("one", "two"):
        await send(theirs, text)
        await theirs.sync()
        await mine.sync()
    await mine.sync()
    assert mine.status.get().unread == 2
    mine.status.mark_read()
    assert mine.status.get().unread == 0


async def test_storage_that_fails_at_the_start_does_not_end_synchronising(
    device: Device, clock: FakeClock, server: Loopback
) -> None:
    device.store.fail_when = lambda _batch: True
    client = await device.open()
    await clock.advance(1)
    device.store.fail_when = lambda _batch: False
    await send(client, "hello")
    await clock.until(lambda: idle(client), within=10)
    assert server.texts() == ["hello"]


async def test_status_says_when_the_next_attempt_is_while_the_last_one_failed(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    network.faults.append(error_answer(503, retry_after="20"))
    client, follower = await device.open(), await device.open()
    await clock.until(lambda: client.status.get().last_error is not None)
    due = client.status.get().next_attempt_at
    assert due is not None
    assert due >= clock.now() + 20_000
    await clock.settle()
    assert follower.status.get().next_attempt_at == due
    await clock.until(lambda: idle(client))
    assert clock.now() >= due
    assert client.status.get().next_attempt_at is None


async def test_reopened_device_knows_when_it_was_last_in_step_with_the_server(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    client = await device.open()
    await clock.until(lambda: idle(client))
    synced = client.status.get().last_synced
    await device.kill()
    network.down = True
    await clock.advance(3600)
    again = await device.open()
    assert synced is not None
    assert again.status.get().last_synced == synced
    await clock.advance(5)
    assert again.status.get().last_synced == synced

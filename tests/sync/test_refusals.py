"""Error statuses: the bad action is found, the others pass, and a held queue keeps its order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

import pytest

from app.core.messages import COLLECTION, SEND, compose
from app.ports import Batch, HttpResponse
from app.sync.queue import New
from tests.fakes import Device, FakeClock, FakeNetwork, error_answer
from tests.loopback import Loopback
from tests.sync.test_engine import idle, send


class PoisonedServer:
    """The real server behind something that gives 500 to any push with a bad message in it."""

    def __init__(self, server: Loopback, word: str = "poison") -> None:
        self._server = server
        self.word = word
        self.hits = 0

    def __call__(
        self, method: str, url: str, body: str | None, headers: Mapping[str, str]
    ) -> HttpResponse:
        actions = json.loads(body)["actions"] if body else []
        if any(self.word in json.dumps(action["data"]) for action in actions):
            self.hits += 1
            return error_answer(500, "crashed")
        return self._server(method, url, body, headers)


def poisoned(clock: FakeClock, server: Loopback) -> tuple[Device, PoisonedServer]:
    poison = PoisonedServer(server)
    return Device(clock, FakeNetwork(clock, poison)), poison


async def test_s19_batch_that_gives_500_is_bisected_until_the_bad_action_is_alone(
    clock: FakeClock, server: Loopback
) -> None:
    device, _ = poisoned(clock, server)
    client = await device.open(run=False)
    texts = [f"good {number}" for number in range(30)]
    ids = await send(client, *texts[:13], "poison", *texts[13:])
    runner = await device.open()
    await clock.until(lambda: server.texts() == texts, within=120)
    await send(runner, "later")
    await clock.until(lambda: server.texts()[-1] == "later")
    entry = await runner.queue.get(ids[13])
    assert entry.attempts >= 1
    await device.kill()


async def test_s19_bad_action_fails_after_three_attempts_and_is_kept(
    clock: FakeClock, server: Loopback
) -> None:
    device, poison = poisoned(clock, server)
    client = await device.open()
    (bad,) = await send(client, "poison")
    for number in range(6):
        await send(client, f"good {number}")
        await clock.advance(120)
    entry = await client.queue.get(bad)
    assert (entry.state, entry.attempts) == ("failed", 3)
    assert entry.error is not None
    assert entry.error.code == "server_failed"
    assert server.texts() == [f"good {number}" for number in range(6)]
    hits = poison.hits
    await clock.advance(3600)
    assert poison.hits == hits
    await device.kill()


async def test_server_in_trouble_costs_no_action_an_attempt(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    client = await device.open()
    await clock.until(lambda: idle(client))
    network.faults.extend([error_answer(500)] * 60)
    await send(client, *[f"m{number}" for number in range(8)])
    await clock.until(lambda: idle(client), within=36_000)
    assert sorted(server.texts()) == [f"m{number}" for number in range(8)]
    assert client.status.get().failed == 0


async def test_s06_401_holds_the_whole_queue_in_order_and_over_a_restart(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    client = await device.open()
    await clock.until(lambda: idle(client))
    network.faults.extend([error_answer(401, "signed_out")] * 2)
    await send(client, "one", "two")
    await clock.until(lambda: client.status.get().hold == "sign_in")
    requests = len(network.requests)
    await send(client, "three")
    await clock.advance(600)
    assert (len(network.requests), server.texts()) == (requests, [])
    await device.kill()
    again = await device.open()
    await clock.until(lambda: again.status.get().hold == "sign_in")
    assert again.status.get().pending == 3
    await again.sync()
    assert server.texts() == ["one", "two", "three"]
    assert again.status.get().hold is None


async def test_s20_426_stops_and_asks_for_the_update(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    client = await device.open()
    await clock.until(lambda: idle(client))
    network.faults.append(error_answer(426, "too_old"))
    await send(client, "one")
    await clock.until(lambda: client.status.get().hold == "update")
    assert (client.status.get().pending, client.status.get().failed) == (1, 0)


async def test_s25_nothing_expires_however_long_the_server_is_in_trouble(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    client = await device.open()
    await clock.until(lambda: idle(client))
    network.faults.extend([error_answer(503)] * 100)
    (action_id,) = await send(client, "patience")
    await clock.advance(12 * 3600)
    entry = await client.queue.get(action_id)
    assert (entry.state, entry.attempts) == ("pending", 0)
    assert len(network.requests) < 110
    network.faults.clear()
    assert await clock.until(lambda: idle(client), within=901) <= 901
    assert server.texts() == ["patience"]


async def test_many_are_enqueued_in_one_transaction(device: Device, clock: FakeClock) -> None:
    client = await device.open(run=False)
    commits: list[int] = []

    def counted(batch: Batch) -> bool:
        commits.append(len(batch.writes))
        return False

    device.store.fail_when = counted
    actions = [New(SEND, compose(f"m{n}"), COLLECTION, client.queue.new_id()) for n in range(50)]
    ids = await client.queue.add_many(actions)
    assert commits == [51]
    assert [entry.id for entry in await client.queue.pending()] == ids


async def test_settled_answers_whether_the_server_took_a_write(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    client, follower = await device.open(), await device.open()
    await clock.until(lambda: idle(client))
    queued = await follower.queue.add(
        SEND, compose("hello"), collection=COLLECTION, item_id=client.queue.new_id()
    )
    waiting = asyncio.ensure_future(queued.settled(timeout=30))
    await clock.until(waiting.done)
    assert await waiting == "applied"
    assert await queued.settled(timeout=1) == "applied"

    refused = await follower.queue.add("unknown", collection="things", item_id="a")
    waiting = asyncio.ensure_future(refused.settled(timeout=30))
    await clock.until(waiting.done)
    assert await waiting == "failed"

    network.down = True
    offline = await client.queue.add("unknown", collection="things", item_id="b")
    waiting = asyncio.ensure_future(offline.settled(timeout=5))
    await clock.advance(6)
    assert await waiting is None
    discarded = asyncio.ensure_future(offline.settled(timeout=5))
    await clock.settle()
    await client.queue.remove(offline)
    assert await discarded == "discarded"


async def test_action_discarded_while_the_server_fails_at_it_stays_gone(
    device: Device, clock: FakeClock, network: FakeNetwork, caplog: pytest.LogCaptureFixture
) -> None:
    client = await device.open()
    await clock.until(lambda: idle(client))
    for status in (500, 422):
        network.gate = asyncio.Event()
        network.faults.append(None)
        (bad,) = await send(client, "bad")
        await clock.settle()
        await client.queue.remove(bad)
        network._server = lambda *_, status=status: error_answer(status)
        network.gate.set()
        await clock.settle()
        assert await client.queue.pending() == []
    assert not [record for record in caplog.records if record.levelname == "ERROR"]

"""Fault cases B1 to B10: whatever the network does, each action has one effect and none is lost."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest

from app.core.messages import COLLECTION, Message
from app.core.schema import METADATA, ROWS
from app.errors import Unreachable
from app.ports import Get, HttpResponse, Scan
from app.sync.client import Client
from tests.fakes import HTML, Device, FakeClock, FakeNetwork, error_answer
from tests.loopback import Loopback
from tests.scenarios.oracle import all_is_well, drained
from tests.sync.test_engine import idle, send

MINUTE = 60_000


async def texts(client: Client) -> list[str]:
    return [message.text for message in await client.collection(COLLECTION, Message).all()]


def busiest_minute(network: FakeNetwork) -> int:
    """Return the most requests that began within any one minute."""
    times = [time for time, *_ in network.requests]
    return max(sum(start <= time < start + MINUTE for time in times) for start in times)


async def started(device: Device, clock: FakeClock) -> Client:
    client = await device.open()
    await clock.until(lambda: idle(client))
    device.network.requests.clear()
    return client


async def test_b1_answer_lost_after_the_commit_gives_duplicate_and_one_effect(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    """For the `last_seq` of the reference our contract has receipts by action id."""
    client = await started(device, clock)
    verdicts: list[str] = []

    def listening(
        method: str, url: str, body: str | None, headers: Mapping[str, str]
    ) -> HttpResponse:
        answer = server(method, url, body, headers)
        if method == "POST":
            verdicts.extend(result["verdict"] for result in json.loads(answer.body)["results"])
        return answer

    network._server = listening
    network.faults.append("lost")
    await send(client, "hello")
    await all_is_well(clock, server, (device, client), saved=["hello"])
    assert verdicts == ["applied", "duplicate"]


class Ghosts(FakeNetwork):
    """Delivers every push three times, and once more whenever a test says: late, out of order."""

    def __init__(self, clock: FakeClock, server: Loopback) -> None:
        super().__init__(clock, server)
        self.loopback = server
        self.bodies: list[str] = []
        self.hold_next = False

    async def __call__(
        self,
        method: str,
        url: str,
        body: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float,
    ) -> HttpResponse:
        if body is not None and json.loads(body)["actions"]:
            self.bodies.append(body)
            if self.hold_next:
                self.hold_next = False
                raise Unreachable("It is on its way, and nobody knows where.")
            for _ in range(2):
                self.loopback(method, url, body)
        return await super().__call__(method, url, body, headers=headers, timeout=timeout)

    def deliver(self, number: int) -> list[dict[str, Any]]:
        """Deliver a copy of a push; returns the results that nobody will ever see."""
        answer = json.loads(self.loopback("POST", "/api/sync", self.bodies[number]).body)
        return list(answer.get("results", []))


async def test_b3_duplicates_and_reordered_batches_have_one_effect_each(
    clock: FakeClock, server: Loopback
) -> None:
    """Our server knows no gaps in `last_seq`: an action id has one receipt, items keep order."""
    network = Ghosts(clock, server)
    device = Device(clock, network)
    client = await started(device, clock)
    sheets = {"collection": "sheets", "item_id": "a"}
    network.hold_next = True
    await send(client, "one")
    await client.queue.add("create", {"n": 1}, **sheets)
    await clock.until(lambda: len(network.bodies) == 1)
    await send(client, "two")
    await client.queue.add("update", {"n": 2}, **sheets)
    await clock.until(lambda: drained(client))
    late = network.deliver(0)
    assert [result["verdict"] for result in late] == ["duplicate", "duplicate"]
    await send(client, "three")
    await client.queue.add("update", {"n": 3}, **sheets)
    await clock.until(lambda: drained(client))
    for number in reversed(range(len(network.bodies))):
        for result in network.deliver(number):
            known = result["verdict"] == "duplicate"
            assert known or result["error"]["code"] == "already_settled"
    await all_is_well(clock, server, (device, client), saved=["one", "two", "three"])
    (row,) = await device.store.read(Get(ROWS, ["sheets", "a"]))
    assert row["data"] == {"n": 3}
    await device.kill()


async def test_b3_first_batch_that_arrives_after_the_second_changes_nothing(
    clock: FakeClock, server: Loopback
) -> None:
    """The first push is held by a proxy and delivered when all of it was sent, and settled."""
    network = Ghosts(clock, server)
    device = Device(clock, network)
    client = await started(device, clock)
    network.hold_next = True
    await send(client, "one", "two")
    await clock.until(lambda: drained(client))
    await send(client, "three")
    await clock.until(lambda: drained(client))
    await client.sync()
    codes = {(result["error"] or {}).get("code") for result in network.deliver(0)}
    assert codes <= {None, "already_settled"}
    await all_is_well(clock, server, (device, client), saved=["one", "two", "three"])
    await device.kill()


BAD_GATEWAY = HttpResponse(502, "<h1>Bad Gateway</h1>", {"content-type": "text/html"})
STORM = [
    error_answer(500),
    BAD_GATEWAY,
    error_answer(503, retry_after="3"),
    error_answer(429, retry_after="2"),
]


async def test_b5_storm_of_errors_makes_no_storm_of_requests(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    """Thirty of a hundred requests fail, and a message is written each 20 s."""
    chance = random.Random(5)
    client = await started(device, clock)
    network.faults.extend(
        chance.choice(STORM) if chance.random() < 0.3 else None for _ in range(5000)
    )
    written = []
    for number in range(60):
        written.append(f"message {number}")
        await send(client, written[-1])
        await clock.advance(20)
    assert busiest_minute(network) <= 20
    network.faults.clear()
    await all_is_well(clock, server, (device, client), saved=written)
    assert server.texts() == written


@pytest.mark.parametrize("answer", STORM, ids=["500", "502", "503", "429"])
async def test_b5_server_that_only_fails_is_asked_less_and_less(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback, answer: HttpResponse
) -> None:
    client = await started(device, clock)
    network.faults.extend([answer] * 5000)
    await send(client, "one", "two")
    await clock.advance(300)
    assert busiest_minute(network) <= 20
    network.requests.clear()
    await clock.advance(900)
    assert busiest_minute(network) <= 5
    network.faults.clear()
    await all_is_well(clock, server, (device, client), saved=["one", "two"], within=901)


@pytest.mark.parametrize(("status", "seconds"), [(503, 40), (429, 25)])
async def test_b5_retry_after_is_a_lower_bound(
    device: Device, clock: FakeClock, network: FakeNetwork, status: int, seconds: int
) -> None:
    client = await started(device, clock)
    network.faults.append(error_answer(status, retry_after=str(seconds)))
    await send(client, "hello")
    await clock.until(lambda: idle(client))
    (first, *_), (second, *_) = network.requests[:2]
    assert seconds * 1000 <= second - first <= (seconds + 2) * 1000


class BlackHole(FakeNetwork):
    """Takes requests and never answers while `open`; a request ends with its time-out."""

    open = False
    longest = 0.0

    async def __call__(
        self,
        method: str,
        url: str,
        body: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float,
    ) -> HttpResponse:
        if not self.open:
            return await super().__call__(method, url, body, headers=headers, timeout=timeout)
        self.requests.append((self._clock.time, method, url, None))
        self.longest = max(self.longest, timeout)
        await self._clock.sleep(timeout)
        raise Unreachable("No answer within the time that was given.")


async def test_b6_black_hole_ends_each_request_and_wedges_nothing(
    clock: FakeClock, server: Loopback
) -> None:
    network = BlackHole(clock, server)
    device = Device(clock, network)
    client = await started(device, clock)
    network.open = True
    (action_id,) = await send(client, "hello")
    assert await clock.until(lambda: client.connection.status == "disconnected") <= 10
    await clock.advance(1800)
    assert network.longest <= 30
    assert (await client.queue.get(action_id)).state in ("pending", "in_flight")
    assert (await client.queue.get(action_id)).attempts == 0
    assert busiest_minute(network) <= 10
    network.open = False
    assert await all_is_well(clock, server, (device, client), saved=["hello"]) <= 85
    await device.kill()


@pytest.mark.parametrize("direction", ["out", "in", "both"])
@pytest.mark.parametrize("seed", range(3))
async def test_b7_partitions_of_one_direction_are_survived(
    clock: FakeClock, server: Loopback, direction: str, seed: int
) -> None:
    """Out: requests are lost. In: answers are lost, after the commit. For up to 10 s each time."""
    chance = random.Random(f"{direction}{seed}")
    network = FakeNetwork(clock, server)
    device, other = Device(clock, network, seed=seed), Device(clock, network, seed=50 + seed)
    client, reader = await started(device, clock), await started(other, clock)
    contexts = (device, client), (other, reader)
    written: list[str] = []
    for number in range(6):
        kind = chance.choice(["out", "in"]) if direction == "both" else direction
        network.faults.extend(["lost" if kind == "in" else Unreachable("Cut off.")] * 40)
        for who in (client, reader):
            written.append(f"{who is client} {number}")
            await send(who, written[-1])
            await clock.advance(chance.random() * 5)
        network.faults.clear()
        assert await all_is_well(clock, server, *contexts, saved=written) <= 30
    await device.kill()
    await other.kill()


async def test_b8_try_now_works_whatever_the_browser_believes(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    """`onLine` true on a dead network, then false on a good one: only requests decide."""
    client = await started(device, clock)
    network.down = True
    await send(client, "hello")
    await clock.until(lambda: client.connection.status == "disconnected")
    report = await client.sync()
    assert report.error is not None
    network.down, device.online = False, False
    report = await client.sync()
    assert (report.synced, client.connection.status) == (1, "connected")
    await all_is_well(clock, server, (device, client), saved=["hello"])


async def test_b9_pokes_that_come_twice_or_late_make_no_requests_and_lost_ones_are_made_up(
    clock: FakeClock, server: Loopback
) -> None:
    network = FakeNetwork(clock, server)
    mine, theirs = Device(clock, network, seed=1), Device(clock, network, seed=2)
    client, other = await started(mine, clock), await started(theirs, clock)
    await send(other, "poked")
    await clock.until(lambda: idle(other))
    (stored,) = await theirs.store.read(Get(METADATA, "cursor"))
    before = len(network.requests)
    for _ in range(3):
        client.poke(stored["value"])
    await clock.advance(1)
    assert await texts(client) == ["poked"]
    assert len(network.requests) == before + 1
    for _ in range(3):
        client.poke(stored["value"])
    await clock.advance(1)
    assert len(network.requests) == before + 1, "what is known is not asked for again"
    await send(other, "not poked")
    await clock.advance(62)
    assert await texts(client) == ["poked", "not poked"]
    await all_is_well(clock, server, (mine, client), (theirs, other))
    await mine.kill()
    await theirs.kill()


class SmallPages:
    """The real server, asked for three rows at a time."""

    def __init__(self, server: Loopback) -> None:
        self._server = server

    def __call__(
        self, method: str, url: str, body: str | None, headers: Mapping[str, str]
    ) -> HttpResponse:
        asked = json.loads(body) if body else {}
        return self._server(method, url, json.dumps({**asked, "limit": 3}), headers)


@pytest.mark.parametrize("cut", ["half", "no answer", "not ours"])
async def test_b10_pull_interrupted_on_any_page_goes_on_behind_the_last_whole_one(
    clock: FakeClock, server: Loopback, cut: str
) -> None:
    writer = Device(clock, FakeNetwork(clock, server), seed=8)
    author = await writer.open()
    written = [f"message {number}" for number in range(10)]
    await send(author, *written)
    await clock.until(lambda: idle(author))
    torn = HttpResponse(200, '{"protocol":1,"results":[],"ro', {"content-type": "application/json"})
    faults: dict[str, HttpResponse | Exception] = {
        "half": torn,
        "no answer": Unreachable("Cut off."),
        "not ours": HTML,
    }
    network = FakeNetwork(clock, SmallPages(server))
    network.faults.extend([None, faults[cut], None, faults[cut]])
    device = Device(clock, network)
    client = await device.open()
    seen: set[tuple[str | None, int]] = set()
    for _ in range(600):
        await asyncio.sleep(0)
        found, cursor = await device.store.read(Scan(ROWS), Get(METADATA, "cursor"))
        seen.add((cursor["value"] if cursor else None, len(found)))
    await clock.until(lambda: idle(client))
    assert {count for cursor, count in seen if cursor is None} == {0}
    assert len({cursor for cursor, _ in seen}) == len(seen), "a cursor moves with its rows only"
    asked = [body["cursor"] for _, method, _, body in network.requests if method == "POST"]
    assert all(later >= earlier for earlier, later in pairwise(filter(None, asked)))
    assert await texts(client) == written
    await all_is_well(clock, server, (device, client), (writer, author), saved=written)
    await device.kill()
    await writer.kill()

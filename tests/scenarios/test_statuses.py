"""What each status means for an action: retried for ever, a verdict on it, or a held queue."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest

from app.core.backoff import Backoff
from app.core.collections import registry
from app.core.schema import ROWS
from app.errors import Refused, Unreachable
from app.ports import Get, HttpResponse
from app.sync.client import Client
from app.sync.queue import New
from app.sync.refusals import Refusals
from tests.fakes import HTML, Answer, Device, FakeClock, FakeNetwork, error_answer, json_answer
from tests.loopback import Loopback
from tests.sync.test_engine import idle, send

FAILURES = 40
PLAIN = HttpResponse(200, "{}", {"content-type": "text/plain"})
PROXY = HttpResponse(502, "<h1>Bad gateway</h1>", {"content-type": "text/html"})


async def started(device: Device, clock: FakeClock) -> Client:
    client = await device.open()
    await clock.until(lambda: idle(client))
    return client


def gaps(network: FakeNetwork, *, pushes: bool = False) -> list[float]:
    """Return the seconds between the requests from the first push on, or between pushes only."""
    pushing = [bool(body and body["actions"]) for _, _, _, body in network.requests]
    asked = [(it[0], push) for it, push in zip(network.requests, pushing, strict=True)]
    times = [time for time, push in asked[pushing.index(True) :] if push or not pushes]
    return [(later - time) / 1000 for time, later in zip(times, times[1:], strict=False)]


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 507])
async def test_status_of_the_server_is_retried_for_ever_and_costs_no_attempt(
    status: int, device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    client = await started(device, clock)
    network.faults.extend([error_answer(status)] * FAILURES)
    (action_id,) = await send(client, "patience")
    await clock.until(lambda: len(network.faults) <= 1, within=86_400)
    entry = await client.queue.get(action_id)
    assert (entry.attempts, client.status.get().failed) == (0, 0)
    await clock.until(lambda: idle(client), within=2_000)
    assert server.texts() == ["patience"]
    policy = Backoff()
    waited = gaps(network)[:FAILURES]
    assert all(gap <= policy.ceiling(n) + 0.1 for n, gap in enumerate(waited, 1))
    assert max(waited[:12]) <= 60.1
    assert 60 < max(waited) <= 900.1
    shares = [gap / policy.ceiling(n) for n, gap in enumerate(waited, 1)]
    assert min(shares[4:]) < 0.25, "full jitter goes down to nothing"


@pytest.mark.parametrize(
    ("answer", "longest"),
    [
        pytest.param(Unreachable("No route."), 72, id="network"),
        pytest.param(HTML, 72, id="html"),
        pytest.param(PLAIN, 72, id="text"),
        pytest.param(PROXY, 72, id="proxy"),
        pytest.param(json_answer(200, {"hello": "world"}), 72, id="other-json"),
        pytest.param(HttpResponse(422, "<p>No", {"content-type": "text/html"}), 72, id="422-html"),
        pytest.param(error_answer(404), 900.1, id="404"),
        pytest.param(error_answer(405), 900.1, id="405"),
    ],
)
async def test_answer_of_something_else_counts_as_no_network(
    answer: Answer,
    longest: float,
    device: Device,
    clock: FakeClock,
    network: FakeNetwork,
    server: Loopback,
) -> None:
    client = await started(device, clock)
    network.faults.extend([answer] * FAILURES)
    (action_id,) = await send(client, "patience")
    await clock.until(lambda: client.connection.status == "disconnected")
    await clock.until(lambda: len(network.faults) <= 1, within=86_400)
    entry = await client.queue.get(action_id)
    assert (entry.state, entry.attempts) == ("pending", 0)
    assert max(gaps(network)) <= longest
    await clock.until(lambda: idle(client), within=901)
    assert server.texts() == ["patience"]


async def test_time_spent_offline_costs_no_attempt(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    client = await started(device, clock)
    network.down = True
    (action_id,) = await send(client, "from the mountains")
    await clock.advance(3 * 86_400)
    entry = await client.queue.get(action_id)
    assert (entry.state, entry.attempts) == ("pending", 0)
    network.down = False
    await clock.until(lambda: server.texts() == ["from the mountains"])


@pytest.mark.parametrize("form", ["seconds", "date"])
@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
async def test_retry_after_is_a_lower_bound(
    status: int, form: str, device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    client = await started(device, clock)
    date = format_datetime(datetime.fromtimestamp(clock.now() / 1000 + 121, UTC), usegmt=True)
    value = "120" if form == "seconds" else date
    network.faults.append(error_answer(status, retry_after=value))
    await send(client, "later")
    await clock.until(lambda: idle(client))
    assert 119 < gaps(network, pushes=True)[0] <= 122.1


@dataclass
class Poisoned:
    """The real server, but with one answer to any push that holds a bad action."""

    server: Loopback
    answer: HttpResponse
    sizes: list[int]

    def __call__(
        self, method: str, url: str, body: str | None, headers: Mapping[str, str]
    ) -> HttpResponse:
        actions: list[Any] = json.loads(body)["actions"] if body else []
        if any(action["item_id"] == "bad" for action in actions):
            self.sizes.append(len(actions))
            return self.answer
        return self.server(method, url, body, headers)


async def with_a_bad_one(
    clock: FakeClock, server: Loopback, status: int
) -> tuple[Client, str, Poisoned, Device]:
    """Send eight actions to a server that gives `status` to one of them; returns that one's id."""
    poison = Poisoned(server, error_answer(status, "poison", {"actions.0": "is bad"}), [])
    device = Device(clock, FakeNetwork(clock, poison))
    writer = await device.open(run=False)
    items = ["bad", "a", "b", "c", "d", "e", "f", "g"]
    new = [New("create", {"n": n}, "things", item) for n, item in enumerate(items)]
    ids = await writer.queue.add_many(new)
    client = await device.open()
    return client, ids[0], poison, device


@pytest.mark.parametrize("status", [400, 403, 410, 413, 422])
async def test_verdict_on_the_action_fails_it_at_once_and_lets_the_others_pass(
    status: int, clock: FakeClock, server: Loopback
) -> None:
    client, bad, poison, device = await with_a_bad_one(clock, server, status)
    await clock.until(lambda: client.status.get().failed == 1 and client.queue.count == 1)
    entry = await client.queue.get(bad)
    assert (entry.state, entry.attempts) == ("failed", 1)
    assert entry.error is not None
    assert entry.error.code == "poison"
    assert poison.sizes == [8, 4, 2, 1], "halved until it was alone"
    await clock.advance(3_600)
    assert poison.sizes == [8, 4, 2, 1], "kept, and not sent again by itself"
    await device.kill()


@pytest.mark.parametrize("status", [409, 412])
async def test_conflict_of_a_request_is_one_of_its_action(
    status: int, clock: FakeClock, server: Loopback
) -> None:
    client, bad, poison, device = await with_a_bad_one(clock, server, status)
    await clock.until(lambda: client.status.get().conflicts == 1 and client.queue.count == 1)
    entry = await client.queue.get(bad)
    assert (entry.state, entry.verdict, entry.attempts) == ("conflict", "conflict", 0)
    assert poison.sizes == [8, 4, 2, 1]
    poison.answer = error_answer(503)
    assert await client.queue.retry(bad) != bad, "it was answered: a new id"
    await device.kill()


@pytest.mark.parametrize("status", [409, 412])
async def test_conflict_without_the_row_is_followed_by_a_pull_and_retried_on_what_that_brought(
    status: int, clock: FakeClock, server: Loopback
) -> None:
    """Whoever stands before our server may answer so; it is the device that gets the row."""
    network = FakeNetwork(clock, server)
    mine, theirs = Device(clock, network, seed=1), Device(clock, network, seed=2)
    client, other = await started(mine, clock), await started(theirs, clock)
    await client.queue.add("create", {"n": 1}, collection="things", item_id="a")
    await clock.until(lambda: idle(client))
    await other.sync()
    await other.queue.add("update", {"n": 2}, collection="things", item_id="a")
    await clock.until(lambda: idle(other))
    network.faults.append(error_answer(status))
    mine_is = await client.queue.add("update", {"m": 3}, collection="things", item_id="a")
    await clock.until(lambda: client.status.get().conflicts == 1)
    await clock.settle()
    (row,) = await mine.store.read(Get(ROWS, ["things", "a"]))
    assert row["data"] == {"n": 2}, "at once: a refused push is followed by the next request"
    await client.queue.retry(mine_is)
    await clock.until(lambda: idle(client))
    (row,) = await mine.store.read(Get(ROWS, ["things", "a"]))
    assert row["data"] == {"n": 2, "m": 3}
    await mine.kill()
    await theirs.kill()


async def test_action_that_alone_fails_on_a_reachable_server_fails_after_three_attempts(
    clock: FakeClock, server: Loopback
) -> None:
    client, bad, poison, device = await with_a_bad_one(clock, server, 500)
    for number in range(6):
        await client.queue.add("create", {"n": number}, collection="things", item_id=f"h{number}")
        await clock.advance(120)
    entry = await client.queue.get(bad)
    assert (entry.state, entry.attempts) == ("failed", 3)
    assert client.queue.count == 1
    sent = len(poison.sizes)
    await clock.advance(3_600)
    assert len(poison.sizes) == sent, "kept, and not sent again by itself"
    await device.kill()


@pytest.mark.parametrize(("status", "hold"), [(401, "sign_in"), (426, "update")])
async def test_status_that_needs_a_person_holds_the_whole_queue(
    status: int,
    hold: str,
    device: Device,
    clock: FakeClock,
    network: FakeNetwork,
    server: Loopback,
) -> None:
    client = await started(device, clock)
    network.faults.extend([error_answer(status)] * 2)
    await send(client, "one", "two")
    await clock.until(lambda: client.status.get().hold == hold)
    asked = len(network.requests)
    await send(client, "three")
    await clock.advance(800)
    assert len(network.requests) == asked
    assert {entry.attempts for entry in await client.queue.pending()} == {0}
    network.faults.clear()
    await client.sync()
    assert server.texts() == ["one", "two", "three"]


@pytest.mark.parametrize(
    ("status", "state"),
    [
        *((status, "failed") for status in (400, 403, 404, 410, 413, 422)),
        *((status, "conflict") for status in (409, 412)),
        (500, "pending"),
        *((status, None) for status in (401, 408, 425, 426, 429, 502, 503, 504)),
    ],
)
async def test_status_of_a_request_for_one_action(
    status: int, state: str | None, device: Device, clock: FakeClock
) -> None:
    """As a transport with a request for each action hands it over; there, 404 is a verdict, too."""
    client = await device.open(run=False)
    action_id = await client.queue.add("call")
    entry = await client.queue.get(action_id)
    runner = client._runner
    refusals = Refusals(device.store, registry, runner, clock, random.Random(1))
    error = Refused(status, "refused", "No.")
    if state is None:
        with pytest.raises(Refused):
            await refusals.judge(error, [entry])
        assert await client.queue.get(action_id) == entry
        return
    settled = await refusals.judge(error, [entry])
    assert (await client.queue.get(action_id)).state == state
    assert (settled.failed, settled.conflicts) == (state == "failed", state == "conflict")
    later = {"failed": "failed", "conflict": "conflict"}
    assert settled.outcomes.get(action_id) == later.get(state)

"""One action at which the server is busy, or dies, each time: found, put off, in nobody's way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.core.messages import COLLECTION, Message
from app.errors import Unreachable
from app.ports import HttpResponse
from app.sync.client import Client
from app.sync.queue import New
from tests.fakes import Device, FakeClock, FakeNetwork, error_answer
from tests.loopback import Loopback
from tests.scenarios.oracle import all_is_well
from tests.scenarios.proxy import Proxy, page
from tests.sync.test_engine import idle, send

HOUR = 3_600
Actions = list[dict[str, Any]]


def deadly(answer: HttpResponse | Exception, word: str = "deadly") -> Callable[..., Any]:
    """Return what gives `answer` to each push that holds the word."""

    def intercept(_actions: Actions, body: str) -> HttpResponse | None:
        if word not in body:
            return None
        if isinstance(answer, Exception):
            raise answer
        return answer

    return intercept


WAYS: dict[str, HttpResponse | Exception] = {
    "503": error_answer(503, "unavailable"),
    "502-page": page(502),
    "504-page": page(504),
    "dies": Unreachable("The connection was reset."),
}


async def among_others(
    clock: FakeClock, server: Loopback, answer: HttpResponse | Exception, *, rest: bool = False
) -> tuple[Device, Client, Proxy, str]:
    """Send thirty messages to a server that one of them is deadly to."""
    proxy = Proxy(server, deadly(answer))
    device = Device(clock, FakeNetwork(clock, proxy), rest=rest)
    writer = await device.open(run=False)
    ids = await send(writer, *TEXTS[:13], "deadly", *TEXTS[13:])
    return device, await device.open(), proxy, ids[13]


TEXTS = [f"good {number}" for number in range(30)]


@pytest.mark.parametrize("answer", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("rest", [False, True], ids=["batch", "rest"])
async def test_action_that_the_server_gives_no_verdict_on_is_isolated_and_the_others_are_sent(
    clock: FakeClock, server: Loopback, answer: HttpResponse | Exception, rest: bool
) -> None:
    device, client, _, bad = await among_others(clock, server, answer, rest=rest)
    await clock.until(lambda: sorted(server.texts()) == sorted(TEXTS), within=HOUR)
    for number in range(10):
        await send(client, f"later {number}")
        await clock.advance(900)
    entry = await client.queue.get(bad)
    assert (entry.state, entry.attempts) == ("failed", 3)
    assert entry.error is not None
    assert entry.error.code == "server_failed"
    assert client.queue.count == 1
    assert len(set(server.texts())) == len(server.texts()) == 40
    await device.kill()


@pytest.mark.parametrize("answer", WAYS.values(), ids=WAYS)
async def test_deadly_action_that_is_alone_waits_shows_why_and_costs_no_attempt(
    clock: FakeClock, server: Loopback, answer: HttpResponse | Exception
) -> None:
    proxy = Proxy(server, deadly(answer))
    network = FakeNetwork(clock, proxy)
    device = Device(clock, network)
    client = await device.open()
    (bad,) = await send(client, "deadly")
    await clock.advance(6 * HOUR)
    entry = await client.queue.get(bad)
    assert (entry.state, entry.attempts) == ("pending", 0)
    assert entry.error is not None
    assert entry.error.code == "server_failed"
    messages = client.collection(COLLECTION, Message)
    await messages.load()
    (shown,) = messages.get_view().items
    assert (shown.status, shown.error) == ("pending", entry.error)
    assert len(proxy.pushed) <= 100
    proxy.intercept = lambda *_: None
    await all_is_well(clock, server, (device, client), saved=["deadly"], within=901)
    await device.kill()


async def test_lone_action_that_gives_500_shows_why_it_waits(
    clock: FakeClock, server: Loopback
) -> None:
    device = Device(clock, FakeNetwork(clock, Proxy(server, deadly(error_answer(500)))))
    client = await device.open()
    (bad,) = await send(client, "deadly")
    await clock.advance(6 * HOUR)
    entry = await client.queue.get(bad)
    assert (entry.state, entry.attempts) == ("pending", 0)
    assert entry.error is not None
    assert entry.error.message.endswith("No.")
    await device.kill()


@pytest.mark.parametrize("answer", WAYS.values(), ids=WAYS)
async def test_server_that_is_down_costs_no_attempt_and_no_order(
    clock: FakeClock, server: Loopback, answer: HttpResponse | Exception
) -> None:
    """Nothing but its probe is answered for hours; then all goes on, in the order it was made."""

    def down(*_: Any) -> HttpResponse:
        if isinstance(answer, Exception):
            raise answer
        return answer

    proxy = Proxy(server, down)
    device = Device(clock, FakeNetwork(clock, proxy))
    client = await device.open()
    texts = [f"message {number}" for number in range(20)]
    await send(client, *texts)
    await clock.advance(4 * HOUR)
    for entry in await client.queue.pending():
        assert (entry.state, entry.attempts, entry.error) == ("pending", 0, None)
    proxy.intercept = lambda *_: None
    await clock.until(lambda: idle(client), within=901)
    assert server.texts() == texts
    await device.kill()


async def test_server_that_takes_pulls_but_no_push_blames_nobody(
    clock: FakeClock, server: Loopback
) -> None:
    """As one whose disk is full."""
    full = error_answer(503, "unavailable")
    proxy = Proxy(server, lambda actions, _: full if actions else None)
    network = FakeNetwork(clock, proxy)
    device = Device(clock, network)
    client = await device.open()
    texts = [f"message {number}" for number in range(20)]
    await send(client, *texts)
    await clock.advance(6 * HOUR)
    assert {(e.state, e.attempts) for e in await client.queue.pending()} == {("pending", 0)}
    assert len(proxy.pushed) < 200
    proxy.intercept = lambda *_: None
    await all_is_well(clock, server, (device, client), saved=texts, within=1_801)
    await device.kill()


async def test_busy_server_s_retry_after_is_a_lower_bound_while_an_action_is_suspected(
    clock: FakeClock, server: Loopback
) -> None:
    answer = error_answer(503, "unavailable", retry_after="100")
    proxy = Proxy(server, deadly(answer))
    network = FakeNetwork(clock, proxy)
    device = Device(clock, network)
    writer = await device.open(run=False)
    await send(writer, "deadly", "one", "two", "three")
    client = await device.open()
    refused: list[int] = []
    intercept = proxy.intercept

    def timed(actions: Actions, body: str) -> HttpResponse | None:
        assert not refused or clock.time - refused[-1] >= 100_000, "asked too early"
        answered = intercept(actions, body)
        if answered is not None:
            refused.append(clock.time)
        return answered

    proxy.intercept = timed
    await clock.until(lambda: sorted(server.texts()) == ["one", "three", "two"], within=HOUR)
    assert len(refused) >= 4
    await client.sync()
    await device.kill()


async def test_what_stands_behind_a_deadly_action_of_its_item_waits_for_it(
    clock: FakeClock, server: Loopback
) -> None:
    proxy = Proxy(server, deadly(error_answer(503)))
    device = Device(clock, FakeNetwork(clock, proxy))
    writer = await device.open(run=False)
    await writer.queue.add("odd", {"n": "deadly"}, collection="sheets", item_id="a")
    await writer.queue.add_many(
        [New("create", {"n": 2}, "sheets", "a"), New("create", {"n": 3}, "sheets", "b")]
    )
    client = await device.open()
    await clock.until(lambda: client.queue.count == 2, within=HOUR)
    assert [entry.item_id for entry in await client.queue.pending()] == ["a", "a"]
    await device.kill()

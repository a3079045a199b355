"""A server that is up behind a proxy that spoils pushes: asked less and less, and not for ever."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from app.core.claim import MAX_BYTES
from app.ports import HttpResponse
from app.protocol import MAX_BODY_BYTES
from app.sync.queue import New
from tests.fakes import HTML, Device, FakeClock, FakeNetwork, error_answer
from tests.loopback import Loopback
from tests.scenarios.oracle import all_is_well
from tests.scenarios.proxy import Proxy, page
from tests.sync.test_engine import idle, send

HOUR = 3_600


def sheets(sizes: list[int]) -> list[New]:
    """Return actions of about these sizes, each on an item of its own."""
    return [
        New("create", {"t": "x" * size}, "sheets", f"sheet-{number}")
        for number, size in enumerate(sizes)
    ]


def posts(network: FakeNetwork) -> list[int]:
    """Return when the device asked for more than a probe, in ms."""
    return [time for time, method, *_ in network.requests if method == "POST"]


@pytest.mark.parametrize("answer", [page(413), error_answer(413)], ids=["page", "json"])
async def test_413_of_a_proxy_halves_the_batch_whatever_it_looks_like(
    clock: FakeClock, server: Loopback, answer: HttpResponse
) -> None:
    proxy = Proxy(server, lambda _, body: answer if len(body) > 100_000 else None)
    device = Device(clock, FakeNetwork(clock, proxy))
    writer = await device.open(run=False)
    await writer.queue.add_many(sheets([40_000] * 12))
    client = await device.open()
    await clock.until(lambda: idle(client))
    assert [len(ids) for ids in proxy.pushed[:3]] == [12, 6, 3]
    await all_is_well(clock, server, (device, client))
    assert client.connection.was_disconnected is False
    await device.kill()


async def test_action_that_a_proxy_finds_too_large_alone_fails_and_the_others_go_on(
    clock: FakeClock, server: Loopback
) -> None:
    proxy = Proxy(server, lambda _, body: page(413) if len(body) > 50_000 else None)
    device = Device(clock, FakeNetwork(clock, proxy))
    writer = await device.open(run=False)
    ids = await writer.queue.add_many(sheets([10, 55_000, 10]))
    client = await device.open()
    await clock.until(lambda: client.status.get().failed == 1 and client.queue.count == 1)
    error = (await client.queue.get(ids[1])).error
    assert error is not None
    assert (error.code, "size" in error.message) == ("too_large", True)
    await device.kill()


@pytest.mark.parametrize("size", [60_000, 20_000])
async def test_push_is_bounded_in_bytes_below_what_the_server_takes(
    clock: FakeClock, server: Loopback, size: int
) -> None:
    proxy = Proxy(server, lambda _, body: page(413) if len(body) > MAX_BODY_BYTES else None)
    network = FakeNetwork(clock, proxy)
    device = Device(clock, network)
    writer = await device.open(run=False)
    await writer.queue.add_many(sheets([size] * 60))
    client = await device.open()
    reports: list[int] = []
    client.status.subscribe(lambda status: reports.append(status.last_synced or 0))
    await clock.until(lambda: idle(client))
    assert len(set(reports) - {0}) == 1, "one synchronisation, however many requests"
    assert max(proxy.sizes) < MAX_BODY_BYTES
    assert max(proxy.sizes) > MAX_BYTES - 2 * size
    await all_is_well(clock, server, (device, client))
    await device.kill()


BUSY = {"503": page(503), "504": page(504), "502": page(502), "429": page(429), "200": HTML}


@pytest.mark.parametrize("answer", BUSY.values(), ids=BUSY)
async def test_b5_healthy_probes_do_not_keep_a_failing_server_busy(
    clock: FakeClock, server: Loopback, answer: HttpResponse
) -> None:
    """Each probe is answered, and no push or pull is."""
    proxy = Proxy(server, lambda *_: answer)
    network = FakeNetwork(clock, proxy)
    device = Device(clock, network)
    client = await device.open()
    await send(client, "patience")
    await clock.advance(3 * HOUR)
    times = posts(network)
    first = [time for time in times if time - times[0] < 60_000]
    late = [time for time in times if time - times[0] > 2 * HOUR * 1000]
    assert len(first) <= 8
    assert len(late) <= 20, "full jitter below 15 minutes"
    assert max(later - earlier for earlier, later in pairwise(times)) > 72_000
    assert client.status.get().failed == 0
    proxy.intercept = lambda *_: None
    await all_is_well(clock, server, (device, client), saved=["patience"], within=901)
    await device.kill()


async def test_server_that_is_up_but_unreachable_for_pushes_is_not_shown_as_connected(
    clock: FakeClock, server: Loopback
) -> None:
    device = Device(clock, FakeNetwork(clock, Proxy(server, lambda *_: page(504))))
    client = await device.open()
    await clock.until(lambda: client.connection.status == "disconnected")
    seen: set[str] = set()
    client.connection.subscribe(lambda state: seen.add(state.status))
    await clock.advance(HOUR)
    assert seen == {"disconnected"}
    await device.kill()


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
async def test_retry_after_of_a_proxy_s_page_is_a_lower_bound(
    clock: FakeClock, server: Loopback, status: int
) -> None:
    answers = [page(status, **{"retry-after": "600"})] * 2
    proxy = Proxy(server, lambda *_: answers.pop() if answers else None)
    network = FakeNetwork(clock, proxy)
    device = Device(clock, network)
    client = await device.open()
    await send(client, "later")
    await clock.until(lambda: idle(client), within=2_000)
    first, second, third, *_ = posts(network)
    assert min(second - first, third - second) >= 600_000
    assert third - first <= 1_220_000
    await device.kill()


async def test_page_that_is_no_error_cannot_ask_for_time(
    clock: FakeClock, server: Loopback
) -> None:
    portal = page(200, **{"retry-after": "86400"})
    answers = [portal]
    proxy = Proxy(server, lambda *_: answers.pop() if answers else None)
    device = Device(clock, FakeNetwork(clock, proxy))
    client = await device.open()
    await send(client, "hello")
    assert await clock.until(lambda: idle(client)) <= 10
    await device.kill()


async def test_server_that_always_complains_of_the_cursor_is_not_asked_at_once_again(
    clock: FakeClock, server: Loopback
) -> None:
    complaint = error_answer(422, "invalid", {"cursor": "Field required"})

    def always(_actions: list[dict[str, Any]], _body: str) -> HttpResponse:
        return complaint

    proxy = Proxy(server, always)
    network = FakeNetwork(clock, proxy)
    device = Device(clock, network)
    client = await device.open()
    await send(client, "hello")
    await clock.advance(60)
    assert len(network.requests) <= 12
    proxy.intercept = lambda *_: None
    await all_is_well(clock, server, (device, client), saved=["hello"])
    await device.kill()

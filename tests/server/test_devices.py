"""Real devices on real servers: over proxies that cut and buffer, and on two servers at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.server.devices import device
from tests.server.live import Live, live
from tests.server.proxy import proxied

HEARTBEAT = 0.3
QUICKER = 15 / HEARTBEAT
"""A device on the way of whose streams a proxy is lives so much faster, as its server does."""


def server_on(database: str) -> tuple[str, ...]:
    return ("-m", "tests.server.faulty", "--port", "0", "--database", database)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Live]:
    """Return a server whose event streams have a heartbeat every 0.3 s, and not every 15."""
    environment = {"DRIFTLINE_HEARTBEAT": str(HEARTBEAT), "DRIFTLINE_LOG_LEVEL": "WARNING"}
    with live(*server_on(f"sqlite:///{tmp_path / 'server.db'}"), environment=environment) as server:
        yield server


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.01)


async def test_b9_heartbeats_keep_a_stream_that_a_proxy_would_cut(server: Live) -> None:
    """The proxy gives up what was idle for a little longer than a heartbeat takes to come."""
    async with (
        proxied(server.url, idle=5 * HEARTBEAT) as proxy,
        device(f"{server.url}/api", quicker=QUICKER, streams_at=f"{proxy.url}/api") as phone,
        device(f"{server.url}/api", seed=2) as other,
    ):
        await until(lambda: phone.streams.heartbeats >= 12)
        assert (phone.streams.opened, proxy.cuts) == (1, 0)
        await other.send("through the same stream")
        await phone.sees("through the same stream")
        assert phone.streams.opened == 1


async def test_b9_stream_that_a_proxy_cuts_is_opened_again_and_its_pokes_go_on(
    server: Live,
) -> None:
    """The proxy's patience is shorter than the time from one heartbeat to the next."""
    async with (
        proxied(server.url, idle=HEARTBEAT / 3) as proxy,
        device(f"{server.url}/api", quicker=QUICKER, streams_at=f"{proxy.url}/api") as phone,
        device(f"{server.url}/api", seed=2) as other,
    ):
        for number in range(1, 4):
            await until(partial(proxy.has_cut, 2 * number))
            await other.send(f"message {number}")
            await phone.sees(*(f"message {n}" for n in range(1, number + 1)))
        assert phone.streams.opened >= 6
        assert phone.client.connection.is_connected.get(), "the requests do go through"


async def test_b9_stream_that_a_proxy_keeps_back_is_noticed_by_its_silence(server: Live) -> None:
    """Nothing comes, nothing breaks: without the heartbeats the device would wait for ever."""
    async with (
        proxied(server.url, buffers=True) as proxy,
        device(f"{server.url}/api", quicker=QUICKER, streams_at=f"{proxy.url}/api") as phone,
        device(f"{server.url}/api", seed=2) as other,
    ):
        await until(lambda: phone.streams.opened >= 1)
        await other.send("kept back")
        await phone.sees("kept back")
        await until(lambda: phone.streams.opened >= 3)
        assert phone.streams.heartbeats == 0
        await other.send("and again")
        await phone.sees("kept back", "and again")


class TestTwoServers:
    """Two server processes on one PostgreSQL, and real clients on each."""

    @pytest.fixture
    def kind(self) -> str:
        return "postgresql"

    @pytest.fixture
    async def servers(self, database_url: str) -> AsyncIterator[tuple[Live, Live]]:
        quiet = {"DRIFTLINE_LOG_LEVEL": "WARNING"}
        command = server_on(database_url)
        with live(*command, environment=quiet) as one, live(*command, environment=quiet) as two:
            yield one, two

    async def test_clients_of_two_servers_see_each_others_messages_by_pokes(
        self, servers: tuple[Live, Live]
    ) -> None:
        async with AsyncExitStack() as open_devices:
            devices = [
                await open_devices.enter_async_context(device(f"{server.url}/api", seed=seed))
                for seed, server in enumerate(servers * 2)
            ]
            await until(lambda: all(one.streams.opened == 1 for one in devices))
            said: list[str] = []
            for round_number in range(3):
                texts = [f"{round_number} from {place}" for place in range(len(devices))]
                said += texts
                await asyncio.gather(
                    *(one.send(text) for one, text in zip(devices, texts, strict=True))
                )
                for one in devices:
                    await one.sees(*said)
            orders = [one.texts for one in devices]
            assert orders == [orders[0]] * len(devices)
            assert [one.streams.opened for one in devices] == [1] * len(devices)

    async def test_client_of_a_server_that_dies_loses_nothing_and_the_other_goes_on(
        self, servers: tuple[Live, Live]
    ) -> None:
        dying, other = servers
        async with (
            device(f"{dying.url}/api") as stranded,
            device(f"{other.url}/api", seed=2) as safe,
        ):
            await stranded.send("before")
            await safe.sees("before")
            dying.process.kill()
            dying.process.wait()
            await until(lambda: not stranded.client.connection.is_connected.get())
            await stranded.send("held back")
            await safe.send("meanwhile")
            await safe.sees("before", "meanwhile")
            assert stranded.client.status.get().count == 1
            async with device(f"{other.url}/api", seed=3, of=stranded) as moved:
                await moved.sees("before", "held back", "meanwhile")
                await safe.sees("before", "held back", "meanwhile")

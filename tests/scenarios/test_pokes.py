"""The event stream (fault case B9): one that breaks or goes silent is never mistaken for quiet."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from app.ports import Listener
from app.sync.pokes import Pokes
from tests.fakes import Device, FakeClock
from tests.loopback import Loopback
from tests.scenarios.oracle import all_is_well
from tests.scenarios.test_network import BlackHole
from tests.sync.test_engine import idle, send


class Streams:
    """The streams that were opened, and when; the last one is open unless it was closed."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.opened: list[int] = []
        self.listener: Listener | None = None

    def __call__(self, listener: Listener) -> Callable[[], None]:
        assert self.listener is None, "one at a time"
        self.opened.append(self._clock.now())
        self.listener = listener

        def close() -> None:
            self.listener = None

        return close


def waits(streams: Streams) -> list[float]:
    return [(later - earlier) / 1000 for earlier, later in pairwise(streams.opened)]


async def test_b9_stream_with_a_heartbeat_stays_open(clock: FakeClock) -> None:
    streams = Streams(clock)
    cursors: list[str | None] = []
    broken: list[int] = []
    pokes = Pokes(streams, clock, cursors.append, lambda: broken.append(clock.now()))
    pokes.follow(True)
    for beat in range(40):
        await clock.advance(15)
        assert streams.listener is not None
        if beat % 10:
            streams.listener.alive()
        else:
            streams.listener.poked(f"c{beat}")
    assert (len(streams.opened), broken) == (1, [])
    assert cursors == ["c0", "c10", "c20", "c30"]
    pokes.follow(False)
    await clock.settle()
    assert streams.listener is None


async def test_b9_stream_that_breaks_is_opened_again_less_and_less_often(clock: FakeClock) -> None:
    streams = Streams(clock)
    broken: list[int] = []
    pokes = Pokes(streams, clock, lambda _: None, lambda: broken.append(clock.now()))
    pokes.follow(True)
    for _ in range(6):
        await clock.until(lambda: streams.listener is not None)
        assert streams.listener is not None
        streams.listener.failed()
        await clock.settle()
        assert streams.listener is None
    await clock.until(lambda: streams.listener is not None)
    assert waits(streams) == [5, 10, 20, 40, 60, 60]
    assert len(broken) == 6
    pokes.follow(False)
    pokes.follow(True)
    await clock.settle()
    assert waits(streams)[-1] == 0, "at once on a new connection"
    assert streams.listener is not None
    streams.listener.alive()
    streams.listener.failed()
    await clock.until(lambda: len(streams.opened) == 9)
    assert waits(streams)[-1] == 5, "and a stream that lived counts as a fresh start"
    pokes.follow(False)


async def test_b9_stream_that_went_silent_is_noticed_and_the_real_state_is_shown(
    clock: FakeClock, server: Loopback
) -> None:
    """The network swallows everything, without an error: neither stream nor request says so."""
    network = BlackHole(clock, server)
    device = Device(clock, network)
    client = await device.open()
    streams = Streams(clock)
    pokes = Pokes(streams, clock, client.poke, client.wake)
    client.connection.is_connected.subscribe(pokes.follow)
    await clock.until(lambda: idle(client) and streams.listener is not None)
    for _ in range(4):
        await clock.advance(15)
        assert streams.listener is not None
        streams.listener.alive()
    await client.sync()
    network.open = True
    noticed = await clock.until(lambda: client.connection.status == "disconnected")
    assert noticed <= 50, "long before the next poll would find out"
    await clock.settle()
    assert streams.listener is None, "closed while there is nothing to hear"
    await send(client, "written meanwhile")
    network.open = False
    await all_is_well(clock, server, (device, client), saved=["written meanwhile"])
    assert client.connection.status == "connected"
    assert streams.listener is not None
    pokes.follow(False)
    await device.kill()

"""A bounded load: so many connections, each with one request under way at a time.

The client is written by hand and does as little as it can, so that the server gets the machine.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import uvloop

Ask = Callable[[bytes | None], bytes | None]
"""Gets the body of the last answer, `None` at first; returns the next request, `None` to end."""


@dataclass
class Load:
    """What came of a load: the seconds of each request, and how many answers had which status."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """Requests per second."""
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        """Return the seconds within which this share of the requests was answered."""
        ordered = sorted(self.latencies)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


class _Connection(asyncio.Protocol):
    """Sends what `ask` says, notes how long the whole answer took, and asks again."""

    def __init__(self, ask: Ask, load: Load) -> None:
        self._ask = ask
        self._load = load
        self._buffer = bytearray()
        self._total = 0
        self._sent_at = 0.0
        self._transport: asyncio.Transport | None = None
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._total:
            self._total = _length(self._buffer)
        if self._total and len(self._buffer) >= self._total:
            answer = bytes(self._buffer)
            self._buffer.clear()
            self._total = 0
            self._load.latencies.append(time.perf_counter() - self._sent_at)
            self._load.statuses[int(answer[9:12])] += 1
            self.send(answer.partition(b"\r\n\r\n")[2])

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(error or ConnectionError("The server hung up."))

    def send(self, last: bytes | None) -> None:
        """Send the next request, or end."""
        assert self._transport is not None
        request = self._ask(last)
        if request is None:
            self.ended.set_result(None)
            self._transport.close()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)


def _length(start: bytearray) -> int:
    """Return how long the answer is, 0 while its head is not complete."""
    end = start.find(b"\r\n\r\n")
    if end < 0:
        return 0
    name = b"\r\ncontent-length:"
    place = start[:end].lower().index(name) + len(name)
    return end + 4 + int(start[place:].split(b"\r\n", 1)[0])


def run(url: str, asks: Sequence[Ask]) -> Load:
    """Open a connection for each of `asks`, and return once all have ended."""
    return uvloop.run(_run(url, asks))


async def _run(url: str, asks: Sequence[Ask]) -> Load:
    load = Load()
    connections = [_Connection(ask, load) for ask in asks]
    for connection in connections:
        await connect(url, connection)
    began = time.perf_counter()
    for connection in connections:
        connection.send(None)
    await asyncio.gather(*(connection.ended for connection in connections))
    load.seconds = time.perf_counter() - began
    return load


async def connect(url: str, protocol: asyncio.Protocol) -> None:
    """Open a connection to the server at `url`."""
    address = urlsplit(url)
    loop = asyncio.get_running_loop()
    await loop.create_connection(lambda: protocol, address.hostname or "", address.port or 80)


def until(seconds: float, ask: Ask) -> Ask:
    """Return `ask`, ended so many seconds after its first request."""
    end = 0.0

    def limited(last: bytes | None) -> bytes | None:
        nonlocal end
        now = time.perf_counter()
        end = end or now + seconds
        return None if now > end else ask(last)

    return limited

"""Many open event streams: how long a poke takes to reach the last of them."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import uvloop

from bench.server.load import Ask, connect
from bench.server.processes import Process

_AT_A_TIME = 50
_PATIENCE = 30.0
_ASK = b"GET /api/events HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\n\r\n"


@dataclass(frozen=True)
class Fanout:
    """The seconds that each poke took to the last stream, and the server's memory in MB."""

    seconds: list[float]
    memory_before: float
    memory_open: float
    memory_poked: float
    cpu: float

    @property
    def median(self) -> float:
        """The median of the seconds."""
        return statistics.median(self.seconds)


class _Stream(asyncio.Protocol):
    """An open stream that counts the events that it has got."""

    def __init__(self, heard: asyncio.Event) -> None:
        self.events = 0
        self.is_lost = False
        self._heard = heard
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(_ASK)

    def data_received(self, data: bytes) -> None:
        self.events += data.count(b"event: changed")
        self._heard.set()

    def connection_lost(self, _error: Exception | None) -> None:
        self.is_lost = True
        self._heard.set()

    def close(self) -> None:
        assert self._transport is not None
        self._transport.close()


def fan_out(process: Process, count: int, pokes: int, push: Ask) -> Fanout:
    """Open `count` streams, push `pokes` times, and time each push until all streams have heard.

    Raises `ConnectionError` where a stream ends, `TimeoutError` where one hears nothing.
    """
    return uvloop.run(_fan_out(process, count, pokes, push))


async def _fan_out(process: Process, count: int, pokes: int, push: Ask) -> Fanout:
    address = urlsplit(process.url)
    heard = asyncio.Event()
    before = process.memory()
    streams: list[_Stream] = []
    while len(streams) < count:
        for _ in range(min(_AT_A_TIME, count - len(streams))):
            stream = _Stream(heard)
            streams.append(stream)
            await connect(process.url, stream)
        await _until_all_heard(streams, 1, heard)
    opened = process.memory()
    cpu = process.cpu()
    seconds: list[float] = []
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    answer: bytes | None = None
    for number in range(pokes):
        request = push(answer)
        assert request is not None
        began = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        answer = await reader.readexactly(length)
        await _until_all_heard(streams, number + 2, heard)
        seconds.append(time.perf_counter() - began)
    writer.close()
    spent = (process.cpu() - cpu) / pokes
    found = Fanout(seconds, before, opened, process.memory(), spent)
    for stream in streams:
        stream.close()
    return found


async def _until_all_heard(streams: Iterable[_Stream], events: int, heard: asyncio.Event) -> None:
    async with asyncio.timeout(_PATIENCE):
        waiting = list(streams)
        while waiting := [stream for stream in waiting if stream.events < events]:
            if any(stream.is_lost for stream in waiting):
                raise ConnectionError("The server ended a stream.")
            heard.clear()
            await heard.wait()

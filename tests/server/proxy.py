"""A proxy between devices and a server, with the habits of those on the way in real networks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

BUFFER = 16 * 1024
"""Bytes of an event stream that a proxy which buffers keeps back."""


class Proxy:
    """Passes bytes on. Cuts what was idle for `idle` seconds; where it `buffers`, keeps back
    event streams until they amount to something.
    """

    def __init__(self, server: str, idle: float, buffers: bool) -> None:
        self._where = urlsplit(server)
        self._idle = idle
        self._buffers = buffers
        self.url = ""
        self.cuts = 0

    def has_cut(self, times: int) -> bool:
        """Say whether it has cut so many connections, or more."""
        return self.cuts >= times

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end."""
        upstream = await asyncio.open_connection(self._where.hostname, self._where.port)
        heard = asyncio.Event()
        tasks = [
            asyncio.ensure_future(way)
            for way in (
                self._pass(reader, upstream[1], heard),
                self._pass(upstream[0], writer, heard),
                self._watch(heard),
            )
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            for end in (writer, upstream[1]):
                end.close()

    async def _pass(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, heard: asyncio.Event
    ) -> None:
        kept = b""
        with suppress(ConnectionError):
            while data := await source.read(BUFFER):
                heard.set()
                kept += data
                if self._buffers and b"text/event-stream" in kept and len(kept) < BUFFER:
                    continue
                target.write(kept)
                kept = b""
                await target.drain()

    async def _watch(self, heard: asyncio.Event) -> None:
        """Return once nothing was passed on for too long."""
        with suppress(TimeoutError):
            while True:
                await asyncio.wait_for(heard.wait(), self._idle)
                heard.clear()
        self.cuts += 1


@asynccontextmanager
async def proxied(server: str, *, idle: float = 60, buffers: bool = False) -> AsyncIterator[Proxy]:
    """Run a proxy in front of the server at a URL."""
    proxy = Proxy(server, idle, buffers)
    listener = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    host, port = listener.sockets[0].getsockname()
    proxy.url = f"http://{host}:{port}"
    try:
        yield proxy
    finally:
        listener.close()
        connections = [task for task in asyncio.all_tasks() if "Proxy.serve" in repr(task)]
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

"""Asking the process that writes, from the event loop of the one that answers requests."""

from __future__ import annotations

import asyncio
import logging
import socket
from itertools import count
from typing import cast

from server.exchange import Answer, Exchange
from server.frames import Unpacker, pack_exchange, unpacked_reply
from server.refusals import DatabaseUnavailable
from server.writing import OneWrite

logger = logging.getLogger(__name__)


class WriterLink(asyncio.Protocol):
    """One end of the socket whose other end a writer answers (`server/writer_process.py`)."""

    def __init__(self, writer: socket.socket) -> None:
        self._writer = writer
        self._unpacker = Unpacker()
        self._numbers = count()
        self._asked: dict[int, asyncio.Future[Answer]] = {}
        self._out: OneWrite | None = None
        self._is_closing = False

    @property
    def is_open(self) -> bool:
        """Whether the writer can be asked."""
        return self._out is not None and not self._is_closing

    async def open(self) -> None:
        """Begin to listen for replies, on the running event loop."""
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: self, sock=self._writer)

    async def answer(self, exchange: Exchange) -> Answer:
        """Return the writer's answer to an exchange, once it has committed.

        Raises `DatabaseUnavailable` where the database refused or the writer is gone, and
        `WriterFailed`.
        """
        if self._out is None:
            raise _gone()
        number = next(self._numbers)
        reply: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._asked[number] = reply
        self._out.write(pack_exchange(number, exchange))
        try:
            return await reply
        finally:
            del self._asked[number]

    def close(self) -> None:
        """Ask no more; the writer finishes what it was asked, and ends."""
        self._is_closing = True
        if self._out is not None:
            self._out.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport that asyncio made of the socket."""
        loop = asyncio.get_running_loop()
        self._out = OneWrite(cast(asyncio.Transport, transport), loop)

    def data_received(self, data: bytes) -> None:
        """Hand the replies that are complete to those who asked, if they still wait."""
        for number, reply in map(unpacked_reply, self._unpacker.feed(data)):
            waiting = self._asked.get(number)
            if waiting is None or waiting.done():
                continue
            if isinstance(reply, Exception):
                waiting.set_exception(reply)
            else:
                waiting.set_result(reply)

    def connection_lost(self, error: Exception | None) -> None:
        """Tell those who wait that there will be no reply."""
        self._out = None
        if not self._is_closing:
            logger.error("The process that writes has ended: this one writes from now on")
        for waiting in self._asked.values():
            if not waiting.done():
                waiting.set_exception(_gone())


def _gone() -> DatabaseUnavailable:
    return DatabaseUnavailable("The process that writes has ended; what it was writing is unknown.")

"""Writing answers to a connection: the head and the body of one in one piece."""

from __future__ import annotations

import asyncio
from typing import Any

MOST_WAITING = 64 * 1024
"""Bytes that wait at most: with more, the transport is to tell whether the client takes them."""


class OneWrite:
    """A transport that writes what it is given in one turn of the event loop in one piece.

    Each write is a call of the system, for which the thread that works on other requests gets the
    interpreter's lock, and a packet of its own.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._waiting = bytearray()

    def write(self, data: bytes) -> None:
        """Write at the end of this turn, or at once where it is much."""
        if not self._waiting:
            self._loop.call_soon(self._flush)
        self._waiting += data
        if len(self._waiting) > MOST_WAITING:
            self._flush()

    def close(self) -> None:
        """Write what waits, then close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._waiting and not self._transport.is_closing():
            self._transport.write(bytes(self._waiting))
        self._waiting.clear()

    def __getattr__(self, name: str) -> Any:
        """Return what else a transport has."""
        return getattr(self._transport, name)

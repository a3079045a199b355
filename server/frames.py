"""Messages on a stream between two processes of one server: each with its length before it.

They are pickled: both ends are the same program, and nobody else holds the socket.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Iterator
from typing import Any

from server.exchange import Exchange
from server.prepared import Prepared

_LENGTH = struct.Struct("!I")


def pack(message: Any) -> bytes:
    """Return a message as it is sent."""
    body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(body)) + body


class Unpacker:
    """Takes what comes out of a stream and gives the messages that are complete."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def feed(self, data: bytes) -> Iterator[Any]:
        """Take what has come, and return the messages that it completes."""
        self._waiting += data
        start = 0
        while start + _LENGTH.size <= len(self._waiting):
            (length,) = _LENGTH.unpack_from(self._waiting, start)
            end = start + _LENGTH.size + length
            if end > len(self._waiting):
                break
            message = bytes(self._waiting[start + _LENGTH.size : end])
            start = end
            yield pickle.loads(message)
        del self._waiting[:start]


def pack_exchange(number: int, exchange: Exchange) -> bytes:
    """Return an exchange and its number as they are sent."""
    # To pickle a tuple by its class costs four times as much as a plain one.
    plain: Any = [tuple(action) for action in exchange.actions]
    return pack((number, exchange._replace(actions=plain)))


def unpacked_exchange(message: Any) -> tuple[int, Exchange]:
    """Return the number and the exchange that a message holds."""
    number, exchange = message
    return number, exchange._replace(actions=[Prepared._make(it) for it in exchange.actions])

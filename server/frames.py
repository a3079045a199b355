"""Messages on a stream between two processes of one server: each with its length before it.

They are pickled: both ends are the same program, and nobody else holds the socket.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Iterator
from typing import Any

from server.exchange import Answer, Exchange
from server.identity import Identity
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
    # As plain tuples: by their classes they would take four times as long.
    identity, *asked, actions, now, pulls = exchange
    who = identity.space_id, identity.user_id
    return pack((number, who, asked, [tuple(action) for action in actions], now, pulls))


def unpacked_exchange(message: Any) -> tuple[int, Exchange]:
    """Return the number and the exchange that a message holds."""
    number, who, asked, actions, now, pulls = message
    prepared = [Prepared._make(action) for action in actions]
    return number, Exchange._make((Identity(*who), *asked, prepared, now, pulls))


def pack_reply(number: int, reply: Answer | Exception) -> bytes:
    """Return the reply to an exchange, and its number, as they are sent."""
    return pack((number, reply if isinstance(reply, Exception) else tuple(reply)))


def unpacked_reply(message: Any) -> tuple[int, Answer | Exception]:
    """Return the number and the reply that a message holds."""
    number, reply = message
    return number, reply if isinstance(reply, Exception) else Answer._make(reply)

"""A channel that notices what it lost: messages are a hint, but nobody waits for one for ever."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from app.ports import Channel
from app.sync.stores import Unsubscribe


class Numbered:
    """A `Channel` over another, whose messages carry their sender and its count of them.

    `missed` is called where a number shows that a message before it did not arrive, also at the
    first message of a sender that has sent others: they may have come too early, or not at all.
    """

    def __init__(self, channel: Channel, sender: str) -> None:
        self._channel = channel
        self._sender = sender
        self._sent = 0
        self._heard: dict[str, int] = {}
        self._receivers: list[Callable[[Mapping[str, Any]], None]] = []
        self.missed: Callable[[], None] = lambda: None
        channel.subscribe(self._receive)

    def publish(self, message: Mapping[str, Any]) -> None:
        """See the port."""
        self._sent += 1
        self._channel.publish({**message, "sender": self._sender, "number": self._sent})

    def subscribe(self, receive: Callable[[Mapping[str, Any]], None]) -> Unsubscribe:
        """See the port."""
        self._receivers.append(receive)
        return lambda: self._receivers.remove(receive)

    def _receive(self, message: Mapping[str, Any]) -> None:
        sender, number = message["sender"], message["number"]
        if number > self._heard.get(sender, 0) + 1:
            self.missed()
        self._heard[sender] = number
        for receive in list(self._receivers):
            receive(message)

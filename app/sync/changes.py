"""Word of what changed: to this context at once, to the others by the channel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from app.ports import Channel
from app.sync.stores import Unsubscribe

ItemKey = tuple[str, str]
Listener = Callable[[frozenset[ItemKey]], None]


class Changes:
    """Tells listeners which items (collection, id) to read anew."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._listeners: list[Listener] = []
        channel.subscribe(self._receive)

    def subscribe(self, listener: Listener) -> Unsubscribe:
        """Call `listener` with the items of each change from now on; returns what ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def announce(self, items: Iterable[ItemKey]) -> None:
        """Say that the stored state of `items` changed."""
        keys = frozenset(items)
        if not keys:
            return
        self._tell(keys)
        self._channel.publish({"kind": "changed", "items": [list(key) for key in keys]})

    def _receive(self, message: Mapping[str, Any]) -> None:
        if message.get("kind") == "changed":
            self._tell(frozenset((collection, item_id) for collection, item_id in message["items"]))

    def _tell(self, keys: frozenset[ItemKey]) -> None:
        for listener in list(self._listeners):
            listener(keys)

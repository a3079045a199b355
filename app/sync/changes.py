"""Word of what changed: to this context at once, to the others by the channel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.core.entry import Outcome
from app.core.view import Item
from app.ports import Channel
from app.sync.stores import Unsubscribe

ItemKey = tuple[str, str]


@dataclass(frozen=True)
class Change:
    """Items (collection, id) whose stored state changed.

    `items` holds what some of them amount to now, where whoever changed them knows it: those need
    not be read again to be shown. `outcomes` says how actions ended, by their ids. `rows_only`: the
    outbox, and all else that is counted, is as before. `everything`: nobody here knows what
    changed: whoever did it died before saying so, or was not heard.
    """

    keys: frozenset[ItemKey]
    items: tuple[Item, ...] = ()
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    rows_only: bool = False
    everything: bool = False


Listener = Callable[[Change], None]
ClaimListener = Callable[[frozenset[ItemKey]], None]


class Changes:
    """Tells listeners what changed."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._listeners: list[Listener] = []
        self._claim_listeners: list[ClaimListener] = []
        channel.subscribe(self._receive)

    def subscribe(self, listener: Listener) -> Unsubscribe:
        """Call `listener` with each change from now on; returns what ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def subscribe_claims(self, listener: ClaimListener) -> Unsubscribe:
        """Call `listener` with the items whose actions are being sent; returns what ends it.

        It is no change: what the items amount to is the same.
        """
        self._claim_listeners.append(listener)
        return lambda: self._claim_listeners.remove(listener)

    def announce(
        self,
        keys: Iterable[ItemKey],
        items: Iterable[Item] = (),
        outcomes: Mapping[str, Outcome] | None = None,
        *,
        rows_only: bool = False,
    ) -> None:
        """Say that the stored state of the items called `keys` changed."""
        change = Change(frozenset(keys), tuple(items), outcomes or {}, rows_only)
        if not change.keys:
            return
        self._tell(change)
        items_changed = [list(key) for key in change.keys]
        ended = dict(change.outcomes)
        self._channel.publish({"kind": "changed", "items": items_changed, "outcomes": ended})

    def announce_claimed(self, keys: Iterable[ItemKey]) -> None:
        """Say that actions on the items called `keys` are being sent now."""
        claimed = frozenset(keys)
        if claimed:
            self._tell_claimed(claimed)
            self._channel.publish({"kind": "claimed", "items": [list(key) for key in claimed]})

    def announce_everything(self) -> None:
        """Say that anything may have changed."""
        self.tell_everything()
        self._channel.publish({"kind": "everything"})

    def tell_everything(self) -> None:
        """Say in this context only that anything may have changed."""
        self._tell(Change(frozenset(), everything=True))

    def _receive(self, message: Mapping[str, Any]) -> None:
        if message.get("kind") == "changed":
            self._tell(Change(_keys(message), outcomes=message["outcomes"]))
        elif message.get("kind") == "claimed":
            self._tell_claimed(_keys(message))
        elif message.get("kind") == "everything":
            self.tell_everything()

    def _tell(self, change: Change) -> None:
        for listener in list(self._listeners):
            listener(change)

    def _tell_claimed(self, keys: frozenset[ItemKey]) -> None:
        for listener in list(self._claim_listeners):
            listener(keys)


def _keys(message: Mapping[str, Any]) -> frozenset[ItemKey]:
    return frozenset((collection, item_id) for collection, item_id in message["items"])

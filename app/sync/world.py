"""The world of a client: everything that it needs from outside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from app.ports import Channel, Clock, Http, Leadership, Random, Store


async def _nothing() -> None:
    """Delete nothing: what is in memory goes with the page."""


@dataclass(frozen=True)
class World:
    """What the client needs from outside; `online` is the network's hint, never the truth.

    `queued` is called as soon as something was put into the queue, or is to be sent again.
    `durable` is false where the store ends with the page. `erase` deletes all that is kept on the
    device, after which the store answers nothing more.
    """

    store: Store
    http: Http
    clock: Clock
    random: Random
    leadership: Leadership
    channel: Channel
    online: Callable[[], bool] = lambda: True
    prepare_handlers: Callable[[], None] = lambda: None
    queued: Callable[[], None] = lambda: None
    durable: bool = True
    erase: Callable[[], Awaitable[None]] = _nothing

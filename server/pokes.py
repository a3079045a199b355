"""Pokes: telling the open event streams of a space that there is something new.

A poke is a hint that says how far the space has come, never the change itself. A listener that is
slow gets the newest only, so that nothing piles up. All is called on the event loop.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from typing import Protocol


class Subscription:
    """One listener's mailbox: it holds the newest version that was published.

    The same poke may come on several ways; only what is newer wakes the listener.
    """

    def __init__(self) -> None:
        self._newest = -1
        self._closed = False
        self._wake = asyncio.Event()

    def put(self, version: int) -> None:
        """Leave a version for the listener."""
        if version > self._newest:
            self._newest = version
            self._wake.set()

    def know(self, version: int) -> None:
        """Take note that the listener has this version already, also where it was just told."""
        if version >= self._newest:
            self._newest = version
            if not self._closed:
                self._wake.clear()

    def close(self) -> None:
        """Tell the listener that it is over."""
        self._closed = True
        self._wake.set()

    async def take(self) -> int | None:
        """Wait for the next publication and return the newest version; `None` once it is over."""
        await self._wake.wait()
        self._wake.clear()
        return None if self._closed else self._newest


class Pokes(Protocol):
    """Carries pokes from those who commit to those who listen, within a space.

    A version is published once it is committed. A server is within `listening` from its start to
    its end.
    """

    def listening(self) -> AbstractAsyncContextManager[None]: ...

    def publish(self, space_id: str, version: int) -> None: ...

    def subscribe(self, space_id: str) -> AbstractContextManager[Subscription]: ...

    def close(self) -> None: ...


class LocalPokes:
    """Pokes among the streams of one process."""

    def __init__(self) -> None:
        self._listeners: defaultdict[str, set[Subscription]] = defaultdict(set)
        self._closed = False

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Do nothing: who commits is here."""
        yield

    def publish(self, space_id: str, version: int) -> None:
        """Poke every listener of a space."""
        for subscription in self._listeners.get(space_id, ()):
            subscription.put(version)

    @contextmanager
    def subscribe(self, space_id: str) -> Iterator[Subscription]:
        """Listen to a space for as long as the context lasts."""
        subscription = Subscription()
        if self._closed:
            subscription.close()
        self._listeners[space_id].add(subscription)
        try:
            yield subscription
        finally:
            self._listeners[space_id].discard(subscription)
            if not self._listeners[space_id]:
                del self._listeners[space_id]

    def close(self) -> None:
        """End every stream, and those to come."""
        self._closed = True
        for subscriptions in self._listeners.values():
            for subscription in subscriptions:
                subscription.close()

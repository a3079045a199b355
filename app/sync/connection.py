"""The connection to the server, as real requests found it; `navigator.onLine` is only a hint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from app.ports import Clock
from app.sync.stores import Readable, Unsubscribe, Writable, derived

ConnectionStatus = Literal["connected", "connecting", "disconnected"]


@dataclass(frozen=True)
class ConnectionState:
    """What is known of the connection; `last_connected_at` in milliseconds since the epoch.

    `no_server` is true where the network answers, but no Driftline server does.
    """

    status: ConnectionStatus = "connecting"
    was_disconnected: bool = False
    last_connected_at: int | None = None
    no_server: bool = False


class Connection:
    """The observable connection state; only the engine and the network's hints set it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._state = Writable(ConnectionState())
        self.is_connected: Readable[bool] = derived(
            self._state, lambda state: state.status == "connected"
        )

    def get(self) -> ConnectionState:
        """Return the state as it is now."""
        return self._state.get()

    def subscribe(self, fn: Callable[[ConnectionState], Any]) -> Unsubscribe:
        """Call `fn` with the state now and at each change; returns what ends it."""
        return self._state.subscribe(fn)

    @property
    def status(self) -> ConnectionStatus:
        """`connected`, `connecting` or `disconnected`."""
        return self._state.get().status

    @property
    def was_disconnected(self) -> bool:
        """Whether the connection was ever lost since the start."""
        return self._state.get().was_disconnected

    @property
    def last_connected_at(self) -> int | None:
        """When a request last succeeded, in milliseconds since the epoch."""
        return self._state.get().last_connected_at

    def set_connected(self) -> None:
        """A request was answered by our server; where it was there before, nobody is told."""
        before, now = self._state.get(), self._clock.now()
        state = replace(before, status="connected", last_connected_at=now, no_server=False)
        if replace(before, last_connected_at=now) == state:
            self._state.amend(state)
        else:
            self._state.set(state)

    def set_connecting(self) -> None:
        """A request failed, or none was made yet; it is not known yet whether we are offline."""
        self._state.update(lambda state: replace(state, status="connecting"))

    def set_disconnected(self, *, no_server: bool = False) -> None:
        """Our server cannot be reached; `no_server` if something else answers in its place."""
        self._state.update(
            lambda state: replace(
                state, status="disconnected", was_disconnected=True, no_server=no_server
            )
        )

    def adopt(self, state: ConnectionState) -> None:
        """Take over the state that the leader of this device reported."""
        self._state.set(state)

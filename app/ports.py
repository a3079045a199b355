"""The ports: what Driftline needs from the world, as types. Adapters live in `app/browser/`,
`app/memory.py` and the tests.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Value = dict[str, Any]
Key = str | int | list[Any]


@dataclass(frozen=True)
class IndexDefinition:
    """An index over one or several key paths of a store's values.

    With `multi_entry` the value at `key_path` is a list, and each of its entries is a key. A value
    that has nothing there is not in the index.
    """

    name: str
    key_path: str | tuple[str, ...]
    unique: bool = False
    multi_entry: bool = False


@dataclass(frozen=True)
class StoreDefinition:
    """A store whose values carry their key at `key_path`."""

    name: str
    key_path: str | tuple[str, ...]
    indexes: tuple[IndexDefinition, ...] = ()


@dataclass(frozen=True)
class Upgrade:
    """One named step of the database's history; the list of steps only ever grows.

    `indexes` are new ones of stores that earlier steps made, by the store's name; they hold what
    is stored already, too.
    """

    name: str
    stores: tuple[StoreDefinition, ...] = ()
    indexes: tuple[tuple[str, IndexDefinition], ...] = ()


@dataclass(frozen=True)
class Get:
    """Query: the value with this key, or `None`."""

    store: str
    key: Key


@dataclass(frozen=True)
class Scan:
    """Query: the values within bounds (both inclusive), in key order, as a list.

    With `index`, bounds and order are the index's, then the store's key. A multi-entry index finds
    a value once for each of its keys within the bounds.
    """

    store: str
    index: str | None = None
    lower: Key | None = None
    upper: Key | None = None
    limit: int | None = None
    reverse: bool = False


@dataclass(frozen=True)
class Count:
    """Query: how many values are within bounds (both inclusive)."""

    store: str
    index: str | None = None
    lower: Key | None = None
    upper: Key | None = None


Query = Get | Scan | Count


@dataclass(frozen=True)
class Put:
    """Write: insert the value, or replace the one with its key."""

    store: str
    value: Value


@dataclass(frozen=True)
class Delete:
    """Write: remove the value with this key, if there is one."""

    store: str
    key: Key


@dataclass(frozen=True)
class Batch:
    """What a decision writes, in order, and what `transact` returns for it."""

    writes: Sequence[Put | Delete] = ()
    result: Any = None


Decide = Callable[..., Batch]


class Store(Protocol):
    """Transactional storage on the device.

    `read` answers all queries from one snapshot. `transact` answers the queries, calls the
    synchronous `decide(*results)` inside the same transaction and commits its batch: all of it, or,
    where `decide` or the storage raises, nothing (an exception of `decide` comes back as itself).
    Transactions are serialised, also across tabs. When `transact` returns, the batch is durable.
    """

    async def read(self, *queries: Query) -> list[Any]: ...

    async def transact(self, queries: Sequence[Query], decide: Decide) -> Any: ...


@dataclass(frozen=True)
class HttpResponse:
    """An answer of whatever answered; header names are in lower case.

    An adapter passes on at least content-type, etag, link and retry-after, where they came.
    """

    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)


class Http(Protocol):
    """One request within `timeout` seconds, redirects refused; raises `Unreachable`.

    A `body` is JSON and declared as such; `headers` go along besides.
    """

    async def __call__(
        self,
        method: str,
        url: str,
        body: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float,
    ) -> HttpResponse: ...


class Clock(Protocol):
    """Time: `now` in milliseconds since the epoch, all else in seconds. `call_later` returns what
    takes the call back.
    """

    def now(self) -> int: ...

    async def sleep(self, seconds: float) -> None: ...

    def call_later(self, seconds: float, fn: Callable[[], Any]) -> Callable[[], None]: ...


class Random(Protocol):
    """Randomness: `random` in [0, 1) and `getrandbits`, as in the standard library."""

    def random(self) -> float: ...

    def getrandbits(self, k: int, /) -> int: ...


class Leadership(Protocol):
    """The right to talk to the server, held by one context of the device at a time.

    `hold` waits for the right and then runs `lead`; the right goes on when `lead` ends or the
    context dies.
    """

    async def hold(self, lead: Callable[[], Awaitable[None]]) -> None: ...


class Channel(Protocol):
    """Messages to the other contexts of this device: a hint, never the truth. May lose some."""

    def publish(self, message: Mapping[str, Any]) -> None: ...

    def subscribe(self, receive: Callable[[Mapping[str, Any]], None]) -> Callable[[], None]: ...


@dataclass(frozen=True)
class Listener:
    """Whom an event stream tells: `poked` with a cursor, `alive` at heartbeats, `failed` once."""

    poked: Callable[[str | None], None]
    alive: Callable[[], None]
    failed: Callable[[], None]


OpenStream = Callable[[Listener], Callable[[], None]]
"""Opens the server's event stream for a listener; returns what closes it."""


@dataclass(frozen=True)
class StorageState:
    """Bytes in use and allowed, and whether they may not be cleared; `None` where nobody says."""

    used: int | None = None
    quota: int | None = None
    persistent: bool | None = None


InstallState = Literal["offered", "by_hand", "installed", "unavailable"]
"""Whether the app can be put among the device's own: by a tap, or only by the browser's menu."""

UpdateState = Literal["newest", "ready", "not_kept"]
"""Whether a newer version waits; `not_kept`: there is none to wait, each start loads the newest."""


class Device(Protocol):
    """What a browser offers for the device as a whole; each is a wish that it may refuse.

    `persist` asks it never to clear what is stored, which may ask the person; `save_file` hands
    out a file; `install` ends when they have decided; `watch_install` tells each state.
    """

    async def storage(self) -> StorageState: ...

    async def persist(self) -> bool: ...

    async def save_file(self, name: str, parts: AsyncIterable[str]) -> None: ...

    def watch_install(self, fn: Callable[[InstallState], None]) -> None: ...

    async def install(self) -> None: ...


class Updates(Protocol):
    """Versions of the app: `check` looks for a newer one and raises `Unreachable` where it cannot;
    `apply` switches to the one that waits.
    """

    async def check(self) -> UpdateState: ...

    def apply(self) -> None: ...

"""The world as tests play it: a clock that moves when told, a device, a network with faults."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import json
import random
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from app.core.collections import registry
from app.core.schema import UPGRADES
from app.errors import StorageError, Unreachable
from app.memory import MemoryStore
from app.ports import Batch, Decide, HttpResponse, Query
from app.sync.client import Client, World
from app.sync.rest import RestTransport

API = "https://server.example/api"
START = 1_800_000_000_000
TURNS = 300
"""Turns of the event loop after which whatever needs no time has been done, where the loop does
not tell."""


class FakeClock:
    """Virtual time in milliseconds; `sleep` returns when a test moves the clock far enough."""

    def __init__(self) -> None:
        self.time = START
        self._timers: list[tuple[int, int, asyncio.Future[Any]]] = []
        self._made = 0

    def now(self) -> int:
        return self.time

    async def sleep(self, seconds: float) -> None:
        await self._timer(seconds)

    def call_later(self, seconds: float, fn: Callable[[], Any]) -> Callable[[], None]:
        timer = self._timer(seconds)
        timer.add_done_callback(lambda done: None if done.cancelled() else fn())
        return lambda: (timer.cancel(), None)[1]

    def _timer(self, seconds: float) -> asyncio.Future[None]:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._made += 1
        heapq.heappush(self._timers, (self.time + round(seconds * 1000), self._made, future))
        return future

    async def settle(self) -> None:
        """Let everything happen that needs no time."""
        ready = getattr(asyncio.get_running_loop(), "_ready", None)
        for turn in itertools.count():
            await asyncio.sleep(0)
            if not ready and (ready is not None or turn >= TURNS):
                return

    async def advance(self, seconds: float) -> None:
        """Move the clock, waking whoever sleeps on the way, in order."""
        end = self.time + round(seconds * 1000)
        await self.settle()
        while self._timers and self._timers[0][0] <= end:
            due, _, future = heapq.heappop(self._timers)
            self.time = max(self.time, due)
            if not future.done():
                future.set_result(None)
                await self.settle()
        self.time = end

    async def until(self, condition: Callable[[], bool], within: float = 600.0) -> float:
        """Move the clock to where `condition` holds; returns the seconds that took."""
        start = self.time
        await self.settle()
        while not condition():
            assert self._timers, "nothing will ever happen any more"
            assert self._timers[0][0] <= start + within * 1000, f"did not happen within {within} s"
            await self.advance(max(0.0, (self._timers[0][0] - self.time) / 1000))
        return (self.time - start) / 1000


class FaultyStore(MemoryStore):
    """A memory store that fails when told: before a transaction, or after it was committed.

    Once erased, it answers nothing more.
    """

    def __init__(self) -> None:
        super().__init__(UPGRADES)
        self.fail_when: Callable[[Batch], bool] = lambda _batch: False
        self.erased = False

    async def erase(self) -> None:
        self.erased = True

    async def read(self, *queries: Query) -> list[Any]:
        if self.erased:
            await asyncio.Future()
        return await super().read(*queries)

    async def transact(self, queries: Sequence[Query], decide: Decide) -> Any:
        if self.erased:
            await asyncio.Future()

        def checked(*results: Any) -> Batch:
            batch = decide(*results)
            if self.fail_when(batch):
                raise StorageError("The disk said no.")
            return batch

        return await super().transact(queries, checked)


class Hub:
    """The channel among the contexts of one device."""

    def __init__(self) -> None:
        self.ends: list[HubChannel] = []


class HubChannel:
    """One context's end of a hub; messages arrive in a later turn, as copies."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._receivers: list[Callable[[Mapping[str, Any]], None]] = []
        hub.ends.append(self)

    def publish(self, message: Mapping[str, Any]) -> None:
        text = json.dumps(message)
        for end in self._hub.ends:
            if end is not self:
                asyncio.get_running_loop().call_soon(end.deliver, text)

    def subscribe(self, receive: Callable[[Mapping[str, Any]], None]) -> Callable[[], None]:
        self._receivers.append(receive)
        return lambda: self._receivers.remove(receive)

    def deliver(self, text: str) -> None:
        for receive in list(self._receivers):
            receive(json.loads(text))


class LockedLeadership:
    """Leadership by a lock that the contexts of one device share."""

    def __init__(self, lock: asyncio.Lock) -> None:
        self._lock = lock

    async def hold(self, lead: Callable[[], Awaitable[None]]) -> None:
        async with self._lock:
            await lead()


Answer = HttpResponse | Exception | str
Server = Callable[[str, str, str | None, Mapping[str, str]], HttpResponse]


class FakeNetwork:
    """The `Http` port in front of a server, with a script of faults, one for each request.

    A fault is an answer given in the server's place, an exception raised in its place, or the word
    `lost`: the request reaches the server and the answer is lost. `None` lets the request through.
    While `down`, nothing reaches the server.
    """

    def __init__(self, clock: FakeClock, server: Server) -> None:
        self._clock = clock
        self._server = server
        self.down = False
        self.faults: deque[Answer | None] = deque()
        self.requests: list[tuple[int, str, str, Any]] = []
        self.headers: list[Mapping[str, str]] = []
        self.gate: asyncio.Event | None = None

    async def __call__(
        self,
        method: str,
        url: str,
        body: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float,
    ) -> HttpResponse:
        self.requests.append((self._clock.time, method, url, json.loads(body) if body else None))
        self.headers.append(headers or {})
        await asyncio.sleep(0)
        if self.down:
            raise Unreachable("The network is down.")
        fault = self.faults.popleft() if self.faults else None
        if isinstance(fault, Exception):
            raise fault
        if isinstance(fault, HttpResponse):
            return fault
        if self.gate is not None:
            await self.gate.wait()
        answer = self._server(method, url, body, headers or {})
        await asyncio.sleep(0)
        if fault == "lost":
            raise Unreachable("The answer was lost.")
        return answer

    def pushed(self) -> list[list[str]]:
        """Return the ids of the actions of each request that pushed any."""
        return [
            [action["id"] for action in body["actions"]]
            for _, _, _, body in self.requests
            if body and body["actions"]
        ]


def json_answer(status: int, body: Any, **headers: str) -> HttpResponse:
    """Return an answer as our server gives them."""
    return HttpResponse(status, json.dumps(body), {"content-type": "application/json", **headers})


def error_answer(
    status: int,
    code: str = "error",
    fields: Mapping[str, str] | None = None,
    *,
    retry_after: str | None = None,
) -> HttpResponse:
    """Return an error as our server gives them."""
    body = {"error": {"code": code, "message": "No.", "fields": dict(fields or {})}}
    headers = {} if retry_after is None else {"retry-after": retry_after}
    return json_answer(status, body, **headers)


HTML = HttpResponse(200, "<h1>Log in to use this network</h1>", {"content-type": "text/html"})


class Device:
    """One device: its storage outlives the contexts that are opened and killed on it.

    With `rest` it talks to the server by `RestTransport`.
    """

    def __init__(
        self, clock: FakeClock, network: FakeNetwork, seed: int = 1, *, rest: bool = False
    ) -> None:
        self.rest = rest
        self.clock = clock
        self.network = network
        self.store = FaultyStore()
        self.online = True
        self._random = random.Random(seed)
        self._hub = Hub()
        self._lock = asyncio.Lock()
        self._running: list[asyncio.Task[None]] = []

    async def open(self, *, run: bool = True) -> Client:
        """Open a context and return its client, synchronising unless told otherwise."""
        world = World(
            store=self.store,
            http=self.network,
            clock=self.clock,
            random=self._random,
            leadership=LockedLeadership(self._lock),
            channel=HubChannel(self._hub),
            online=lambda: self.online,
            erase=self.store.erase,
        )
        rest = RestTransport(self.network, self.clock, registry, API) if self.rest else None
        client = Client(world, API, transport=rest)
        await client.start()
        if run:
            self._running.append(asyncio.ensure_future(client.run()))
        return client

    async def kill(self) -> None:
        """Kill all contexts where they stand."""
        self._hub.ends.clear()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._running.clear()

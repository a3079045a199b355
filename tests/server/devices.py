"""Devices as they are, but for the browser: the real client over real connections, in real time."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from app.core.messages import COLLECTION, SEND, Message, compose
from app.core.schema import UPGRADES
from app.errors import Unreachable
from app.memory import MemoryStore
from app.ports import HttpResponse, Listener
from app.sync.client import Client, World
from app.sync.collection import Collection
from app.sync.pokes import Pokes
from tests.fakes import Hub, HubChannel, LockedLeadership


class QuickClock:
    """The time of day; what waits, waits a part of the seconds that it would."""

    def __init__(self, quicker: float = 1) -> None:
        self._quicker = quicker

    def now(self) -> int:
        return time.time_ns() // 1_000_000

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._quicker)

    def call_later(self, seconds: float, fn: Callable[[], Any]) -> Callable[[], None]:
        return asyncio.get_running_loop().call_later(seconds / self._quicker, fn).cancel


class RealHttp:
    """The `Http` port on httpx."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def __call__(
        self,
        method: str,
        url: str,
        body: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float,
    ) -> HttpResponse:
        declared = {} if body is None else {"content-type": "application/json"}
        sent = {**(headers or {}), **declared}
        try:
            answer = await self._http.request(
                method, url, content=body, headers=sent, timeout=timeout
            )
        except httpx.TransportError as error:
            raise Unreachable(f"The server did not answer: {error}") from None
        return HttpResponse(answer.status_code, answer.text, dict(answer.headers))


class RealStreams:
    """Opens event streams as a browser's `EventSource` does; `opened` counts them."""

    def __init__(self, http: httpx.AsyncClient, url: str) -> None:
        self._http = http
        self._url = url
        self.opened = 0
        self.heartbeats = 0

    def __call__(self, listener: Listener) -> Callable[[], None]:
        self.opened += 1
        task = asyncio.ensure_future(self._read(listener))

        def end() -> None:
            task.cancel()

        return end

    async def _read(self, listener: Listener) -> None:
        try:
            async with self._http.stream("GET", self._url, timeout=None) as answer:
                kind = ""
                async for line in answer.aiter_lines():
                    name, _, value = line.partition(": ")
                    if name == "event":
                        kind = value
                    elif name == "data":
                        self._tell(listener, kind, json.loads(value))
        except httpx.TransportError:
            pass
        listener.failed()

    def _tell(self, listener: Listener, kind: str, data: dict[str, Any]) -> None:
        if kind == "changed":
            listener.poked(data["cursor"])
        elif kind == "heartbeat":
            self.heartbeats += 1
            listener.alive()


class RealDevice:
    """A device that runs; `streams` are its event streams, `messages` what its user sees."""

    def __init__(
        self,
        store: MemoryStore,
        client: Client,
        streams: RealStreams,
        messages: Collection[Message],
    ) -> None:
        self.store = store
        self.client = client
        self.streams = streams
        self.messages = messages

    @property
    def texts(self) -> list[str]:
        return [item.value.text for item in self.messages.get_view().items]

    async def send(self, text: str) -> None:
        """Write a message, as a person does."""
        new = self.client.queue.new_id()
        await self.client.queue.add(SEND, compose(text), collection=COLLECTION, item_id=new)

    async def sees(self, *texts: str, within: float = 15) -> None:
        """Wait until the user sees these messages, and nothing waits to be sent."""
        async with asyncio.timeout(within):
            while sorted(self.texts) != sorted(texts) or self.client.status.get().count:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def device(
    api: str,
    *,
    quicker: float = 1,
    streams_at: str | None = None,
    seed: int = 1,
    of: RealDevice | None = None,
) -> AsyncIterator[RealDevice]:
    """Run a device that talks to the API at `api` and listens at `streams_at`.

    With `of` it has what that one has stored.
    """
    clock = QuickClock(quicker)
    store = of.store if of else MemoryStore(UPGRADES)
    async with httpx.AsyncClient() as http:
        world = World(
            store=store,
            http=RealHttp(http),
            clock=clock,
            random=random.Random(seed),
            leadership=LockedLeadership(asyncio.Lock()),
            channel=HubChannel(Hub()),
        )
        client = Client(world, api)
        messages = client.collection(COLLECTION, Message)
        streams = RealStreams(http, f"{streams_at or api}/events")
        pokes = Pokes(streams, clock, client.poke, client.wake)
        await client.start()
        await messages.load(1000)
        running = asyncio.ensure_future(client.run())
        unfollow = client.connection.is_connected.subscribe(pokes.follow)
        try:
            yield RealDevice(store, client, streams, messages)
        finally:
            unfollow()
            pokes.follow(False)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await asyncio.sleep(0)

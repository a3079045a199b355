"""A tab: one context of a device, which can be killed, or frozen, at every await."""

from __future__ import annotations

import asyncio
import contextvars
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from app.core.messages import Message
from app.errors import StorageError
from app.ports import Batch, Decide, Query
from app.sync.client import Client
from app.sync.client import World as Ports
from app.sync.collection import Collection
from tests.simulation.notes import Note

if TYPE_CHECKING:
    from tests.simulation.device import Device

_TAB: contextvars.ContextVar[Tab] = contextvars.ContextVar("tab")


def die_with_their_tab(task: asyncio.Task[Any], context: contextvars.Context | None) -> None:
    """Let a task die with the tab in whose context it was made."""
    tab = context.get(_TAB) if context else _TAB.get(None)
    if tab is not None:
        tab.tasks.append(task)


def owner_of(context: contextvars.Context) -> Tab | None:
    """Return the tab that a context belongs to, if any."""
    return context.get(_TAB)


class TabStore:
    """One tab's way to the storage: it ends with the tab, and it is where crashes are armed."""

    def __init__(self, tab: Tab) -> None:
        self._tab = tab
        self._store = tab.device.store

    async def read(self, *queries: Query) -> list[Any]:
        """Read, as long as the tab lives."""
        return await self._store.read(*queries)

    async def transact(self, queries: Sequence[Query], decide: Decide) -> Any:
        """Transact, as long as the tab lives."""
        name = getattr(decide, "__qualname__", "").split(".")[0]
        self._tab.reach(name)
        self._tab.doing[name] += 1
        try:
            return await self._store.transact(queries, self._fenced(name, decide))
        finally:
            self._tab.doing[name] -= 1

    def _fenced(self, name: str, decide: Decide) -> Decide:
        def fenced(*found: Any) -> Batch:
            if not self._tab.alive:
                raise asyncio.CancelledError
            self._tab.device.deciding = name
            return decide(*found)

        return fenced


class Tab:
    """One context: a client, its views, and all tasks that it started."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.context = contextvars.copy_context()
        self.context.run(_TAB.set, self)
        self.tasks: list[asyncio.Task[Any]] = []
        self.alive = True
        self.frozen = False
        self.doing: Counter[str] = Counter()
        self.client: Client | None = None
        self.views: list[Collection[Any]] = []
        self._receivers: list[Callable[[Mapping[str, Any]], None]] = []
        self.spawn(self._live())

    def spawn(self, coro: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run something that dies with this tab."""
        return asyncio.get_running_loop().create_task(coro, context=self.context.copy())

    async def _live(self) -> None:
        device = self.device
        ports = Ports(
            store=TabStore(self),
            http=device.link,
            clock=device.clock,
            random=device.random,
            leadership=self,
            channel=self,
        )
        client = Client(ports, "https://server.example/api", device.world.registry)
        views: list[Collection[Any]] = [
            client.collection("notes", Note),
            client.collection("messages", Message),
        ]
        try:
            await client.start()
            for view in views:
                await view.load(1000)
        except StorageError:
            device.world.loop.call_soon(self._reload)
            return
        self.client, self.views = client, views
        await client.run()

    def _reload(self) -> None:
        """The page said that it cannot start, and a person reloads it."""
        if self.alive:
            self.crash(kind="reload")
            self.device.open()

    async def hold(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Lead once it is this tab's turn."""
        async with self.device.lock:
            self.device.link.hurry()
            await lead()

    def publish(self, message: Mapping[str, Any]) -> None:
        """Tell the device's other tabs, in a later turn."""
        world = self.device.world
        others = [tab for tab in self.device.tabs if tab is not self]
        text = json.dumps(message) if others else ""
        for tab in others:
            if self._is_lost():
                world.coverage["message_lost", str(message["kind"])] += 1
                self.device.unsure = True
                self.device.unheard |= not self._leads()
            else:
                world.loop.call_soon(tab.deliver, text, context=tab.context)

    def _leads(self) -> bool:
        return self.client is not None and self.client.leading.get()

    def _is_lost(self) -> bool:
        world = self.device.world
        if not world.faulty or not (world.losing_followers or self._leads()):
            return False
        return world.rng.random() < world.losing

    def subscribe(self, receive: Callable[[Mapping[str, Any]], None]) -> Callable[[], None]:
        """Hear the device's other tabs."""
        self._receivers.append(receive)
        return lambda: self._receivers.remove(receive)

    def deliver(self, text: str) -> None:
        """Take a message of another tab."""
        if self.alive:
            for receive in list(self._receivers):
                receive(json.loads(text))

    def reach(self, name: str) -> None:
        """Die some turns after a transaction of this name begins, where a crash is armed."""
        armed = self.device.armed
        if armed is None or armed[0] != name:
            return
        self.device.armed = None
        kind, turns = armed[1], armed[2]

        def countdown(left: int) -> None:
            if not self.alive:
                return
            if left:
                asyncio.get_running_loop().call_soon(countdown, left - 1)
            elif kind == "crash_tab":
                self.crash(name)
            else:
                self.device.crash(name)

        countdown(turns)

    def freeze(self) -> None:
        """Stop where it stands, with all that it holds, until it thaws."""
        self.frozen = True
        self.device.world.loop.freeze(self)

    def thaw(self) -> None:
        """Go on; the browser says so to a page that comes back."""
        if self.frozen:
            self.frozen = False
            self.device.unsure = True
            self.device.link.hurry()
            self.device.world.loop.thaw(self)
            self.device.tapped()
            self.device.world.loop.call_soon(self._resume, context=self.context)

    def _resume(self) -> None:
        if self.alive and self.client is not None:
            self.client.resume()

    def crash(self, phase: str | None = None, kind: str = "crash_tab") -> None:
        """Die where it stands."""
        if not self.alive:
            return
        if kind == "crash_tab":
            self.device.world.coverage[kind, phase or self.device.phase] += 1
        self.device.unheard |= not self._leads() and any(self.doing.values())
        self.alive = False
        self.thaw()
        self.device.tabs.remove(self)
        self.device.unsure = True
        for task in self.tasks:
            task.cancel()

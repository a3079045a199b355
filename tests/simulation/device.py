"""A device: its storage outlives its tabs, which can be killed at every await."""

from __future__ import annotations

import asyncio
import contextvars
import json
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from app.core.messages import Message
from app.core.schema import METADATA, UPGRADES
from app.errors import StorageError
from app.memory import MemoryStore
from app.ports import Batch, Decide, Get, Query
from app.sync.client import Client
from app.sync.client import World as Ports
from app.sync.collection import Collection
from tests.fakes import LockedLeadership
from tests.simulation.clock import DeviceClock
from tests.simulation.network import Link
from tests.simulation.notes import Note

if TYPE_CHECKING:
    from tests.simulation.world import World

_TAB: contextvars.ContextVar[Tab] = contextvars.ContextVar("tab")


def task_factory(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
    """Make a task that dies with the tab in whose context it was made."""
    task: asyncio.Task[Any] = asyncio.Task(coro, loop=loop, **options)
    context = options.get("context") or contextvars.copy_context()
    tab = context.get(_TAB)
    if tab is not None:
        tab.tasks[task] = None
        task.add_done_callback(lambda done: tab.tasks.pop(done, None))
    return task


class SimStore(MemoryStore):
    """A device's storage: the N-th transaction from now can fail; every commit is looked at."""

    def __init__(self) -> None:
        super().__init__(UPGRADES)
        self.abort_in = 0
        self.aborting: Callable[[], None] = lambda: None
        self.watch: Callable[[Batch], None] = lambda _: None

    def _commit(self, batch: Batch) -> None:
        if self.abort_in:
            self.abort_in -= 1
            if not self.abort_in:
                self.aborting()
                raise StorageError("The disk said no.")
        self.watch(batch)
        super()._commit(batch)


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
        self.tasks: dict[asyncio.Task[Any], None] = {}
        self.alive = True
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
            leadership=LockedLeadership(device.lock),
            channel=self,
        )
        client = Client(ports, "https://server.example/api", device.world.registry)
        views: list[Collection[Any]] = [
            client.collection("notes", Note),
            client.collection("messages", Message),
        ]
        await client.start()
        for view in views:
            await view.load(1000)
        self.client, self.views = client, views
        await client.run()

    def publish(self, message: Mapping[str, Any]) -> None:
        """Tell the device's other tabs, in a later turn."""
        text = json.dumps(message)
        loop = asyncio.get_running_loop()
        for tab in self.device.tabs:
            if tab is not self:
                loop.call_soon(tab.deliver, text, context=tab.context.copy())

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

    def crash(self, phase: str | None = None, kind: str = "crash_tab") -> None:
        """Die where it stands."""
        if not self.alive:
            return
        if kind == "crash_tab":
            self.device.world.coverage[kind, phase or self.device.phase] += 1
        self.alive = False
        self.device.tabs.remove(self)
        self.device.unsure = True
        for task in list(self.tasks):
            task.cancel()


class Device:
    """A store, a clock, a network link, a lock, and tabs."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.number = number
        self.store = SimStore()
        self.clock = DeviceClock(world.clock)
        self.random = random.Random(f"{world.seed}-{number}")
        self.lock = asyncio.Lock()
        self.link = Link(world, self)
        self.tabs: list[Tab] = []
        self.armed: tuple[str, str, int] | None = None
        self.deciding = ""
        self.unsure = False

    def open(self) -> Tab:
        """Open a tab."""
        tab = Tab(self)
        self.tabs.append(tab)
        return tab

    def crash(self, phase: str | None = None) -> None:
        """All tabs die at once."""
        self.world.coverage["crash_device", phase or self.phase] += 1
        for tab in list(self.tabs):
            tab.crash(kind="crash_device")

    def client_id(self) -> str:
        """Return the id under which the device's actions are sent, empty before the first start."""
        known = self.store._answer(Get(METADATA, "client_id"))
        return "" if known is None else str(known["value"])

    @property
    def phase(self) -> str:
        """What the device is doing."""
        for name in ("enqueue", "claim", "settle", "requeue"):
            if any(tab.doing[name] for tab in self.tabs):
                return name
        return "in_flight" if self.link.in_flight else "idle"

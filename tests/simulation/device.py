"""A device: its storage, which outlives its tabs, its clock, and its way to the server."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from app.core.schema import METADATA, UPGRADES
from app.errors import StorageError
from app.memory import MemoryStore
from app.ports import Batch, Get
from tests.simulation.clock import DeviceClock
from tests.simulation.network import Link
from tests.simulation.tab import Tab

if TYPE_CHECKING:
    from tests.simulation.world import World


class SimStore(MemoryStore):
    """A device's storage: the N-th transaction from now can fail; every commit is looked at."""

    def __init__(self) -> None:
        super().__init__(UPGRADES)
        self.abort_in = 0
        self.aborting: Callable[[], None] = lambda: None
        self.watch: Callable[[Batch], None] = lambda _: None

    def texts(self, store: str) -> list[str]:
        """Return the values of a store as JSON, without any time passing."""
        return [kept.text for kept in self._kept[store].values()]

    def _commit(self, batch: Batch) -> None:
        if self.abort_in:
            self.abort_in -= 1
            if not self.abort_in:
                self.aborting()
                raise StorageError("The disk said no.")
        self.watch(batch)
        super()._commit(batch)


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
        self.unheard = False

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

    def wipe(self) -> None:
        """The browser dies, and finds its database damaged at the next start: all is gone."""
        self.crash()
        self.world.watches[self.number].wiped_out()
        self.store = SimStore()
        self.take_storage()

    def take_storage(self) -> None:
        """Have what is done with the storage looked at."""
        self.store.watch = self.world.watches[self.number]
        self.store.aborting = self._aborting

    def _aborting(self) -> None:
        self.world.coverage["store_abort", self.deciding] += 1

    def tapped(self) -> None:
        """Note that a person, or the network coming back, asks for a request now."""
        self.world.taps[self.number].append(self.world.clock.time)
        self.link.hurry()

    def sign_in(self) -> None:
        """A person signs in, or updates the app, and comes back to the page."""
        if self.link.gate is None:
            return
        self.link.gate = None
        awake = [tab for tab in self.tabs if tab.client is not None and not tab.frozen]
        if awake:
            self.tapped()
            awake[0].client.wake(urgent=True)

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

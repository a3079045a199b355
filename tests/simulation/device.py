"""A device: its storage, which outlives its tabs, its clock, and its way to the server."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from app.core.metadata import CLIENT_ID, CURSOR, id_of, text_of
from app.core.schema import UPGRADES
from app.errors import StorageError
from app.memory import MemoryStore, Stores, Uniques
from app.ports import Batch
from tests.simulation.clock import DeviceClock
from tests.simulation.network import Link
from tests.simulation.tab import Tab

if TYPE_CHECKING:
    from tests.simulation.checks import Seen
    from tests.simulation.world import World

Copied = tuple[Stores, Uniques]


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

    def copied(self) -> Copied:
        """Return a copy of all that is stored."""
        # What is inside is never changed, only replaced.
        return dict(self._kept), dict(self._unique)

    def become(self, copied: Copied) -> None:
        """Hold what is in a copy."""
        self._kept, self._unique = dict(copied[0]), dict(copied[1])

    def damage(self, batch: Batch) -> None:
        """Write what nobody would, and nobody looks at."""
        super()._commit(batch)

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
        self.is_older = False
        self._kept: tuple[Copied, Seen] | None = None

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

    def keep(self) -> None:
        """Keep a copy of the storage as it is now."""
        self._kept = self.store.copied(), self.world.watches[self.number].snapshot()

    def roll_back(self) -> bool:
        """The browser dies, and at its next start the storage is what it was in the copy."""
        if self._kept is None:
            return False
        stored, seen = self._kept
        self.crash()
        self.world.watches[self.number].put_back(seen)
        self.store = SimStore()
        self.store.become(stored)
        self.take_storage()
        self.is_older = True
        return True

    def poke(self, cursor: str | None) -> bool:
        """The server says to the tab that leads that there is something new."""
        for tab in self.tabs:
            if tab.client is not None and not tab.frozen and tab.client.leading.get():
                tab.client.poke(cursor)
                return True
        return False

    def cursor(self) -> str | None:
        """Return how far the device has pulled."""
        return text_of(self.store._answer(CURSOR))

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
        awake = [tab.client for tab in self.tabs if tab.client is not None and not tab.frozen]
        if awake:
            self.tapped()
            awake[0].wake(urgent=True)

    def client_id(self) -> str:
        """Return the id under which the device's actions are sent, empty before the first start."""
        return id_of(self.store._answer(CLIENT_ID)) or ""

    @property
    def phase(self) -> str:
        """What the device is doing."""
        for name in ("enqueue", "claim", "settle", "requeue"):
            if any(tab.doing[name] for tab in self.tabs):
                return name
        return "in_flight" if self.link.in_flight else "idle"

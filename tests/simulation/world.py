"""A world: devices with tabs, a server, networks, and one seed that chooses all steps."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter

from app.protocol import Result
from tests.simulation import quiet
from tests.simulation.checks import Ledger, Watch, check_held, entries_of
from tests.simulation.clock import SimClock
from tests.simulation.coverage import NETWORK, Coverage
from tests.simulation.device import Device, task_factory
from tests.simulation.notes import own_registry
from tests.simulation.person import Person
from tests.simulation.server import SimServer

STEPS = {
    "act": 40,
    "time": 40,
    "crash": 6,
    "arm": 6,
    "open": 8,
    "abort": 4,
    "jump": 2,
    "cut": 3,
    "mend": 4,
    "script": 5,
    "online": 4,
}
"""Kinds of steps, and how often each is chosen."""

PUSHES = ("drop_answer", "kill_after_commit", "error_500", "delay_answer", "")
"""What a script of faults lets happen to the next pushes of a device, one after the other."""

DRAINED_WITHIN = 5_400.0
"""Seconds within which everything drains once the faults have stopped: an hour that
an action may be put off, the longest backoff, and one round more."""


class Violation(AssertionError):
    """An invariant is broken; the message says how to replay it."""


class _Defects(logging.Handler):
    """Whatever the product logs as a defect is one."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.ERROR)
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self._world.fail(0, f"{record.getMessage()}: {error!r}")


class World:
    """Everything of one schedule; `fail` notes a broken invariant by its number."""

    def __init__(self, seed: int, steps: int = 100) -> None:
        self.seed = seed
        self.steps = steps
        self.rng = random.Random(seed)
        self.clock = SimClock()
        self.registry = own_registry()
        self.coverage: Coverage = Counter()
        self.broken: list[str] = []
        self.step = 0
        self.faulty = True
        self.fault_rate = self.rng.choice((0.0, 0.1, 0.3, 0.5))
        self.faults = self.rng.sample(NETWORK, self.rng.randint(1, len(NETWORK)))
        self.ledger = Ledger(self)
        self.server = SimServer(self.registry, lambda: self.clock.time)
        self.server.committed = self.ledger.commit
        self.server.verdicts = self._verdict
        self.server.crashed = lambda error: self.fail(0, f"the server raised {error!r}")
        self.devices = [Device(self, n) for n in range(self.rng.randint(2, 5))]
        self.watches = {device.number: Watch(self, device) for device in self.devices}
        self.taps: dict[int, list[int]] = {device.number: [] for device in self.devices}
        for device in self.devices:
            device.store.watch = self.watches[device.number]
            device.store.aborting = lambda d=device: self._aborting(d)
        self.person = Person(self)

    def fail(self, invariant: int, message: str) -> None:
        """Note that an invariant is broken."""
        self.broken.append(f"invariant {invariant}: {message}")

    def is_discarded(self, action_id: str) -> bool:
        """Tell whether a person discarded an action; one that was sent may still arrive."""
        return any(action_id in watch.discarded for watch in self.watches.values())

    def network_fault(self) -> str | None:
        """Choose what happens to a request."""
        if not self.faulty or self.rng.random() >= self.fault_rate:
            return None
        return self.rng.choice(self.faults)

    def _verdict(self, result: Result) -> None:
        self.coverage["verdict", result.verdict] += 1

    def _aborting(self, device: Device) -> None:
        self.coverage["store_abort", device.deciding] += 1

    async def run(self) -> None:
        """Take the steps, heal, and check; raises `Violation`."""
        asyncio.get_running_loop().set_task_factory(task_factory)
        log = logging.getLogger("app")
        handler, propagate, log.propagate = _Defects(self), log.propagate, False
        log.addHandler(handler)
        try:
            for device in self.devices:
                for _ in range(self.rng.randint(1, 3)):
                    device.open()
            await self.clock.settle()
            for step in range(1, self.steps + 1):
                self.step = step
                await self._step()
                await self._check()
            await self._heal()
        finally:
            log.removeHandler(handler)
            log.propagate = propagate
            for device in self.devices:
                for tab in list(device.tabs):
                    tab.crash(kind="end")
            await self.clock.settle()

    async def _step(self) -> None:
        kind = self.rng.choices(list(STEPS), list(STEPS.values()))[0]
        device = self.rng.choice(self.devices)
        rng = self.rng
        if kind == "act":
            self.person.act(device)
        elif kind == "time":
            await self.clock.advance(rng.choice((0.05, 0.2, 1.0, 5.0, 40.0)) * rng.random())
        elif kind == "crash":
            self.person.act(device)
            for _ in range(rng.randint(0, 12)):
                await asyncio.sleep(0)
            self._crash(device)
        elif kind == "arm":
            name = rng.choice(("enqueue", "claim", "settle", "requeue"))
            device.armed = (name, rng.choice(("crash_tab", "crash_device")), rng.randint(0, 3))
        elif kind == "open":
            if len(device.tabs) < 3:
                device.open()
        elif kind == "abort":
            device.store.abort_in = rng.randint(1, 5)
        elif kind == "jump":
            device.clock.skew += round(rng.uniform(-5, 5) * 3_600_000)
            self.coverage["clock_jump", device.phase] += 1
        elif kind == "cut":
            way = rng.choice(("out", "in"))
            device.link.cut.add(way)
            self.coverage[f"cut_{way}", device.phase] += 1
        elif kind == "script":
            device.link.script = rng.choices(PUSHES, k=3)
            self.person.act(device)
            await self.clock.advance(rng.random())
            self.person.act(rng.choice(self.devices))
        elif kind == "mend":
            device.link.cut.clear()
        elif device.tabs and (client := rng.choice(device.tabs).client):
            self.taps[device.number].append(self.clock.time)
            client.wake(urgent=True)

    def _crash(self, device: Device) -> None:
        if not device.tabs:
            return
        if self.rng.random() < 0.4:
            device.crash()
        else:
            self.rng.choice(device.tabs).crash()

    async def _check(self) -> None:
        await self.clock.settle()
        device = self.rng.choice(self.devices)
        quiet.check_requests(self, device)
        check_held(self, device)
        if device.unsure and self.rng.random() < 0.3:
            await self._look_again(device)
        if device.tabs and not device.unsure:
            quiet.check_view(self, self.rng.choice(device.tabs))
        self._raise()

    async def _look_again(self, device: Device) -> None:
        """A tab that died may not have said what it changed: the others read it again."""
        device.unsure = False
        for tab in device.tabs:
            for view in tab.views:
                tab.spawn(view.load(1000))
        await self.clock.settle()

    async def _heal(self) -> None:
        """Faults stop: everything drains by itself, and what is tapped then goes at once."""
        self.faulty = self.server.poison = False
        for device in self.devices:
            device.link.cut.clear()
            device.link.script = []
            device.store.abort_in = 0
            device.armed = None
            if not device.tabs:
                device.open()
        healed = self.clock.time
        while reason := quiet.unfinished(self):
            await self.clock.advance(10)
            self._raise()
            if self.clock.time - healed > DRAINED_WITHIN * 1000:
                self.fail(11, f"{DRAINED_WITHIN:.0f} s after the faults stopped: {reason}")
                break
        self._raise()
        await self._tap()
        quiet.check_saved(self)
        quiet.check_server(self)
        quiet.check_converged(self)
        self._raise()

    async def _tap(self) -> None:
        """Once all is quiet, a new action of each device goes within seconds."""
        await self.clock.advance(130)
        for device in self.devices:
            self.person.send_message(self.rng.choice(device.tabs))
        await self.clock.advance(5)
        for device in self.devices:
            for entry in entries_of(device):
                if entry.collection == "messages" and entry.state in ("pending", "in_flight"):
                    self.fail(11, f"device {device.number}: a tap was not sent within 5 s")
        await self.clock.advance(70)
        if reason := quiet.unfinished(self):
            self.fail(11, f"after a tap with no faults: {reason}")

    def _raise(self) -> None:
        if self.broken:
            replay = f"python -m tests.simulation --seed {self.seed} --steps {self.steps}"
            raise Violation(f"seed {self.seed}, step {self.step}: {self.broken[0]}\n  {replay}")
